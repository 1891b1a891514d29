"""Addresses that a server listens on, bound before they are announced."""

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from assay.corpus.errors import AssayError

MAX_PORT = 65_535
BACKLOG = 2048  # as uvicorn has it
ACCEPTED_PER_ITERATION = 16
# A name such as localhost resolves to several addresses, and a machine may lack some of them.
MISSING = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
OTHER_HOST = "this machine has no such address; use --host with one of its addresses, or 0.0.0.0 for all"
UNKNOWN_HOST = "the host is unknown; use --host with an address of this machine, such as 127.0.0.1"
PRIVILEGED = "ports below 1024 need privileges; use {option} with another port, such as 8080"
IN_USE = "another process is listening on it; use {option} with another port, or stop that process"


def check_port(port: int, option: str = "--port", *, least: int = 0) -> None:
    """Check that a number is a valid port.

    Raises:
        AssayError: the number is out of range.
    """
    if not least <= port <= MAX_PORT:
        free = "" if least else ", and 0 selects any free one"
        raise AssayError(f"{option} is {port}; ports are 1 to {MAX_PORT}{free}")


def bind(host: str, port: int, option: str = "--port") -> list[socket.socket]:
    """Bind an address, so that no other process can; connections are refused until `listen`.

    Args:
        host: address or name.
        port: port; 0 selects any free one.
        option: command line option of the port, for errors.

    Returns:
        One socket per address that the host resolves to.

    Raises:
        AssayError: the address is in use, does not belong to this machine, or needs privileges.
    """
    check_port(port, option)
    try:
        return _bind(host, port)
    except (OSError, UnicodeError) as error:
        raise AssayError(f"cannot listen on {format_address(host, port)}: {_remedy(error, option)}") from error


def listen(sockets: Sequence[socket.socket], host: str, option: str = "--port") -> str:
    """Accept connections.

    Returns:
        URL with the port that is bound.

    Raises:
        AssayError: another process listens on the address.
    """
    port = int(sockets[0].getsockname()[1])
    try:
        for bound in sockets:
            bound.listen(BACKLOG)
    except OSError as error:
        raise AssayError(f"cannot listen on {format_address(host, port)}: {_remedy(error, option)}") from error
    return f"http://{format_address(host, port)}"


def listeners(sockets: Sequence[socket.socket]) -> list[socket.socket]:
    """Return each listening socket, and copies of it for the event loop to watch, too.

    libuv, the event loop below uvloop, accepts one connection per socket in each iteration, however many wait. Under
    load an iteration takes 10 ms and more, so that the last of 500 new connections would wait for 5 seconds.
    """
    return [copy for each in sockets for copy in (each, *(each.dup() for _ in range(ACCEPTED_PER_ITERATION - 1)))]


@contextmanager
def bound_sockets(host: str, port: int, option: str = "--port") -> Iterator[list[socket.socket]]:
    """Bind an address within a `with` block, and release it afterwards.

    Raises:
        AssayError: see `bind`.
    """
    with ExitStack() as stack:
        yield [stack.enter_context(bound) for bound in bind(host, port, option)]


def check_free(host: str, port: int, option: str) -> None:
    """Check that another program can bind a port.

    Raises:
        AssayError: the port is invalid or in use.
    """
    check_port(port, option, least=1)
    with bound_sockets(host, port, option):
        pass


def format_address(host: str, port: int) -> str:
    """Return host and port as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bind(host: str, port: int) -> list[socket.socket]:
    addresses = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    missing_error: OSError | None = None
    with ExitStack() as stack:
        bound: list[socket.socket] = []
        for family, kind, protocol, _, (name, _, *scope) in dict.fromkeys(addresses):
            candidate = stack.enter_context(socket.socket(family, kind, protocol))
            try:
                candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    candidate.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                candidate.bind((name, bound[0].getsockname()[1] if bound else port, *scope))
            except OSError as error:
                if error.errno not in MISSING:
                    raise
                candidate.close()
                missing_error = error
            else:
                bound.append(candidate)
        if not bound and missing_error is not None:
            raise missing_error
        stack.pop_all()
        return bound


def _remedy(error: OSError | UnicodeError, option: str) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):
        return UNKNOWN_HOST
    if error.errno in MISSING:
        return OTHER_HOST
    if error.errno in (errno.EACCES, errno.EPERM):
        return PRIVILEGED.format(option=option)
    if error.errno == errno.EADDRINUSE:
        return IN_USE.format(option=option)
    return f"{error.strerror}; use --host and {option} with another address"

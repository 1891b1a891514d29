"""Files at fsspec addresses such as `s3://bucket/rows.jsonl`, by way of local copies.

Readers seek in a file and scan it before they read it, so a copy is faster than the network.
A copy is replaced when the fingerprint of the remote file (size, time, digest) has changed.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assay.corpus.errors import AssayError, first_line
from assay.corpus.extras import install_command
from assay.corpus.storage.atomic import atomic_path
from assay.corpus.storage.cache import user_cache
from assay.corpus.storage.disk_errors import disk_line

FINGERPRINT = ".fingerprint"


def is_remote(address: str) -> bool:
    """Return whether a file is named by an address instead of a path."""
    return "://" in address


def fetch_files(address: str) -> list[Path]:
    """Return local copies of the files at an address or glob, sorted; empty if there are none.

    Raises:
        AssayError: the address is of an unknown kind or is not responding.
    """
    with _remote_errors(address):
        system, root = _open(address)
        names = [root] if system.isfile(root) else sorted(name for name in system.glob(root) if system.isfile(name))
        return [_copy(system, address.partition("://")[0], name) for name in names]


def fetch_file(address: str) -> Path:
    """Return a local copy of one file.

    Raises:
        AssayError: there is no such file, or the address is not responding.
    """
    paths = fetch_files(address)
    if len(paths) != 1:
        raise AssayError(f"{address} names {len(paths)} files; name one, or download a folder by other means first")
    return paths[0]


def address_of(path: Path) -> str:
    """Return the address of a local copy; for any other file, its path."""
    if not path.is_relative_to(copies()):
        return path.as_posix()
    protocol, *parts = path.relative_to(copies()).parts
    return f"{protocol}://{'/'.join(parts)}"


def send_file(path: Path, address: str) -> None:
    """Upload a file to an address, replacing any file there; it appears completely or not at all.

    Raises:
        AssayError: the address is not responding, or refuses the write.
    """
    with _remote_errors(address):
        system, name = _open(address)
        system.put_file(str(path), name)


def exists(address: str) -> bool:
    """Return whether there is a file at an address.

    Raises:
        AssayError: the address is of an unknown kind or is not responding.
    """
    with _remote_errors(address):
        system, name = _open(address)
        return bool(system.exists(name))


def remove_file(address: str) -> None:
    """Remove the file at an address if it exists.

    Raises:
        AssayError: the address is not responding, or refuses the removal.
    """
    with _remote_errors(address):
        system, name = _open(address)
        if system.exists(name):
            system.rm_file(name)


def copies() -> Path:
    """Return the folder of local copies."""
    return user_cache().resolve() / "files"


def _copy(system: Any, protocol: str, name: str) -> Path:
    path = copies() / protocol / name.strip("/")
    fingerprint_path = path.with_name(path.name + FINGERPRINT)
    fingerprint = str(system.ukey(name))
    if not (
        path.is_file() and fingerprint_path.is_file() and fingerprint_path.read_text(encoding="utf-8") == fingerprint
    ):
        fingerprint_path.unlink(missing_ok=True)
        with atomic_path(path) as partial:
            system.get_file(name, str(partial))
        fingerprint_path.write_text(fingerprint, encoding="utf-8")
    return path


def _open(address: str) -> tuple[Any, str]:
    import fsspec

    if address.startswith(("http://", "https://")):
        raise AssayError(
            f"{address}: a web server may not report when a file has changed; download it and name the copy"
        )
    system, name = fsspec.url_to_fs(address, use_listings_cache=False)
    return system, name


@contextmanager
def _remote_errors(address: str) -> Iterator[None]:
    try:
        yield
    except AssayError:
        raise
    except ImportError as error:
        raise AssayError(
            f"{address} needs {error.name or 'a package'}; for s3:// run {install_command('s3')}"
        ) from error
    except Exception as error:  # each driver raises its own error types
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise AssayError(disk_line(error, copies())) from error
        raise AssayError(
            f"{address} is not responding ({type(error).__name__}: {first_line(error)}); check the address and the "
            "credentials"
        ) from error

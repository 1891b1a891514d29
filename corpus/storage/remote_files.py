"""Files at fsspec addresses such as `s3://bucket/rows.jsonl`, by way of copies on this machine.

Readers go back and forth in a file, and look it through before they read it, so that a copy is faster than the network.
A copy is made anew when the file at the address has changed, by what its server says of it (size, time, digest).
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from assay.corpus.errors import AssayError, first_line
from assay.corpus.storage.atomic import atomic_path
from assay.corpus.storage.cache import user_cache
from assay.corpus.storage.disk_errors import disk_line

FINGERPRINT = ".fingerprint"


def is_remote(address: str) -> bool:
    """Whether a file is named by an address and not by a path."""
    return "://" in address


def fetch_files(address: str) -> list[Path]:
    """Copies of the files that an address names, which may be a glob; sorted, and empty where there is none.

    Raises:
        AssayError: the address is of an unknown kind, or does not answer.
    """
    with _answering(address):
        system, root = _open(address)
        names = [root] if system.isfile(root) else sorted(name for name in system.glob(root) if system.isfile(name))
        return [_copy(system, address.partition("://")[0], name) for name in names]


def fetch_file(address: str) -> Path:
    """A copy of one file.

    Raises:
        AssayError: there is no such file, or the address does not answer.
    """
    found = fetch_files(address)
    if len(found) != 1:
        raise AssayError(f"{address} names {len(found)} files; name one, or get a folder by other means first")
    return found[0]


def name_of(path: Path) -> str:
    """The address that a copy was made from; of any other file, its path."""
    if not path.is_relative_to(copies()):
        return path.as_posix()
    protocol, *parts = path.relative_to(copies()).parts
    return f"{protocol}://{'/'.join(parts)}"


def send_file(path: Path, address: str) -> None:
    """Write a file to an address, over what lies there; it appears whole or not at all.

    Raises:
        AssayError: the address does not answer, or refuses.
    """
    with _answering(address):
        system, name = _open(address)
        system.put_file(str(path), name)


def remove_file(address: str) -> None:
    """Remove what lies at an address, if anything does.

    Raises:
        AssayError: the address does not answer, or refuses.
    """
    with _answering(address):
        system, name = _open(address)
        if system.exists(name):
            system.rm_file(name)


def copies() -> Path:
    """Where copies lie."""
    return user_cache().resolve() / "files"


def _copy(system: Any, protocol: str, name: str) -> Path:
    path = copies() / protocol / name.strip("/")
    mark = path.with_name(path.name + FINGERPRINT)
    fingerprint = str(system.ukey(name))
    if not (path.is_file() and mark.is_file() and mark.read_text(encoding="utf-8") == fingerprint):
        mark.unlink(missing_ok=True)
        with atomic_path(path) as partial:
            system.get_file(name, str(partial))
        mark.write_text(fingerprint, encoding="utf-8")
    return path


def _open(address: str) -> tuple[Any, str]:
    import fsspec

    if address.startswith(("http://", "https://")):
        raise AssayError(
            f"{address}: a web server need not say when a file has changed; get it first and name the copy"
        )
    system, name = fsspec.url_to_fs(address, use_listings_cache=False)
    return system, name


@contextmanager
def _answering(address: str) -> Iterator[None]:
    try:
        yield
    except AssayError:
        raise
    except ImportError as error:
        raise AssayError(f"{address} needs {error.name or 'a package'}; pip install 'assay[s3]' for s3://") from error
    except Exception as error:  # each driver has kinds of errors of its own
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise AssayError(disk_line(error, copies())) from error
        raise AssayError(
            f"{address} does not answer ({type(error).__name__}: {first_line(error)}); check the address and the "
            "credentials"
        ) from error

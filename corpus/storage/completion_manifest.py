"""The file that is written last into a folder: without it, what the folder holds is not whole."""

from pathlib import Path

from assay.corpus.errors import AssayError


def read_manifest(folder: Path, name: str, what: str, remedy: str) -> bytes:
    """The bytes of the marker `name`.

    Raises:
        AssayError: it is not there, so `what` was never finished; the line ends with the remedy.
    """
    path = folder / name
    if not path.is_file():
        raise AssayError(f"{folder} holds no {name}: not {what}; {remedy}")
    return path.read_bytes()

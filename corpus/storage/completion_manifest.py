"""Completion manifests: the file written last into a folder, without which the folder is incomplete."""

from pathlib import Path

from assay.corpus.errors import AssayError


def read_manifest(folder: Path, name: str, what: str, remedy: str) -> bytes:
    """Return the bytes of the manifest `name`.

    Raises:
        AssayError: the manifest is missing, so `what` never finished; the message ends with the remedy.
    """
    path = folder / name
    if not path.is_file():
        raise AssayError(f"{folder} holds no {name}: not {what}; {remedy}")
    return path.read_bytes()

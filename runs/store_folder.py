"""The folder of a store, checked before anything is started for it."""

import os
from pathlib import Path

from assay.corpus.errors import AssayError


def check_store(store: Path) -> None:
    """Check that runs can be written to a store, without creating it.

    Raises:
        AssayError: a file stands in its place, or the user may not write there.
    """
    place = next(folder for folder in (store.resolve(), *store.resolve().parents) if folder.exists())
    if not place.is_dir():
        raise AssayError(f"--store {store}: {place} is a file; move it away, or name another folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise AssayError(
            f"--store {store}: {place} is not writable; change its permissions or its owner, or name another folder"
        )

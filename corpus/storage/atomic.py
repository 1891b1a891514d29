"""Files and folders that appear completely or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPLACED = "replaced"
PARTIAL = ".partial"  # suffix of the name of an incomplete file


@contextmanager
def atomic_path(target: Path, folder: Path | None = None) -> Iterator[Path]:
    """Yield a path to write to, which replaces `target` when the block succeeds.

    When the block raises, the written file is removed and the target stays as it was.

    Args:
        target: the final path.
        folder: folder of the temporary file, on the same file system; None writes beside the target.
    """
    folder = folder or target.parent
    target.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=target.suffix, dir=folder)
    except OSError as error:
        error.filename = str(target)  # the name that the user knows
        raise
    partial = Path(name)
    try:
        os.close(handle)
        yield partial
        _flush(partial)
        # mkstemp makes the file private; an output gets the permissions of any new file.
        partial.chmod(0o666 & ~_umask())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a folder to write to, which replaces `target` when the block succeeds."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield partial
        publish_folder(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def publish_folder(partial: Path, target: Path) -> None:
    """Flush every file of `partial` to the disk and give it the name `target`.

    An earlier folder of that name is first moved aside, as `.NAME.*/REPLACED`: removing it takes time, and a process
    killed meanwhile must not leave a part of it under that name.
    """
    for path in partial.rglob("*"):
        if path.is_file():
            _flush(path)
    partial.chmod(0o777 & ~_umask())
    if not target.exists():
        partial.rename(target)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    target.rename(aside / REPLACED)
    partial.rename(target)
    shutil.rmtree(aside)


def recover_folders(parent: Path, pattern: str) -> None:
    """Recover from an interrupted `atomic_folder`: restore the old folder if the new one is missing, and clean up.

    No other process may be writing to `parent`.
    """
    for aside in parent.glob(f".{pattern}"):
        target = parent / aside.name[1:].rpartition(".")[0]
        if (aside / REPLACED).exists() and not target.exists():
            (aside / REPLACED).rename(target)
        shutil.rmtree(aside)


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

"""Files and folders that appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPLACED = "replaced"
PARTIAL = ".partial"  # ends the name of what is not whole yet


@contextmanager
def atomic_path(target: Path, folder: Path | None = None) -> Iterator[Path]:
    """Give a path beside `target` to write to; it takes the target's place when the block ends well.

    When the block raises, what was written is removed and the target is as it was.

    Args:
        target: what is to be.
        folder: where to write until then, on the same file system; none: beside the target.
    """
    folder = folder or target.parent
    target.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=target.suffix, dir=folder)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        _flush(partial)
        # mkstemp makes the file private; an output has the permissions of any new file.
        partial.chmod(0o666 & ~_umask())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """As `atomic_path`, for a folder: an earlier folder of that name is replaced at the end."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield partial
        publish_folder(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def publish_folder(partial: Path, target: Path) -> None:
    """Flush every file of `partial` to the disk and give it the name `target`.

    An earlier folder of that name goes aside first, as `.NAME.*/REPLACED`: removing it takes time, and who is killed
    meanwhile must not leave a part of it under that name.
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


def mend_folders(parent: Path, pattern: str) -> None:
    """Put right what `atomic_folder` left where it was killed: folders of these names are the old ones or the new ones.

    Nobody may be writing there.
    """
    for left in parent.glob(f".{pattern}"):
        target = parent / left.name[1:].rpartition(".")[0]
        if (left / REPLACED).exists() and not target.exists():
            (left / REPLACED).rename(target)
        shutil.rmtree(left)


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

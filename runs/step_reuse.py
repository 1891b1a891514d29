"""Finished results of other runs: found by the digest of what went into them, and linked into a run.

A link is a name of its own for the same file: a result stays whole when the run that made it is removed, and no
process changes a finished file in place.
"""

import errno
import glob
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from assay.corpus.storage.atomic import PARTIAL, publish_folder
from assay.runs.step_result import STEP_MANIFEST, read_step_manifest, verified_files

_FULL = {errno.ENOSPC, errno.EDQUOT}

_logger = logging.getLogger(__name__)


def link_result(folder: Path, content: str) -> bool:
    """Link the finished result of another run of the store with the same content into the folder of a step.

    A result that is damaged, unreadable, or being removed counts as missing.

    Args:
        folder: of the step, in the folder of its run.
        content: digest of what goes into the result.

    Returns:
        Whether there was such a result.

    Raises:
        OSError: the disk is full.
    """
    step, runs = folder.name.rpartition("-")[0], folder.parent.parent
    # Path.glob stops at a folder that is removed meanwhile.
    for manifest in sorted(glob.glob(f"*/{step}-*/{STEP_MANIFEST}", root_dir=runs)):  # noqa: PTH207
        source = runs / Path(manifest).parent
        if source.parent == folder.parent or source.name.endswith(PARTIAL):
            continue
        try:
            if (read_step_manifest(source) or {}).get("content") != content:
                continue
            if (files := verified_files(source)) is None:
                continue
            _link_folder(source, files, folder)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                raise
            _logger.info("%s: the result of run %s is not usable: %s", step, source.parent.name, error)
            continue
        _logger.info("%s: taken from run %s, which had the same inputs", step, source.parent.name)
        return True
    return False


def _link_folder(source: Path, files: Iterable[str], folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=PARTIAL, dir=folder.parent))
    try:
        for name in (*files, STEP_MANIFEST):
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            _link_file(source / name, partial / name)
        publish_folder(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _link_file(source: Path, target: Path) -> None:
    """Link a file, or copy it where the file system has no links."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)

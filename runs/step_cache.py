"""Finished results of other runs: found by the digest of what went into them, and linked into a run.

A link is a name of its own for the same file: a result stays whole when the run that made it is cleaned away, and no
process changes a finished file in place.
"""

import errno
import glob
import json
import logging
import os
import platform
import shutil
import tempfile
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from assay.corpus.storage.atomic import PARTIAL, publish_folder
from assay.corpus.storage.digest import digest_file

MARKER = "step.json"
# Another release of one of these may make another result of the same inputs. scikit-learn computes the F1 that chooses
# the epoch and the precision; onnxscript and onnx-ir write the graph.
PACKAGES = (
    "accelerate",
    "numpy",
    "onnx",
    "onnx-ir",
    "onnxruntime",
    "onnxscript",
    "peft",
    "safetensors",
    "scikit-learn",
    "tokenizers",
    "torch",
    "transformers",
)

_FULL = {errno.ENOSPC, errno.EDQUOT}

_logger = logging.getLogger(__name__)


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that train and export."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def whole_files(folder: Path) -> dict[str, str] | None:
    """Return the digests of a finished result's files; None where it is not finished, or a file has changed."""
    marker = step_manifest(folder)
    if marker is None:
        return None
    files: dict[str, str] = marker["files"]
    for name, digest in files.items():
        path = folder / name
        if not path.is_file() or digest_file(path) != digest:
            return None
    return files


def link_result(folder: Path, content: str) -> bool:
    """Give a step the finished result of another run of the store with the same content.

    A result that is damaged, cannot be read, or is cleaned away at this moment counts as none.

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
    for found in sorted(glob.glob(f"*/{step}-*/{MARKER}", root_dir=runs)):  # noqa: PTH207
        source = runs / Path(found).parent
        if source.parent == folder.parent or source.name.endswith(PARTIAL):
            continue
        try:
            if (step_manifest(source) or {}).get("content") != content or (files := whole_files(source)) is None:
                continue
            _link(source, files, folder)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                raise
            _logger.info("%s: the result of run %s cannot be taken: %s", step, source.parent.name, error)
            continue
        _logger.info("%s: taken from run %s, which had the same inputs", step, source.parent.name)
        return True
    return False


def _link(source: Path, files: Iterable[str], folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=PARTIAL, dir=folder.parent))
    try:
        for name in (*files, MARKER):
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            _link_file(source / name, partial / name)
        publish_folder(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _link_file(source: Path, target: Path) -> None:
    """Link a file; where the file system has no links, copy it."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def step_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the marker of a finished result; None where there is none, or it is damaged."""
    try:
        marker = json.loads((folder / MARKER).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return marker if isinstance(marker, dict) and isinstance(marker.get("files"), dict) else None

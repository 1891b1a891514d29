"""The result of a finished step: a folder that holds its files and, written last, the manifest `step.json`."""

import json
from pathlib import Path
from typing import Any

from assay.corpus.storage.artifact_ref import Ref
from assay.corpus.storage.atomic import PARTIAL
from assay.corpus.storage.digest import digest_file, digest_json

STEP_MANIFEST = "step.json"


def read_step_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a finished result, or None if it is missing or damaged."""
    try:
        manifest = json.loads((folder / STEP_MANIFEST).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and isinstance(manifest.get("files"), dict) else None


def verified_files(folder: Path) -> dict[str, str] | None:
    """Return the digests of a result's files by name, or None if it is not finished or a file has changed."""
    manifest = read_step_manifest(folder)
    if manifest is None:
        return None
    files: dict[str, str] = manifest["files"]
    for name, digest in files.items():
        path = folder / name
        if not path.is_file() or digest_file(path) != digest:
            return None
    return files


def finished_result(folder: Path) -> Ref | None:
    """Return the finished result in a folder, or None if there is none or a file has changed."""
    files = verified_files(folder)
    return None if files is None else Ref(path=folder, digest=digest_json(files))


def newest_result(run_folder: Path, step: str) -> Path | None:
    """Return the folder of the newest finished result of a step of a run, or None."""
    manifests = _manifests(run_folder, step)
    newest = max(manifests, key=lambda path: path.stat().st_mtime, default=None)
    return newest.parent if newest else None


def was_redone(run_folder: Path, redo: str) -> bool:
    """Return whether a step of a run was done again under this id."""
    return any((read_step_manifest(path.parent) or {}).get("redo") == redo for path in _manifests(run_folder, "*"))


def _manifests(run_folder: Path, step: str) -> list[Path]:
    paths = run_folder.glob(f"{step}-*/{STEP_MANIFEST}")
    return [path for path in paths if not path.parent.name.endswith(PARTIAL)]

"""Search for the newest complete intermediate checkpoint; the Trainer's own search ignores completeness."""

import json
from pathlib import Path

from assay.corpus.storage.atomic import atomic_path
from assay.corpus.storage.digest import digest_file

COMPLETE = "complete.json"


def mark_complete(checkpoint: Path, key: str) -> None:
    """Write the completion manifest of a checkpoint: the digests of its files, and the key of its training."""
    files = {path.name: digest_file(path) for path in sorted(checkpoint.iterdir()) if path.name != COMPLETE}
    with atomic_path(checkpoint / COMPLETE) as path:
        path.write_text(json.dumps({"key": key, "files": files}, indent=2), encoding="utf-8")


def newest_checkpoint(folder: Path, key: str) -> Path | None:
    """Return the newest complete checkpoint of this training, or None."""
    checkpoints = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    return next((path for path in checkpoints if is_complete(path, key)), None)


def is_complete(checkpoint: Path, key: str) -> bool:
    """Return whether a checkpoint has the completion manifest of this training and unchanged files."""
    manifest_path = checkpoint / COMPLETE
    if not manifest_path.is_file():
        return False
    manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
    return manifest["key"] == key and all(
        (checkpoint / name).is_file() and digest_file(checkpoint / name) == digest
        for name, digest in manifest["files"].items()
    )

"""Which intermediate checkpoint is whole. The Trainer's own search takes the highest number, finished or not."""

import json
from pathlib import Path

from assay.corpus.storage.atomic import atomic_path
from assay.corpus.storage.digest import digest_file

COMPLETE = "sealed.json"


def mark_complete(checkpoint: Path, key: str) -> None:
    """Write the marker of a finished checkpoint: the digests of its files, and what it belongs to."""
    files = {path.name: digest_file(path) for path in sorted(checkpoint.iterdir()) if path.name != COMPLETE}
    with atomic_path(checkpoint / COMPLETE) as path:
        path.write_text(json.dumps({"key": key, "files": files}, indent=2), encoding="utf-8")


def newest_checkpoint(folder: Path, key: str) -> Path | None:
    """The newest checkpoint that is whole and belongs to this training, or None."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    return next((path for path in found if is_whole(path, key)), None)


def is_whole(checkpoint: Path, key: str) -> bool:
    """Whether a checkpoint carries the marker of this training and its files are as they were written."""
    marker = checkpoint / COMPLETE
    if not marker.is_file():
        return False
    marked_complete = json.loads(marker.read_text(encoding="utf-8"))
    return marked_complete["key"] == key and all(
        (checkpoint / name).is_file() and digest_file(checkpoint / name) == digest
        for name, digest in marked_complete["files"].items()
    )

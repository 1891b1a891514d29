"""Finished shards of a prediction in a folder.

Each shard is a file of predictions, a file of invalid rows if there are any, and a completion manifest, written last.
The folder is locked with `fcntl`, which makes batch prediction the one part of serving that needs a POSIX system.
"""

import fcntl
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from pydantic import BaseModel, ValidationError

from assay.corpus.errors import AssayError
from assay.corpus.storage.atomic import atomic_path
from assay.corpus.storage.digest import digest_file
from assay.serving.batch.chunks import to_json

LOCK = "lock"


class ShardManifest(BaseModel):
    """The completion manifest of a shard: its row counts, and the digests of its files."""

    rows: int
    predicted: int
    truncated: int
    errors: int
    abstained: int = 0
    files: dict[str, str]


class Rejects:
    """A writer of invalid rows, which creates its file at the first of them."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.count = 0
        self.path = path
        self._stack = stack
        self._file: TextIO | None = None

    def add(self, number: int, row_id: Any, reason: str) -> None:
        """Write one invalid row: its number in the input, its id and the reason."""
        if self._file is None:
            partial = self._stack.enter_context(atomic_path(self.path))
            self._file = self._stack.enter_context(partial.open("w", encoding="utf-8"))
        self._file.write(to_json({"row": number, "id": row_id, "reason": reason}) + "\n")
        self.count += 1


@dataclass
class ShardWriter:
    """The paths and the row counts of a shard while it is written.

    `abstained_path` is that of the rows that are left to people, None if they are not asked for.
    """

    path: Path | None
    rejects: Rejects
    abstained_path: Path | None = None
    rows: int = 0
    predicted: int = 0
    truncated: int = 0
    abstained: int = 0

    def manifest(self, files: dict[str, str]) -> ShardManifest:
        """Return the completion manifest, with the digests of the files."""
        counts = {"rows": self.rows, "predicted": self.predicted, "truncated": self.truncated}
        return ShardManifest(**counts, errors=self.rejects.count, abstained=self.abstained, files=files)


@dataclass(frozen=True)
class ShardFolder:
    """The shards in `folder`.

    `suffix` is that of the files of predictions, None if the target needs no files; `abstained_suffix` is that of the
    files of the rows that are left to people, None if they are not asked for.
    """

    folder: Path
    suffix: str | None
    abstained_suffix: str | None = None
    _manifests: dict[int, ShardManifest] = field(default_factory=dict, repr=False)

    def finished(self, only: range | None = None) -> dict[int, ShardManifest]:
        """Return the manifest of each finished shard, whose files all have the digests of the manifest.

        Args:
            only: numbers of the shards to look at; None looks at all.
        """
        for path in self.folder.glob("*.json"):
            number = int(path.stem) if path.stem.isdigit() else -1
            wanted = number >= 0 and (only is None or number in only)
            if wanted and number not in self._manifests and (manifest := self._read(path)):
                self._manifests[number] = manifest
        return dict(sorted(self._manifests.items()))

    @contextmanager
    def write(self, number: int) -> Iterator[ShardWriter]:
        """Yield a writer of a shard; the shard is finished when the block ends without an exception."""
        errors = self.errors_path(number)
        with ExitStack() as stack:
            path = stack.enter_context(atomic_path(self.predictions_path(number))) if self.suffix else None
            abstained = self.abstained_path(number)
            abstained_path = stack.enter_context(atomic_path(abstained)) if abstained else None
            writer = ShardWriter(path, Rejects(errors, stack), abstained_path)
            yield writer
        files = [self.predictions_path(number)] if self.suffix else []
        files += [abstained] if abstained else []
        files += [errors] if writer.rejects.count else []
        manifest = writer.manifest({file.name: digest_file(file) for file in files})
        with atomic_path(self._path(number, ".json")) as partial:
            partial.write_text(manifest.model_dump_json(), encoding="utf-8")
        self._manifests[number] = manifest

    def predictions_path(self, number: int) -> Path:
        """Return the path of the predictions of a shard."""
        return self._path(number, self.suffix or "")

    def errors_path(self, number: int) -> Path:
        """Return the path of the invalid rows of a shard; the file exists only if there are any."""
        return self._path(number, ".errors.jsonl")

    def abstained_path(self, number: int) -> Path | None:
        """Return the path of the rows of a shard that are left to people; None if they are not asked for."""
        return self._path(number, f".abstained{self.abstained_suffix}") if self.abstained_suffix else None

    def _path(self, number: int, suffix: str) -> Path:
        return self.folder / f"{number:07d}{suffix}"

    def _read(self, path: Path) -> ShardManifest | None:
        try:
            manifest = ShardManifest.model_validate_json(path.read_bytes())
            complete = all(digest_file(self.folder / name) == digest for name, digest in manifest.files.items())
        except (ValidationError, OSError):
            return None
        return manifest if complete else None


def consecutive_ranges(shards: Iterable[int]) -> list[range]:
    """Group rising numbers into ranges of consecutive ones, each of which one pass can read."""
    ranges: list[range] = []
    for shard in shards:
        if ranges and ranges[-1].stop == shard:
            ranges[-1] = range(ranges[-1].start, shard + 1)
        else:
            ranges.append(range(shard, shard + 1))
    return ranges


@contextmanager
def lock_folder(folder: Path, what: str) -> Iterator[None]:
    """Lock a folder of shards; the system releases the lock however the process ends.

    Args:
        folder: created if it does not exist.
        what: the output, for the message.

    Raises:
        AssayError: another process holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AssayError(
                f"another process is already writing {what}; wait for it, or name another --output"
            ) from None
        yield


def clear(folder: Path) -> None:
    """Remove everything but the lock file from a folder of shards."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()

"""Finished shards of a prediction in a folder: a file of answers, one of bad rows, and a marker written last."""

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
    """A shard is whole where its marker lies: what came out of it, and the digests of its files."""

    rows: int
    answered: int
    truncated: int
    errors: int
    files: dict[str, str]


class Rejects:
    """Bad rows, written to a file that is opened when the first of them comes."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.count = 0
        self.path = path
        self._stack = stack
        self._file: TextIO | None = None

    def add(self, number: int, row_id: Any, reason: str) -> None:
        """Note one bad row."""
        if self._file is None:
            partial = self._stack.enter_context(atomic_path(self.path))
            self._file = self._stack.enter_context(partial.open("w", encoding="utf-8"))
        self._file.write(to_json({"row": number, "id": row_id, "reason": reason}) + "\n")
        self.count += 1


@dataclass
class ShardWriter:
    """A shard that is being written; counts are of rows."""

    path: Path | None
    rejects: Rejects
    rows: int = 0
    answered: int = 0
    truncated: int = 0

    def marker(self, files: dict[str, str]) -> ShardManifest:
        """What came out, with the digests of its files."""
        counts = {"rows": self.rows, "answered": self.answered, "truncated": self.truncated}
        return ShardManifest(**counts, errors=self.rejects.count, files=files)


@dataclass(frozen=True)
class ShardFolder:
    """The shards that lie in `folder`; `suffix` is that of the files of answers, if there are any."""

    folder: Path
    suffix: str | None
    _manifests: dict[int, ShardManifest] = field(default_factory=dict, repr=False)

    def finished(self, only: range | None = None) -> dict[int, ShardManifest]:
        """The shards (of these numbers) that are whole: each file has the digest that the marker says."""
        for path in self.folder.glob("*.json"):
            number = int(path.stem) if path.stem.isdigit() else -1
            wanted = number >= 0 and (only is None or number in only)
            if wanted and number not in self._manifests and (marker := self._read(path)):
                self._manifests[number] = marker
        return dict(sorted(self._manifests.items()))

    @contextmanager
    def write(self, number: int) -> Iterator[ShardWriter]:
        """A shard to be written; it counts when the block has ended well."""
        errors = self.errors_path(number)
        with ExitStack() as stack:
            path = stack.enter_context(atomic_path(self.predictions_path(number))) if self.suffix else None
            writer = ShardWriter(path, Rejects(errors, stack))
            yield writer
        files = [self.predictions_path(number)] if self.suffix else []
        files += [errors] if writer.rejects.count else []
        marker = writer.marker({file.name: digest_file(file) for file in files})
        with atomic_path(self._path(number, ".json")) as partial:
            partial.write_text(marker.model_dump_json(), encoding="utf-8")
        self._manifests[number] = marker

    def predictions_path(self, number: int) -> Path:
        """The answers of a shard."""
        return self._path(number, self.suffix or "")

    def errors_path(self, number: int) -> Path:
        """The bad rows of a shard, where there are any."""
        return self._path(number, ".errors.jsonl")

    def _path(self, number: int, suffix: str) -> Path:
        return self.folder / f"{number:07d}{suffix}"

    def _read(self, path: Path) -> ShardManifest | None:
        try:
            marker = ShardManifest.model_validate_json(path.read_bytes())
            whole = all(digest_file(self.folder / name) == digest for name, digest in marker.files.items())
        except (ValidationError, OSError):
            return None
        return marker if whole else None


def runs(shards: Iterable[int]) -> list[range]:
    """Rising numbers as ranges: what follows each other is read in one pass."""
    found: list[range] = []
    for shard in shards:
        if found and found[-1].stop == shard:
            found[-1] = range(found[-1].start, shard + 1)
        else:
            found.append(range(shard, shard + 1))
    return found


@contextmanager
def locked(folder: Path, what: str) -> Iterator[None]:
    """Keep a folder of shards to oneself; the system takes the lock back however the process ends.

    Raises:
        AssayError: another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AssayError(f"another process is writing {what}; wait for it, or name another --output") from None
        yield


def clear(folder: Path) -> None:
    """Remove everything but the lock."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()

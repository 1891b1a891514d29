"""Corrections of a recipe's labels by people: an overlay in the store, over a source that stays as it is.

One JSONL file per recipe holds every correction with its author and time. Lines are only added: the last one of a row
counts, and the earlier ones are its history. A correction holds the digest of the text that it was made for, and is
left out where the text has changed since.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from assay.corpus.documents.label_values import LabelValues, read_if_any
from assay.corpus.entity import Entity
from assay.corpus.errors import AssayError
from assay.corpus.example import Example, Head
from assay.corpus.storage.atomic import atomic_path
from assay.corpus.storage.digest import digest_json
from assay.corpus.storage.leases import hold_shared_lease
from assay.corpus.storage.object_store import SharedStore

FOLDER = "corrections"
LOCK_TIMEOUT_S = 60.0
SUM_BYTES = 256
# Prefix of the ids of rows that people have labelled and the source does not hold.
ADDED = "added:"
Decision = Literal["corrected", "confirmed", "added"]
# The field of rows and of corrections that holds what a head learns.
PARTS: Mapping[Head, str] = {"sentence": "label", "labels": "labels", "tokens": "entities"}


class AddedText(BaseModel):
    """The text of a row that the source does not hold."""

    model_config = ConfigDict(frozen=True)

    text: str
    text_pair: str | None = None


class Correction(BaseModel):
    """What a person decided about a row.

    None for `label`, `labels` or `entities` leaves those of the source; all are None for a row whose labels were
    confirmed. `labels` are those that apply of several, sorted; empty if none does.
    `text_digest` is that of the text (`text_digest`). `at` is the time of the decision, as the tool says, else that of
    the import; `origin` is the name of the file that it came in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    decision: Decision
    label: str | None = None
    labels: tuple[str, ...] | None = None
    entities: tuple[Entity, ...] | None = None
    text_digest: str
    added: AddedText | None = None
    author: str
    at: datetime
    origin: str

    @property
    def effect(self) -> dict[str, object]:
        """Return what the correction changes, without who made it and when."""
        return self.model_dump(mode="json", exclude={"author", "at", "origin", "decision"})


class Overlay:
    """The corrections of one recipe, the oldest first."""

    def __init__(self, history: Sequence[Correction]) -> None:
        self.history = list(history)
        self.latest: Mapping[str, Correction] = {correction.id: correction for correction in history}

    def __len__(self) -> int:
        return len(self.latest)

    @property
    def digest(self) -> str | None:
        """SHA-256 of what the corrections change, in any order; None if they change nothing."""
        return next(reversed([None, *_digests(self.latest.values())]))

    def of(self, row: Example) -> Correction | None:
        """Return the correction of a row; None if there is none for its present text."""
        correction = self.latest.get(row.id)
        if correction is None or correction.text_digest != text_digest(row.text, row.text_pair):
            return None
        return correction

    def renamed(self, values: LabelValues) -> "Overlay":
        """Return the overlay with its labels as the source names them now, which may have changed since."""
        return Overlay([_renamed(correction, values) for correction in self.history])

    def as_of(self, digest: str | None) -> "Overlay | None":
        """Return the overlay as it was when it had this digest; None if it never had."""
        if digest is None:
            return Overlay([])
        ends = [end for end, at_end in enumerate(_digests(self.history), 1) if at_end == digest]
        return Overlay(self.history[: ends[-1]]) if ends else None


def _renamed(correction: Correction, values: LabelValues) -> Correction:
    """Return a correction with other names of its labels; one that means none now leaves the labels of the source."""
    label, labels = correction.label, correction.labels
    label = None if label is None else read_if_any(values.read_class, label, "label")
    labels = None if labels is None else read_if_any(values.read_each, labels, "labels")
    return correction.model_copy(update={"label": label, "labels": labels})


def _digests(history: Iterable[Correction]) -> Iterator[str | None]:
    """Yield the digest of an overlay after each correction of its history, in time that grows with their number.

    The digest is that of a sum of hashes, so that one that a later correction replaces can be taken away. Numbers of
    2048 bits leave no other corrections of the same sum to be found (Bellare & Micciancio 1997, AdHash).
    """
    total, effects = 0, dict[str, int]()
    for correction in history:
        effect = _number(correction)
        total = (total + effect - effects.pop(correction.id, 0)) % (1 << 8 * SUM_BYTES)
        if effect:
            effects[correction.id] = effect
        yield hashlib.sha256(total.to_bytes(SUM_BYTES, "big")).hexdigest() if effects else None


def _number(correction: Correction) -> int:
    """Return the hash of what a correction changes; 0 if it confirms."""
    if correction.decision == "confirmed":
        return 0
    return int.from_bytes(hashlib.shake_256(digest_json(correction.effect).encode()).digest(SUM_BYTES), "big")


def overlay_path(store: Path, recipe: str) -> Path:
    """Return the path of the corrections of a recipe."""
    return store / FOLDER / f"{recipe}.jsonl"


def text_digest(text: str, text_pair: str | None = None) -> str:
    """Return the digest that says whether a row still has the text that a correction was made for."""
    return hashlib.sha256("\0".join((text, text_pair or "")).encode("utf-8", "surrogatepass")).hexdigest()


def added_id(text: str, text_pair: str | None = None) -> str:
    """Return the id of a row that is known by its text alone."""
    return f"{ADDED}{text_digest(text, text_pair)[:16]}"


def read_overlay(path: Path, shared: SharedStore | None = None) -> Overlay:
    """Read the corrections of a recipe; there may be none.

    Args:
        path: their file in the store.
        shared: the store that shares them with other machines.

    Raises:
        AssayError: a line is damaged.
    """
    content = shared.read(f"{FOLDER}/{path.name}") if shared is not None else None
    if content is None:
        if not path.exists():
            return Overlay([])
        content = path.read_bytes()
    return Overlay(list(_parsed(content, path)))


@contextmanager
def _locked(path: Path, shared: SharedStore | None) -> Iterator[Callable[[], None]]:
    """Hold a file of corrections. Yields what checks, before a write, that no other machine has taken it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path.with_name(path.name + ".lock"), timeout=LOCK_TIMEOUT_S):
            if shared is None:
                yield lambda: None
                return
            name, seconds = f"locks/corrections-{path.stem}", LOCK_TIMEOUT_S
            with hold_shared_lease(shared, name, wait=seconds, seconds=seconds) as lease:
                yield lease.renew
    except Timeout as error:
        raise AssayError(f"{path} has been held by another process for {LOCK_TIMEOUT_S:g} s; try again") from error


def add_corrections(path: Path, corrections: Iterable[Correction], shared: SharedStore | None = None) -> Overlay:
    """Add corrections behind the earlier ones, all or none, and return the overlay.

    Raises:
        AssayError: the file is damaged, or another process holds it.
    """
    return extend_overlay(path, lambda _: corrections, shared)


def extend_overlay(
    path: Path, decide: Callable[[Overlay], Iterable[Correction]], shared: SharedStore | None = None
) -> Overlay:
    """Add the corrections that follow from the earlier ones, all or none, and return the overlay.

    No other process adds any in the meantime: a correction takes over the parts that an earlier one has decided.

    Args:
        path: file of the corrections.
        decide: returns the new corrections; without any, nothing is written.
        shared: the store that shares them with other machines.

    Raises:
        AssayError: the file is damaged, or another process holds it.
    """
    with _locked(path, shared) as check_held:
        known = read_overlay(path, shared)
        new = list(decide(known))
        if not new:
            return known
        overlay = Overlay([*known.history, *new])
        check_held()
        _write(path, overlay, shared)
    return overlay


def erase_corrections(path: Path, row_ids: Iterable[str], shared: SharedStore | None = None) -> int:
    """Remove every correction of some rows, history included, and return their number.

    Raises:
        AssayError: the file is damaged, or another process holds it.
    """
    erased = set(row_ids)
    with _locked(path, shared) as check_held:
        history = read_overlay(path, shared).history
        kept = [correction for correction in history if correction.id not in erased]
        # A shared file without a change, too: this machine may hold an older copy of it.
        if len(kept) < len(history) or shared is not None:
            check_held()
            _write(path, Overlay(kept), shared)
    return len(history) - len(kept)


def write_overlay(path: Path, overlay: Overlay) -> None:
    """Write an overlay to another store, for an extraction there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, overlay, None)


def _write(path: Path, overlay: Overlay, shared: SharedStore | None) -> None:
    content = "".join(correction.model_dump_json() + "\n" for correction in overlay.history)
    with atomic_path(path) as partial:
        partial.write_text(content, encoding="utf-8")
    if shared is not None:
        shared.write(f"{FOLDER}/{path.name}", content.encode("utf-8"))


def _parsed(content: bytes, path: Path) -> Iterator[Correction]:
    for number, line in enumerate(content.split(b"\n"), 1):
        if line:
            try:
                yield Correction.model_validate_json(line)
            except ValidationError as error:
                raise AssayError(
                    f"{path}, line {number}: this is not a correction that Assay wrote; restore the file from a "
                    "backup, or remove the line"
                ) from error


def corrected(example: Example, correction: Correction, heads: Collection[Head]) -> Example:
    """Return a row with the labels of a correction, as far as the heads of a recipe read them."""
    names = [PARTS[head] for head in heads]
    changes = {name: part for name in names if (part := getattr(correction, name)) is not None}
    return replace(example, **changes) if changes else example


def is_complete(labelled: Example | Correction, heads: Collection[Head]) -> bool:
    """Return whether a row, or the correction of an added one, has everything that the heads of a recipe read."""
    return all(getattr(labelled, PARTS[head]) is not None for head in heads)

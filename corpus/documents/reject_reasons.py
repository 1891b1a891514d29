"""The most frequent reasons for which rows were rejected."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from assay.corpus.documents.remedies import remedy_of


class RejectReason(BaseModel):
    """A kind of reason for rejected rows, with its count, its first row and the remedy."""

    model_config = ConfigDict(frozen=True)

    kind: str
    count: int
    example: str = Field(description="First row that was rejected for it, with the value")
    remedy: str


def frequent_reasons(rejects: Path, most: int = 3) -> list[RejectReason]:
    """Return the most frequent kinds of reasons in a file of rejected rows."""
    with rejects.open(encoding="utf-8") as lines:
        return count_reasons(((reject["id"], reject["reason"]) for reject in map(json.loads, lines)), most)


def count_reasons(rejects: Iterable[tuple[str, str]], most: int) -> list[RejectReason]:
    """Return the most frequent kinds of reasons of rejected rows, given as id and reason."""
    count: Counter[str] = Counter()
    example: dict[str, str] = {}
    for row_id, reason in rejects:
        kind = reason.partition(": ")[0]
        count[kind] += 1
        example.setdefault(kind, f"row {row_id}: {reason}")
    return [
        RejectReason(kind=kind, count=number, example=example[kind], remedy=remedy_of(kind))
        for kind, number in count.most_common(most)
    ]

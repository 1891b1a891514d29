"""The most frequent reasons in a file of rejected rows."""

import json
from collections import Counter
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
    count: Counter[str] = Counter()
    example: dict[str, str] = {}
    with rejects.open(encoding="utf-8") as lines:
        for line in lines:
            reject = json.loads(line)
            kind = reject["reason"].partition(": ")[0]
            count[kind] += 1
            example.setdefault(kind, f"row {reject['id']}: {reject['reason']}")
    return [
        RejectReason(kind=kind, count=number, example=example[kind], remedy=remedy_of(kind))
        for kind, number in count.most_common(most)
    ]

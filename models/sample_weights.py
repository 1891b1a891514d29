"""How much each training row counts."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from assay.corpus.example import Example
from assay.corpus.storage.completion_manifest import read_manifest

WEIGHTS = "weights.json"


class SampleWeights(BaseModel):
    """`weights.json`: the rows that count more, by id; all others count 1.

    `method` says whether their loss counts more (reweight) or they are seen more often (oversample). `slices`
    gives, for each slice they were chosen by, how many training rows it has.
    """

    model_config = ConfigDict(frozen=True)

    method: Literal["reweight", "oversample"]
    slices: dict[str, int]
    weights: dict[str, float]

    def of(self, rows: Iterable[Example]) -> list[float]:
        """The weight of each of these rows."""
        return [self.weights.get(row.id, 1.0) for row in rows]

    def __str__(self) -> str:
        """One line."""
        return f"{self.method}: " + ", ".join(f"{name} ({rows} rows)" for name, rows in self.slices.items())

    def save(self, folder: Path) -> None:
        """Write into an existing folder."""
        (folder / WEIGHTS).write_text(self.model_dump_json(), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open what `save` wrote.

        Raises:
            AssayError: there is none.
        """
        return cls.model_validate_json(read_manifest(folder, WEIGHTS, "finished weights", "run with --from mitigate"))

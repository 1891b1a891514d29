"""Sample weights of training rows."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from assay.corpus.example import Example
from assay.corpus.storage.completion_manifest import read_manifest

WEIGHTS = "weights.json"


class SampleWeights(BaseModel):
    """`weights.json`: sample weights of some rows by id; all others have the weight 1.

    `method` is `reweight` to scale the loss of these rows, or `oversample` to repeat them. `slices` holds the number of
    training rows of each slice that the weights are for.
    """

    model_config = ConfigDict(frozen=True)

    method: Literal["reweight", "oversample"]
    slices: dict[str, int]
    weights: dict[str, float]

    def of(self, rows: Iterable[Example]) -> list[float]:
        """Return the weight of each row."""
        return [self.weights.get(row.id, 1.0) for row in rows]

    def __str__(self) -> str:
        """Return a summary in one line."""
        return f"{self.method}: " + ", ".join(f"{name} ({rows} rows)" for name, rows in self.slices.items())

    def save(self, folder: Path) -> None:
        """Write the weights into an existing folder."""
        (folder / WEIGHTS).write_text(self.model_dump_json(), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the weights that `save` wrote.

        Raises:
            AssayError: the folder holds no finished weights.
        """
        return cls.model_validate_json(read_manifest(folder, WEIGHTS, "finished weights", "run with --from mitigate"))

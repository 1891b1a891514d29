"""Two versions of a model, and what lies between them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT
from pydantic import BaseModel, ConfigDict

from assay.corpus.splits import SplitName
from assay.registry.lineage.change import Change, changes
from assay.registry.lineage.origin import Lineage, lineages
from assay.runs.tags import CODE_TAG, DEVICE_TAG, PRECISION_TAG

# What else a result may depend on, as the MLflow run tells it: name -> tag.
CIRCUMSTANCES = {
    "code": CODE_TAG,
    "commit": MLFLOW_GIT_COMMIT,
    "device": DEVICE_TAG,
    "number format": PRECISION_TAG,
}


class RowChange(BaseModel):
    """A row that changed sides. None: it was on no side, because it was not there or was withheld."""

    model_config = ConfigDict(frozen=True)

    id: str
    before: SplitName | None
    after: SplitName | None


class VersionDiff(BaseModel):
    """What differs between two versions of one model; what is the same is left out.

    `figures` are those that differ, of each version on its own test rows. `rows` names every row whose side
    differs; rows are told apart by their ids.
    """

    name: str
    before: str
    after: str
    recipe: list[Change]
    data: list[Change]
    metrics: list[Change]
    surroundings: list[Change]
    rows: list[RowChange]

    @property
    def rows_by_change(self) -> Counter[tuple[SplitName | None, SplitName | None]]:
        """How many rows went from which side to which, the most frequent change first."""
        return Counter((row.before, row.after) for row in self.rows)


def diff_versions(name: str, before: str, after: str, tracking_uri: str) -> VersionDiff:
    """Compare two versions of a model.

    Args:
        name: registered model.
        before: number of a version.
        after: number of another one.
        tracking_uri: MLflow.

    Raises:
        AssayError: there is no such version, or it left no lineage.
    """
    with lineages(tracking_uri, f"models:/{name}/{before}", f"models:/{name}/{after}") as (one, other):
        return VersionDiff(
            name=name,
            before=before,
            after=after,
            recipe=changes(dict(_leaves(one.recipe)), dict(_leaves(other.recipe))),
            data=changes(_data(one), _data(other)),
            metrics=changes(one.metrics, other.metrics),
            surroundings=environment_changed(one, other.surroundings, other.tags),
            rows=_rows(one.splits.split_of, other.splits.split_of),
        )


def environment_changed(lineage: Lineage, surroundings: dict[str, str], tags: dict[str, str]) -> list[Change]:
    """Processor, threads, versions and code that differ between a version and another run.

    Args:
        lineage: of the version.
        surroundings: of the other run.
        tags: of the other MLflow run.
    """
    return changes({**_circumstances(lineage.tags), **lineage.surroundings}, {**_circumstances(tags), **surroundings})


def _circumstances(tags: dict[str, str]) -> dict[str, str | None]:
    return {name: tags.get(tag) for name, tag in CIRCUMSTANCES.items()}


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value of nested mappings by its dotted key; keys stand as the user wrote them."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _data(lineage: Lineage) -> dict[str, Any]:
    snapshot, splits = lineage.snapshot, lineage.splits.manifest
    return {
        "snapshot": snapshot.digest,
        **snapshot.counts.model_dump(),
        **{f"label {label}": count for label, count in snapshot.labels.items()},
        **{f"entity {label}": count for label, count in snapshot.entity_labels.items()},
        "splits": splits.digest,
        "ledger": splits.ledger,
        **{f"{split_name} rows": count for split_name, count in splits.counts.items()},
        **{f"withheld: {reason}": count for reason, count in splits.excluded.items()},
    }


def _rows(before: dict[str, SplitName], after: dict[str, SplitName]) -> list[RowChange]:
    ids = [*before, *(row for row in after if row not in before)]
    both = [RowChange(id=row, before=before.get(row), after=after.get(row)) for row in ids]
    return [row for row in both if row.before != row.after]

"""The differences between two versions of a model."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT
from pydantic import BaseModel, ConfigDict

from assay.corpus.splits import SplitName
from assay.registry.lineage.change import Change, changes
from assay.registry.lineage.correction_effect import CorrectionEffect, correction_effect
from assay.registry.lineage.version_lineage import Lineage, lineages
from assay.runs.tags import CODE_TAG, DEVICE_TAG, PRECISION_TAG

# Tags of the MLflow run that a result may depend on, too, by their names in a diff.
ENVIRONMENT_TAGS = {
    "code": CODE_TAG,
    "commit": MLFLOW_GIT_COMMIT,
    "device": DEVICE_TAG,
    "number format": PRECISION_TAG,
}


class RowChange(BaseModel):
    """A row whose split changed; None if it was in no split, because it was missing or excluded."""

    model_config = ConfigDict(frozen=True)

    id: str
    before: SplitName | None
    after: SplitName | None


class VersionDiff(BaseModel):
    """The differences between two versions of one model.

    `metrics` are those of each version on its own test rows. `rows` lists every row, by its id, whose split differs.
    `corrections` shows the effect of labels that people have corrected, apart from everything else.
    """

    name: str
    before: str
    after: str
    recipe: list[Change]
    data: list[Change]
    metrics: list[Change]
    environment: list[Change]
    rows: list[RowChange]
    corrections: CorrectionEffect | None = None

    @property
    def rows_by_change(self) -> Counter[tuple[SplitName | None, SplitName | None]]:
        """Number of rows by split before and split after."""
        return Counter((row.before, row.after) for row in self.rows)


def diff_versions(name: str, before: str, after: str, tracking_uri: str) -> VersionDiff:
    """Compare two versions of a model.

    Args:
        name: name of the registered model.
        before: number of a version.
        after: number of another version.
        tracking_uri: address of MLflow.

    Raises:
        AssayError: there is no such version, or it has no lineage.
    """
    with lineages(tracking_uri, f"models:/{name}/{before}", f"models:/{name}/{after}") as (first, second):
        return VersionDiff(
            name=name,
            before=before,
            after=after,
            recipe=changes(dict(_leaves(first.recipe)), dict(_leaves(second.recipe))),
            data=changes(_data(first), _data(second)),
            metrics=changes(first.metrics, second.metrics),
            environment=environment_changed(first, second.environment, second.tags),
            rows=_rows(first.splits.split_of, second.splits.split_of),
            corrections=correction_effect(first, second),
        )


def environment_changed(lineage: Lineage, environment: dict[str, str], tags: dict[str, str]) -> list[Change]:
    """Return the differences of processor, threads, versions and code between a version and another run.

    Args:
        lineage: lineage of the version.
        environment: environment of the other run.
        tags: tags of the other MLflow run.
    """
    return changes(
        {**_tagged_environment(lineage.tags), **lineage.environment}, {**_tagged_environment(tags), **environment}
    )


def _tagged_environment(tags: dict[str, str]) -> dict[str, str | None]:
    return {name: tags.get(tag) for name, tag in ENVIRONMENT_TAGS.items()}


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value of nested mappings by its dotted key, as the user wrote it."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _data(lineage: Lineage) -> dict[str, Any]:
    snapshot, splits = lineage.snapshot, lineage.splits.manifest
    return {
        "snapshot": snapshot.digest,
        **({} if snapshot.corrections is None else snapshot.corrections.model_dump()),
        **snapshot.counts.model_dump(),
        **{f"label {label}": count for label, count in snapshot.labels.items()},
        **{f"row label {label}": count for label, count in snapshot.row_labels.items()},
        **{f"entity {label}": count for label, count in snapshot.entity_labels.items()},
        "splits": splits.digest,
        "ledger": splits.ledger,
        **{f"{split_name} rows": count for split_name, count in splits.counts.items()},
        **{f"excluded: {reason}": count for reason, count in splits.excluded.items()},
    }


def _rows(before: dict[str, SplitName], after: dict[str, SplitName]) -> list[RowChange]:
    ids = [*before, *(row for row in after if row not in before)]
    pairs = [RowChange(id=row, before=before.get(row), after=after.get(row)) for row in ids]
    return [row for row in pairs if row.before != row.after]

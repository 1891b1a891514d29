import pytest

from assay.corpus.errors import AssayError
from assay.registry.lineage.version_lineage import comparable, lineages
from assay.runs.environment import current_environment
from assay.runs.lineage_record import data_folder
from tests.versions import MakeVersion


def test_lineages_reads_data_metrics_and_predictions(make_version: MakeVersion) -> None:
    made = make_version("first")
    with lineages(made.run.tracking_uri, "models:/tiny/1") as (lineage,):
        assert lineage.version.number == made.version.number
        assert lineage.recipe == made.run.recipe.model_dump(mode="json")
        assert lineage.splits.split_of == made.splits.split_of
        assert lineage.ledger.is_file()
        assert lineage.predictions == made.evaluation.rows
        assert lineage.metrics == comparable(made.evaluation.metrics)
        assert lineage.environment == current_environment()
        assert lineage.snapshot.counts.rows == 60
    assert "sentence.accuracy" in lineage.metrics
    assert not any(name.startswith("latency") for name in lineage.metrics)


def test_lineages_keeps_versions_of_one_mlflow_run_apart(make_version: MakeVersion) -> None:
    """A resumed run trains on other data under the same MLflow run."""
    first, second = make_version("first"), make_version("second", range(80), {"good": "up"})
    uri = first.run.tracking_uri
    with lineages(uri, "models:/tiny/1", "models:/tiny/2") as (one, two):
        assert (one.snapshot.counts.rows, two.snapshot.counts.rows) == (60, 80)
        assert one.metrics != two.metrics
    assert data_folder(first.splits.digest) != data_folder(second.splits.digest)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("models:/tiny/9", "has no version 9"),
        ("models:/tiny@champion", "no version with the alias 'champion'"),
        ("tiny/1", "is not a model address"),
    ],
)
def test_lineages_reports_a_missing_version(make_version: MakeVersion, address: str, reason: str) -> None:
    uri = make_version("first").run.tracking_uri
    with pytest.raises(AssayError, match=reason), lineages(uri, address):
        pass


def test_lineages_reports_a_version_without_lineage(make_version: MakeVersion) -> None:
    made = make_version("first")
    made.client.set_model_version_tag("tiny", "1", "assay.splits", "0" * 64)
    with (
        pytest.raises(AssayError, match="models:/tiny/1 has no lineage"),
        lineages(made.run.tracking_uri, "models:/tiny/1"),
    ):
        pass

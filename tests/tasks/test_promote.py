from pathlib import Path

from assay.corpus.splits import Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.export_report import ExportReport
from assay.evaluation.row_sample import sample_rows
from assay.recipes.recipe import Recipe
from assay.registry.model_registry import ModelRegistry
from assay.runs.run import Run
from assay.tasks.promote import promote
from tests.registry.toy_registry import NAME, WORDS, MakeBundle, a_verdict
from tests.results import some_results
from tests.snapshots import recipe_values


def test_promote_keeps_the_verdict_of_a_champion_that_a_later_verdict_refuses(
    registry: ModelRegistry, mlflow_run: str, make_bundle: MakeBundle, store: Path, tmp_path: Path
) -> None:
    # Given a run that was killed behind its promotion,
    values = recipe_values(registry={"name": NAME})
    run = Run(
        key="k", recipe=Recipe.model_validate(values), store=store, tracking_uri=registry.tracking_uri,
        mlflow_run=mlflow_run,
    )  # fmt: skip
    bundle = make_bundle("bundle", WORDS)
    export, splits = (
        ArtifactRef[ExportReport](path=bundle.folder.parent, digest="e"),
        ArtifactRef[Splits](path=tmp_path / "splits", digest="p"),
    )
    splits.path.mkdir()
    Splits.create({"r": "test"}, snapshot="s", method="stratified").save(splits.path)
    results = some_results(export=export, evaluation=export, splits=splits)
    passed = a_verdict(bundle)
    assert promote.fn(run, results, passed).promoted
    # when the gate refuses it on its second start,
    result = promote.fn(run, results, a_verdict(bundle, passed=False))
    # then the answer says so, and the version still tells by which verdict it serves.
    assert not result.promoted
    assert "stays so until a rollback" in result.why
    champion = registry.champion()
    assert champion is not None
    assert (champion.outcome, champion.tags["assay.verdict"]) == ("passed", passed.digest)
    assert champion.tags["assay.test_rows"] == sample_rows(["r"])

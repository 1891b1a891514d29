"""Run every shipped recipe from its source to a verdict, on a small generated sample in its document format."""

import random
import re
from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.evaluation.bundle_evaluation import Evaluation
from assay.flows.training import TrainingOutcome, train
from assay.recipes.loader import SHIPPED, load_recipe
from assay.recipes.source_section import HubSource
from tests.mongo import Mongo
from tests.recipes.samples import FILES, news_joint

NAMES = sorted(path.stem for path in SHIPPED.glob("*.yaml"))
COMMIT = re.compile(r"[0-9a-f]{40}")
SMALL = ["training.epochs=1", "model.max_length=48", "gate.precision=fp32"]


@pytest.fixture
def overrides(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the overrides that make a recipe read its sample."""
    name = request.node.callspec.params["name"]
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder, draw = tmp_path / "source", random.Random(7)
    if name != "news-joint":
        return FILES[name](folder, draw)
    mongo: Mongo = request.getfixturevalue("mongo")
    monkeypatch.setenv("MONGODB_URI", mongo.uri)
    return news_joint(mongo, draw)


def run(name: str, overrides: list[str], encoder: Path, store: Path) -> TrainingOutcome:
    local = [f"model.encoder={encoder}", "model.revision=null"]
    return train(load_recipe(name, [*local, *SMALL, *overrides]), store)


@pytest.mark.slow  # six whole runs, each of which exports and starts a fresh process for the smoke test
@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("name", NAMES)
def test_train_runs_a_shipped_recipe_from_source_to_verdict(
    name: str, overrides: list[str], tiny_bert_folder: Path, store: Path
) -> None:
    outcome = run(name, overrides, tiny_bert_folder, store)
    recipe = load_recipe(name)
    checks = {check.name for check in outcome.verdict.checks}
    assert {f"score: {head}" for head in recipe.heads} <= checks
    for column in recipe.gate.slices.columns:
        assert any(check.startswith(f"slice: {column}=") for check in checks)
    assert not [check for check in outcome.verdict.failed if check.required == "a result"]  # no check raised an error
    assert Evaluation.load(outcome.evaluation).rows
    assert outcome.card.is_file()
    if recipe.heads == ["tokens"]:
        client = MlflowClient(tracking_uri=outcome.tracking_uri)
        metric_log = [client.get_metric_history(outcome.mlflow_run, curve) for curve in ("ner.losses", "train.loss")]
        assert metric_log[0]
        assert [point.value for point in metric_log[0]] == [point.value for point in metric_log[1]]


@pytest.mark.parametrize("name", NAMES)
def test_shipped_recipe_pins_its_hub_revisions(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.model.revision is not None
    assert COMMIT.fullmatch(recipe.model.revision)
    if isinstance(recipe.source, HubSource):
        assert recipe.source.revision is not None
        assert COMMIT.fullmatch(recipe.source.revision)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"snips"}))
def test_shipped_recipe_comments_every_key(name: str) -> None:
    lines = (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    bare = [line for line in lines if re.match(r"\s*\w+: +[^#\s]", line) and "#" not in line]
    documented = [line for line in bare if not line.startswith("    ")]  # entries below a commented key
    assert not documented

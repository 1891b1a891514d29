import json
from pathlib import Path
from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.flows.bio import dump_bio
from assay.flows.partial_run import run_until
from assay.flows.training import train
from assay.runs.run_states import RunState
from tests.flows.tiny import make_recipe

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture(autouse=True)
def _no_tracking_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def state(store: Path) -> RunState:
    [path] = store.glob("runs/*/run.json")
    return RunState.model_validate_json(path.read_bytes())


def began(folder: Path) -> float:
    marker: dict[str, Any] = json.loads((folder / "step.json").read_text())
    return float(marker["began"])


def test_run_until_leaves_the_run_open(corpus: Path, store: Path) -> None:
    recipe = make_recipe(corpus)
    done = run_until(recipe, "split", store)
    assert list(done) == ["extract", "validate", "split"]
    assert state(store).state == "open"
    assert run_until(recipe, "split", store) == done


@pytest.mark.slow  # trains, exports and starts a fresh process for the smoke test
def test_train_resumes_after_run_until(corpus: Path, store: Path) -> None:
    recipe = make_recipe(corpus, training={"epochs": 1}, run_mode="dry_run")
    done = run_until(recipe, "evaluate", store)
    outcome = train(recipe, store)
    assert outcome.evaluation == done["evaluate"]
    assert (outcome.run, state(store).state) == (state(store).key, "closed")


def test_run_until_redoes_a_single_step(corpus: Path, store: Path) -> None:
    recipe = make_recipe(corpus)
    first = run_until(recipe, "split", store)
    before = {step: began(path) for step, path in first.items()}
    again = run_until(recipe, "split", store, from_step="split")
    assert {step: began(path) > before[step] for step, path in again.items()} == {
        "extract": False,
        "validate": False,
        "split": True,
    }


def test_dump_bio_writes_the_rows_of_a_run(corpus: Path, store: Path, tmp_path: Path) -> None:
    recipe = make_recipe(corpus)
    with pytest.raises(AssayError, match="has finished the step extract; run assay run RECIPE --until extract"):
        dump_bio(recipe, store, tmp_path / "rows.jsonl")
    run_until(recipe, "split", store)
    everything, test = tmp_path / "rows.jsonl", tmp_path / "test.conll"
    assert dump_bio(recipe, store, everything) == 400
    count = dump_bio(recipe, store, test, "test")
    rows = [json.loads(line) for line in everything.read_text().splitlines()]
    assert rows[0]["tokens"][0][0].isupper()
    assert rows[0]["tags"] == ["B-NAME"] + ["O"] * (len(rows[0]["tokens"]) - 1)
    assert {row["split"] for row in rows} == {"train", "validation", "test"}
    assert count == sum(row["split"] == "test" for row in rows)
    blocks = test.read_text().strip().split("\n\n")
    assert len(blocks) == count
    assert blocks[0].splitlines()[2] == "# split = test"
    assert blocks[0].splitlines()[3].endswith("\tB-NAME")

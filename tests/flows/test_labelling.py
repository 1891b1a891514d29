"""The way of a wrong label: found by a version, corrected by a person, and reported in the next verdict."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.flows.corrections import apply_corrections
from assay.flows.labelling import label_issues, suggest_labels
from assay.flows.training import train
from assay.recipes.recipe import Recipe
from assay.registry.lineage.version_diff import diff_versions
from assay.runs.run_states import newest_run
from assay.runs.step_result import newest_result
from tests.flows.tiny import make_recipe, rows, write_rows

# Two trainings of a real network, and the flows between them.
pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]
OTHER = {"good": "bad", "bad": "good"}


def write_with_wrong_labels(path: Path) -> set[str]:
    """Write 500 rows of which every tenth has a wrong class, and return the ids of these."""
    content, wrong = rows(500, 1), set()
    for row in content[::10]:
        row["label"] = OTHER[row["label"]]
        wrong.add(row["id"])
    path.write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
    return wrong


def accept(tasks: Path) -> Path:
    """Return the export of Prodigy after a person has accepted every proposal."""
    path = tasks.with_name("done.jsonl")
    lines = [
        json.loads(line) | {"answer": "accept", "_annotator_id": "anna"} for line in tasks.read_text().splitlines()
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def splits_of(recipe: Recipe, store: Path) -> dict[str, str]:
    run = newest_run(recipe.name, store)
    assert run is not None
    folder = newest_result(run, "split")
    assert folder is not None
    return dict(Splits.load(folder).split_of)


class World(NamedTuple):
    """A store with a champion, whose recipe read some wrong labels."""

    store: Path
    recipe: Recipe
    source: Path
    wrong: set[str]
    split_of: dict[str, str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> World:
    folder = tmp_path_factory.mktemp("labels")
    source, store = folder / "rows.jsonl", folder / "store"
    wrong = write_with_wrong_labels(source)
    recipe = make_recipe(source, gate={"champion": {"margin": 0.5}}, training={"epochs": 12})
    first = train(recipe, store)
    assert first.promotion.promoted, first.promotion.why
    return World(store, recipe, source, wrong, splits_of(recipe, store))


def test_label_issues_predicts_training_rows_by_models_that_have_not_seen_them(world: World) -> None:
    report = label_issues("models:/tiny/1", cross_validate=2, store=world.store)
    trained = {row for row in world.wrong if world.split_of.get(row) == "train"}
    found = {task.id for task in report.tasks if task.split == "train"}
    assert len(found & trained) >= 0.6 * len(trained)
    assert len(found & trained) >= 0.5 * len(found)
    assert not list((world.store / "labels").rglob("*.parquet"))


def test_suggest_labels_chooses_rows_of_a_source(world: World, tmp_path: Path) -> None:
    new = write_rows(tmp_path / "new.jsonl", 60, 9)
    report = suggest_labels("models:/tiny/1", str(new), rows=10, output=tmp_path / "tasks.json", store=world.store)
    assert len(report.tasks) == 10
    assert all(task.split is None and task.proposed_label in OTHER for task in report.tasks)
    assert report.files == [tmp_path / "tasks.json", tmp_path / "tasks-interface.xml"]


def test_label_issues_are_found_corrected_and_reported(world: World, tmp_path: Path) -> None:
    store, recipe, rows_file, wrong, before = world

    # The version finds the wrong labels of the rows that it was not trained on.
    report = label_issues("models:/tiny@champion", output=tmp_path / "tasks.jsonl", task_format="prodigy", store=store)
    held_out = {row for row in wrong if before.get(row) in ("validation", "test")}
    found = {task.id for task in report.tasks}
    assert len(found & held_out) >= 0.8 * len(held_out)
    assert len(found & held_out) >= 0.6 * len(found)
    assert not (store / "labels").exists() or not list((store / "labels").rglob("*.parquet"))

    # A person accepts what it proposes; the source stays as it is.
    source = rows_file.read_bytes()
    done = apply_corrections(recipe, store, str(accept(tmp_path / "tasks.jsonl")))
    assert done.tool == "prodigy"
    assert sum(done.corrected.values()) == len(found)
    assert set(done.corrected) <= {"test", "validation"}
    assert rows_file.read_bytes() == source
    assert label_issues("models:/tiny@champion", store=store).found < report.found

    # The next run reads the rows again, in the same splits, and its verdict reports the corrections.
    second = train(recipe, store)
    assert splits_of(recipe, store) == before
    run = newest_run(recipe.name, store)
    assert run is not None
    extracted = newest_result(run, "extract")
    assert extracted is not None
    counts = Snapshot.load(extracted).manifest.corrections
    assert counts is not None
    assert (counts.overlay, counts.corrected) == (done.overlay, len(found))
    assert second.verdict.corrected_rows == done.corrected
    (check,) = [check for check in second.verdict.checks if check.name == "champion: sentence"]
    assert f"{done.corrected['test']} of them with labels that people have corrected, for both" in check.measured

    # The difference between both versions shows what the corrections alone changed.
    effect = diff_versions("tiny", "1", "2", f"sqlite:///{store}/mlflow.db").corrections
    assert effect is not None
    assert effect.authors == {"anna": len(found)}
    (score,) = [score for score in effect.scores if (score.version, score.head) == ("1", "sentence")]
    assert score.after > score.before

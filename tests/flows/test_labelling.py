"""The way of a wrong label: found by a version, corrected by a person, and told in the verdict of the next version."""

import json
from pathlib import Path

import pytest

from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.evaluation.labels.label_task_report import LabelTaskReport
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


def test_wrong_labels_are_found_corrected_and_told(tmp_path: Path) -> None:
    wrong = write_with_wrong_labels(tmp_path / "rows.jsonl")
    store, recipe = tmp_path / "store", make_recipe(tmp_path / "rows.jsonl", gate={"champion": {"margin": 0.5}})
    first = train(recipe, store)
    assert first.promotion.promoted, first.promotion.why
    before = splits_of(recipe, store)

    # The version finds the wrong labels of the rows that it was not trained on.
    report = label_issues("models:/tiny@champion", output=tmp_path / "tasks.jsonl", task_format="prodigy", store=store)
    held_out = {row for row in wrong if before.get(row) in ("validation", "test")}
    found = {task.id for task in report.tasks}
    assert len(found & held_out) >= 0.8 * len(held_out)
    assert len(found & held_out) >= 0.6 * len(found)
    assert not (store / "labels").exists() or not list((store / "labels").rglob("*.parquet"))

    # A person accepts what it proposes; the source stays as it is.
    source = (tmp_path / "rows.jsonl").read_bytes()
    done = apply_corrections(recipe, store, str(accept(tmp_path / "tasks.jsonl")))
    assert done.tool == "prodigy"
    assert sum(done.corrected.values()) == len(found)
    assert set(done.corrected) <= {"test", "validation"}
    assert (tmp_path / "rows.jsonl").read_bytes() == source
    assert label_issues("models:/tiny@champion", store=store).found < report.found

    # The next run reads the rows again, in the same splits, and its verdict tells of the corrections.
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


def test_rows_to_label_next_are_new_and_written_for_a_tool(tmp_path: Path) -> None:
    store, recipe = tmp_path / "store", make_recipe(write_rows(tmp_path / "rows.jsonl"))
    train(recipe, store)
    new = write_rows(tmp_path / "new.jsonl", 60, 9)
    report: LabelTaskReport = suggest_labels(
        "models:/tiny@champion", str(new), rows=10, output=tmp_path / "tasks.json", store=store
    )
    assert len(report.tasks) == 10
    assert all(task.split is None and task.proposed_label in OTHER for task in report.tasks)
    assert sum("at random" in task.reason for task in report.tasks) == 2
    assert report.files == [tmp_path / "tasks.json", tmp_path / "tasks-interface.xml"]


def test_training_rows_are_predicted_by_models_that_have_not_seen_them(tmp_path: Path) -> None:
    wrong = write_with_wrong_labels(tmp_path / "rows.jsonl")
    store, recipe = tmp_path / "store", make_recipe(tmp_path / "rows.jsonl", training={"epochs": 12})
    train(recipe, store)
    report = label_issues("models:/tiny/1", cross_validate=2, store=store)
    split_of = splits_of(recipe, store)
    trained = {row for row in wrong if split_of.get(row) == "train"}
    found = {task.id for task in report.tasks if task.split == "train"}
    assert len(found & trained) >= 0.6 * len(trained)
    assert len(found & trained) >= 0.5 * len(found)
    assert not list((store / "labels").rglob("*.parquet"))

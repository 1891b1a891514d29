"""The steps of label review, on versions whose models vote by known words, without training."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.evaluation.labels.label_issue import LabelTask
from assay.evaluation.labels.label_task_report import LabelTaskReport
from assay.evaluation.labels.task_formats import LabelNames
from assay.registry.promotion import PromotionResult
from assay.runs.run import Run
from assay.tasks import label_review
from assay.tasks.annotation.push import AnnotationServer
from assay.tasks.label_review import find_label_issues, push, review_run, suggest_rows
from tests.tasks.annotation.fake_servers import FakeServer, label_studio
from tests.versions import Made, new_store, register_version, write_rows

MODEL = "models:/tiny/1"
CONTRARY = {"good": "down", "bad": "up"}


@pytest.fixture(scope="module")
def contrary(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Made:
    """A version that contradicts every label."""
    folder = tmp_path_factory.mktemp("contrary")
    return register_version(new_store(folder, mlflow_database), folder, "first", range(200), CONTRARY)


@pytest.fixture(scope="module")
def agreeing(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Made:
    """A version that agrees with every label."""
    folder = tmp_path_factory.mktemp("agreeing")
    return register_version(new_store(folder, mlflow_database), folder, "first")


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what is shown in Prefect, each page by its key and text."""
    pages: list[str] = []
    monkeypatch.setattr(label_review, "show_markdown", lambda key, text, line: pages.append(f"{key}: {text}"))
    monkeypatch.setattr(label_review, "show_link", lambda key, address, *_: pages.append(f"{key}: {address}"))
    return pages


def read_tasks(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_find_label_issues_writes_the_most_probable_ones(contrary: Made, tmp_path: Path, shown: list[str]) -> None:
    held_out = {row for row, split in contrary.splits.split_of.items() if split in ("validation", "test")}
    tasks = tmp_path / "tasks.jsonl"
    report = find_label_issues.fn(MODEL, contrary.run.tracking_uri, contrary.run.store, 5, tasks, "prodigy")
    # then most held-out rows are found, and as many are written as were asked for
    assert (report.model, report.rows, len(report.tasks)) == (MODEL, len(held_out), 5)
    assert report.found > 0.8 * len(held_out)
    assert {task.id for task in report.tasks} <= held_out
    assert all(task.proposed_label != task.label for task in report.tasks)
    assert report.files == [tasks]
    assert len(read_tasks(tasks)) == 5
    # and the page in Prefect names the version
    (page,) = shown
    assert page.startswith("label-issues: # Labels to review: models:/tiny/1")


def test_find_label_issues_writes_no_file_unasked(
    agreeing: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    report = find_label_issues.fn(MODEL, agreeing.run.tracking_uri, agreeing.run.store, 5)
    assert (report.found, report.files, report.tasks) == (0, [], [])
    assert set(tmp_path.iterdir()) == before


def test_suggest_rows_are_new_and_written_for_a_tool(agreeing: Made, tmp_path: Path) -> None:
    new, tasks = tmp_path / "new.jsonl", tmp_path / "tasks.json"
    write_rows(new, range(50, 90))  # ten of them have labels already

    report = suggest_rows.fn(
        MODEL, agreeing.run.tracking_uri, agreeing.run.store, str(new), {}, 10, 0.2, tasks, "label-studio"
    )

    assert (report.rows, report.found, len(report.tasks)) == (30, 10, 10)
    assert all(task.split is None and task.proposed_label in CONTRARY.values() for task in report.tasks)
    assert sum("at random" in task.reason for task in report.tasks) == 2
    assert report.files == [tasks, tmp_path / "tasks-interface.xml"]


def test_suggest_rows_needs_a_source_with_new_rows(agreeing: Made, tmp_path: Path) -> None:
    (known,) = agreeing.run.recipe.source.paths  # type: ignore[union-attr]  # it reads files
    with pytest.raises(AssayError, match="holds no row that is new to the 60 labelled ones"):
        suggest_rows.fn(MODEL, agreeing.run.tracking_uri, agreeing.run.store, known, {}, 10, 0.2, tmp_path / "t.csv")
    assert not (tmp_path / "t.csv").exists()


def a_report(*tasks: LabelTask) -> LabelTaskReport:
    names = LabelNames(classes=["down", "up"], entity_types=[], pair=False)
    return LabelTaskReport(model=MODEL, recipe="tiny", rows=9, found=len(tasks), tasks=list(tasks), names=names)


def test_push_names_the_project_in_report_and_prefect(monkeypatch: pytest.MonkeyPatch, shown: list[str]) -> None:
    pytest.importorskip("label_studio_sdk", reason="needs the extra label-studio")
    monkeypatch.setenv("TOOL_API_KEY", "secret")
    task = LabelTask(
        id="r1", split="test", text="good", text_pair=None, label="down", entities=None, proposed_label="up",
        proposed_entities=None, score=0.9, reason="wrong class",
    )  # fmt: skip
    with FakeServer(label_studio([])).listening() as fake:
        server = AnnotationServer(tool="label-studio", url=fake.url, key="env:TOOL_API_KEY", project="to review")
        pushed = push.fn(a_report(task), server)
    assert pushed.pushed == f"{fake.url}/projects/7/data"
    assert shown == [f"label-tasks: {pushed.pushed}"]


def test_push_without_tasks_asks_no_server(shown: list[str]) -> None:
    server = AnnotationServer(tool="label-studio", url="http://127.0.0.1:9", key="env:TOOL_API_KEY", project="p")
    assert push.fn(a_report(), server).pushed is None
    assert shown == []


@pytest.mark.parametrize("registered", [True, False])
def test_review_run_shows_label_issues_of_a_run(contrary: Made, shown: list[str], registered: bool) -> None:
    promotion = PromotionResult(version=contrary.version if registered else None, promoted=False, why="")
    review_run.fn(contrary.run, contrary.results, promotion)
    (page,) = shown
    held_out = sum(split in ("validation", "test") for split in contrary.splits.split_of.values())
    assert f" of {held_out} held-out rows" in page
    assert page.startswith(f"label-issues: # Labels to review: {MODEL if registered else 'toy'}")


def allowing(made: Made, rows: int) -> Run:
    """Return the run of a version whose recipe lets so many rows be examined."""
    return made.run.model_copy(update={"recipe": made.run.recipe.model_copy(update={"label_review_rows": rows})})


def test_review_run_examines_no_more_rows_than_the_recipe_allows(contrary: Made, shown: list[str]) -> None:
    promotion = PromotionResult(version=contrary.version, promoted=True, why="")
    review_run.fn(allowing(contrary, 12), contrary.results, promotion)
    (page,) = shown
    assert " of 12 held-out rows" in page
    review_run.fn(allowing(contrary, 0), contrary.results, promotion)
    assert shown == [page]


@pytest.mark.parametrize("error", [RuntimeError("no memory\nat all"), OSError(28, "No space left"), ValueError()])
def test_review_run_that_fails_is_a_warning(
    contrary: Made,
    shown: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(label_review, "find_issue_tasks", fail)
    promotion = PromotionResult(version=contrary.version, promoted=True, why="")
    review_run.fn(contrary.run, contrary.results, promotion)
    assert shown == []
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert line.startswith(f"the label issues of run {contrary.run.key} are not shown: ")
    assert "\n" not in line

import csv
import json
from pathlib import Path

import pytest
import yaml

from assay.corpus.overlay import added_id
from assay.corpus.splits import Splits
from assay.flows.local import run_steps
from tests.cli.calls import call
from tests.flows.tiny import make_recipe, rows, write_rows
from tests.versions import Made, new_store, register_version
from tests.versions import write_rows as write_toy_rows

MODEL = "models:/tiny/1"


@pytest.fixture(autouse=True)
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name the user, who may have no entry in the password database."""
    monkeypatch.setenv("LOGNAME", "carla")


@pytest.mark.parametrize("words", [["issues"], ["suggest", "--input", "new.jsonl"]])
def test_labels_keeps_a_file_that_people_may_have_filled_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    tasks = tmp_path / "tasks.csv"
    tasks.write_text("row_id,new_label\nr1,good\n", encoding="utf-8")
    assert call(monkeypatch, "labels", *words, "models:/tiny@champion", "--output", tasks, "--store", tmp_path) == 1
    assert f"--output is {tasks}, which exists; name a new file" in capsys.readouterr().err.replace("\n", "")
    assert tasks.read_text(encoding="utf-8") == "row_id,new_label\nr1,good\n"


@pytest.mark.parametrize("words", [["issues"], ["suggest", "--input", "new.jsonl"]])
def test_labels_names_the_formats_if_there_is_no_such_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    tasks = tmp_path / "tasks.xml"
    assert call(monkeypatch, "labels", *words, MODEL, "--output", tasks, "--format", "labelbox") == 1
    said = capsys.readouterr().err
    assert "--format labelbox: no such format; formats are label-studio, doccano, prodigy, argilla, csv" in said
    assert not tasks.exists()


@pytest.fixture(scope="module")
def contrary(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path, prefect_server: None) -> Made:
    """A version that contradicts every label."""
    folder = tmp_path_factory.mktemp("contrary")
    words = {"good": "down", "bad": "up"}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return register_version(new_store(folder, mlflow_database), folder, "first", range(200), words)


@pytest.mark.usefixtures("prefect_server")
def test_issues_shows_the_first_rows_and_writes_all_of_them(
    contrary: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    tasks = tmp_path / "tasks.csv"
    words = ("labels", "issues", MODEL, "--output", tasks, "--format", "csv", "--rows", "7")
    assert call(monkeypatch, *words, "--store", contrary.run.store) == 0
    lines = capsys.readouterr().out.splitlines()
    with tasks.open(encoding="utf-8") as file:
        written = [row["row_id"] for row in csv.DictReader(file)]
    assert len(written) == 7
    assert lines[0].endswith(f"held-out rows of {MODEL} have labels that may be wrong")
    assert lines[1] == "  wrong class: 7"
    assert [line.split()[0] for line in lines if "the model says" in line] == written[:5]
    assert lines[-1] == f"7 tasks in {tasks}"


@pytest.mark.usefixtures("prefect_server")
def test_suggest_prints_its_report_as_json(
    contrary: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    new, tasks = tmp_path / "new.jsonl", tmp_path / "tasks.jsonl"
    write_toy_rows(new, range(300, 340))
    words = ("labels", "suggest", MODEL, "--input", new, "--output", tasks, "--format", "doccano", "--rows", "3")
    assert call(monkeypatch, *words, "--json", "--store", contrary.run.store) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["model"], report["rows"], report["files"]) == (MODEL, 40, [str(tasks)])
    written = [json.loads(line)["row_id"] for line in tasks.read_text(encoding="utf-8").splitlines()]
    assert written == [task["id"] for task in report["tasks"]]
    assert len(written) == 3


class Corrected:
    """A recipe whose rows a run has read, and files of corrections for it."""

    def __init__(self, folder: Path) -> None:
        recipe = make_recipe(write_rows(folder / "rows.jsonl", 60))
        self.store, self.recipe = folder / "store", folder / "recipe.yaml"
        self.recipe.write_text(yaml.safe_dump(recipe.model_dump(mode="json")), encoding="utf-8")
        self.rows = rows(60, 1)
        self.splits = run_steps(recipe, self.store, "split")["split"]


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Corrected:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return Corrected(tmp_path_factory.mktemp("corrected"))


def write_table(path: Path, decisions: list[dict[str, str]]) -> Path:
    """Write a table of decisions as `assay labels issues --format csv` leaves it to people."""
    names = ["row_id", "text", "new_label", "author", "updated_at"]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, names, restval="")
        table.writeheader()
        table.writerows(decisions)
    return path


def other_class(row: dict[str, str]) -> str:
    return "good" if row["label"] == "bad" else "bad"


def test_apply_counts_the_decisions_and_lists_the_first_rejected_ones(
    corrected: Corrected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = corrected.rows[:3]
    newer = {"author": "anna", "updated_at": "2026-01-02T00:00:00Z"}
    decisions = [
        {"row_id": first["id"], "text": first["text"], "new_label": other_class(first), **newer},
        {"row_id": second["id"], "text": second["text"], "new_label": second["label"], **newer},
        {"row_id": third["id"], "text": third["text"]},
        *({"row_id": f"gone-{number}", "text": "any", "new_label": "good"} for number in range(7)),
    ]
    table = write_table(tmp_path / "done.csv", decisions)
    apply = ("labels", "apply", table, corrected.recipe, "--store", corrected.store)
    assert call(monkeypatch, *apply) == 0
    lines = capsys.readouterr().out.splitlines()
    split = Splits.load(corrected.splits).split_of[first["id"]]
    assert lines[0] == f"1 row corrected (1 {split}), 1 confirmed, 0 added, 1 undecided, 7 rejected"
    assert [line for line in lines if line.startswith("gone-")] == [f"gone-{number}" for number in range(5)]
    assert "there is no such row" in lines[2]
    assert lines[-2:] == ["and 2 more: --json lists them all", f"the next assay run {corrected.recipe} reads them"]

    # An older export of the same project changes nothing.
    older = [{**decisions[0], "new_label": first["label"], "updated_at": "2026-01-01T00:00:00Z"}]
    write_table(table, older)
    assert call(monkeypatch, *apply) == 0
    assert capsys.readouterr().out.splitlines() == [
        "0 rows corrected, 0 confirmed, 0 added, 0 undecided, 0 rejected",
        "1 decision left out: others about the same rows are newer",
    ]


def test_apply_prints_its_report_as_json(
    corrected: Corrected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = corrected.rows[10]
    table = write_table(
        tmp_path / "done.csv", [{"row_id": row["id"], "text": row["text"], "new_label": other_class(row)}]
    )
    words = ("labels", "apply", table, corrected.recipe, "--store", corrected.store, "--format", "csv")
    assert call(monkeypatch, *words, "--author", "ben", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["tool"], sum(report["corrected"].values()), report["rejected"]) == ("csv", 1, [])
    overlay = Path(report["file"]).read_text(encoding="utf-8")
    assert '"author":"ben"' in overlay.replace(" ", "")


def test_apply_accepts_a_new_class_only_if_told_so(
    corrected: Corrected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = corrected.rows[20]
    table = write_table(tmp_path / "done.csv", [{"row_id": row["id"], "text": row["text"], "new_label": "mixed"}])
    apply = ("labels", "apply", table, corrected.recipe, "--store", corrected.store)
    assert call(monkeypatch, *apply) == 1
    said = capsys.readouterr().err
    assert f"1 row, none of which can be used; {row['id']}: " in said
    assert "mixed" in said
    assert call(monkeypatch, *apply, "--new-labels") == 0
    assert capsys.readouterr().out.startswith("1 row corrected (1 ")


def test_apply_reads_a_table_in_the_encoding_and_with_the_separator_that_are_named(
    corrected: Corrected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = corrected.rows[30]
    table = tmp_path / "done.csv"
    cells = [row["id"], row["text"], other_class(row), "Jürgen"]
    lines = ["row_id~text~new_label~author", "~".join(cells), "~".join(["gone", "é", "", "Zoë"])]
    table.write_bytes("\n".join(lines).encode("windows-1252"))
    apply = ("labels", "apply", table, corrected.recipe, "--store", corrected.store)
    assert call(monkeypatch, *apply) == 1
    assert "--encoding" in capsys.readouterr().err
    assert call(monkeypatch, *apply, "--encoding", "windows-1252", "--separator", "~", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (sum(report["corrected"].values()), report["undecided"]) == (1, 1)
    assert "Jürgen" in Path(report["file"]).read_text(encoding="utf-8")


def test_apply_counts_added_rows_that_are_labelled_in_part(
    corrected: Corrected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new = {"row_id": added_id("Alra rises"), "text": "Alra rises", "new_label": "good"}
    apply = ("labels", "apply", write_table(tmp_path / "done.csv", [new]), corrected.recipe, "--store", corrected.store)
    assert call(monkeypatch, *apply) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "0 rows corrected, 0 confirmed, 1 added, 0 undecided, 0 rejected"
    assert lines[1] == "1 added row labelled in part, which no run uses until all is labelled"


def test_apply_names_the_tools_if_there_is_no_such_one(
    corrected: Corrected, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    apply = ("labels", "apply", "done.json", corrected.recipe, "--store", corrected.store)
    assert call(monkeypatch, *apply, "--format", "labelbox") == 1
    said = capsys.readouterr().err
    assert "--format labelbox: no such tool; tools are label_studio, doccano, prodigy, spacy, argilla, csv" in said

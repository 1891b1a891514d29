import json
from pathlib import Path
from typing import Any

import pytest

from assay.corpus.documents.raw_document import InvalidRow
from assay.corpus.entity import Entity
from assay.corpus.errors import AssayError
from assay.evaluation.drift.logged_rows import Label, LoggedRow, read_labels, read_log
from assay.recipes.recipe import Recipe
from assay.serving.engine import ScoredEntity, ScoredLabel
from tests.snapshots import recipe_values

RECIPE = Recipe.model_validate(
    recipe_values(
        source={
            "kind": "files",
            "paths": {"rows.jsonl": "all"},
            "fields": {"label": "label"},
            "label_map": {"1": "up"},
        }
    )
)
AT = "2026-11-21T08:00:00.000+00:00"


def logged(name: Any, **more: Any) -> dict[str, Any]:
    row = {"id": name, "at": AT, "digest": "d", "characters": 9, "truncated": False, "label": "up", "confidence": 0.9}
    return {**row, "entities": [entity(0, 4, "ORG") | {"score": 0.7}], **more}


def entity(start: float, end: float, label: str) -> dict[str, Any]:
    return {"start": start, "end": end, "label": label}


def write(path: Path, *rows: dict[str, Any] | str) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def read_one(folder: Path, row: dict[str, Any], label: Label | None = None) -> LoggedRow | InvalidRow:
    write(folder / "predictions-1.jsonl", row)
    (result,) = read_log(folder, {str(row["id"]): label} if label else {})
    return result


def test_read_log_returns_prediction_time_and_bundle(tmp_path: Path) -> None:
    row = read_one(tmp_path, logged("a"))
    assert isinstance(row, LoggedRow)
    assert (row.time, row.bundle, row.group, row.example) == ("2026-11-21T08:00:00+00:00", "d", None, None)
    prediction = row.prediction
    assert (prediction.id, prediction.gold, prediction.predicted, prediction.probabilities) == ("a", None, "up", (0.9,))
    assert prediction.predicted_entities == (ScoredEntity(0, 4, "ORG", 0.7),)
    assert (prediction.gold_entities, prediction.characters, prediction.truncated) == (None, 9, False)


def test_read_log_takes_rows_of_a_model_without_classes(tmp_path: Path) -> None:
    row = logged("a")
    del row["label"], row["confidence"]
    result = read_one(tmp_path, row)
    assert isinstance(result, LoggedRow)
    assert (result.prediction.predicted, result.prediction.probabilities) == (None, ())


def test_read_log_joins_labels_to_prediction_and_text(tmp_path: Path) -> None:
    label = Label("down", (Entity(0, 5, "ORG"),), "g")
    row = read_one(tmp_path, logged("r/0", text="Acme  bad", text_pair="more"), label)
    assert isinstance(row, LoggedRow)
    assert row.example is not None
    assert (row.prediction.gold, row.prediction.gold_entities) == ("down", (Entity(0, 5, "ORG"),))
    assert (row.example.text, row.example.text_pair, row.example.label) == ("Acme  bad", "more", "down")
    assert row.example.entities == (Entity(0, 4, "ORG"),)  # without the blank at its edge
    assert (row.group, row.example.group) == ("g", "g")


@pytest.mark.parametrize(
    ("name", "group"),
    [("r/0", f"r {AT}"), ("a/b/12", f"a/b {AT}"), ("/0", None), ("a/b", None), ("a", None), ("a/", None)],
)
def test_read_log_groups_rows_of_one_request(tmp_path: Path, name: str, group: str | None) -> None:
    row = read_one(tmp_path, logged(name))
    assert isinstance(row, LoggedRow)
    assert row.group == group


def test_read_log_reads_ids_as_labels_do(tmp_path: Path) -> None:
    row = read_one(tmp_path, logged(7), Label("down", None))
    assert isinstance(row, LoggedRow)
    assert (row.prediction.id, row.prediction.gold) == ("7", "down")


@pytest.mark.parametrize(
    "row",
    [
        {"id": "a"},
        logged("a", entities=None),
        logged("a", entities=[[0, 4, "ORG"]]),
        logged("a", at="soon"),
        logged(["a"]),
        logged(None),
    ],
    ids=str,
)
def test_read_log_reports_what_is_no_row_of_a_log_and_goes_on(tmp_path: Path, row: dict[str, Any]) -> None:
    write(tmp_path / "predictions-1.jsonl", row, '{"id": "c', logged("good"))
    foreign, cut, good = read_log(tmp_path, {})
    assert isinstance(foreign, InvalidRow)
    assert foreign.id == "predictions-1.jsonl:1"
    assert foreign.reason.startswith("not a row of a prediction log: ")
    assert isinstance(cut, InvalidRow)
    assert isinstance(good, LoggedRow)


def test_read_log_reads_the_files_of_a_folder_by_name(tmp_path: Path) -> None:
    write(tmp_path / "predictions-2.jsonl", logged("b"))
    write(tmp_path / "predictions-1.jsonl", logged("a"))
    write(tmp_path / "other.jsonl", logged("c"))
    assert [row.prediction.id for row in read_log(tmp_path, {}) if isinstance(row, LoggedRow)] == ["a", "b"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        AssayError, match=r"empty holds no predictions-\*\.jsonl: name the folder that assay serve --log"
    ):
        list(read_log(tmp_path / "empty", {}))


def test_read_labels_are_read_like_those_of_the_source(tmp_path: Path) -> None:
    path = write(
        tmp_path / "labels.jsonl",
        {"id": 7.0, "label": 1, "group": 5},
        {
            "id": "b",
            "label": None,
            "entities": [{"start": 5, "end": 9.0, "label": "B"}, {"start": 0, "end": 4, "label": "A"}],
        },
        {"id": "c", "label": "down", "entities": []},
        {"id": "d"},
    )
    assert read_labels(path, RECIPE) == {
        "7": Label("up", None, "5"),
        "b": Label(None, (Entity(0, 4, "A"), Entity(5, 9, "B"))),
        "c": Label("down", ()),
        "d": Label(None, None),
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "not valid JSON: .*, in row 2; fix the file of labels"),
        ({"label": "up"}, r"row 2 is not a label \(id is missing\); it needs id, and label, labels or entities"),
        ({"id": "a", "label": [1, 2]}, r"row 2 is not a label \(text has several classes: "),
        ({"id": "a", "entities": 5}, "row 2 is not a label"),
        ({"id": "a", "entities": [{"start": 0}]}, "row 2 is not a label"),
        ({"id": "a", "group": [1]}, r"row 2 is not a label \(group is not a single value"),
    ],
    ids=str,
)
def test_read_labels_names_file_and_row(tmp_path: Path, row: dict[str, Any] | str, message: str) -> None:
    path = write(tmp_path / "labels.jsonl", {"id": "z", "label": "up"}, row)
    with pytest.raises(AssayError, match=rf"labels\.jsonl: {message}"):
        read_labels(path, RECIPE)


def test_entities_in_strips_white_space_and_refuses_what_the_text_lacks() -> None:
    text = "bad Acme "
    assert Label(None, None).entities_in(text, "7") is None
    assert Label(None, ()).entities_in(text, "7") == ()
    entities = (Entity(0, 4, "A"), Entity(3, 9, "B"))
    assert Label(None, entities).entities_in(text, "7") == (Entity(0, 3, "A"), Entity(4, 8, "B"))
    with pytest.raises(AssayError, match="label of row '7': entity 4:10 lies outside the text; fix the file of labels"):
        Label(None, (Entity(4, 10, "A"),)).entities_in(text, "7")
    with pytest.raises(AssayError, match="entity 3:4 covers white space alone"):
        Label(None, (Entity(3, 4, "A"),)).entities_in(text, "7")


@pytest.mark.parametrize(
    ("fields", "of_entity", "label", "row"),
    [
        ({}, None, False, False),
        ({"abstained": True}, None, True, True),
        ({"abstained": True}, True, False, True),
        ({"abstained": True, "label_abstained": True}, True, True, True),
        ({"abstained": False, "label_abstained": False}, False, False, False),
    ],
)
def test_read_log_takes_what_was_left_to_people(
    tmp_path: Path, fields: dict[str, bool], of_entity: bool | None, label: bool, row: bool
) -> None:
    found = entity(0, 4, "ORG") | {"score": 0.7} | ({} if of_entity is None else {"abstained": of_entity})
    result = read_one(tmp_path, logged("a", entities=[found], **fields))
    assert isinstance(result, LoggedRow)
    prediction = result.prediction
    assert (prediction.label_abstained, prediction.abstained) == (label, row)


def test_read_log_and_read_labels_read_several_labels(tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path / "labels.jsonl", {"id": "a", "labels": [1, "b", "b"]}), RECIPE)
    assert labels["a"].labels == ("b", "up")  # by the label map
    row = logged("a", labels=[{"label": "up", "score": 0.8}], label_confidence=0.7)
    result = read_one(tmp_path, row, labels["a"])
    assert isinstance(result, LoggedRow)
    assert result.prediction.gold_labels == ("b", "up")
    assert result.prediction.predicted_labels == (ScoredLabel("up", 0.8),)
    assert result.prediction.label_probabilities == (0.7,)
    with pytest.raises(AssayError, match=r"row 1 is not a label \(labels is not a list of labels: b\)"):
        read_labels(write(tmp_path / "labels.jsonl", {"id": "a", "labels": "b"}), RECIPE)

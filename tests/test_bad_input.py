"""Invalid input of a user ends with one line that names the problem, exit code 1, and no partial result."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from assay import cli
from tests.flows.tiny import rows

VALID_ROWS = rows(60, seed=3)


def recipe_for(corpus: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "tiny",
        "source": {
            "kind": "files",
            "paths": {str(corpus): "all"},
            "fields": {"id": "id", "label": "label"} | ({"split": "split"} if "split" in changes else {}),
            "max_reject_share": 0,
        },
        "validation": {"max_duplicate_share": 1.0},
        "model": {"scratch": {"layers": 1}, "heads": ["sentence"]},
        "gate": {"min_f1": {"sentence": 0.5}},
        "registry": {"name": "tiny"},
    } | changes


def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: dict[str, Any], *words: str) -> int:
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe))
    monkeypatch.setattr(sys, "argv", ["assay", *words, str(file), "--store", str(tmp_path / "store")])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return int(stopped.value.code or 0)


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.strip().splitlines()[-1]


def what_to_mend(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the last line of the report of `assay validate`, which is all that it prints."""
    shown = capsys.readouterr()
    assert shown.err == ""
    line = shown.out.splitlines()[-1]
    assert line.startswith("not ready: ")
    return line


def left_behind(tmp_path: Path) -> list[Path]:
    """Return all files that could be mistaken for a result."""
    return [path for path in (tmp_path / "store").rglob("*") if path.suffix in {".parquet", ".onnx", ".safetensors"}]


@pytest.mark.parametrize(
    ("invalid", "named"),
    [
        (b"", ["rows.jsonl", "empty"]),
        (b'{"id": "x1", "label": "good"}\n', ["text", "missing"]),
        (b'{"id": "x1", "text": "", "label": "good"}\n', ["x1", "empty"]),
        (b'{"id": "x1", "text": NaN, "label": "good"}\n', ["x1", "nan"]),
        (b'{"id": "x1", "text": {"a": null}, "label": "good"}\n', ["x1", "text"]),
        (b'{"id": "x1", "text": "fine", "label": null}\n', ["x1", "label"]),
        (b'{"id": "x1", "text": "caf\xe9", "label": "good"}\n', ["UTF-8"]),
        (b'{"id": "x1", "text": "' + b"a " * 600_000 + b'", "label": "good"}\n', ["x1", "characters"]),
    ],
    ids=[
        "empty source",
        "missing field",
        "empty text",
        "NaN",
        "nested null",
        "null label",
        "invalid UTF-8",
        "1 MB text",
    ],
)
def test_validate_names_an_invalid_row(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    invalid: bytes,
    named: list[str],
) -> None:
    corpus = tmp_path / "rows.jsonl"
    valid = "".join(json.dumps(row) + "\n" for row in VALID_ROWS).encode() if invalid else b""
    corpus.write_bytes(valid + invalid)
    assert call(tmp_path, monkeypatch, recipe_for(corpus), "validate") == 1
    line = what_to_mend(capsys)
    for word in named:
        assert word.lower() in line.lower()
    assert len(line) < 1000
    assert left_behind(tmp_path) == []


def labelled(labels: list[str], split_of: list[str] | None = None) -> str:
    rows_with_labels = []
    for number, label in enumerate(labels):
        row = {"id": str(number), "text": f"text number {'x' * number}", "label": label}
        rows_with_labels.append(row | ({"split": split_of[number]} if split_of else {}))
    return "".join(json.dumps(row) + "\n" for row in rows_with_labels)


@pytest.mark.parametrize(
    ("corpus_text", "changes", "named"),
    [
        (labelled(["good"] * 40), {}, ["1 class", "source.fields.label"]),
        (labelled(["good"] * 30 + ["bad"] * 30 + ["odd"]), {}, ["odd", "1"]),
        (
            labelled(
                ["good", "bad"] * 20 + ["good", "bad"] * 10 + ["odd"] * 6,
                ["train"] * 40 + ["validation"] * 10 + ["test"] * 10 + ["validation"] * 6,
            ),
            {"split": {"method": "published"}},
            ["odd", "validation"],
        ),
    ],
    ids=["one class only", "a class with one row", "a label missing in train"],
)
def test_validate_names_a_class_that_cannot_be_learnt(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    corpus_text: str,
    changes: dict[str, Any],
    named: list[str],
) -> None:
    corpus = tmp_path / "rows.jsonl"
    corpus.write_text(corpus_text)
    assert call(tmp_path, monkeypatch, recipe_for(corpus, **changes), "validate") == 1
    line = what_to_mend(capsys)
    for word in named:
        assert word in line
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (
            {"kind": "mongo", "uri": "mongodb://127.0.0.1:9", "database": "d", "collection": "c", "timeout_s": 0.3},
            ["127.0.0.1:9", "MongoDB"],
        ),
        ({"kind": "mongo", "uri": "env:NO_SUCH_VARIABLE", "database": "d", "collection": "c"}, ["NO_SUCH_VARIABLE"]),
        ({"kind": "hub", "path": "nobody/nothing", "revision": "0" * 40}, ["nobody/nothing"]),
        ({"kind": "files", "paths": {"nowhere.jsonl": "all"}}, ["nowhere.jsonl"]),
    ],
    ids=["MongoDB", "no address", "hub", "file"],
)
def test_validate_names_an_unreachable_source(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    source: dict[str, Any],
    named: list[str],
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    recipe = recipe_for(tmp_path / "rows.jsonl", source={**source, "fields": {"label": "label"}})
    assert call(tmp_path, monkeypatch, recipe, "validate") == 1
    line = what_to_mend(capsys)
    for word in named:
        assert word in line
    assert left_behind(tmp_path) == []


@pytest.mark.usefixtures("prefect_server")
def test_run_names_an_mlflow_that_is_not_responding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = tmp_path / "rows.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in VALID_ROWS))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    recipe = recipe_for(corpus, registry={"name": "tiny", "tracking_uri": "http://127.0.0.1:9"})
    assert call(tmp_path, monkeypatch, recipe, "run") == 1
    assert "MLflow at http://127.0.0.1:9" in last_line(capsys)
    assert left_behind(tmp_path) == []

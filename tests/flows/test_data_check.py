"""What a check of a recipe's data finds out, ready or not."""

import json
from pathlib import Path
from typing import Any

from assay.evaluation.data_report import DataReport
from assay.flows.data_check import check_data
from tests.flows.tiny import make_recipe, rows


def report_of(folder: Path, documents: list[dict[str, Any]], **changes: Any) -> DataReport:
    corpus = folder / "rows.jsonl"
    corpus.write_text("".join(json.dumps(document) + "\n" for document in documents), encoding="utf-8")
    return check_data(make_recipe(corpus, **changes), folder / "store")


def test_check_data_reports_everything_of_a_ready_recipe(tmp_path: Path) -> None:
    documents = rows(100, 1)
    del documents[3]["label"]
    corpus = tmp_path / "rows.jsonl"
    corpus.write_text("".join(json.dumps(document) + "\n" for document in documents), encoding="utf-8")

    report = check_data(make_recipe(corpus), tmp_path / "store")

    assert (report.ready, report.problems) == (True, [])
    assert report.source == [f"{corpus}: JSON lines"]
    assert report.reading == "rows: text from 'text', label from 'label', entities from 'entities'"
    assert report.encoder.available
    assert report.counts is not None
    assert (report.counts.documents, report.counts.used, report.counts.rejected) == (100, 99, 1)
    [reject] = report.rejects
    assert (reject.count, reject.example) == (1, "row 1-3: label is missing")
    assert reject.remedy.startswith("name the field that holds it in source.fields")
    assert sum(report.splits.values()) == 99
    assert sum(row.total for row in report.classes) == 99
    assert all(row.train + row.validation + row.test == row.total for row in report.classes)
    assert [row.name for row in report.entity_types] == ["NAME"]
    assert {row.label for row in report.samples} == {"good", "bad"}
    assert all("](NAME)" in row.text for row in report.samples)
    assert report.truncation is not None
    assert (report.truncation.rows, report.truncation.max_length) == (99, 32)
    assert report.tags is not None
    assert (report.tags.entities, report.tags.recovered) == (99, 1.0)
    assert report.label_map is None
    assert all(check.passed or check.severity != "critical" for check in report.checks)
    assert not list((tmp_path / "store").rglob("*.parquet"))


def test_check_data_shows_what_it_can_where_a_check_fails(tmp_path: Path) -> None:
    report = report_of(tmp_path, rows(60, 1), validation={"labels": ["good"], "max_duplicate_share": 1.0})
    docs = tmp_path / "store" / "checks" / "tiny" / "docs" / "index.html"
    assert not report.ready
    assert report.problems[0].endswith(f"; every check: {docs}")
    assert docs.is_file()
    assert sum(row.total for row in report.classes) == 60
    assert len(report.samples) == 3
    assert any(check.name == "unknown label" and not check.passed for check in report.checks)


def test_check_data_names_the_class_that_the_gate_has_a_rule_for_and_the_data_lack(tmp_path: Path) -> None:
    rule = {"min_recall": {"sentence": {"bda": 0.9}}}
    report = report_of(tmp_path, rows(60, 1), gate={"min_f1": {"sentence": 0.5, "tokens": 0.5}, **rule})
    [problem] = report.problems
    assert problem.startswith(
        "validation: gate.min_recall.sentence names the class 'bda', which the data does not have; did you mean 'bad'?"
    )


def test_check_data_names_the_wrong_field_and_keeps_the_rejected_rows(tmp_path: Path) -> None:
    fields = {"label": "lable", "entities": "entities", "slices": {"region": "region"}}
    report = report_of(tmp_path, rows(30, 1), source={"fields": fields})
    [problem] = report.problems
    assert problem == (
        "source.fields.label is 'lable', which none of the first 30 documents has; did you mean 'label'?; their "
        "fields: id, text, label, entities, region (30 of 30 rows of the files "
        f"{tmp_path / 'rows.jsonl'} were rejected)"
    )
    assert report.classes == []
    assert report.samples == []
    assert (tmp_path / "store" / "checks" / "tiny" / "runs" / "check" / "rejects.jsonl").is_file()


def test_check_data_reports_labels_without_an_entry_and_entries_without_a_row(tmp_path: Path) -> None:
    mapping = {"good": "fine", "worse": "poor"}
    fields = {"id": "id", "label": "label", "entities": "entities", "slices": {"region": "region"}}
    report = report_of(tmp_path, rows(60, 1), source={"fields": fields, "label_map": mapping})
    assert report.label_map is not None
    assert (report.label_map.unmapped, report.label_map.unused) == (["bad"], ["worse"])
    assert not report.ready


def test_check_data_asks_for_the_encoder_first_and_reports_the_data_all_the_same(tmp_path: Path) -> None:
    model = {"encoder": str(tmp_path), "heads": ["sentence"], "scratch": None}
    report = report_of(tmp_path, rows(60, 1), model=model, gate={"min_f1": {"sentence": 0.5}})
    assert report.problems == [
        f"the folder model.encoder '{tmp_path}' lacks config.json, model.safetensors, tokenizer.json; add them"
    ]
    assert sum(report.splits.values()) == 60
    assert report.truncation is None


def test_check_data_counts_rows_without_a_label(tmp_path: Path) -> None:
    documents = rows(60, 1)
    for document, label in zip(documents, ("-1", "", None), strict=False):
        document["label"] = label
    source = {"no_label": ["-1"]}
    report = report_of(tmp_path, documents, source=source)
    assert (report.ready, report.rejects) == (True, [])
    assert report.counts is not None
    assert (report.counts.no_label, report.counts.rows) == (3, 57)
    [check] = [check for check in report.checks if check.name == "rows without a label"]
    assert check.why.startswith("3 rows without a label (one of '-1', '', source.no_label) left out")


def test_check_data_names_what_to_do_where_no_row_has_a_label(tmp_path: Path) -> None:
    documents = [{**document, "label": "-1"} for document in rows(30, 1)]
    source = {"no_label": ["-1"]}
    report = report_of(tmp_path, documents, source=source)
    [problem] = report.problems
    assert "has no rows: 30 have no label (source.no_label is ['-1']); label some of them" in problem


def test_check_data_counts_contradictions_and_near_duplicates(tmp_path: Path) -> None:
    documents = rows(60, 1)
    documents += [{**documents[0], "id": "again", "label": "bad" if documents[0]["label"] == "good" else "good"}]
    report = report_of(tmp_path, documents)
    assert report.contradictions == 2
    assert report.near_duplicates == 0.016  # 1 of 61


def test_check_data_reports_a_file_that_is_nothing_to_read(tmp_path: Path) -> None:
    corpus = tmp_path / "rows.jsonl"
    corpus.write_bytes(bytes(range(256)) * 8)
    report = check_data(make_recipe(corpus), tmp_path / "store")
    assert not report.ready
    assert str(corpus) in report.problems[0]
    assert report.source == [f"the files {corpus}"]

import json
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.corpus.documents.chunk import Counts
from assay.corpus.errors import AssayError, DataError
from assay.corpus.example import Example
from assay.corpus.overlay import add_corrections, overlay_path
from assay.corpus.snapshot import Snapshot
from assay.runs.run import Run
from assay.tasks.extract import extract
from tests.corpus.test_corrected_rows import correction
from tests.mongo import Mongo
from tests.snapshots import make_run

SENTENCE = {"Text": "Oslo shines", "Entities": [{"EntityName": "Oslo", "type": "PLACE"}], "sentiment": "good"}
DOCUMENTS: list[dict[str, Any]] = [
    {"_id": 1, "source": "blog", "Parse": [SENTENCE, SENTENCE]},
    {"_id": 2, "source": "wire", "Parse": [SENTENCE, {**SENTENCE, "sentiment": None}, "broken"]},
    {"_id": 3, "isRepost": True, "Parse": [SENTENCE]},
    {"_id": 4, "Parse": []},
    {"_id": 5, "Parse": "broken"},
    {"_id": 6, "Parse": [{**SENTENCE, "Text": float("nan")}]},
]
PARSE_SOURCE: dict[str, Any] = {
    "format": "parse",
    "fields": {"slices": {"source": "source"}},
    "entity": {"name": "EntityName", "label": "type"},
    "max_reject_share": 0.6,
}
JOINT: dict[str, Any] = {
    "model": {"scratch": {}, "heads": ["sentence", "tokens"]},
    "gate": {"min_f1": {"sentence": 0.6, "tokens": 0.6}},
}


def file_run(tmp_path: Path, lines: list[str], key: str = "first", **source: Any) -> Run:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines) + "\n")
    values = {"kind": "files", "paths": {str(path): "all"}, "fields": {"label": "label"}, **source}
    return make_run(tmp_path / "store", key, source=values)


def mongo_run(tmp_path: Path, mongo: Mongo, monkeypatch: pytest.MonkeyPatch, **source: Any) -> Run:
    section = mongo_source(mongo, monkeypatch, {**PARSE_SOURCE, **source})
    return make_run(tmp_path / "store", source=section, **JOINT)


def mongo_source(mongo: Mongo, monkeypatch: pytest.MonkeyPatch, reading: dict[str, Any]) -> dict[str, Any]:
    """Return the section of a collection and how it is read."""
    monkeypatch.setenv("ASSAY_TEST_MONGODB", mongo.uri)
    values = {"kind": "mongo", "uri": "env:ASSAY_TEST_MONGODB", "database": mongo.database, "collection": "parses"}
    return values | reading


def rejects(folder: Path) -> dict[str, str]:
    lines = [json.loads(line) for line in (folder / "rejects.jsonl").read_text().splitlines()]
    return {line["id"]: line["reason"] for line in lines}


def test_extract_uses_filters_or_rejects_every_document(
    tmp_path: Path, mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongo.fill("parses", DOCUMENTS)

    snapshot = Snapshot.load(extract.fn(mongo_run(tmp_path, mongo, monkeypatch)).path)

    assert snapshot.manifest.counts == Counts(documents=6, used=2, filtered=2, rejected=2, rows=3, rejects=4)
    assert [example.id for example in snapshot.examples()] == ["1#0", "1#1", "2#0"]
    assert [example.slices["source"] for example in snapshot.examples()] == ["blog", "blog", "wire"]
    assert rejects(snapshot.folder) == {
        "2#1": "sentiment is null",
        "2#2": "sentence is not an object: broken",
        "5": "Parse is not a list: broken",
        "6#0": "Text is not text: nan (float)",
    }


def test_extract_is_unaffected_by_a_broken_cursor(
    tmp_path: Path, mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongo.fill("parses", [{"_id": number, "Parse": [SENTENCE]} for number in range(300)])
    straight = Snapshot.load(extract.fn(mongo_run(tmp_path / "a", mongo, monkeypatch, batch_size=50)).path)
    mongo.breakable().break_cursor_after(90, times=3)

    broken = Snapshot.load(extract.fn(mongo_run(tmp_path / "b", mongo, monkeypatch, batch_size=50)).path)

    assert len(broken) == 300
    assert broken.digest == straight.digest


def test_extract_reads_one_row_of_what_several_people_annotated_in_a_collection(
    tmp_path: Path, mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flat(number: int, person: str, tone: str, text: str = "Oslo shines") -> dict[str, Any]:
        """Return a row of JSON-MIN of Label Studio, which has one for each annotation."""
        row = {"id": text, "text": text, "tone": tone, "annotation_id": number}
        return {"_id": number, **row, "annotator": person, "updated_at": f"2026-01-0{number}", "lead_time": 1.5}

    rain = "Oslo rains"
    mongo.fill(
        "parses",
        [flat(1, "anna", "bad"), flat(2, "ben", "bad", rain), flat(3, "anna", "good"), flat(4, "ben", "good"),
         flat(5, "anna", "good", rain)],
    )  # fmt: skip
    reading = {"format": "label_studio", "fields": {"label": "tone", "id": "id"}, "max_reject_share": 0.6}

    snapshot = Snapshot.load(
        extract.fn(make_run(tmp_path / "store", source=mongo_source(mongo, monkeypatch, reading))).path
    )

    assert [(row.id, row.label) for row in snapshot.examples()] == [("Oslo shines", "good")]
    assert rejects(snapshot.folder) == {rain: "annotators disagree: ben says 'bad', anna says 'good'"}


def test_extract_describes_the_source_without_its_address(
    tmp_path: Path, mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongo.fill("parses", DOCUMENTS)
    run = mongo_run(tmp_path, mongo, monkeypatch, filter={"_id": {"$lt": 4}}, limit=2)

    ref = extract.fn(run)

    snapshot = Snapshot.load(ref.path)
    assert snapshot.manifest.counts.documents == 2
    assert snapshot.manifest.source == {
        "kind": "mongo",
        "uri": "env:ASSAY_TEST_MONGODB",
        "database": mongo.database,
        "collection": "parses",
        "filter": {"_id": {"$lt": 4}},
        "limit": 2,
    }
    assert all(mongo.uri.encode() not in path.read_bytes() for path in ref.path.iterdir())


def test_extract_reads_a_changed_file_again(tmp_path: Path) -> None:
    line = '{"text": "a", "label": "x"}'
    first = extract.fn(file_run(tmp_path, [line]))

    again = extract.fn(file_run(tmp_path, [line]))
    changed = extract.fn(file_run(tmp_path, [line, line]))

    assert again == first
    assert changed.digest != first.digest
    [(name, digest)] = Snapshot.load(first.path).manifest.source["files"].items()
    assert name.endswith("rows.jsonl")
    assert len(digest) == 64


def test_extract_reads_a_local_data_set_with_its_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "news").mkdir()
    for split in ("train", "validation"):
        pq.write_table(pa.table({"text": ["a", "b"], "label": [0, 1]}), tmp_path / "news" / f"{split}.parquet")
    source = {
        "kind": "hub",
        "path": str(tmp_path / "news"),
        "splits": {"train": "train", "validation": "test"},
        "fields": {"label": "label"},
        "label_map": {"0": "bearish", "1": "bullish"},
    }

    run = make_run(tmp_path / "store", source=source, split={"method": "published"})
    snapshot = Snapshot.load(extract.fn(run).path)

    found = [(example.id, example.label, example.split) for example in snapshot.examples()]
    assert found == [
        ("train:0", "bearish", "train"),
        ("train:1", "bullish", "train"),
        ("validation:0", "bearish", "test"),
        ("validation:1", "bullish", "test"),
    ]


def test_extract_stops_at_too_many_rejects_and_keeps_them(tmp_path: Path) -> None:
    good, empty, number = '{"text": "a", "label": "x"}', '{"text": "", "label": "x"}', '{"text": 4, "label": "x"}'
    run = file_run(tmp_path, [good] * 5 + [empty] * 3 + [number, "broken"], max_reject_share=0.4)

    with pytest.raises(AssayError) as caught:
        extract.fn(run)

    line = str(caught.value)
    assert "5 of 10 rows" in line
    assert "50.0%, source.max_reject_share is 40.0%" in line
    assert "row rows:6: text is empty (3 in all), drop empty rows at the source" in line
    assert "row rows:9: text is not text: 4 (int) (1 in all), name the field that holds it in source.fields" in line
    assert line.endswith(f"see {run.folder / 'rejects.jsonl'}")
    assert "\n" not in line
    assert len(rejects(run.folder)) == 5
    assert not list(tmp_path.rglob("snapshot.json"))


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"label": "lable"}, "source.fields.label is 'lable', which none of the first 3 documents has; did you mean"),
        (
            {"label": "label", "group": "authors"},
            "source.fields.group is 'authors', which none of the first 3 documents",
        ),
        ({"label": "label", "slices": {"at": "wen"}}, "source.fields.slices.at is 'wen', which none of the first 3"),
    ],
)
def test_extract_names_a_field_that_no_document_has(tmp_path: Path, fields: dict[str, Any], cause: str) -> None:
    lines = ['{"text": "a", "label": "x", "author": "b", "when": 1}'] * 3

    with pytest.raises(DataError) as caught:
        extract.fn(file_run(tmp_path, lines, fields=fields))

    assert str(caught.value).startswith(cause)
    assert "their fields: text, label, author, when" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_extract_takes_the_names_of_json_lines_for_no_row(tmp_path: Path) -> None:
    lines = ['{"text": "text", "label": "label"}'] * 3

    with pytest.raises(
        DataError, match=r"^source\.fields\.text is 'body', which none of the first 3 documents has; "
    ) as error:
        extract.fn(file_run(tmp_path, lines, fields={"text": "body", "label": "label"}))

    assert "first line" not in str(error.value)


def test_extract_accepts_a_column_that_is_null_in_every_row(tmp_path: Path) -> None:
    run = file_run(tmp_path, ['{"text": "a", "label": "x", "by": null}'], fields={"label": "label", "group": "by"})

    assert len(Snapshot.load(extract.fn(run).path)) == 1


def test_extract_names_the_key_of_a_filter_that_no_document_has(
    tmp_path: Path, mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongo.fill("parses", DOCUMENTS)

    with pytest.raises(
        DataError, match=r"source\.filter names 'sources', which no document has; did you mean 'source'"
    ):
        extract.fn(mongo_run(tmp_path, mongo, monkeypatch, filter={"sources": "blog"}))
    with pytest.raises(DataError, match=r"without source\.filter it holds documents; correct the values of the filter"):
        extract.fn(mongo_run(tmp_path, mongo, monkeypatch, filter={"source": "radio"}))


@pytest.mark.parametrize(
    ("condition", "remedy"),
    [
        ({"lang": "de"}, "without source.filter it holds documents; correct the values of the filter"),
        ({"meta.lang": "de"}, "without source.filter it holds documents; correct the values of the filter"),
        ({"langs": "en"}, "source.filter names 'langs', which no document has; did you mean 'lang'?"),
    ],
)
def test_extract_says_why_no_row_of_a_file_passes_the_filter(
    tmp_path: Path, condition: dict[str, str], remedy: str
) -> None:
    lines = [r'{"text": "a", "label": "x", "lang": "en", "meta": "{\"lang\": \"en\"}"}'] * 3

    with pytest.raises(DataError) as caught:
        extract.fn(file_run(tmp_path, lines, filter=condition))

    assert str(caught.value).endswith(f"has no rows: all 3 documents are filtered out; {remedy}")


def test_extract_accepts_rejects_at_the_limit(tmp_path: Path) -> None:
    lines = ['{"text": "a", "label": "x"}', '{"text": ""}']

    assert len(Snapshot.load(extract.fn(file_run(tmp_path, lines, max_reject_share=0.5)).path)) == 1


def test_extract_names_an_empty_collection(tmp_path: Path, mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssayError, match=rf"the MongoDB collection {mongo.database}\.parses is empty"):
        extract.fn(mongo_run(tmp_path, mongo, monkeypatch))


def test_extract_reports_a_source_without_rows_after_filtering(
    tmp_path: Path, mongo: Mongo, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongo.fill("parses", DOCUMENTS[2:4])

    with pytest.raises(AssayError, match="has no rows: all 2 documents are filtered out"):
        extract.fn(mongo_run(tmp_path, mongo, monkeypatch))


def test_extract_names_an_unset_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    source = {"kind": "mongo", "uri": "env:NOT_SET", "database": "d", "collection": "c", "fields": {"label": "label"}}

    with pytest.raises(AssayError, match=r"source\.uri is env:NOT_SET, but NOT_SET is not set"):
        extract.fn(make_run(tmp_path, source=source))


def test_extract_names_the_rows_whose_corrections_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = file_run(tmp_path, ['{"id": "r1", "text": "a text", "label": "good"}'], fields={"id": "id", "label": "label"})
    of_row, of_another = (Example(name, "a text", label="good") for name in ("r1", "gone"))
    add_corrections(
        overlay_path(run.store, run.recipe.name),
        [correction(of_row, label="bad"), correction(of_another, label="bad")],
    )
    with caplog.at_level(logging.WARNING):
        snapshot = Snapshot.load(extract.fn(run).path)
    assert [row.label for row in snapshot.examples()] == ["bad"]
    assert [line for line in caplog.messages if "left out" in line] == [
        "corrections: 1 correction of missing rows left out (gone); name a field with lasting ids in "
        "source.fields.id, or remove them with assay erase"
    ]

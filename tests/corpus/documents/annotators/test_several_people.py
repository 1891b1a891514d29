"""Exports in which each person who annotated a text has a document."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assay.corpus.documents.annotators.several_people import by_person, joined
from assay.corpus.documents.chunk import ChunkReader
from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.fields import AnnotationRules, DocumentFormat, Fields
from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.example import Example, from_batch
from assay.recipes.source_section import FilesSource
from assay.runs.source_access import open_source
from tests.corpus.documents.reading import entities_of, label_sets_of, labels_of, reject_of

TEXTS = ("Globex buys land", "Initech sells land")


def label_studio(person: str, day: int, text: str, label: str) -> dict[str, Any]:
    """Return a row of JSON-MIN, of which Label Studio writes one for each annotation."""
    number = TEXTS.index(text)
    at = f"2026-01-0{day}T00:00:00Z"
    row = {"id": number, "text": text, "label": label, "annotation_id": 10 * number + day}
    return {**row, "annotator": person, "updated_at": at, "lead_time": 1.5}


def storage(person: str, day: int, text: str, label: str) -> dict[str, Any]:
    """Return an annotation with its task, as Label Studio writes it to a cloud storage."""
    choice = {"type": "choices", "from_name": "label", "to_name": "text", "value": {"choices": [label]}}
    task = {"id": TEXTS.index(text), "data": {"text": text}}
    return {"id": day, "task": task, "result": [choice] if label else [], "completed_by": {"email": person},
            "updated_at": f"2026-01-0{day}T00:00:00Z"}  # fmt: skip


def prodigy(person: str, day: int, text: str, label: str) -> dict[str, Any]:
    hashes = {"_input_hash": -7 - TEXTS.index(text), "_task_hash": -9 - TEXTS.index(text)}
    decision = {"accept": [label] if label else [], "answer": "accept", "_timestamp": 1767225600 + day}
    return {"text": text, **hashes, **decision, "_view_id": "choice", "_annotator_id": person}


def doccano(person: str, day: int, text: str, label: str) -> dict[str, Any]:
    """Return a line of the file of one person."""
    return {"id": TEXTS.index(text), "text": text, "label": [label], "Comments": []}


WRITE = {"label_studio": label_studio, "storage": storage, "prodigy": prodigy, "doccano": doccano}


def full_task(*people: tuple[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return a task of Label Studio with an annotation of each person."""
    annotations = [{"completed_by": {"email": person}, "result": result} for person, result in people]
    return {"id": 1, "data": {"text": TEXTS[0]}, "annotations": annotations}


def choice(*labels: str) -> dict[str, Any]:
    return {"type": "choices", "from_name": "tone", "to_name": "text", "value": {"choices": list(labels)}}


def span(start: int, end: int, label: str = "ORG") -> dict[str, Any]:
    value = {"start": start, "end": end, "text": TEXTS[0][start:end], "labels": [label]}
    return {"type": "labels", "from_name": "spans", "to_name": "text", "value": value}


def read(
    folder: Path, tool: str, *by: tuple[str, int, str, str], no_label: Sequence[str] = (), **rules: str
) -> tuple[list[Example], list[str]]:
    """Write what people have annotated, for doccano a file for each, and read it as a recipe does."""
    files: dict[str, list[str]] = {}
    for person, day, text, label in by:
        name = person if tool == "doccano" else "all"
        files.setdefault(name, []).append(json.dumps(WRITE[tool](person, day, text, label)) + "\n")
    for name, lines in files.items():
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    paths = {str(folder / f"{name}.jsonl"): "all" for name in files}
    fields = {"label": "label"} if tool == "label_studio" else {}
    source = FilesSource.model_validate(
        {
            "kind": "files",
            "paths": paths,
            "format": "label_studio" if tool == "storage" else tool,
            "fields": fields,
            "annotations": rules,
            "no_label": list(no_label),
        }
    )
    chunk = ChunkReader(source, needs_label=True, needs_entities=False).read(open_source(source, []))
    return from_batch(chunk.batch), [json.loads(line)["reason"] for line in chunk.reject_lines]


@pytest.mark.parametrize("tool", WRITE)
def test_people_who_agree_about_a_text_give_one_row(tmp_path: Path, tool: str) -> None:
    buys, sells = TEXTS
    rows, rejects = read(tmp_path, tool, ("anna", 1, buys, "buy"), ("anna", 1, sells, "sell"), ("ben", 2, buys, "buy"))
    assert sorted((row.text, row.label) for row in rows) == [(buys, "buy"), (sells, "sell")]
    assert rejects == []


@pytest.mark.parametrize("tool", WRITE)
def test_people_who_differ_about_a_text_are_settled_by_the_rule(tmp_path: Path, tool: str) -> None:
    buys, _ = TEXTS
    differing = (("anna", 2, buys, "buy"), ("ben", 1, buys, "other"))

    anna, ben = ("annotator 1", "annotator 2") if tool == "doccano" else ("anna", "ben")  # doccano names nobody
    assert read(tmp_path, tool, *differing) == ([], [f"annotators disagree: {anna} says 'buy', {ben} says 'other'"])
    [first], _ = read(tmp_path, tool, *differing, disagreement="first")
    assert first.label == "buy"
    # doccano does not say when, so the last one counts
    [latest], _ = read(tmp_path, tool, *differing, disagreement="latest")
    assert latest.label == ("other" if tool == "doccano" else "buy")


@pytest.mark.parametrize("tool", ["label_studio", "storage", "prodigy"])
def test_a_person_who_annotates_a_text_again_agrees_with_the_last_decision(tmp_path: Path, tool: str) -> None:
    buys, _ = TEXTS
    rows, rejects = read(tmp_path, tool, ("anna", 2, buys, "buy"), ("anna", 1, buys, "other"))
    assert ([row.label for row in rows], rejects) == (["buy"], [])


@pytest.mark.parametrize("tool", ["label_studio", "prodigy"])
def test_by_person_keeps_documents_of_nobody_in_particular(tool: str) -> None:
    documents = [{"text": "a"}, {"text": "a"}]
    assert by_person(documents, tool, AnnotationRules()) == documents


@pytest.mark.parametrize(
    ("tool", "values"),
    [
        # The same id with another text is another text, as in exports of two projects.
        ("doccano", [{"id": 1, "text": "a"}, {"id": 1, "text": "b"}]),
        ("doccano", [{"id": 1, "data": "a"}, {"id": 1, "data": "b"}]),
        ("label_studio", [{"id": 1, "text": "a"}, {"id": 1, "text": "b"}]),
        (
            "label_studio",
            [
                {"id": number, "task": {"id": 1, "data": {"text": text}}, "result": []}
                for number, text in enumerate("ab")
            ],
        ),
        ("prodigy", [{"_input_hash": 1, "text": "a"}, {"_input_hash": 1, "text": "b"}]),
        ("doccano", [{"text": "a"}, {"text": "a"}]),
        # Tasks of Label Studio in full hold all of their annotations.
        ("label_studio", [{"id": 1, "text": "a", "annotations": []}, {"id": 1, "text": "a", "annotations": []}]),
        # Other formats have one document per row, and rows may repeat.
        ("rows", [{"id": 1, "text": "a"}, {"id": 1, "text": "a"}]),
        ("argilla", [{"id": 1, "text": "a"}, {"id": 1, "text": "a"}]),
    ],
)
def test_joined_leaves_documents_of_their_own(tool: str, values: list[dict[str, Any]]) -> None:
    documents = [Document(str(number), one) for number, one in enumerate(values)]
    assert list(joined(lambda: documents, tool, Fields())) == documents


def test_joined_yields_every_document_of_a_database_that_changes_while_it_is_read() -> None:
    first, second, third, fourth = (
        Document(str(number), {"id": text, "text": text}) for number, text in enumerate("aabb")
    )
    readings = iter([[first, second, third], [first, third, fourth]])

    assert list(joined(lambda: next(readings), "doccano", Fields())) == [third, fourth, first]


def test_joined_keeps_the_place_of_the_first_and_passes_on_what_is_no_document() -> None:
    same = {"id": 1, "text": "a"}
    invalid, left_out = InvalidRow("x:2", "not valid JSON", None), Document("x:3", same, filtered=True)
    first, second = Document("x:1", same, "train"), Document("y:1", {**same, "label": []}, "train")
    items: list[Document | InvalidRow] = [first, invalid, left_out, second]
    assert list(joined(lambda: items, "doccano", Fields())) == [
        invalid,
        left_out,
        Document("x:1", same, "train", others=({**same, "label": []},)),
    ]


def binary(label: str, answer: str, person: str = "anna", **more: Any) -> dict[str, Any]:
    """Return an answer to a question of `textcat.teach`, which asks about one class of a text."""
    hashes = {"_input_hash": 1, "_task_hash": hash(label)}
    asked = {"text": "a", "label": label, "_view_id": "classification", "_annotator_id": person}
    return {**asked, **hashes, "answer": answer, **more}


def read_binary(folder: Path, *answers: dict[str, Any], **rules: str) -> tuple[list[str | None], list[str]]:
    path = folder / "answers.jsonl"
    path.write_text("".join(json.dumps(answer) + "\n" for answer in answers), encoding="utf-8")
    values = {"kind": "files", "paths": {str(path): "all"}, "format": "prodigy", "annotations": rules}
    source = FilesSource.model_validate(values)
    chunk = ChunkReader(source, needs_label=True, needs_entities=False).read(open_source(source, []))
    rejects = [json.loads(line)["reason"] for line in chunk.reject_lines]
    return [row.label for row in from_batch(chunk.batch)], rejects


@pytest.mark.parametrize("without", [(), ("_task_hash",)])
def test_answers_to_several_questions_about_a_text_do_not_replace_each_other(
    tmp_path: Path, without: tuple[str, ...]
) -> None:
    def answers(*of: tuple[str, str]) -> list[dict[str, Any]]:
        documents = [binary(label, answer, _timestamp=at) for at, (label, answer) in enumerate(of, start=1)]
        return [{key: value for key, value in one.items() if key not in without} for one in documents]

    yes, no = ("sport", "accept"), ("money", "reject")
    assert read_binary(tmp_path, *answers(yes, no)) == (["sport"], [])
    assert read_binary(tmp_path, *answers(no, yes)) == (["sport"], [])
    both = answers(yes, ("money", "accept"))
    assert read_binary(tmp_path, *both) == ([], ["annotators disagree: anna says 'sport', anna says 'money'"])
    assert read_binary(tmp_path, *answers(yes, ("sport", "reject"))) == ([], [])  # the last answer to one question


def test_documents_of_different_splits_are_not_one_text(tmp_path: Path) -> None:
    lines = json.dumps({"id": 1, "text": "a", "label": ["x"]}) + "\n"
    paths = {}
    for split in ("train", "test"):
        (tmp_path / f"{split}.jsonl").write_text(lines, encoding="utf-8")
        paths[str(tmp_path / f"{split}.jsonl")] = split
    source = FilesSource.model_validate({"kind": "files", "paths": paths, "format": "doccano"})

    chunk = ChunkReader(source, needs_label=True, needs_entities=False).read(open_source(source, []))
    assert sorted(str(row.split) for row in from_batch(chunk.batch)) == ["test", "train"]

    documents = [Document(split, {"id": 1, "text": "a", "part": split}) for split in ("train", "test")]
    assert list(joined(lambda: documents, "doccano", Fields(split="part"))) == documents


@pytest.mark.parametrize("tool", ["label_studio", "storage", "prodigy"])
def test_a_class_that_one_person_left_open_does_not_discard_that_of_another(tmp_path: Path, tool: str) -> None:
    buys, _ = TEXTS
    chosen, left_open = ("anna", 1, buys, "buy"), ("ben", 2, buys, "")

    for by in ([chosen, left_open], [left_open, chosen]):
        rows, [reason] = read(tmp_path, tool, *by, no_label=[""])
        assert (rows, reason.partition(":")[0], "ben says nothing" in reason) == ([], "annotators disagree", True)
        for rule in ("first", "latest"):
            rows, rejects = read(tmp_path, tool, *by, no_label=[""], disagreement=rule)
            assert ([row.label for row in rows], rejects) == (["buy"], [])
    assert read(tmp_path, tool, left_open, ("anna", 1, buys, ""), no_label=[""]) == ([], [])


def test_a_class_that_means_none_is_a_choice_like_any_other(tmp_path: Path) -> None:
    buys, _ = TEXTS
    by = (("anna", 1, buys, "buy"), ("ben", 2, buys, "NA"))

    assert read(tmp_path, "prodigy", *by, no_label=["NA"]) == (
        [],
        ["annotators disagree: anna says 'buy', ben says nothing"],
    )
    assert read(tmp_path, "prodigy", *by, no_label=["NA"], disagreement="latest") == ([], [])
    [row], _ = read(tmp_path, "prodigy", *by, no_label=["NA"], disagreement="first")
    assert row.label == "buy"


@pytest.mark.parametrize("rule", ["first", "latest"])
def test_texts_without_a_class_are_counted_once(rule: str) -> None:
    shown = {"id": 1, "text": "a", "annotation_id": 1, "lead_time": 1.5, "label": ""}
    source = {"format": "label_studio", "fields": {"label": "label"}, "no_label": [""]}
    form = DocumentFormat.model_validate({**source, "annotations": {"disagreement": rule}})
    document = Document("1", {**shown, "annotator": "anna"}, others=({**shown, "annotator": "ben"},))

    assert ChunkReader(form, needs_label=True, needs_entities=False).read([document]).counts.no_label == 1


def test_full_tasks_pass_over_people_who_left_the_class_open() -> None:
    choice = {"type": "choices", "from_name": "tone", "value": {"choices": ["good"]}}
    annotations = [{"completed_by": 1, "result": []}, {"completed_by": 2, "result": [choice]}]
    task = {"id": 1, "data": {"text": "a"}, "annotations": annotations}
    source = {"format": "label_studio", "no_label": [""]}

    assert (
        reject_of(source, task, label=True) == "annotators disagree: annotator 1 says nothing, annotator 2 says 'good'"
    )
    for rule in ("first", "latest"):
        assert labels_of({**source, "annotations": {"disagreement": rule}}, task) == ["good"]


@pytest.mark.parametrize(("rule", "read"), [("reject", []), ("first", ["good"]), ("latest", [])])
def test_a_question_of_prodigy_that_one_person_accepts_and_another_rejects_is_disputed(rule: str, read: Any) -> None:
    accepted = prodigy("anna", 1, TEXTS[0], "good")
    rejected = {**prodigy("ben", 2, TEXTS[0], "good"), "answer": "reject"}
    ignored = {**prodigy("cleo", 3, TEXTS[0], "good"), "answer": "ignore"}
    document = Document("1", accepted, others=(rejected, ignored))
    reader = DocumentReader(
        DocumentFormat(format="prodigy", annotations=AnnotationRules.model_validate({"disagreement": rule})),
        needs_label=True,
        needs_entities=False,
    )
    rows, rejects = reader.read(document)
    assert [row.label for row in rows] == read
    reasons = [reason for _, reason, _ in rejects]
    assert reasons == (["annotators disagree: anna says 'accept', ben says 'reject'"] if rule == "reject" else [])


def test_a_question_of_prodigy_that_somebody_ignores_is_not_disputed() -> None:
    accepted = prodigy("anna", 1, TEXTS[0], "good")
    ignored = {**prodigy("ben", 2, TEXTS[0], "good"), "answer": "ignore"}
    other = {**prodigy("cleo", 2, TEXTS[0], "bad"), "_task_hash": 5, "answer": "reject"}
    assert by_person([accepted, ignored, other], "prodigy", AnnotationRules()) == [accepted, ignored, other]


NAMED: dict[str, Any] = {"fold_labels": True, "label_map": {"positive": "good"}, "no_label": ["unsure"]}


@pytest.mark.parametrize("label", ["good", "Good ", "positive", "POSITIVE"])
def test_people_are_compared_by_the_labels_that_the_recipe_reads(tmp_path: Path, label: str) -> None:
    of_task = full_task(("anna", [choice("good")]), ("ben", [choice(label)]))
    record = {
        "fields": {"text": TEXTS[0]},
        "responses": {"tone": [{"value": one, "user_id": one} for one in ("good", label)]},
    }
    lines = [prodigy("anna", 1, TEXTS[0], "good"), prodigy("ben", 2, TEXTS[0], label)]
    several = full_task(("anna", [choice("good", "sport")]), ("ben", [choice("sport", label)]))

    assert labels_of({"format": "label_studio", **NAMED}, of_task) == ["good"]
    assert labels_of({"format": "argilla", **NAMED}, record) == ["good"]
    assert label_sets_of({"format": "label_studio", **NAMED}, several) == [("good", "sport")]
    reader = DocumentReader(
        DocumentFormat.model_validate({"format": "prodigy", **NAMED}), needs_label=True, needs_entities=False
    )
    [row], _ = reader.read(Document("1", lines[0], others=(lines[1],)))
    assert row.label == "good"


def test_people_whose_classes_mean_none_agree_in_one_task() -> None:
    task = full_task(("anna", [choice("unsure")]), ("ben", [choice("Unsure")]))
    chunk = ChunkReader(
        DocumentFormat.model_validate({"format": "label_studio", **NAMED}), needs_label=True, needs_entities=False
    ).read([Document("1", task)])
    assert (chunk.counts.no_label, chunk.counts.rejects) == (1, 0)


def test_people_are_compared_by_the_entities_that_are_read() -> None:
    # The white space beside an entity is not read.
    source = {"format": "label_studio"}
    assert entities_of(source, full_task(("anna", [span(0, 6)]), ("ben", [span(0, 7)]))) == [[("Globex", "ORG")]]
    differing = full_task(("anna", [span(0, 6)]), ("ben", [span(0, 6), span(12, 16, "LOC")]))
    assert reject_of(source, differing) == "annotators disagree: anna says nothing more, ben says LOC 12:16 'land'"


@pytest.mark.parametrize("rule", ["first", "latest"])
def test_an_annotation_that_does_not_count_may_be_of_any_kind(rule: str) -> None:
    people = [("anna", [span(0, 6)]), ("ben", [span(0, 6), span(3, 9)])]
    task = full_task(*(people if rule == "first" else reversed(people)))
    assert reject_of({"format": "label_studio"}, task) == "entities overlap: Globex and bex bu"
    source = {"format": "label_studio", "annotations": {"disagreement": rule}}
    assert entities_of(source, task) == [[("Globex", "ORG")]]

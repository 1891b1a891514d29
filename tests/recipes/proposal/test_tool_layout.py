import json
from dataclasses import replace
from typing import Any

import pytest

from assay.corpus.documents.fields import AnnotationRules
from assay.corpus.errors import AssayError
from assay.recipes.proposal.document_layout import find_layout
from assay.recipes.proposal.field_roles import Choices
from assay.recipes.proposal.questions import NONE, AmbiguousError


def task(row: int, name: str = "text") -> dict[str, Any]:
    value = {"start": 0, "end": 4, "text": "Acme", "labels": ["ORG"]}
    result = [
        {"type": "labels", "from_name": "label", "value": value},
        {"type": "choices", "from_name": "tone", "value": {"choices": [("good", "bad")[row % 2]]}},
    ]
    return {"id": row, "data": {name: f"Acme opens plant {row} in Ulm"}, "annotations": [{"result": result}]}


def test_tool_layout_of_tasks() -> None:
    layout = find_layout([task(row) for row in range(20)], Choices())

    assert (layout.format.format, layout.heads) == ("label_studio", ("sentence", "tokens"))
    assert layout.format.fields.model_dump(exclude_defaults=True) == {"id": "id"}


def test_tool_layout_of_tasks_in_columns_of_json_text() -> None:
    tasks = [{name: json.dumps(value) for name, value in task(row).items()} for row in range(20)]

    layout = find_layout(tasks, Choices())

    assert (layout.format.format, layout.heads) == ("label_studio", ("sentence", "tokens"))


def test_tool_layout_finds_the_text_in_a_task() -> None:
    layout = find_layout([task(row, "article") for row in range(20)], Choices(label=NONE))

    assert (layout.format.fields.text, layout.heads, layout.used) == ("article", ("tokens",), {"data.article": "text"})


def test_tool_layout_names_the_class_of_json_min() -> None:
    documents = [
        {
            "id": row,
            "text": f"Acme opens plant {row}",
            "tone": ("good", "bad")[row % 2],
            "annotator": 1,
            "lead_time": 2.5,
        }
        for row in range(20)
    ]

    layout = find_layout(documents, Choices())

    assert (layout.format.format, layout.format.fields.label, layout.heads) == ("label_studio", "tone", ("sentence",))


def test_tool_layout_reads_spans_of_doccano_alone() -> None:
    documents = [{"id": row, "data": f"Acme opens plant {row}", "label": [[0, 4, "ORG"]]} for row in range(20)]

    assert find_layout(documents, Choices()).heads == ("tokens",)


@pytest.mark.parametrize(("span", "head"), [({}, "sentence"), ({"start_offset": 0, "end_offset": 4}, "tokens")])
def test_tool_layout_asks_for_the_names_of_numbers(span: dict[str, int], head: str) -> None:
    documents: list[dict[str, Any]] = [
        {
            "id": row,
            "text": f"Acme opens plant {row}",
            "annotations": [{"label": row % 2, "user": 1, **span}],
            "meta": {},
            "annotation_approver": None,
        }
        for row in range(20)
    ]

    with pytest.raises(AssayError, match=r"documents of doccano with numbers in place of labels; .*source\.label_map="):
        find_layout(documents, Choices())
    names = {"0": "good", "1": "bad"}
    layout = find_layout(documents, Choices(settings={"label_map": names}))
    assert (layout.format.format, layout.heads, layout.format.label_map) == ("doccano", (head,), names)


def test_tool_layout_says_why_nothing_can_be_read() -> None:
    documents = [{"id": row, "text": f"Acme opens plant {row}", "label": ["good", "new"]} for row in range(20)]

    with pytest.raises(AssayError) as error:
        find_layout(documents, Choices(entities=NONE, labels=NONE))

    assert str(error.value) == (
        "these are documents of doccano without classes or entities: text has several classes: "
        "['good', 'new']; keep one class per text in the tool, or export lists of labels for a labels head "
        "(source.fields.labels)"
    )


def labelled(tool: str, row: int) -> dict[str, Any]:
    """Return a text with one or two topics as a tool writes it."""
    text, topics = f"Acme opens plant {row} in Ulm", [["money", "sport"], ["sport"]][row % 2]
    choices = {"type": "choices", "from_name": "topic", "value": {"choices": topics}}
    flat = topics[0] if len(topics) == 1 else {"choices": topics}
    documents: dict[str, dict[str, Any]] = {
        "label_studio": {"id": row, "data": {"text": text}, "annotations": [{"result": [choices]}]},
        "json_min": {"id": row, "text": text, "topic": flat, "annotator": 1, "annotation_id": row, "lead_time": 2.5},
        "prodigy": {"text": text, "options": [], "accept": topics, "answer": "accept", "_view_id": "choice"},
        "spacy": {"text": text, "cats": {name: float(name in topics) for name in ("money", "sport", "tech")}},
        "argilla": {"id": f"r{row}", "fields": {"text": text}, "responses": {"topic": [{"value": topics}]}},
        "doccano": {"id": row, "text": text, "entities": [[0, 4, "ORG"]], "cats": topics},
    }
    return documents[tool]


@pytest.mark.parametrize(
    ("tool", "heads", "labels"),
    [
        ("label_studio", ("labels",), None),
        ("json_min", ("labels",), "topic"),
        ("prodigy", ("labels",), None),
        ("spacy", ("labels",), None),
        ("argilla", ("labels",), None),
        ("doccano", ("labels", "tokens"), None),
    ],
)
def test_tool_layout_reads_several_labels_of_a_text(tool: str, heads: tuple[str, ...], labels: str | None) -> None:
    documents = [labelled(tool, row) for row in range(20)]

    layout = find_layout(documents, Choices())

    assert layout.format.format == tool.replace("json_min", "label_studio")
    assert (layout.heads, layout.format.fields.labels, layout.format.fields.label) == (heads, labels, None)


def test_tool_layout_of_one_label_per_text_is_a_class() -> None:
    documents = [labelled("prodigy", row) for row in range(1, 40, 2)]

    assert find_layout(documents, Choices()).heads == ("sentence",)
    assert find_layout(documents, Choices(labels="accept")).heads == ("labels",)


def test_tool_layout_takes_the_controls_that_the_user_names() -> None:
    def two(row: int) -> dict[str, Any]:
        made = task(row)
        topic = {"type": "choices", "from_name": "topic", "value": {"choices": [("a", "b")[row // 2 % 2]]}}
        made["annotations"][0]["result"].append(topic)
        return made

    documents = [two(row) for row in range(20)]

    assert find_layout(documents, Choices(label="topic")).format.fields.label == "topic"
    both = find_layout(documents, Choices(label="tone", labels="topic"))
    assert (both.heads, both.format.fields.labels) == (("sentence", "labels", "tokens"), "topic")
    with pytest.raises(AssayError, match=r"name the control .* \(assay init: --label, --labels\)"):
        find_layout(documents, Choices(entities=NONE))


def test_tool_layout_settles_what_annotators_differ_about_and_leaves_out_relations() -> None:
    differing = [task(row) for row in range(20)]
    for one in differing:
        one["annotations"].append({"result": []})
        one["annotations"][0]["result"].append({"type": "relation", "from_id": "a", "to_id": "b"})

    with pytest.raises(AssayError, match=r"annotators disagree|relations are not read"):
        find_layout(differing, Choices())
    layout = find_layout(differing, Choices(settings={"annotations": {"disagreement": "first", "relations": "ignore"}}))
    assert layout.heads == ("sentence", "tokens")
    assert layout.format.annotations == AnnotationRules(disagreement="first", relations="ignore")
    with pytest.raises(AssayError, match=r"source\.annotations: these are no documents of an annotation tool"):
        find_layout(
            [{"text": f"row {row} of many", "label": "ab"[row % 2]} for row in range(20)],
            Choices(settings={"annotations": {"relations": "ignore"}}),
        )


def test_tool_layout_takes_the_id_of_a_text_that_several_people_annotated() -> None:
    documents = [
        {"id": row, "text": f"Acme opens plant {row}", "tone": ("good", "bad")[row % 2], "annotator": person,
         "annotation_id": 2 * row + person, "lead_time": 2.5}
        for row in range(20) for person in (0, 1)
    ]  # fmt: skip

    assert find_layout(documents, Choices()).format.fields.id == "id"


def test_tool_layout_refuses_texts_of_their_own_as_classes() -> None:
    documents = [{"id": row, "text": f"Acme opens plant {row}", "label": [f"summary {row}"]} for row in range(20)]

    with pytest.raises(AssayError, match="classes do not repeat: 20 different ones in 20 rows; name the field"):
        find_layout(documents, Choices(entities=NONE, labels=NONE))


def test_tool_layout_takes_a_ranking_for_no_labels() -> None:
    ranked = [["a", "b"], ["b", "a"]]
    documents = [
        {
            "id": f"r{row}",
            "fields": {"text": f"Acme opens plant {row}"},
            "responses": {"rank": [{"value": ranked[row % 2]}]},
        }
        for row in range(20)
    ]

    with pytest.raises(AssayError, match="text has several classes"):
        find_layout(documents, Choices())


def test_tool_layout_tells_more_than_that_a_class_is_missing() -> None:
    html = {"type": "hypertextlabels", "from_name": "label", "value": {"start": "/p[1]", "hypertextlabels": ["ORG"]}}
    documents = [{**task(row), "annotations": [{"result": [html]}]} for row in range(20)]

    with pytest.raises(AssayError, match="span is not of plain text: hypertextlabels"):
        find_layout(documents, Choices())


@pytest.mark.parametrize("tool", ["label_studio", "json_min", "prodigy", "spacy", "argilla", "doccano"])
def test_tool_layout_keeps_the_fields_that_the_user_names(tool: str) -> None:
    own = {"author": "Ann", "part": "train", "reply": "a second text"}
    documents = [{**labelled(tool, row), "meta": own} for row in range(20)]
    named = Choices(group="meta.author", split="meta.part", pair="meta.reply")

    layout = find_layout(documents, named)

    fields = layout.format.fields
    assert (fields.group, fields.split, fields.text_pair) == ("meta.author", "meta.part", "meta.reply")
    assert (layout.roles.group, layout.roles.split, layout.used["meta.reply"]) == (
        "meta.author",
        "meta.part",
        "second text",
    )
    for option in ("group", "split", "pair"):
        with pytest.raises(AssayError, match=f"^--{option} meta.nothing: no document has this field; fields are "):
            find_layout(documents, replace(named, **{option: "meta.nothing"}))  # type: ignore[arg-type]
    with pytest.raises(AssayError, match=r"^--split meta\.author: 'Ann' is none of train"):
        find_layout(documents, Choices(split="meta.author"))


def min_task(row: int, **columns: str) -> dict[str, Any]:
    """Return a task as JSON-MIN holds it."""
    added = {"annotator": 1, "annotation_id": row, "lead_time": 2.5}
    return {"id": row, "text": f"Acme opens plant {row}", "tone": ("good", "bad")[row % 2], **columns, **added}


def test_tool_layout_asks_about_published_splits_once() -> None:
    clear = [min_task(row, split=("train", "test")[row // 2 % 2]) for row in range(20)]
    unclear = [min_task(row, split=("train", "extra")[row // 2 % 2]) for row in range(20)]

    found = find_layout(clear, Choices())
    assert (found.format.fields.label, found.format.fields.split) == ("tone", "split")
    with pytest.raises(AmbiguousError, match="add --split none"):
        find_layout(unclear, Choices())
    with pytest.raises(AmbiguousError, match=r"Add --label tone or split$"):
        find_layout(unclear, Choices(split=NONE))
    settled = find_layout(unclear, Choices(split=NONE, label="tone"))
    assert (settled.format.fields.label, settled.format.fields.split) == ("tone", None)


def test_tool_layout_asks_between_columns_of_choices() -> None:
    documents = [min_task(row) | {name: {"choices": ["a", "b"]} for name in ("tone", "topic")} for row in range(20)]

    with pytest.raises(AmbiguousError, match=r"Add --labels tone or topic or none$"):
        find_layout(documents, Choices())
    assert find_layout(documents, Choices(labels="topic")).format.fields.labels == "topic"


@pytest.mark.parametrize("tool", ["label_studio", "json_min", "doccano", "prodigy"])
def test_tool_layout_asks_what_a_class_means(tool: str) -> None:
    def document(row: int, other: str) -> dict[str, Any]:
        text, tone = f"Acme opens plant {row} in Ulm", ("good", "bad", other)[row % 3]
        result = {"type": "choices", "from_name": "tone", "value": {"choices": [tone]}}
        documents: dict[str, dict[str, Any]] = {
            "label_studio": {"id": row, "data": {"text": text}, "annotations": [{"result": [result]}]},
            "json_min": min_task(row, tone=tone),
            "doccano": {"id": row, "text": text, "label": [tone]},
            "prodigy": {"text": text, "options": [], "accept": [tone], "answer": "accept", "_view_id": "choice"},
        }
        return documents[tool]

    choices = Choices(labels=NONE, entities=NONE)
    for other in ("NA", "unlabelled"):
        documents = [document(row, other) for row in range(30)]
        with pytest.raises(AmbiguousError, match=f"^10 rows with {other} in .*: is that a class, or no class"):
            find_layout(documents, choices)
        settled = find_layout(documents, replace(choices, settings={"no_label": [other]}))
        assert settled.format.no_label == [other]
    with pytest.raises(AmbiguousError, match="differ in case or white space alone"):
        find_layout([document(row, "Good") for row in range(30)], choices)


def test_tool_layout_leaves_out_annotated_texts_without_a_class() -> None:
    documents = [task(row) for row in range(20)]
    for one in documents[:4]:
        one["annotations"][0]["result"] = []

    assert find_layout(documents, Choices(entities=NONE)).format.no_label == [""]


def test_tool_layout_names_the_texts_that_exist() -> None:
    documents = [task(row, "article") for row in range(20)]

    with pytest.raises(AssayError, match=r"^--text artikle: no document .* fields are article; did you mean 'article'"):
        find_layout(documents, Choices(text="artikle"))
    assert find_layout(documents, Choices(text="article")).format.fields.text == "article"


def test_tool_layout_says_that_the_format_is_the_users() -> None:
    documents = [{"text": f"Acme opens plant {row}", "label": "ab"[row % 2]} for row in range(20)]

    with pytest.raises(AssayError, match=r"^--set source\.format=spacy: .* or leave the setting out$"):
        find_layout(documents, Choices(settings={"format": "spacy"}))


@pytest.mark.parametrize("role", ["id", "time"])
def test_tool_layout_names_the_columns_that_exist(role: str) -> None:
    documents = [task(row) | {"created": f"2026-01-{row + 1:02}T00:00:00Z"} for row in range(20)]
    for one in documents:
        one["annotations"][0]["created_at"] = one["created"]

    def chosen(name: str) -> Choices:
        return Choices(settings={"fields": {role: name}})

    with pytest.raises(
        AssayError,
        match=rf"^--set source\.fields\.{role}=made: no document .* fields are id, .*created",
    ):
        find_layout(documents, chosen("made"))
    for name in ("created", "annotations.0.created_at"):  # a list may hold it
        assert getattr(find_layout(documents, chosen(name)).format.fields, role) == name


@pytest.mark.parametrize(("empty", "keep"), [(True, r'\[""\]'), (False, r"\[\]")])
def test_tool_layout_offers_to_leave_texts_without_a_class_out(empty: bool, keep: str) -> None:
    documents = [task(row) for row in range(20)]
    for one in documents[:4]:
        one["annotations"][0]["result"][1]["value"]["choices"] = ["NA"]
    documents[5]["annotations"] = []  # nobody has annotated it
    if empty:
        documents[4]["annotations"][0]["result"] = []

    with pytest.raises(AmbiguousError, match=rf"or --set 'source\.no_label={keep}' if it is a class"):
        find_layout(documents, Choices(entities=NONE))

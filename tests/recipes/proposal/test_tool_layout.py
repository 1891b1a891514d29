from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.recipes.proposal.document_layout import find_layout
from assay.recipes.proposal.field_roles import Choices
from assay.recipes.proposal.questions import NONE


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


def test_tool_layout_says_why_nothing_can_be_read() -> None:
    documents = [{"id": row, "text": f"Acme opens plant {row}", "label": ["good", "new"]} for row in range(20)]

    with pytest.raises(AssayError) as error:
        find_layout(documents, Choices(entities=NONE, labels=NONE))

    assert str(error.value) == (
        "these are documents of doccano, but they give neither classes nor entities: text has several classes: "
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

import typing

import pytest
from pydantic import ValidationError

from assay.corpus.documents.fields import DocumentFormat, Layout, Tagging


def test_document_format_knows_which_formats_are_those_of_tools() -> None:
    formats = typing.get_args(Layout)
    tools = [name for name in formats if DocumentFormat.model_validate({"format": name}).is_of_tool]
    assert tools == ["label_studio", "doccano", "prodigy", "spacy", "argilla"]


def test_document_format_needs_nothing_for_rows_with_a_text() -> None:
    settings = DocumentFormat()
    assert (settings.format, settings.fields.text, settings.fields.label) == ("rows", "text", None)
    assert (settings.fold_labels, settings.no_label, settings.label_map) == (False, [], {})


@pytest.mark.parametrize(
    "values",
    [
        {"format": "csv"},
        {"fields": {"txt": "a"}},
        {"entity": {"offset_unit": "words"}},
        {"annotations": {"disagreement": "majority"}},
        {"tagging": {"scheme": "bio"}},
        {"tagging": {"join": "-"}},
        {"label_map": {"a": 1}},
    ],
    ids=str,
)
def test_document_format_refuses_unknown_keys_and_values(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DocumentFormat.model_validate(values)


def test_tagging_names_are_a_list_or_a_mapping_by_number() -> None:
    assert Tagging.model_validate({"names": ["O", "B-PER"]}).names == ["O", "B-PER"]
    assert Tagging.model_validate({"names": {"0": "O"}}).names == {"0": "O"}

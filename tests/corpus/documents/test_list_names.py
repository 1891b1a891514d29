import pytest

from assay.corpus.documents.list_names import list_fault

TASK = {"annotations": [{"id": 7, "result": [{"value": "a"}, {"value": "b"}]}], "data": {"text": "a"}}
OTHER = {"annotations": [{"id": 8, "result": []}, {"id": 9, "result": []}]}


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (
            "annotations.1.result",
            "'annotations' is a list of 1 item, counted from 0; did you mean 'annotations.0.result'?",
        ),
        ("annotations.result", "'annotations' is a list of 1 item; did you mean 'annotations.0.result'?"),
        (
            "annotations.0.result.5.value",
            "'annotations.0.result' is a list of 2 items, counted from 0; did you mean 'annotations.0.result.1.value'?",
        ),
        ("annotations.3.nothing", "'annotations' is a list of 1 item, counted from 0"),
        ("annotations.0.nothing", None),
        ("data.tex", None),
        ("nothing", None),
    ],
)
def test_list_fault_says_how_many_items_a_list_has_and_the_nearest_name(name: str, fault: str | None) -> None:
    assert list_fault(name, [TASK]) == fault


def test_list_fault_takes_the_longest_list_of_the_documents() -> None:
    assert list_fault("annotations.2.id", [TASK, OTHER]) == (
        "'annotations' is a list of at most 2 items, counted from 0; did you mean 'annotations.1.id'?"
    )
    assert list_fault("annotations.0.id", [{"annotations": []}]) == "'annotations' is a list of 0 items"

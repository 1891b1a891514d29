from collections.abc import Mapping
from typing import Any

import pytest

from assay.corpus.documents.raw_document import Document
from assay.corpus.errors import DataError
from assay.recipes.proposal.document_layout import find_layout
from assay.recipes.proposal.field_roles import Choices
from assay.recipes.proposal.questions import AmbiguousError
from assay.recipes.proposal.sample_parts import (
    SamplePart,
    check_fields_everywhere,
    check_first_line,
    check_parts_agree,
)


def part(name: str, *documents: Mapping[str, Any]) -> SamplePart:
    return SamplePart(name, [Document(str(number), values) for number, values in enumerate(documents)], [])


def rows(**columns: list[str]) -> list[dict[str, str]]:
    return [
        {"text": f"plant number {number} opens", **{name: values[number % 2] for name, values in columns.items()}}
        for number in range(40)
    ]


def test_check_parts_agree_refuses_files_without_a_common_field() -> None:
    check_parts_agree([part("a.csv", {"text": "x", "label": "a"}), part("b.csv", {"text": "y"}), part("empty.csv")])
    parts = [part("data/a.csv", {"text": "x"}, {"text": "y"}), part("data/stats.json", {"rows": 2})]
    with pytest.raises(DataError) as error:
        check_parts_agree(parts)
    assert str(error.value) == (
        "data/a.csv has the fields text, but data/stats.json has rows: give rows that belong together the same fields, "
        "or name only some of the files, such as 'data/*.csv'"
    )


def test_check_fields_everywhere_refuses_a_file_without_the_class() -> None:
    labelled, unlabelled = part("a.csv", *rows(label=["good", "bad"])), part("b.csv", *rows())
    layout = find_layout(labelled.values, Choices())
    check_fields_everywhere([labelled, labelled], layout)
    with pytest.raises(DataError, match=r"^a\.csv has the fields text, label, but b\.csv has text: .* such as a\.csv$"):
        check_fields_everywhere([labelled, unlabelled], layout)


def test_check_first_line_asks_whether_it_holds_names() -> None:
    check_first_line(part("a.csv", *rows(label=["good", "bad"])))
    # The line of names of a file that was appended.
    check_first_line(part("a.csv", *rows(label=["good", "bad"]), {"text": "text", "label": "label"}))
    with pytest.raises(AmbiguousError, match=r"'good' is also a value of that column in 20 rows: name the columns by"):
        check_first_line(part("a.csv", *rows(good=["good", "bad"])))

import json
from typing import Any

import pytest
from pydantic import ValidationError

from assay.evaluation.data_report import DataReport, LabelCount, LabelMapUse, SampleRow, TagRecovery

LEAST: dict[str, Any] = {
    "recipe": "tiny",
    "ready": False,
    "problems": ["the file rows.jsonl is empty"],
    "source": ["rows.jsonl: JSON lines"],
    "reading": "rows: text from 'text'",
    "encoder": {"available": True, "detail": "trained from scratch"},
}
UNKNOWN = ("counts", "truncation", "tag_scheme", "tags", "label_map", "contradictions", "near_duplicates")
EMPTY_LISTS = ("rejects", "classes", "row_labels", "entity_types", "samples", "checks", "warnings")


def test_data_report_of_an_unreadable_source_says_what_could_not_be_found_out() -> None:
    # a script that reads `assay validate --json` finds every key, and tells "not found out" from "none"
    written = json.loads(DataReport.model_validate(LEAST).model_dump_json())
    rest = {key: value for key, value in written.items() if key not in LEAST}
    assert rest == {
        "command": "",
        "splits": {},
        "excluded": {},
        **dict.fromkeys(UNKNOWN),
        **{key: [] for key in EMPTY_LISTS},
    }


def test_data_report_is_read_as_it_was_written() -> None:
    check = {"name": "text", "severity": "warning", "passed": True, "measured": "1", "required": "0", "why": ""}
    whole = DataReport.model_validate(
        LEAST
        | {
            "counts": {"documents": 3, "used": 2, "rejected": 1, "rows": 2, "rejects": 1},
            "rejects": [{"kind": "text is null", "count": 1, "example": "row 3: text is null", "remedy": "drop it"}],
            "splits": {"train": 1, "test": 1},
            "classes": [LabelCount(name="up", total=2, train=1, test=1)],
            "samples": [SampleRow(id="1", label="up", text="[Acme](ORG) rose", labels=[])],
            "truncation": {"rows": 2, "truncated": 1, "max_length": 32},
            "tags": TagRecovery(entities=2, recovered=0.5, half_words=0.5),
            "label_map": LabelMapUse(unmapped=["a"], unused=[]),
            "contradictions": 0,
            "near_duplicates": 0.0,
            "checks": [check],
        }
    )
    assert DataReport.model_validate_json(whole.model_dump_json()) == whole


def test_sample_row_tells_no_labels_from_a_row_that_is_not_labelled() -> None:
    none, unlabelled = (SampleRow(id="1", label=None, text="a", labels=[]), SampleRow(id="2", label=None, text="a"))
    assert json.loads(none.model_dump_json())["labels"] == []
    assert json.loads(unlabelled.model_dump_json())["labels"] is None


@pytest.mark.parametrize("missing", sorted(LEAST))
def test_data_report_cannot_leave_out_what_every_check_finds_out(missing: str) -> None:
    with pytest.raises(ValidationError, match=missing):
        DataReport.model_validate({key: value for key, value in LEAST.items() if key != missing})


def test_data_report_refuses_an_unknown_part_and_stays_as_it_is() -> None:
    with pytest.raises(ValidationError, match="contradiction\n"):
        DataReport.model_validate({**LEAST, "contradiction": 3})
    with pytest.raises(ValidationError, match="frozen"):
        DataReport.model_validate(LEAST).ready = True  # type: ignore[misc]
    with pytest.raises(ValidationError, match="half_words"):
        TagRecovery.model_validate({"entities": 1, "recovered": 1.0})


def test_data_report_is_not_shared_between_recipes() -> None:
    first, second = (DataReport.model_validate(LEAST) for _ in range(2))
    first.classes.append(LabelCount(name="up", total=1))
    assert second.classes == []

from datetime import UTC, datetime
from pathlib import Path

import pytest

from assay.corpus.documents.annotators.decisions import TABLE
from assay.corpus.documents.raw_document import Document
from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.overlay import Correction, Overlay, text_digest
from assay.corpus.returned_labels import match_rows
from assay.corpus.returned_parts import ReadingRules
from assay.flows.corrections import _present_rows, apply_corrections
from tests.flows.tiny import make_recipe, write_rows


@pytest.mark.parametrize(
    ("label", "decision", "corrected"), [("good", "corrected", "good"), ("bad", "confirmed", None)]
)
def test_a_decision_about_a_changed_text_counts_whatever_was_decided_about_the_old_one(
    tmp_path: Path, label: str, decision: str, corrected: str | None
) -> None:
    # Given a row whose text has changed since anna has corrected it to good,
    row = Example("r1", "the new text", label="bad")
    stale = Correction(
        id="r1", decision="corrected", label="good", text_digest=text_digest("the old text"), author="anna",
        at=datetime.now(UTC), origin="first.csv",
    )  # fmt: skip
    overlay, rules = Overlay([stale]), ReadingRules(heads=["sentence"], classes={"good", "bad"})
    rows = _present_rows([row], overlay, rules)
    assert rows["r1"].label == "bad"
    # when she decides about the new text,
    document = Document("1", {"row_id": "r1", "text": "the new text", "new_label": label, "author": "anna"})
    returned = match_rows([document], TABLE, rows, overlay, rules, Path("second.csv"))
    # then this decision counts.
    assert [(one.decision, one.label) for one in returned.corrections] == [(decision, corrected)]
    assert returned.corrections[0].text_digest == text_digest("the new text")


def test_apply_corrections_needs_a_run_that_has_read_the_rows(tmp_path: Path) -> None:
    recipe = make_recipe(write_rows(tmp_path / "rows.jsonl"))
    with pytest.raises(AssayError, match=r"no run of tiny in .* has read its rows"):
        apply_corrections(recipe, tmp_path / "store", str(tmp_path / "rows.jsonl"))

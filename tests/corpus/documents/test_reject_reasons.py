import json
from pathlib import Path

from assay.corpus.documents.reject_reasons import frequent_reasons
from assay.corpus.documents.remedies import remedy_of


def test_frequent_reasons_count_kinds_and_show_the_first_row(tmp_path: Path) -> None:
    reasons = ["text is empty", "label is missing", "text is too long: 9 characters", "text is too long: 8 characters"]
    lines = [json.dumps({"id": f"r{number}", "reason": reason}) for number, reason in enumerate(reasons)]
    (tmp_path / "rejects.jsonl").write_text("\n".join(lines))
    first, second = frequent_reasons(tmp_path / "rejects.jsonl", most=2)
    assert (first.kind, first.count) == ("text is too long", 2)
    assert first.example == "row r2: text is too long: 9 characters"
    assert first.remedy == remedy_of("text is too long")
    assert (second.kind, second.count, second.example) == ("text is empty", 1, "row r0: text is empty")


def test_frequent_reasons_of_no_rejected_row(tmp_path: Path) -> None:
    (tmp_path / "rejects.jsonl").touch()
    assert frequent_reasons(tmp_path / "rejects.jsonl") == []

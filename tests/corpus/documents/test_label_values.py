import contextlib
from typing import Any

import pytest

from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.label_values import LabelValues, NoLabelError, read_if_any
from assay.corpus.documents.values import UnreadableError


def label_values(used: set[str], *, fold: bool) -> LabelValues:
    settings = {"label_map": {"pos": "good"}, "no_label": ["Not Sure", "-1"], "fold_labels": fold}
    return LabelValues(DocumentFormat.model_validate(settings), used)


def test_label_values_renames_and_folds() -> None:
    used: set[str] = set()
    plain, folding = label_values(used, fold=False), label_values(used, fold=True)
    assert (plain.read("POS", "f"), used) == ("POS", set())
    assert (folding.read(" POS", "f"), used) == ("good", {"pos"})


@pytest.mark.parametrize(
    ("text", "fold", "left_out"),
    [("Not Sure", False, True), ("not  sure", False, False), ("not  sure", True, True), ("sure", True, False)],
)
def test_label_values_leaves_out_what_means_none(text: str, fold: bool, left_out: bool) -> None:
    values = label_values(set(), fold=fold)
    expected = pytest.raises(NoLabelError) if left_out else contextlib.nullcontext()
    with expected:
        assert values.read_class(text, "f") == text
    with expected:
        assert values.read_each([text, text], "f") == (text,)
    assert read_if_any(values.read_class, text, "f") == (None if left_out else text)


@pytest.mark.parametrize("empty", ["", None, []])
def test_label_values_reads_an_empty_class_as_none_where_a_source_has_any(empty: Any) -> None:
    with pytest.raises(NoLabelError):
        label_values(set(), fold=False).read_class(empty, "f")
    with pytest.raises(UnreadableError, match=r"f is (empty|null)"):
        LabelValues(DocumentFormat()).read_class(empty, "f")

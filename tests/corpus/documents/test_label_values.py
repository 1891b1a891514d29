from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.label_values import LabelValues


def label_values(used: set[str], *, fold: bool) -> LabelValues:
    settings = {"label_map": {"pos": "good"}, "no_label": ["Not Sure", "-1"], "fold_labels": fold}
    return LabelValues(DocumentFormat.model_validate(settings), used)


def test_label_values_renames_and_folds() -> None:
    used: set[str] = set()
    plain, folding = label_values(used, fold=False), label_values(used, fold=True)
    assert (plain.read("POS", "f"), used) == ("POS", set())
    assert (folding.read(" POS", "f"), used) == ("good", {"pos"})


def test_label_values_folds_what_means_none() -> None:
    plain, folding = label_values(set(), fold=False), label_values(set(), fold=True)
    assert plain.means_none("Not Sure")
    assert not plain.means_none("not  sure")
    assert folding.means_none("not  sure")
    assert not folding.means_none("sure")

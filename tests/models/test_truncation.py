from assay.corpus.example import Example
from assay.models.truncation import measure_truncation
from assay.recipes.model_section import ModelSection, Scratch


def test_measure_truncation_counts_rows_with_more_tokens_than_are_read() -> None:
    # Two special tokens and one per word: six words fit.
    rows = [Example(str(words), " ".join(["alpha"] * words)) for words in (1, 6, 7, 40)]
    measured = measure_truncation(rows, ModelSection(scratch=Scratch(vocabulary=100), heads=["sentence"], max_length=8))
    assert (measured.rows, measured.truncated, measured.max_length, measured.share) == (4, 2, 8, 0.5)

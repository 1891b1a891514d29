import pytest

from assay.corpus.choice import choose
from assay.corpus.errors import AssayError
from assay.corpus.splits import SPLIT_NAMES


def test_choose_returns_a_choice_or_raises() -> None:
    assert choose("test", SPLIT_NAMES, "never said") == "test"
    with pytest.raises(AssayError, match="--split tset: no such split"):
        choose("tset", SPLIT_NAMES, "--split tset: no such split")

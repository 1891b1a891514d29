import pytest

from assay.corpus.choice import choose
from assay.corpus.errors import AssayError
from assay.corpus.splits import SPLIT_NAMES


def test_a_name_is_one_of_the_choices_or_refused() -> None:
    assert choose("test", SPLIT_NAMES, "never said") == "test"
    with pytest.raises(AssayError, match="--side tset: no such side"):
        choose("tset", SPLIT_NAMES, "--side tset: no such side")

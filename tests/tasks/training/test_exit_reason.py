from pathlib import Path

import pytest

from assay.corpus.errors import AssayError, DataError
from assay.models.training_stops import NonFiniteLoss, PrunedTrial
from assay.tasks.training.exit_reason import read_exit, record_exit


@pytest.mark.parametrize("error", [NonFiniteLoss("lower it"), DataError("row 3"), AssayError("no rows")], ids=repr)
def test_read_exit_restores_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: AssayError) -> None:
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(AssayError), record_exit(tmp_path):
        raise error
    error_read = read_exit(tmp_path)
    assert type(error_read) is type(error)
    assert str(error_read) == str(error)


def test_read_exit_restores_the_scores_of_a_pruned_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(PrunedTrial), record_exit(tmp_path):
        raise PrunedTrial([0.2, 0.1])
    error_read = read_exit(tmp_path)
    assert isinstance(error_read, PrunedTrial)
    assert error_read.scores == [0.2, 0.1]


def test_record_exit_ignores_success_and_unexpected_errors(tmp_path: Path) -> None:
    with record_exit(tmp_path):
        pass
    with pytest.raises(ZeroDivisionError), record_exit(tmp_path):
        1 / 0  # noqa: B018
    assert read_exit(tmp_path) is None

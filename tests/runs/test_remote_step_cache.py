"""Two machines: two stores that know nothing of each other, and one address."""

from collections.abc import Callable
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.splitting.ledger import ledger_path, open_ledger
from assay.corpus.storage.digest import digest_folder
from assay.corpus.storage.object_store import shared_store
from assay.registry.retention.erasure import plan_erasure
from assay.runs.lifecycle import open_run
from assay.runs.run import Run
from tests.snapshots import make_run


@pytest.fixture(autouse=True)
def _shared(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_SHARED_STORE", f"{bucket}/team")


def machine(tmp_path: Path, name: str) -> Run:
    return make_run(tmp_path / name)


def writes(text: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for name in ("one", "two"):
            (folder / name).write_text(text)

    return make


def never(folder: Path) -> None:
    raise AssertionError("made again")


def test_once_fetches_a_step_that_another_machine_finished(tmp_path: Path) -> None:
    one, two = machine(tmp_path, "one"), machine(tmp_path, "two")
    made = one.once("extract", {}, writes("rows"))
    found = two.once("extract", {}, never)
    assert found.digest == made.digest
    assert found.path.is_relative_to(tmp_path / "two")
    assert digest_folder(found.path) == digest_folder(made.path)
    # what is damaged here is fetched again
    (found.path / "one").write_text("rowz")
    assert two.once("extract", {}, never).digest == made.digest


def test_once_takes_the_result_of_the_machine_that_ends_first(tmp_path: Path) -> None:
    one, two = machine(tmp_path, "one"), machine(tmp_path, "two")

    def slower(folder: Path) -> None:
        one.once("train", {}, writes("faster"))
        writes("slower")(folder)

    assert (two.once("train", {}, slower).path / "one").read_text() == "faster"


def test_once_replaces_the_shared_result_of_a_repeated_step(tmp_path: Path) -> None:
    one, two = machine(tmp_path, "one"), machine(tmp_path, "two")
    one.once("train", {}, writes("first"))
    again = one.model_copy(update={"fresh_steps": ("train",)})
    again.once("train", {}, writes("second"))
    assert (two.once("train", {}, never).path / "one").read_text() == "second"


def test_once_shares_steps_finished_before_there_was_a_shared_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.delenv("ASSAY_SHARED_STORE")
        machine(tmp_path, "one").once("extract", {}, writes("rows"))
    machine(tmp_path, "one").once("extract", {}, never)
    machine(tmp_path, "two").once("extract", {}, never)


def test_open_ledger_reads_what_another_machine_wrote(tmp_path: Path) -> None:
    import numpy as np

    keys = np.array([b"0123456789abcdef"], dtype="S16")
    shared = shared_store()
    with open_ledger(ledger_path(tmp_path / "one", "tiny"), shared) as ledger:
        ledger.record(keys, np.array([2], dtype=np.int8), remember=True)
    with open_ledger(ledger_path(tmp_path / "two", "tiny"), shared) as ledger:
        assert ledger.split_of(keys).tolist() == [2]


def test_open_run_refuses_an_mlflow_of_one_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with (
        pytest.raises(AssayError, match="MLflow is a file of this machine; name a server"),
        open_run(make_run(tmp_path).recipe, tmp_path / "one"),
    ):
        pass


def test_plan_erasure_refuses_shared_rows(tmp_path: Path) -> None:
    machine(tmp_path, "one").once("extract", {}, writes("rows"))
    with pytest.raises(AssayError, match="which is not searched; remove runs/ and files/ there"):
        plan_erasure(["7"], tmp_path / "one", None)

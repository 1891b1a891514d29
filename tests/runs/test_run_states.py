from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.storage.object_store import SharedStore
from assay.runs.run_states import STATE, Redo, RunState, RunStates, newest_run, read_state, read_states

DAWN = datetime(2026, 1, 1, tzinfo=UTC)


def a_state(key: str, state: Literal["open", "closed"] = "open", hours: int = 0, **values: Any) -> RunState:
    fields: dict[str, Any] = {"recipe_name": "tiny", "recipe_digest": "d", "recipe": {}, "mlflow_run": "m"}
    return RunState(key=key, state=state, opened=DAWN + timedelta(hours=hours), **{**fields, **values})


@pytest.fixture
def shared(tmp_path: Path) -> SharedStore:
    return SharedStore(f"memory:/{tmp_path}/shared")


def test_run_state_is_read_as_it_was_saved(tmp_path: Path) -> None:
    state = a_state("a-1", fresh=True, redo=Redo(id="r", from_step="train", before={"name": "tiny"}))
    states = RunStates(tmp_path, None)
    states.save(state)
    assert states.read("a-1") == state == read_state(states.folder("a-1"))
    assert list(states) == [state]
    assert [path.name for path in states.folder("a-1").iterdir()] == [STATE]


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"key": "a-1"}'])
def test_read_state_names_a_damaged_file_and_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "runs" / "a-1").mkdir(parents=True)
    (tmp_path / "runs" / "a-1" / STATE).write_bytes(content)
    with pytest.raises(AssayError, match=r"run\.json: is damaged; restore it from a backup, or move the folder"):
        read_state(tmp_path / "runs" / "a-1")
    with pytest.raises(AssayError, match="is damaged"):
        read_states(tmp_path)


@pytest.mark.parametrize(
    ("states", "key"),
    [
        ([], "tiny-1"),
        ([a_state("tiny-1")], "tiny-1"),
        ([a_state("tiny-1", "closed")], "tiny-2"),
        ([a_state("tiny-1", "closed"), a_state("tiny-2")], "tiny-2"),
        ([a_state("tiny-1", "closed"), a_state("tiny-3")], "tiny-2"),  # the first free one
        ([a_state("tiny-1-1", "closed"), a_state("other-1", "closed")], "tiny-1"),
    ],
)
def test_open_key_is_that_of_the_open_run_or_the_next_free_one(
    tmp_path: Path, states: list[RunState], key: str
) -> None:
    for state in states:
        RunStates(tmp_path, None).save(state)
    assert RunStates(tmp_path, None).open_key("tiny") == key


def test_run_states_of_the_shared_store_count_before_local_ones(tmp_path: Path, shared: SharedStore) -> None:
    # given a run that this machine knows as open, and another machine has closed
    here, there = RunStates(tmp_path / "here", shared), RunStates(tmp_path / "there", shared)
    here.save(a_state("tiny-1"))
    there.save(a_state("tiny-1", "closed"))
    there.save(a_state("other-1"))
    RunStates(tmp_path / "here", None).save(a_state("own-1"))

    # then all of them are known here, and the closed one is closed
    assert here.read("tiny-1").state == "closed"
    assert here.read("own-1").state == "open"
    assert {state.key: state.state for state in here} == {"tiny-1": "closed", "other-1": "open", "own-1": "open"}
    assert here.open_key("tiny") == "tiny-2"


def test_run_states_name_a_damaged_state_of_the_shared_store(tmp_path: Path, shared: SharedStore) -> None:
    shared.write(f"runs/tiny-1/{STATE}", b"{")
    states = RunStates(tmp_path / "here", shared)
    with pytest.raises(AssayError, match=r"shared/runs/tiny-1/run\.json: is damaged; restore it from a backup"):
        states.read("tiny-1")
    with pytest.raises(AssayError, match="is damaged"):
        list(states)


def test_newest_run_is_the_last_opened_one_of_the_recipe(tmp_path: Path) -> None:
    assert newest_run("tiny", tmp_path) is None
    states = RunStates(tmp_path, None)
    states.save(a_state("tiny-2", "closed", hours=2))
    states.save(a_state("tiny-1", hours=1))
    states.save(a_state("other-1", hours=3, recipe_name="other"))
    assert newest_run("tiny", tmp_path) == tmp_path / "runs" / "tiny-2"
    assert newest_run("unknown", tmp_path) is None

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.recipes.recipe import Recipe
from assay.runs.run import Run, Step

RECIPE = Recipe.model_validate(
    {
        "name": "tiny",
        "source": {"kind": "files", "paths": {"rows.jsonl": "all"}},
        "model": {"scratch": {}, "heads": ["sentence"]},
        "gate": {"min_f1": {"sentence": 0.5}},
        "registry": {"name": "tiny"},
    }
)


def make_run(store: Path, fresh_steps: tuple[Step, ...] = (), key: str = "one") -> Run:
    return Run(key=key, recipe=RECIPE, store=store, tracking_uri="", mlflow_run="", fresh_steps=fresh_steps)


def test_run_leaves_the_shared_store_out_of_its_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a run with a shared store, whose address may hold a password
    monkeypatch.setenv("ASSAY_SHARED_STORE", f"file://{tmp_path}/secret")
    run = make_run(tmp_path)
    content = run.model_dump_json()
    assert run.shared is not None
    assert "secret" not in content
    # then a process with the same environment has it, too, and another one has none
    assert Run.model_validate_json(content).shared is not None
    copy = pickle.loads(pickle.dumps(run))  # noqa: S301  # as a task runner does
    assert copy.shared.address == run.shared.address
    monkeypatch.delenv("ASSAY_SHARED_STORE")
    assert Run.model_validate_json(content).shared is None


class Work:
    """A step that counts how often it is done."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, folder: Path) -> None:
        self.times += 1
        (folder / "result.txt").write_text(f"attempt {self.times}")


def test_once_does_not_repeat_a_finished_step(tmp_path: Path) -> None:
    run, work = make_run(tmp_path), Work()
    first = run.once("extract", {"a": 1}, work)
    second = run.once("extract", {"a": 1}, work)
    assert work.times == 1
    assert first == second
    assert (second.path / "result.txt").read_text() == "attempt 1"


@pytest.mark.parametrize(
    "change",
    [
        lambda run: (run, "extract", {"a": 2}),
        lambda run: (run, "split", {"a": 1}),
        lambda run: (make_run(run.store, key="two"), "extract", {"a": 1}),
        lambda run: (make_run(run.store, fresh_steps=("extract",)), "extract", {"a": 1}),
    ],
    ids=["other inputs", "other step", "other run", "asked for again"],
)
def test_once_makes_a_result_again_for_other_dependencies(
    tmp_path: Path, change: Callable[[Run], tuple[Run, Step, dict[str, int]]]
) -> None:
    run, work = make_run(tmp_path), Work()
    run.once("extract", {"a": 1}, work)
    changed, step, inputs = change(run)
    changed.once(step, inputs, work)
    assert work.times == 2


@pytest.mark.parametrize("fault", ["changed", "removed"])
def test_once_ignores_a_result_whose_files_changed(tmp_path: Path, fault: str) -> None:
    run, work = make_run(tmp_path), Work()
    result = run.once("extract", {}, work).path / "result.txt"
    if fault == "changed":
        result.write_text("attempt x")
    else:
        result.unlink()
    again = run.once("extract", {}, work)
    assert work.times == 2
    assert (again.path / "result.txt").read_text() == "attempt 2"


def interrupted(folder: Path) -> None:
    (folder / "half.txt").write_text("half")
    raise KeyboardInterrupt


def test_once_leaves_nothing_that_looks_finished_after_an_interruption(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run.once("extract", {}, interrupted)
    result = run.once("extract", {}, Work())
    assert sorted(path.name for path in result.path.iterdir()) == ["result.txt", "step.json"]


def test_once_resumes_a_step_with_its_files(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run.once("train", {}, interrupted, resumable=True)
    seen: list[str] = []
    run.once("train", {}, lambda folder: seen.extend(path.name for path in folder.iterdir()), resumable=True)
    assert seen == ["half.txt"]


def test_once_repeats_a_step_killed_before_its_folder_got_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, work = make_run(tmp_path), Work()
    # given a resumable step that was killed when all but its name was there
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("assay.runs.step_cache.publish_folder", lambda partial, folder: interrupted(partial))
        run.once("train", {}, work, resumable=True)
    # then the next start ends it, for good
    done = run.once("train", {}, work, resumable=True)
    assert run.once("train", {}, work, resumable=True) == done
    assert work.times == 2


CONTENT = {"rows": "digest of the rows"}


def test_once_takes_the_result_of_another_run_with_the_same_content(tmp_path: Path) -> None:
    # given a finished training of one run
    work, taken = Work(), list[Path]()
    first = make_run(tmp_path).once("train", {"run": 1}, work, content=CONTENT)
    # when another run needs one with the same content
    other = make_run(tmp_path, key="two")
    second = other.once("train", {"run": 2}, work, content=CONTENT, reused=taken.append)
    # then it has a copy of its own, which stays when the first run is cleaned away
    assert (work.times, taken) == (1, [second.path])
    assert second.digest == first.digest
    assert second.path.parent == other.folder
    shutil.rmtree(make_run(tmp_path).folder)
    assert other.once("train", {"run": 2}, work, content=CONTENT) == second
    assert work.times == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda run: (run, "train", {"rows": "others"}),
        lambda run: (run, "export", CONTENT),
        lambda run: (run, "train", None),
        lambda run: (run.model_copy(update={"reuse": False}), "train", CONTENT),
        lambda run: (run.model_copy(update={"fresh_steps": ("train",)}), "train", CONTENT),
    ],
    ids=["other content", "other step", "not to be reused", "fresh", "asked for again"],
)
def test_once_does_not_take_a_result_of_other_content(
    tmp_path: Path, change: Callable[[Run], tuple[Run, Step, dict[str, str] | None]]
) -> None:
    work = Work()
    make_run(tmp_path).once("train", {"a": 1}, work, content=CONTENT)
    run, step, content = change(make_run(tmp_path, key="two"))
    run.once(step, {"a": 1}, work, content=content)
    assert work.times == 2


@pytest.mark.parametrize("fault", ["changed", "missing"])
def test_once_does_not_take_a_damaged_result_of_another_run(tmp_path: Path, fault: str) -> None:
    work = Work()
    first = make_run(tmp_path).once("train", {"a": 1}, work, content=CONTENT)
    file = first.path / "result.txt"
    file.write_text("something else") if fault == "changed" else file.unlink()
    make_run(tmp_path, key="two").once("train", {"a": 1}, work, content=CONTENT)
    assert work.times == 2


def test_once_resumes_its_own_attempt_before_it_takes_the_result_of_another_run(tmp_path: Path) -> None:
    def killed(folder: Path) -> None:
        (folder / "half.txt").write_text("half")
        raise KeyboardInterrupt

    run, work = make_run(tmp_path, key="two"), Work()
    with pytest.raises(KeyboardInterrupt):
        run.once("train", {"a": 1}, killed, resumable=True, content=CONTENT)
    make_run(tmp_path).once("train", {"a": 1}, work, content=CONTENT)
    found = run.once("train", {"a": 1}, work, resumable=True, content=CONTENT)
    assert (found.path / "half.txt").exists()
    assert work.times == 2

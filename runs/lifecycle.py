"""Open, resume and close a run.

The key of a run closes with its verdict, or when its data are at fault. Only an open run is resumed, so that a weekly
deployment, or a second try after the data were fixed, reads fresh data.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from assay.corpus.errors import AssayError, DataError
from assay.corpus.storage.object_store import VARIABLE, SharedStore, shared_store
from assay.recipes.recipe import Recipe
from assay.runs.mlflow_client import stored_address
from assay.runs.prefect_artifacts import show_link
from assay.runs.redo import STEPS, check_changes
from assay.runs.run import Run, Step
from assay.runs.run_states import STATE, Redo, RunState, RunStates, read_states
from assay.runs.step_result import was_redone
from assay.runs.tracking import Tracking, is_flow_run, tracking_uri_for

LOCK = "lock"


@contextmanager
def open_run(
    recipe: Recipe,
    store: Path,
    *,
    key: str | None = None,
    fresh: bool = False,
    from_step: Step | None = None,
    keep_open: bool = False,
) -> Iterator[Run]:
    """Open the run to work in: the open one of this recipe, or a new one.

    It closes when the block ends without an error. When the block raises, the run stays open for the next start, unless
    the data are at fault; MLflow shows it as failed either way.

    Args:
        recipe: what to run.
        store: folder of all runs.
        key: key of the run; a deployment passes the id of its flow run. An existing run of that key must be open.
        fresh: begin a new run even if an open one exists, and reuse no result of another run. Only a run that
            `fresh` began and that was interrupted, or the run of `key`, is resumed. Open runs of this recipe that
            no process works on are closed.
        from_step: resume the newest run of this recipe, open or closed, and do this step and all later ones again.
            After an interruption, the steps that have been done again stay.
        keep_open: leave the run open for the next start when the block ends.

    Raises:
        AssayError: another process works on the run, the run of that key is closed, `from_step` finds no run, or the
            recipe differs in a key that an earlier step depends on.
    """
    store, shared = store.resolve(), shared_store()
    states = RunStates(store, shared)
    _check_tracking(recipe, states)
    earlier = _find_fresh(recipe, states, key) if fresh else _find_run(recipe, states, key, from_step)
    _check_earlier(earlier, recipe, states, from_step)
    requested_key, key = key, earlier.key if earlier else key or _new_key(recipe)
    folder = states.folder(key)
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        if earlier is not None and earlier != states.read(key):
            raise AssayError(f"{folder}: another process has just resumed this run; start again")
        if fresh and earlier is None:
            _abandon_open_runs(recipe, states)
        tracking = _start_tracking(recipe, store, key, earlier)
        request = _new_state(recipe, store, key, tracking).model_copy(
            update={
                "fresh": fresh,
                "fresh_pending": fresh and requested_key is None,
                "redo": _redo_of(earlier, recipe, states, from_step),
            }
        )
        state = _resumed(earlier, request) if earlier else request
        with tracking.failing():
            states.save(state)
            show_link("mlflow-run", tracking.page(), key, f"{recipe.name}: metrics, plots, data and files in MLflow")
        run = _run_of(state, recipe, store, tracking.uri, shared)
        with _closing(states, state, keep_open=keep_open), tracking.ended():
            yield run


def open_key(base: str, store: Path) -> str:
    """Return the key of the open run of this base, or the next free key if there is no open one."""
    return RunStates(store, shared_store()).open_key(base)


def run_lock(folder: Path) -> FileLock:
    """Return the lock of a run; acquiring it never waits. The system releases it when the process dies."""
    return FileLock(folder / LOCK, timeout=0)


@contextmanager
def _closing(states: RunStates, state: RunState, *, keep_open: bool) -> Iterator[None]:
    """Close the run after the block if it has ended or its data are at fault; a finished command leaves no request."""
    try:
        yield
    except DataError:
        states.save(state.model_copy(update={"state": "closed"}))
        raise
    done = {"state": "open" if keep_open else "closed", "fresh_pending": False, "redo": None}
    states.save(state.model_copy(update=done))


def _start_tracking(recipe: Recipe, store: Path, key: str, earlier: RunState | None) -> Tracking:
    """Resume the MLflow run of the earlier run, or begin one: with another recipe its parameters would change."""
    same_recipe = earlier is not None and earlier.recipe_digest == recipe.digest
    return Tracking.start(recipe, store, key, earlier.mlflow_run if earlier and same_recipe else None)


def _resumed(earlier: RunState, request: RunState) -> RunState:
    """Return the state of a run that is resumed: it began earlier, and keeps what an earlier command asked for.

    No address is dropped, since rows of the run stay there; the newest is the last.
    """
    (newest,) = request.tracking
    return request.model_copy(
        update={
            "tracking": [*(address for address in earlier.tracking if address != newest), newest],
            "opened": earlier.opened,
            "fresh": request.fresh or earlier.fresh,
            "fresh_pending": request.fresh_pending or earlier.fresh_pending,
        }
    )


def _run_of(state: RunState, recipe: Recipe, store: Path, tracking_uri: str, shared: SharedStore | None) -> Run:
    """Return the run as the steps see it."""
    return Run(
        key=state.key,
        recipe=recipe,
        store=store,
        tracking_uri=tracking_uri,
        mlflow_run=state.mlflow_run,
        fresh_steps=STEPS[STEPS.index(state.redo.from_step) :] if state.redo else (),
        redo=state.redo.id if state.redo else None,
        reuse=not state.fresh,
        shared=shared,
    )


def _new_state(recipe: Recipe, store: Path, key: str, tracking: Tracking) -> RunState:
    return RunState(
        key=key,
        recipe_name=recipe.name,
        recipe_digest=recipe.digest,
        recipe=recipe.model_dump(mode="json"),
        mlflow_run=tracking.run_id,
        tracking=[stored_address(tracking.uri, store)],
        opened=datetime.now(UTC),
    )


def _redo_of(earlier: RunState | None, recipe: Recipe, states: RunStates, from_step: Step | None) -> Redo | None:
    """Return the steps to do again: the interrupted ones, unless the command asks for other ones."""
    if earlier is None:
        return None
    unfinished = earlier.redo if earlier.state == "open" else None
    same = unfinished and unfinished.from_step == from_step and earlier.recipe_digest == recipe.digest
    if from_step is None or same:
        return unfinished
    return Redo(id=secrets.token_hex(8), from_step=from_step, before=_recipe_of_steps(earlier, states))


def _recipe_of_steps(state: RunState, states: RunStates) -> dict[str, Any]:
    """Return the recipe of the finished steps of a run."""
    if state.redo is None or was_redone(states.folder(state.key), state.redo.id):
        return state.recipe
    return state.redo.before


def _abandon_open_runs(recipe: Recipe, states: RunStates) -> None:
    """Close the open runs of this recipe that no process works on, since a fresh run does not resume them.

    A run that was killed would otherwise look alive in MLflow forever. Runs of deployments are left to Prefect, which
    starts them again or waits for an approval. With a shared store none is closed: another machine may work on it.
    """
    if states.shared is not None:
        return
    for state in read_states(states.store):
        if state.recipe_digest == recipe.digest and state.state == "open" and not is_flow_run(state.key):
            with suppress(AssayError), _locked(states.folder(state.key)):  # another process works on it
                Tracking(tracking_uri_for(recipe, states.store), state.mlflow_run).leave()
                states.save(state.model_copy(update={"state": "closed"}))


def _find_fresh(recipe: Recipe, states: RunStates, key: str | None) -> RunState | None:
    """Return the run that `--fresh` began and that was interrupted: the run of this key, or one of this store."""
    open_states = [state for state in states if state.state == "open"]
    if key is not None:
        return next((state for state in open_states if state.key == key), None)
    interrupted = [
        state
        for state in open_states
        if state.fresh_pending and state.recipe_digest == recipe.digest and _is_abandoned(states.folder(state.key))
    ]
    return max(interrupted, key=lambda state: state.opened, default=None)


def _find_run(recipe: Recipe, states: RunStates, key: str | None, from_step: Step | None) -> RunState | None:
    """Return the newest run that may be resumed."""
    if key is not None:
        candidates = [state for state in states if state.key == key]
    elif from_step is not None:
        candidates = [state for state in states if state.recipe_name == recipe.name]
    else:
        candidates = [state for state in states if state.recipe_digest == recipe.digest and state.state == "open"]
    return max(candidates, key=lambda state: state.opened, default=None)


def _check_earlier(earlier: RunState | None, recipe: Recipe, states: RunStates, from_step: Step | None) -> None:
    """Check that the earlier run may be resumed, and that `--from` has one."""
    if earlier is not None and earlier.state == "closed" and from_step is None:
        raise AssayError(
            f"run {earlier.key} is closed, and its data may be old; begin another one (without run_key), or do "
            "steps of it again (--from STEP)"
        )
    if from_step is not None and earlier is None:
        raise AssayError(
            f"--from {from_step}: {recipe.name} has no earlier run in {states.store}; run it once without --from"
        )
    if earlier is not None and from_step is not None:
        check_changes(_recipe_of_steps(earlier, states), recipe, from_step, earlier.key)


def _new_key(recipe: Recipe) -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{recipe.name}-{secrets.token_hex(3)}"


def _check_tracking(recipe: Recipe, states: RunStates) -> None:
    """Check that a run resumed on another machine finds its MLflow run there."""
    if states.shared is not None and tracking_uri_for(recipe, states.store).startswith("sqlite:"):
        raise AssayError(
            f"{VARIABLE} is set, and MLflow is a file of this machine; name a server that all machines reach "
            "(registry.tracking_uri or MLFLOW_TRACKING_URI)"
        )


def _is_abandoned(folder: Path) -> bool:
    """Return whether the run was begun in this store, and no process works on it."""
    if not (folder / STATE).exists():  # begun on another machine, which may work on it
        return False
    try:
        with run_lock(folder):
            return True
    except Timeout:
        return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        with run_lock(folder):
            yield
    except Timeout as error:
        raise AssayError(f"{folder} is being worked on by another process; wait for it, or use --fresh") from error

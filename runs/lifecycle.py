"""Open, resume and close a run.

The key of a run closes at its verdict, or when its data were found at fault: only an open run is gone on
with, so that a weekly deployment, or a second try after the data were mended, reads fresh data.
"""

import itertools
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, Field, ValidationError

from assay.corpus.errors import AssayError, DataError
from assay.corpus.storage.atomic import atomic_path
from assay.corpus.storage.object_store import VARIABLE, shared_store
from assay.recipes.recipe import Recipe
from assay.runs.mlflow_client import stored_address
from assay.runs.prefect_artifacts import show_link
from assay.runs.redo import STEPS, check_changes
from assay.runs.run import Run, Step, was_redone
from assay.runs.tracking import Tracking, is_flow_run, tracking_uri_for

STATE, LOCK = "run.json", "lock"


class Redo(BaseModel):
    """Steps that `--from` does again: those that carry this id are done, and the next start resumes behind them."""

    id: str
    from_step: Step
    before: dict[str, Any] = Field(description="Recipe of the finished steps until the first one is done again")


class RunState(BaseModel):
    """`run.json`: what must be known to go on with a run."""

    key: str
    recipe_name: str
    recipe_digest: str
    recipe: dict[str, Any]
    mlflow_run: str
    tracking: list[str] = Field(
        default_factory=list, description="every MLflow the run has used, without credentials; the last has mlflow_run"
    )
    opened: datetime
    state: Literal["open", "closed"] = "open"
    fresh: bool = Field(False, description="No result of another run is reused, whichever command resumes this one")
    fresh_pending: bool = Field(False, description="The command with --fresh that began the run has not ended")
    redo: Redo | None = Field(None, description="What --from has begun and not ended")


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
    """Give the run to work in: the open one of this recipe, or a new one.

    It closes when the block ends well. When the block raises, the run stays open for the next start, unless
    the data were at fault; MLflow shows it as failed either way.

    Args:
        recipe: what to run.
        store: folder of all runs.
        key: key of the run; a deployment hands in its flow run's id. A run of that key must be open.
        fresh: begin a new run even where an open one exists, and reuse no result of another run. Only a run that
            `fresh` began and that was interrupted, or one of this very key, is resumed. Open runs of this recipe that
            no process works on are closed.
        from_step: go on with the newest run of this recipe, open or closed, and do this step and all
            later ones again. After an interruption, the steps that are done again by then stay.
        keep_open: the block ends before the run does, so that it stays open for the next start.

    Raises:
        AssayError: another process works on the run, the run of that key is closed, `from_step` finds none, or the
            recipe differs in what a step before it depends on.
    """
    store = store.resolve()
    _check_tracking(recipe, store)
    found = _find_anew(recipe, store, key) if fresh else _find_run(recipe, store, key, from_step)
    _check_found(found, recipe, store, from_step)
    restarted = fresh and key is None
    key = found.key if found else key or _new_key(recipe)
    folder = store / "runs" / key
    folder.mkdir(parents=True, exist_ok=True)
    with _only_us(folder):
        if found is not None and found != _known(folder):
            raise AssayError(f"{folder} was gone on with by another process just now; start again")
        # Parameters of an MLflow run cannot change: with another recipe, `--from` begins a new one.
        earlier = found.mlflow_run if found and found.recipe_digest == recipe.digest else None
        if fresh and found is None:
            _leave_open_runs(recipe, store)
        tracking = Tracking.start(recipe, store, key, earlier)
        state = RunState(
            key=key,
            recipe_name=recipe.name,
            recipe_digest=recipe.digest,
            recipe=recipe.model_dump(mode="json"),
            mlflow_run=tracking.run_id,
            tracking=_addresses(found, stored_address(tracking.uri, store)),
            opened=found.opened if found else datetime.now(UTC),
            fresh=fresh or (found is not None and found.fresh),
            fresh_pending=restarted or (found is not None and found.fresh_pending),
            redo=_redo_of(found, recipe, store, from_step),
        )
        with tracking.failing():
            _save(folder, state)
            show_link("mlflow-run", tracking.page(), key, f"{recipe.name}: curves, plots, data and files in MLflow")
        run = Run(
            key=key,
            recipe=recipe,
            store=store,
            tracking_uri=tracking.uri,
            mlflow_run=tracking.run_id,
            fresh_steps=STEPS[STEPS.index(state.redo.from_step) :] if state.redo else (),
            redo=state.redo.id if state.redo else None,
            reuse=not state.fresh,
        )
        with _closed(folder, state, keep_open=keep_open), tracking.ended():
            yield run


@contextmanager
def _closed(folder: Path, state: RunState, *, keep_open: bool) -> Iterator[None]:
    """Close the run behind the block, where it is over or its data were at fault; what a command asked for is done."""
    try:
        yield
    except DataError:
        _save(folder, state.model_copy(update={"state": "closed"}))
        raise
    done = {"state": "open" if keep_open else "closed", "fresh_pending": False, "redo": None}
    _save(folder, state.model_copy(update=done))


def _redo_of(found: RunState | None, recipe: Recipe, store: Path, from_step: Step | None) -> Redo | None:
    """The steps to do again: those that were interrupted where the same is asked for, or nothing else."""
    if found is None:
        return None
    unfinished = found.redo if found.state == "open" else None
    same = unfinished and unfinished.from_step == from_step and found.recipe_digest == recipe.digest
    if from_step is None or same:
        return unfinished
    return Redo(id=secrets.token_hex(8), from_step=from_step, before=_recipe_of_steps(found, store))


def _recipe_of_steps(state: RunState, store: Path) -> dict[str, Any]:
    """The recipe that the finished steps of a run were done with."""
    if state.redo is None or was_redone(store / "runs" / state.key, state.redo.id):
        return state.recipe
    return state.redo.before


def _leave_open_runs(recipe: Recipe, store: Path) -> None:
    """Close the open runs of this recipe that no process works on: whoever begins anew does not go on with them.

    One that was killed would look alive in MLflow for ever. Those of deployments are left to Prefect, which
    starts them again, or waits for a person. With a shared store none is closed: another machine may work on it.
    """
    if shared_store() is not None:
        return
    for state in read_states(store):
        if state.recipe_digest == recipe.digest and state.state == "open" and not is_flow_run(state.key):
            folder = store / "runs" / state.key
            with suppress(AssayError), _only_us(folder):  # somebody works on it
                Tracking(tracking_uri_for(recipe, store), state.mlflow_run).leave()
                _save(folder, state.model_copy(update={"state": "closed"}))


def open_key(base: str, store: Path) -> str:
    """Return the key of the open run of this base, or the next one where there is none or it has ended."""
    states = {state.key: state.state for state in _all_states(store)}
    return next(key for number in itertools.count(1) if states.get(key := f"{base}-{number}") != "closed")


def newest_run(recipe_name: str, store: Path) -> Path | None:
    """Folder of the newest run of a recipe, open or closed."""
    states = [state for state in read_states(store) if state.recipe_name == recipe_name]
    newest = max(states, key=lambda state: state.opened, default=None)
    return store / "runs" / newest.key if newest else None


def read_states(store: Path) -> list[RunState]:
    """Of all runs of a store, in no order."""
    return [read_state(path.parent) for path in (store / "runs").glob(f"*/{STATE}")]


def read_state(folder: Path) -> RunState:
    """Read the state of the run in a folder.

    Raises:
        AssayError: the file is damaged, or of another version.
    """
    path = folder / STATE
    try:
        return RunState.model_validate_json(path.read_bytes())
    except ValidationError as error:
        reason = f"{path}: is damaged; restore it from a backup, or move the folder of this run away"
        raise AssayError(reason) from error


def run_lock(folder: Path) -> FileLock:
    """The run's lock; taking it never waits. The system lets go of it when the process dies, however it dies."""
    return FileLock(folder / LOCK, timeout=0)


def _known(folder: Path) -> RunState:
    """Of the run in a folder, as the shared store knows it, where there is one."""
    shared = shared_store()
    content = shared.read(f"runs/{folder.name}/{STATE}") if shared is not None else None
    return read_state(folder) if content is None else RunState.model_validate_json(content)


def _all_states(store: Path) -> list[RunState]:
    """The runs of this machine and those of the shared store; of a run that both know, the latter tells."""
    states = {state.key: state for state in read_states(store)}
    if (shared := shared_store()) is not None:
        for name in shared.names("runs", f"*/{STATE}"):
            if (content := shared.read(name)) is not None:
                state = RunState.model_validate_json(content)
                states[state.key] = state
    return list(states.values())


def _find_anew(recipe: Recipe, store: Path, key: str | None) -> RunState | None:
    """The open run that was begun anew and interrupted: of this key, which Prefect starts again, or from here."""
    states = [state for state in _all_states(store) if state.state == "open"]
    if key is not None:
        return next((state for state in states if state.key == key), None)
    mine = [
        state
        for state in states
        if state.fresh_pending and state.recipe_digest == recipe.digest and _is_left(store / "runs" / state.key)
    ]
    return max(mine, key=lambda state: state.opened, default=None)


def _find_run(recipe: Recipe, store: Path, key: str | None, from_step: Step | None) -> RunState | None:
    """The newest run that may be gone on with."""
    states = _all_states(store)
    if key is not None:
        states = [state for state in states if state.key == key]
    elif from_step is not None:
        states = [state for state in states if state.recipe_name == recipe.name]
    else:
        states = [state for state in states if state.recipe_digest == recipe.digest and state.state == "open"]
    return max(states, key=lambda state: state.opened, default=None)


def _check_found(found: RunState | None, recipe: Recipe, store: Path, from_step: Step | None) -> None:
    """What was found may be gone on with, and `--from` has found something."""
    if found is not None and found.state == "closed" and from_step is None:
        raise AssayError(
            f"run {found.key} is closed, and its data may be old; begin another one (without run_key), or do "
            "steps of it again (--from STEP)"
        )
    if from_step is not None and found is None:
        raise AssayError(f"--from {from_step}: {recipe.name} has no earlier run in {store}; run it once without --from")
    if found is not None and from_step is not None:
        check_changes(_recipe_of_steps(found, store), recipe, from_step, found.key)


def _addresses(found: RunState | None, newest: str) -> list[str]:
    """Return the addresses of a run with the newest last; none is dropped, since rows of the run stay there."""
    return [*(address for address in (found.tracking if found else ()) if address != newest), newest]


def _new_key(recipe: Recipe) -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{recipe.name}-{secrets.token_hex(3)}"


def _save(folder: Path, state: RunState) -> None:
    content = state.model_dump_json(indent=2).encode()
    with atomic_path(folder / STATE) as partial:
        partial.write_bytes(content)
    if (shared := shared_store()) is not None:
        shared.write(f"runs/{folder.name}/{STATE}", content)


def _check_tracking(recipe: Recipe, store: Path) -> None:
    """A run that goes on elsewhere finds its MLflow run there."""
    if shared_store() is not None and tracking_uri_for(recipe, store).startswith("sqlite:"):
        raise AssayError(
            f"{VARIABLE} is set, and MLflow is a file of this machine; name a server that all machines reach "
            "(registry.tracking_uri or MLFLOW_TRACKING_URI)"
        )


def _is_left(folder: Path) -> bool:
    """Whether the run was begun in this store, and no process works on it."""
    if not (folder / STATE).exists():  # another machine's, which may work on it
        return False
    try:
        with run_lock(folder):
            return True
    except Timeout:
        return False


@contextmanager
def _only_us(folder: Path) -> Iterator[None]:
    try:
        with run_lock(folder):
            yield
    except Timeout as error:
        raise AssayError(f"{folder} is being worked on by another process; wait for it, or use --fresh") from error

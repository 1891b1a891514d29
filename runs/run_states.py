"""The state of each run, `run.json`: what another process needs to resume it."""

import itertools
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from assay.corpus.errors import AssayError
from assay.corpus.storage.atomic import atomic_path
from assay.corpus.storage.object_store import SharedStore
from assay.runs.run import Step

STATE = "run.json"


class Redo(BaseModel):
    """Steps that `--from` does again. A step that carries this id is done; the next start resumes after it."""

    id: str
    from_step: Step
    before: dict[str, Any] = Field(description="Recipe of the finished steps until the first one is done again")


class RunState(BaseModel):
    """Content of `run.json`."""

    key: str
    recipe_name: str
    recipe_digest: str
    recipe: dict[str, Any]
    mlflow_run: str
    tracking: list[str] = Field(
        default_factory=list, description="Every MLflow the run has used, without credentials; the last has mlflow_run"
    )
    opened: datetime
    state: Literal["open", "closed"] = "open"
    fresh: bool = Field(False, description="No result of another run is reused, whichever command resumes this one")
    fresh_pending: bool = Field(False, description="The command with --fresh that began the run has not ended")
    redo: Redo | None = Field(None, description="What --from has begun and not ended")


class RunStates:
    """The states of the runs in a local store and, if there is one, in the shared store.

    Args:
        store: folder of runs.
        shared: the shared store; where both know a run, its state there counts.
    """

    def __init__(self, store: Path, shared: SharedStore | None) -> None:
        self.store = store
        self.shared = shared

    def __iter__(self) -> Iterator[RunState]:
        states = {state.key: state for state in read_states(self.store)}
        if self.shared is not None:
            for name in self.shared.names("runs", f"*/{STATE}"):
                if (content := self.shared.read(name)) is not None:
                    state = _parse(content, f"{self.shared.address}/{name}")
                    states[state.key] = state
        return iter(states.values())

    def folder(self, key: str) -> Path:
        """Return the folder of a run in the local store."""
        return self.store / "runs" / key

    def read(self, key: str) -> RunState:
        """Read the state of a run.

        Raises:
            AssayError: the file is damaged, or of another version.
        """
        name = f"runs/{key}/{STATE}"
        content = self.shared.read(name) if self.shared is not None else None
        if self.shared is None or content is None:
            return read_state(self.folder(key))
        return _parse(content, f"{self.shared.address}/{name}")

    def save(self, state: RunState) -> None:
        """Write the state of a run."""
        content = state.model_dump_json(indent=2).encode()
        with atomic_path(self.folder(state.key) / STATE) as partial:
            partial.write_bytes(content)
        if self.shared is not None:
            self.shared.write(f"runs/{state.key}/{STATE}", content)

    def open_key(self, base: str) -> str:
        """Return the key of the open run of this base, or the next free key if there is no open one."""
        states = {state.key: state.state for state in self}
        return next(key for number in itertools.count(1) if states.get(key := f"{base}-{number}") != "closed")


def read_states(store: Path) -> list[RunState]:
    """Read the states of all runs of a local store, in no order."""
    return [read_state(path.parent) for path in (store / "runs").glob(f"*/{STATE}")]


def read_state(folder: Path) -> RunState:
    """Read the state of the run in a folder.

    Raises:
        AssayError: the file is damaged, or of another version.
    """
    path = folder / STATE
    return _parse(path.read_bytes(), str(path))


def _parse(content: bytes, where: str) -> RunState:
    try:
        return RunState.model_validate_json(content)
    except ValidationError as error:
        reason = f"{where}: is damaged; restore it from a backup, or move the folder of this run away"
        raise AssayError(reason) from error


def newest_run(recipe_name: str, store: Path) -> Path | None:
    """Return the folder of the newest run of a recipe, open or closed, or None."""
    states = [state for state in read_states(store) if state.recipe_name == recipe_name]
    newest = max(states, key=lambda state: state.opened, default=None)
    return store / "runs" / newest.key if newest else None

"""A run: one way through the pipeline, by its key, its recipe and its store."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from assay.corpus.storage.artifact_ref import Ref
from assay.corpus.storage.object_store import SharedStore, shared_store
from assay.recipes.recipe import Recipe
from assay.runs.remote_step_cache import RemoteStepCache
from assay.runs.step_cache import StepCache

# In the order of the pipeline; trials are steps of tuning, and mitigation trains, exports and scores once more.
Step = Literal[
    "extract",
    "validate",
    "split",
    "tune",
    "trial",
    "train",
    "export",
    "score",
    "mitigate",
    "evaluate",
    "gate",
    "promote",
]
# The steps that a run may stop after.
SingleStep = Literal["extract", "validate", "split", "tune", "train", "export", "evaluate"]


class Run(BaseModel):
    """One way through the pipeline: its key, its recipe, where it writes.

    `fresh_steps` are done again even where a finished result exists (`--from`), unless the result carries the id
    `redo`: it was done again before an interruption. `reuse` allows `once` to take a result of another run (not with
    `--fresh`).

    The shared store is no part of the JSON, since its address may hold credentials: another process takes the one of
    its own environment.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    key: str
    recipe: Recipe
    store: Path
    tracking_uri: str
    mlflow_run: str
    fresh_steps: tuple[Step, ...] = ()
    redo: str | None = None
    reuse: bool = True
    shared: SharedStore | None = Field(default_factory=shared_store, exclude=True, repr=False)

    @field_validator("store")
    @classmethod
    def _absolute(cls, store: Path) -> Path:
        """Resolve the path, since paths of results must hold wherever they are read."""
        return store.resolve()

    @property
    def folder(self) -> Path:
        """Folder of the steps of this run."""
        return self.store / "runs" / self.key

    @property
    def remote_steps(self) -> RemoteStepCache | None:
        """Finished steps of all machines, or None without a shared store."""
        return None if self.shared is None else RemoteStepCache(self.shared, self.store)

    @property
    def steps(self) -> StepCache:
        """Cache of the steps of this run."""
        return StepCache(self.folder, self.remote_steps, fresh_steps=self.fresh_steps, redo=self.redo, reuse=self.reuse)

    def once(
        self,
        step: Step,
        inputs: Mapping[str, Any],
        make: Callable[[Path], None],
        *,
        resumable: bool = False,
        content: Mapping[str, Any] | None = None,
        reused: Callable[[Path], None] = lambda _: None,
    ) -> Ref:
        """Return the result of a step, from the cache where it has one (see `StepCache.get_or_make`)."""
        return self.steps.get_or_make(step, inputs, make, resumable=resumable, content=content, reused=reused)

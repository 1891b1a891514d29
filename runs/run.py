"""A run and its finished steps: what lets a killed run go on where it was.

Every step writes into a folder of its own, named by the digest of what went into it. The folder gets
its name when the step has ended, so that a folder with that name is whole; a hit also needs the digests
of its files to match. Prefect's own result cache is not used for this: it cannot see whether files have
changed, nor whether code that a task calls has. What another machine has finished is fetched from the shared store, if
there is one.
"""

import functools
import json
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, field_validator

import assay
from assay.corpus.storage.artifact_ref import Ref
from assay.corpus.storage.atomic import PARTIAL, publish_folder
from assay.corpus.storage.digest import digest_file, digest_folder, digest_json
from assay.corpus.storage.disk_errors import writing_to
from assay.corpus.storage.object_store import shared_store
from assay.recipes.recipe import Recipe
from assay.runs.remote_step_cache import fetch_step, forget_step, is_published, publish_step
from assay.runs.step_cache import MARKER, link_result, package_versions, step_manifest, whole_files

__all__ = ["MARKER", "PACKAGES", "Run", "Step", "code_digest", "newest_result", "was_redone"]

# In the order of the pipeline; trials are steps of tuning, and mitigation trains, exports and assesses once more.
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
PACKAGES = ("corpus", "recipes", "serving", "models", "expectations", "evaluation", "runs", "registry", "tasks")


class Run(BaseModel):
    """One way through the pipeline: its key, its recipe, where it writes.

    `fresh_steps` are done again even where a finished result exists (`--from`), unless it carries the id `redo`: that
    one was done again before an interruption. `reuse` allows `once` to take a result of another run (not with
    `--fresh`).
    """

    model_config = ConfigDict(frozen=True)

    key: str
    recipe: Recipe
    store: Path
    tracking_uri: str
    mlflow_run: str
    fresh_steps: tuple[Step, ...] = ()
    redo: str | None = None
    reuse: bool = True

    @field_validator("store")
    @classmethod
    def _absolute(cls, store: Path) -> Path:
        """Paths of results hold wherever they are read."""
        return store.resolve()

    @property
    def folder(self) -> Path:
        """Where the steps of this run lie."""
        return self.store / "runs" / self.key

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
        """Do a step, unless it was finished with the same inputs and its files are as it left them.

        Args:
            step: name of the step.
            inputs: everything its result depends on, as JSON: digests and the parts of the recipe.
            make: writes the result into the folder it is given.
            resumable: leave what an interrupted attempt wrote in the folder, for `make` to go on from.
            content: everything the result depends on, whichever run made it: a finished result of another run of the
                store with the same content is linked into this one. None: a result belongs to one run.
            reused: called with the folder of a result that another run made.

        Raises:
            AssayError: the disk is full, or what `make` raises.
        """
        shared_key = None
        if content is not None:
            made_by = {"code": code_digest(), "packages": package_versions()}
            shared_key = digest_json({"step": step, "content": content, **made_by})
        key = digest_json({"run": self.key, "step": step, "inputs": inputs, "code": code_digest()})
        folder = self.folder / f"{step}-{key[:16]}"
        if found := self._done(step, folder):
            return found
        partial = folder.with_name(folder.name + PARTIAL)
        with writing_to(folder):
            if shared_key and self._may_reuse(step, partial) and (found := _reused(folder, shared_key)):
                reused(found.path)
                return self._share(folder, again=False) or found
            redo = self.redo if step in self.fresh_steps else None
            marks = {"step": step, "key": key, "content": shared_key, "redo": redo}
            return self._make(marks, make, partial, folder, resumable=resumable)

    def _done(self, step: Step, folder: Path) -> Ref | None:
        """The finished result of this run; of a step that is to be done again, the one that came of that."""
        if step not in self.fresh_steps:
            return self._finished(folder)
        found = self._finished(folder) if self.redo else None
        return found if found and (step_manifest(folder) or {}).get("redo") == self.redo else None

    def _may_reuse(self, step: Step, partial: Path) -> bool:
        """Return whether a result of another run may be taken; an attempt of this run is resumed."""
        return self.reuse and step not in self.fresh_steps and not partial.exists()

    def _make(
        self,
        marks: Mapping[str, str | None],
        make: Callable[[Path], None],
        partial: Path,
        folder: Path,
        *,
        resumable: bool,
    ) -> Ref:
        if partial.exists() and not resumable:
            shutil.rmtree(partial)
        partial.mkdir(parents=True, exist_ok=True)
        # Of an attempt that was killed before the folder got its name: it is no part of the result.
        (partial / MARKER).unlink(missing_ok=True)
        begun = time.time()
        make(partial)
        files = digest_folder(partial)
        marker = {**marks, "files": files, "began": begun, "seconds": time.time() - begun}
        (partial / MARKER).write_text(json.dumps(marker, indent=2), encoding="utf-8")
        publish_folder(partial, folder)
        taken = self._share(folder, again=marks["step"] in self.fresh_steps)
        return taken or Ref(path=folder, digest=digest_json(files))

    def _finished(self, folder: Path) -> Ref | None:
        """The result that lies here or in the shared store; what only one of them has, both have then."""
        shared = shared_store()
        found = _finished(folder)
        if shared is None:
            return found
        if found is not None and is_published(shared, self.store, folder, MARKER):
            return found
        if fetch_step(shared, self.store, folder, MARKER):
            return _finished(folder)
        return found and (self._share(folder, again=False) or found)

    def _share(self, folder: Path, *, again: bool) -> Ref | None:
        """Let other machines have the result; where one has finished the step first, its result, which counts."""
        if (shared := shared_store()) is None:
            return None
        if again:
            forget_step(shared, self.store, folder)
        if publish_step(shared, self.store, folder, MARKER):
            return None
        fetch_step(shared, self.store, folder, MARKER)
        return _finished(folder)


def newest_result(run_folder: Path, step: Step) -> Path | None:
    """Where the newest finished result of a step of a run lies, if there is one."""
    markers = [path for path in run_folder.glob(f"{step}-*/{MARKER}") if not path.parent.name.endswith(PARTIAL)]
    newest = max(markers, key=lambda path: path.stat().st_mtime, default=None)
    return newest.parent if newest else None


def was_redone(run_folder: Path, redo: str) -> bool:
    """Return whether a step of a run has been done again under this id."""
    folders = [path.parent for path in run_folder.glob(f"*/{MARKER}") if not path.parent.name.endswith(PARTIAL)]
    return any((step_manifest(folder) or {}).get("redo") == redo for folder in folders)


def _finished(folder: Path) -> Ref | None:
    files = whole_files(folder)
    return None if files is None else Ref(path=folder, digest=digest_json(files))


def _reused(folder: Path, content: str) -> Ref | None:
    return _finished(folder) if link_result(folder, content) else None


@functools.cache
def code_digest() -> str:
    """Digest of the source of every package that a step's result depends on."""
    root = Path(assay.__file__).parent
    return digest_json(
        {
            path.relative_to(root).as_posix(): digest_file(path)
            for package in PACKAGES
            for path in sorted((root / package).rglob("*.py"))
        }
    )

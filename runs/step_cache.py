"""The cache of the steps of a run: looks a result up, reuses one of another run, makes it, and publishes it.

Every step writes into a folder of its own, named by the digest of its inputs. The folder gets its name after the step
has ended, so that a folder with that name is complete; a hit also needs the digests of its files to match. Prefect's
own result cache does not do: it sees neither that files have changed nor that code called by a task has. Results that
another machine has finished come from the shared store, if there is one.
"""

import json
import shutil
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from assay.corpus.storage.artifact_ref import Ref
from assay.corpus.storage.atomic import PARTIAL, publish_folder
from assay.corpus.storage.digest import digest_folder, digest_json
from assay.corpus.storage.disk_errors import writing_to
from assay.runs.remote_step_cache import RemoteStepCache
from assay.runs.software import code_digest, package_versions
from assay.runs.step_progress import mark_reused
from assay.runs.step_result import STEP_MANIFEST, finished_result, read_step_manifest
from assay.runs.step_reuse import link_result


class StepCache:
    """The steps of one run.

    Args:
        folder: of the run, named by its key; the folders of other runs lie beside it.
        remote: finished steps of all machines, if they share a store.
        fresh_steps: steps to do again even where a finished result exists.
        redo: id of results that were done again before an interruption; those of `fresh_steps` that carry it count.
        reuse: whether results of other runs may be taken.
    """

    def __init__(
        self,
        folder: Path,
        remote: RemoteStepCache | None = None,
        *,
        fresh_steps: Collection[str] = (),
        redo: str | None = None,
        reuse: bool = True,
    ) -> None:
        self._folder = folder
        self._remote = remote
        self._fresh_steps = fresh_steps
        self._redo = redo
        self._reuse = reuse

    def get_or_make(
        self,
        step: str,
        inputs: Mapping[str, Any],
        make: Callable[[Path], None],
        *,
        resumable: bool = False,
        content: Mapping[str, Any] | None = None,
        reused: Callable[[Path], None] = lambda _: None,
    ) -> Ref:
        """Return the result of a step; make it unless it was finished with the same inputs and its files are unchanged.

        Args:
            step: name of the step.
            inputs: everything its result depends on, as JSON: digests and parts of the recipe.
            make: writes the result into the folder that it is given.
            resumable: keep what an interrupted attempt wrote in the folder, so that `make` can resume.
            content: everything the result depends on, whichever run made it: a finished result of another run of the
                store with the same content is linked into this one. None keeps a result to its run.
            reused: called with the folder of a result that another run made.

        Raises:
            AssayError: the disk is full, or what `make` raises.
        """
        code = code_digest()
        key = digest_json({"run": self._folder.name, "step": step, "inputs": inputs, "code": code})
        content_digest = None
        if content is not None:
            made_by = {"code": code, "packages": package_versions()}
            content_digest = digest_json({"step": step, "content": content, **made_by})
        folder = self._folder / f"{step}-{key[:16]}"
        if (result := self._look_up(step, folder)) is not None:
            mark_reused(step)
            return result
        with writing_to(folder):
            if content_digest is not None and (result := self._take(step, folder, content_digest)) is not None:
                mark_reused(step)
                reused(result.path)
                return self._publish(folder, again=False) or result
            redo = self._redo if step in self._fresh_steps else None
            marks = {"step": step, "key": key, "content": content_digest, "redo": redo}
            return self._make(marks, make, folder, resumable=resumable)

    def _look_up(self, step: str, folder: Path) -> Ref | None:
        """Return the finished result of this run; of a step to do again, only the one that was done again."""
        if step not in self._fresh_steps:
            return self._synced(folder)
        result = self._synced(folder) if self._redo else None
        return result if result and (read_step_manifest(folder) or {}).get("redo") == self._redo else None

    def _take(self, step: str, folder: Path, content: str) -> Ref | None:
        """Link the result of another run, unless this run has an attempt of its own to resume."""
        if not self._reuse or step in self._fresh_steps or _partial(folder).exists():
            return None
        return finished_result(folder) if link_result(folder, content) else None

    def _make(
        self, marks: Mapping[str, str | None], make: Callable[[Path], None], folder: Path, *, resumable: bool
    ) -> Ref:
        partial = _partial(folder)
        if partial.exists() and not resumable:
            shutil.rmtree(partial)
        partial.mkdir(parents=True, exist_ok=True)
        # An attempt that was killed before its folder got its name has left one: it is no part of the result.
        (partial / STEP_MANIFEST).unlink(missing_ok=True)
        began = time.time()
        make(partial)
        files = digest_folder(partial)
        manifest = {**marks, "files": files, "began": began, "seconds": time.time() - began}
        (partial / STEP_MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        publish_folder(partial, folder)
        earlier = self._publish(folder, again=marks["step"] in self._fresh_steps)
        return earlier or Ref(path=folder, digest=digest_json(files))

    def _synced(self, folder: Path) -> Ref | None:
        """Return the result of the local or the shared store, after copying it to the one that lacks it."""
        result = finished_result(folder)
        if self._remote is None:
            return result
        if result is not None and self._remote.has(folder):
            return result
        if self._remote.fetch(folder):
            return finished_result(folder)
        return result and (self._publish(folder, again=False) or result)

    def _publish(self, folder: Path, *, again: bool) -> Ref | None:
        """Give the result to other machines.

        Returns:
            The result of the machine that has finished the step first, which counts; else None.
        """
        if self._remote is None:
            return None
        if again:
            self._remote.remove(folder)
        if self._remote.publish(folder):
            return None
        self._remote.fetch(folder)
        return finished_result(folder)


def _partial(folder: Path) -> Path:
    """Return where a step writes until it has ended."""
    return folder.with_name(folder.name + PARTIAL)

"""Intermediate checkpoints in the shared store: a training that one machine began goes on at another."""

from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from assay.corpus.storage.atomic import atomic_folder
from assay.corpus.storage.object_store import SharedStore
from assay.models.resume import COMPLETE
from assay.models.training_loop import WORK
from assay.runs.remote_step_cache import local_name


def fetch_checkpoints(shared: SharedStore, store: Path, folder: Path) -> None:
    """Get the intermediate checkpoints of a training that was begun elsewhere, each whole or not at all."""
    names = [Path(name) for name in shared.names(local_name(store, folder / WORK), "*/*")]
    for checkpoint in (name.parent for name in names if name.name == COMPLETE):
        if not (store / checkpoint / COMPLETE).exists():
            with atomic_folder(store / checkpoint) as partial:
                own = [name for name in names if name.parent == checkpoint]
                shared.download({partial / name.name: name.as_posix() for name in own})


class PublishCheckpoints(TrainerCallback):
    """Writes each intermediate checkpoint, its seal last, and removes those that training has removed."""

    def __init__(self, shared: SharedStore, store: Path) -> None:
        self._shared = shared
        self._store = store

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Write the checkpoint of this step."""
        if not state.is_world_process_zero:
            return
        work = Path(str(args.output_dir))
        folder = work / f"checkpoint-{state.global_step}"
        files = {local_name(self._store, path): path for path in folder.iterdir() if path.name != COMPLETE}
        self._shared.upload(files)
        self._shared.write(local_name(self._store, folder / COMPLETE), (folder / COMPLETE).read_bytes())
        here = {path.name for path in work.glob("checkpoint-*")}
        for name in self._shared.names(local_name(self._store, work), f"*/{COMPLETE}"):
            if Path(name).parent.name not in here:
                self._shared.remove(str(Path(name).parent))

"""Intermediate checkpoints in the shared store, so that another machine can resume a training."""

from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from assay.corpus.storage.atomic import atomic_folder
from assay.corpus.storage.object_store import SharedStore
from assay.models.resume import COMPLETE
from assay.models.training_loop import WORK
from assay.runs.remote_step_cache import local_name


def fetch_checkpoints(shared: SharedStore, store: Path, folder: Path) -> None:
    """Download the complete intermediate checkpoints of a training that another machine started, each atomically."""
    names = [Path(name) for name in shared.names(local_name(store, folder / WORK), "*/*")]
    for checkpoint in (name.parent for name in names if name.name == COMPLETE):
        if not (store / checkpoint / COMPLETE).exists():
            with atomic_folder(store / checkpoint) as partial:
                files = [name for name in names if name.parent == checkpoint]
                shared.download({partial / name.name: name.as_posix() for name in files})


class PublishCheckpoints(TrainerCallback):
    """A callback that uploads each intermediate checkpoint, its completion marker last, and removes deleted ones."""

    def __init__(self, shared: SharedStore, store: Path) -> None:
        self._shared = shared
        self._store = store

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Upload the checkpoint of this step."""
        if not state.is_world_process_zero:
            return
        work = Path(str(args.output_dir))
        folder = work / f"checkpoint-{state.global_step}"
        files = {local_name(self._store, path): path for path in folder.iterdir() if path.name != COMPLETE}
        self._shared.upload(files)
        self._shared.write(local_name(self._store, folder / COMPLETE), (folder / COMPLETE).read_bytes())
        local = {path.name for path in work.glob("checkpoint-*")}
        for name in self._shared.names(local_name(self._store, work), f"*/{COMPLETE}"):
            if Path(name).parent.name not in local:
                self._shared.remove(str(Path(name).parent))

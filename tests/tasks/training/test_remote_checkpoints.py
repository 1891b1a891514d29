"""Download checkpoints of another machine, atomically."""

from pathlib import Path

from assay.corpus.storage.object_store import SharedStore
from assay.models.resume import COMPLETE, is_complete, mark_complete
from assay.models.training_loop import WORK
from assay.runs.remote_step_cache import local_name
from assay.tasks.training.remote_checkpoints import fetch_checkpoints


def test_fetch_checkpoints_repeats_an_interrupted_download(bucket: str, tmp_path: Path) -> None:
    shared = SharedStore(f"{bucket}/team")
    # given a sealed checkpoint of one machine, and one that it has not sealed yet
    there, here = tmp_path / "there", tmp_path / "here"
    for step in (5, 10):
        folder = there / "train" / WORK / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "weights").write_text("whole")
        if step == 5:
            mark_complete(folder, "key")
        shared.upload({local_name(there, path): path for path in folder.iterdir()})
    # and another machine that was killed while it fetched them
    begun = here / "train" / WORK / "checkpoint-5"
    begun.mkdir(parents=True)
    (begun / "weights").write_text("wh")
    # then that has the first one whole, and not the other
    fetch_checkpoints(shared, here, here / "train")
    assert is_complete(begun, "key")
    assert [path.parent.name for path in begun.parent.glob(f"*/{COMPLETE}")] == ["checkpoint-5"]
    assert not begun.with_name("checkpoint-10").exists()

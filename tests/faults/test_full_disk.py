"""A disk that is full at a write: one line, nothing is lost, and with space the same command completes."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient
from prefect.settings import PREFECT_API_URL

from assay.corpus.storage.digest import digest_folder
from tests.bundles import build_bundle
from tests.faults.counts import LONG, count
from tests.faults.victim import CONTEXT, PATIENCE_S, Point, set_trap
from tests.flows.tiny import make_recipe, write_rows

BALLAST = "ballast"
POINTS = (
    Point("snapshot", "assay.corpus.snapshot:SnapshotWriter.finish", often=True),
    Point("splits", "assay.corpus.splits:Splits.save"),
    Point("checkpoint", "assay.models.resume:mark_complete", after=True),
    Point("bundle", "assay.serving.bundle:write_manifest"),
    Point("upload to MLflow", "mlflow:MlflowClient.log_model_artifacts", often=True),
)
# A user who is no root may mount where sudo asks for no password, as on most machines of CI.
ROOT = [] if os.geteuid() == 0 else ["sudo", "-n"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a small disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = [*ROOT, "mount", "-t", "tmpfs", "-o", "size=256m,mode=777", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("a file system can be mounted neither as this user nor by sudo")
    yield folder
    subprocess.run([*ROOT, "umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> None:
    """Fill the disk completely."""
    with (disk / BALLAST).open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    free = os.statvfs(disk)
    assert free.f_bavail == 0


def call(words: list[str], point: Point | None, disk: Path, said: Path, prefect_api: str) -> int | None:
    """Run the command in another process, with a full disk from the point on, and return its exit code."""
    process = CONTEXT.Process(target=_call, args=(words, point, disk, said, prefect_api))
    process.start()
    process.join(PATIENCE_S)
    process.kill()  # where it is not over by then
    process.join()
    return process.exitcode


def _call(words: list[str], point: Point | None, disk: Path, said: Path, prefect_api: str) -> None:
    from prefect.settings import temporary_settings

    from assay.cli.command import main

    if point is not None:
        set_trap(point, lambda: fill(disk))
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    with said.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["assay", *words]
    with temporary_settings({PREFECT_API_URL: prefect_api}):
        main()


def check_said(said: Path) -> None:
    """Check that the command ended with one line that names the remedy."""
    text = said.read_text()
    assert "Traceback" not in text, text
    [line] = [line for line in text.splitlines() if line.startswith("assay: ")]
    assert any(word in line for word in ("room", "space", "disk")), line


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.slow  # two starts of a run each
@pytest.mark.parametrize("point", [point for point in POINTS if LONG or point.often], ids=lambda point: point.name)
def test_run_reports_a_full_disk_in_one_line_and_resumes(
    point: Point, disk: Path, tmp_path: Path, mlflow_database: Path
) -> None:
    # given a run on a disk that is full when it gets there
    api, store, said = PREFECT_API_URL.value() or "", disk / "store", tmp_path / "said"
    store.mkdir()
    (store / "mlflow.db").write_bytes(mlflow_database.read_bytes())
    recipe = make_recipe(
        write_rows(tmp_path / "rows.jsonl"),
        training={"epochs": 2},
        gate={"min_f1": {"sentence": 0.001, "tokens": 0.001}},
    )
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    words = ["run", str(tmp_path / "recipe.yaml"), "--store", str(store)]
    assert call(words, point, disk, said, api) == 1, said.read_text()
    check_said(said)
    # then no step has ended that is not whole, and nothing was taken for a result
    before = {path.parent: digest_folder(path.parent) for path in finished(store)}
    # and with some room the same command ends, without doing a finished step again
    (disk / BALLAST).unlink()
    assert call(words, None, disk, said, api) == 0, said.read_text()
    assert {folder: digest_folder(folder) for folder in before} == before
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
    assert [str(version.version) for version in client.search_model_versions("name = 'tiny'")] == ["1"]
    assert {
        run.info.status for run in client.search_runs([one.experiment_id for one in client.search_experiments()])
    } == {"FINISHED"}
    count("a disk that is full at a write of a run: snapshot, splits, checkpoint, bundle, upload", 1, "full disks")


def finished(store: Path) -> list[Path]:
    return [path for path in store.glob("runs/*/*/step.json") if not path.parent.name.endswith(".partial")]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_predict_keeps_the_old_output_on_a_full_disk(disk: Path, tmp_path: Path, suffix: str) -> None:
    # given an output of before, and a disk that is full at the second shard
    folder = disk / "bundle"
    folder.mkdir()
    bundle = build_bundle(folder, {"good": "up", "bad": "down"}, {})
    rows = tmp_path / "in.jsonl"
    rows.write_text("".join(f'{{"id": {number}, "text": "good {number}"}}\n' for number in range(300)))
    target, said = disk / f"out{suffix}", tmp_path / "said"
    target.write_bytes(b"of before")
    words = ["predict", "--model", str(bundle.folder), "--input", str(rows), "--output", str(target)]
    words += ["--shard-rows", "100", "--overwrite"]
    point = Point("output", "assay.serving.batch.output:open_writer", nth=2)
    assert call(words, point, disk, said, "") == 1, said.read_text()
    # then it says so, and the old output is as it was
    check_said(said)
    assert target.read_bytes() == b"of before"
    # and with some room, the same command goes on behind the first shard
    (disk / BALLAST).unlink()
    assert call(words, None, disk, said, "") == 0, said.read_text()
    assert "100 of them by an earlier command" in said.read_text()
    assert target.stat().st_size > 1_000
    assert {path.name for path in disk.iterdir()} == {"bundle", target.name}
    count("a disk that is full at the output of a prediction", 1, "full disks")

"""Trainings in several processes on the CPU, started by torchrun and connected by gloo."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from mlflow import MlflowClient
from safetensors.torch import load_file

from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SplitName, Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.models.checkpoint import Checkpoint
from assay.models.training_loop import train as train_here
from assay.recipes.recipe import Training
from assay.runs.metric_logging import metric_log
from assay.tasks.training.launcher import FOLDER, JOB, launch_training
from assay.tasks.training.training_job import TrainingJob
from tests.ports import free_port
from tests.processes import command_of, variable_of
from tests.snapshots import make_run, spans, write_snapshot
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("one_thread")
PATIENCE = 300  # seconds, for processes that import torch beside other tests
# 41 rows in batches of 8: in the last step, only one process has a row.
TRAIN, VALIDATION, STEPS = 41, 12, 6


def rows() -> list[Example]:
    """Return long and short texts; every fifth has no class, every fourth no entity annotation."""
    made = []
    for number in range(TRAIN + VALIDATION):
        text = ("Bayer " + "rose " * (number % 9 + 1)) if number % 2 else "Siemens fell today"
        entities = None if number % 4 == 0 else spans(text, ORG=text.split()[0])
        label = None if number % 5 == 0 else ("up" if number % 2 else "down")
        made.append(Example(id=str(number), text=text.strip(), label=label, entities=entities))
    return made


@pytest.fixture
def data(tmp_path: Path) -> tuple[ArtifactRef[Snapshot], ArtifactRef[Splits]]:
    snapshot = write_snapshot(tmp_path / "snapshot", rows())
    split_of: dict[str, SplitName] = {
        str(row): "train" if row < TRAIN else "validation" for row in range(TRAIN + VALIDATION)
    }
    splits = Splits.create(split_of, snapshot=snapshot.digest, method="stratified")
    (tmp_path / "splits").mkdir()
    splits.save(tmp_path / "splits")
    return snapshot, ArtifactRef[Splits](path=tmp_path / "splits", digest=splits.digest)


def job_of(
    store: Path,
    data: tuple[ArtifactRef[Snapshot], ArtifactRef[Splits]],
    name: str,
    dropout: float = 0.1,
    **training: Any,
) -> TrainingJob:
    run = make_run(
        store,
        name,
        model={
            "scratch": {"layers": 1, "hidden": 16, "attention_heads": 2, "vocabulary": 100},
            "heads": ["sentence", "tokens"],
            "crf": True,
            "max_length": 16,
            "dropout": dropout,
            "head_dropout": dropout,
        },
        gate={"min_f1": {"sentence": 0.6, "tokens": 0.6}},
        training={"epochs": 2, "batch_size": 8, "learning_rate": 0.01, "precision": "fp32", "processes": 2, **training},
    )
    run_id = MlflowClient(tracking_uri=run.tracking_uri).create_run("0").info.run_id
    folder = store / name
    folder.mkdir()
    run = run.model_copy(update={"mlflow_run": run_id})
    return TrainingJob(run=run, snapshot=data[0], splits=data[1], folder=folder)


def do(job: TrainingJob) -> Checkpoint:
    with metric_log(job.run) as log:
        launch_training(job, log)
    return Checkpoint.load(job.folder)


def weights(job: TrainingJob) -> dict[str, torch.Tensor]:
    return {
        f"{file}.{name}": value
        for file in ("encoder.safetensors", "heads.safetensors")
        for name, value in load_file(job.folder / file).items()
    }


def assert_equal(one: TrainingJob, other: TrainingJob, tolerance: float) -> None:
    expected = weights(one)
    for name, actual in weights(other).items():
        torch.testing.assert_close(actual, expected[name], atol=tolerance, rtol=0, msg=name)


@pytest.mark.slow  # two processes import torch and transformers
def test_launch_training_with_two_processes_equals_one_and_only_the_first_writes(
    store: Path, data: tuple[ArtifactRef[Snapshot], ArtifactRef[Splits]]
) -> None:
    # given no dropout, whose chance differs from process to process
    alone, shared = (job_of(store, data, name, 0.0, processes=count) for name, count in (("alone", 1), ("shared", 2)))
    expected, actual = do(alone), do(shared)

    # then both have made the same steps, over the same rows, and ended at the same weights and figures
    assert_equal(alone, shared, 1e-4)
    losses = [[loss for _, loss in checkpoint.history["loss"]] for checkpoint in (expected, actual)]
    assert len(losses[0]) == 2 * STEPS
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
    for one, two in zip(expected.history["epochs"], actual.history["epochs"], strict=True):
        assert one == pytest.approx(two, abs=1e-4)
    assert (expected.history["processes"], actual.history["processes"]) == (1, 2)
    # and every figure was sent once, and nothing is left over
    client = MlflowClient(tracking_uri=shared.run.tracking_uri)
    sent = client.get_metric_history(shared.run.mlflow_run, "train.loss")
    assert [metric.step for metric in sent] == list(range(1, 2 * STEPS + 1))
    assert len(client.get_metric_history(shared.run.mlflow_run, "validation.score")) == 2
    assert {path.name for path in shared.folder.iterdir()} == {path.name for path in alone.folder.iterdir()}


def workers(job: TrainingJob) -> list[psutil.Process]:
    """Return the processes of a job by rank."""
    started = [process for process in psutil.process_iter() if str(job.folder / FOLDER / JOB) in command_of(process)]
    # torchrun itself names the worker, too, and has no rank
    ranked = [(rank, process) for process in started if (rank := variable_of(process, "RANK"))]
    return [process for _, process in sorted(ranked, key=lambda each: each[0])]


def marked_complete(job: TrainingJob) -> int:
    return len(list((job.folder / "work").glob("checkpoint-*/complete.json")))


@pytest.mark.slow  # four times, two processes import torch and transformers
def test_launch_training_resumes_after_a_kill_with_equal_results(
    store: Path, data: tuple[ArtifactRef[Snapshot], ArtifactRef[Splits]], tmp_path: Path
) -> None:
    straight, broken = (job_of(store, data, name, epochs=40, keep="last") for name in ("straight", "broken"))
    do(straight)

    # when one of its processes is killed
    def kill_one() -> None:
        wait_until(lambda: marked_complete(broken), PATIENCE)
        workers(broken)[1].send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    with pytest.raises(
        AssayError, match=r"a process of the training has died .* resumes after the last complete epoch"
    ):
        do(broken)
    killer.join()
    wait_until(lambda: not workers(broken), PATIENCE)
    # the job names the address of MLflow, in which a password may stand
    assert not (broken.folder / FOLDER / JOB).exists()

    # and, begun again, the process that started them
    (tmp_path / "job.json").write_text(broken.model_dump_json())
    code = (
        "import sys; from pathlib import Path; from tests.tasks.training.test_launcher import TrainingJob, do; "
        "do(TrainingJob.model_validate_json(Path(sys.argv[1]).read_bytes()))"
    )
    reached = max(int(path.name.rpartition("-")[2]) for path in (broken.folder / "work").glob("checkpoint-*"))
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "job.json")]) as parent:
        later = broken.folder / "work"
        wait_until(
            lambda: any(int(path.name.rpartition("-")[2]) > reached for path in later.glob("checkpoint-*")), PATIENCE
        )
        assert len(workers(broken)) == 2
        parent.kill()
    wait_until(lambda: not workers(broken), PATIENCE)

    # then it goes on, and ends as the other one
    do(broken)
    assert_equal(straight, broken, 1e-6)
    assert Checkpoint.load(broken.folder).history["loss"] == Checkpoint.load(straight.folder).history["loss"]
    client = MlflowClient(tracking_uri=broken.run.tracking_uri)
    sent = client.get_metric_history(broken.run.mlflow_run, "train.loss")
    assert {metric.step for metric in sent} == set(range(1, 40 * STEPS + 1))


@pytest.mark.slow  # two processes import torch and transformers
def test_launch_training_uses_two_machines(
    store: Path, data: tuple[ArtifactRef[Snapshot], ArtifactRef[Splits]], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(store, data, "machines")
    for name, value in {"NNODES": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}.items():
        monkeypatch.setenv(f"PET_{name}", value)
    others: list[subprocess.Popen[bytes]] = []

    # given another machine, which joins once the job is there, as the documentation says
    def join() -> None:
        file = job.folder / FOLDER / JOB
        wait_until(file.is_file, PATIENCE)
        command = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--nproc-per-node=1",
            "-m",
            "assay.tasks.training.worker",
        ]
        others.append(subprocess.Popen([*command, str(file)], env={**os.environ, "PET_NODE_RANK": "1"}))

    joining = threading.Thread(target=join, daemon=True)
    joining.start()
    monkeypatch.setenv("PET_NODE_RANK", "0")
    checkpoint = do(job)
    joining.join()

    assert [other.wait(PATIENCE) for other in others] == [0]
    assert checkpoint.history["processes"] == 2


@pytest.mark.slow  # two processes import torch and transformers
def test_launch_training_reports_the_error_of_a_process_in_one_line(
    store: Path, data: tuple[ArtifactRef[Snapshot], ArtifactRef[Splits]]
) -> None:
    # given an encoder that is not there
    job = job_of(store, data, "lost")
    model = job.run.recipe.model.model_copy(update={"scratch": None, "encoder": str(store / "gone")})
    recipe = job.run.recipe.model_copy(update={"model": model})
    with pytest.raises(AssayError, match=r"model\.encoder '.*/gone' cannot be loaded"):
        do(job.model_copy(update={"run": job.run.model_copy(update={"recipe": recipe})}))


@pytest.mark.parametrize(
    ("gpus", "machines", "message"),
    [
        (1, "1", "asks for 2 GPUs on this machine, which has 1; lower it"),
        (0, "3", r"is 2, which is not a multiple of the 3 machines \(PET_NNODES\)"),
        (0, "1:4", "PET_NNODES is '1:4'; it takes a number"),
    ],
)
def test_launch_training_refuses_impossible_process_counts(
    store: Path,
    data: tuple[ArtifactRef[Snapshot], ArtifactRef[Splits]],
    monkeypatch: pytest.MonkeyPatch,
    gpus: int,
    machines: str,
    message: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setenv("PET_NNODES", machines)
    with pytest.raises(AssayError, match=message):
        do(job_of(store, data, "refused"))


def test_run_training_job_refuses_one_process_for_two(
    tmp_path: Path, data: tuple[ArtifactRef[Snapshot], ArtifactRef[Splits]], store: Path
) -> None:
    model = job_of(store, data, "one").run.recipe.model
    with pytest.raises(AssayError, match=r"training\.processes is 2, and 1 are running"):
        train_here(rows(), rows(), model, Training(processes=2), tmp_path)

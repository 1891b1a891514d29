"""Start the processes of a training by torchrun, and tell what became of them.

On several machines, torchrun reads how many there are and where they meet from its own environment variables
(`PET_NNODES`, `PET_NODE_RANK`, `PET_MASTER_ADDR`, `PET_MASTER_PORT`); they share the folder of the job.
"""

import logging
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from assay.corpus.child_process import child_environment
from assay.corpus.errors import AssayError
from assay.runs.metric_logging import MetricLog
from assay.serving.cpu import available_threads
from assay.tasks.training import worker
from assay.tasks.training.exit_reason import told_by
from assay.tasks.training.remote_checkpoints import fetch_checkpoints
from assay.tasks.training.training_job import TrainingJob, run_training

FOLDER, JOB, STDERR = "processes", "job.json", "stderr.log"
LAST_LINES = 5

_log = logging.getLogger(__name__)


def train(job: TrainingJob, log: MetricLog) -> None:
    """Train with as many processes as the recipe says: in this one, or in others that are started.

    Beside the main thread, where other trainings may go on at the same time, one process is another one, too: random
    numbers of torch and the state of accelerate belong to a whole process.

    Raises:
        AssayError: the training cannot be done, or a process of it has died.
        PrunedTrial: the trial fell behind the others.
    """
    if job.run.shared is not None and (remote_steps := job.run.remote_steps) is not None:
        for needed in (ref.path for ref in (job.snapshot, job.splits) if not ref.path.exists()):
            remote_steps.fetch(needed)  # made by the machine that handed the job out
        fetch_checkpoints(job.run.shared, job.run.store, job.folder)
    processes = job.run.recipe.training.processes
    if processes == 1 and threading.current_thread() is threading.main_thread():
        run_training(job, log.add)
    else:
        _train_elsewhere(job, processes)


def _train_elsewhere(job: TrainingJob, processes: int) -> None:
    here = _processes_here(processes) if processes > 1 else 1
    folder = job.folder / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    file = folder / JOB
    file.touch(mode=0o600)  # the address of MLflow may hold a password
    file.write_text(job.model_dump_json(), encoding="utf-8")
    try:
        code = _run(_command(here, file) if processes > 1 else _joining(file), here, folder / STDERR)
    finally:
        file.unlink()
    if (failure := told_by(folder)) is not None:
        raise failure
    if code:
        lines = (folder / STDERR).read_text(encoding="utf-8", errors="replace").splitlines()
        raise AssayError(
            "a process of the training has died ("
            + " / ".join(line.strip() for line in lines[-LAST_LINES:])
            + f"); see {folder / STDERR}, then start the run again: it goes on behind the last whole epoch"
        )
    shutil.rmtree(folder)


def _processes_here(processes: int) -> int:
    """How many of the processes run on this machine.

    Raises:
        AssayError: they do not divide by the machines, or outnumber the GPUs.
    """
    machines = _machines()
    if processes % machines:
        raise AssayError(f"training.processes is {processes}, which {machines} machines (PET_NNODES) cannot share")
    here, gpus = processes // machines, torch.cuda.device_count()
    if 0 < gpus < here:
        raise AssayError(
            f"training.processes asks for {here} GPUs on this machine, which has {gpus}; lower it, or set "
            "CUDA_VISIBLE_DEVICES= to train on the processor"
        )
    return here


def _machines() -> int:
    given = os.environ.get("PET_NNODES", "1")
    if not given.isdecimal() or not int(given):
        raise AssayError(f"PET_NNODES is {given!r}; it takes a number: a training that loses a machine cannot go on")
    return int(given)


def _command(here: int, file: Path) -> list[str]:
    python, *joining = _joining(file)
    torchrun = ["-m", "torch.distributed.run", f"--nproc-per-node={here}"]
    if _machines() == 1:
        return [python, *torchrun, "--standalone", *joining]
    _log.info("on every other machine, with its PET_NODE_RANK: python %s", shlex.join([*torchrun, *joining[:-1]]))
    return [python, *torchrun, *joining]


def _joining(file: Path) -> list[str]:
    return [sys.executable, "-m", worker.__name__, str(file), worker.ATTACHED]


def _run(command: list[str], here: int, stderr: Path) -> int:
    """Run what trains to its end and hand its lines on; its exit status."""
    threads = str(max(available_threads() // here, 1))
    environment = {"OMP_NUM_THREADS": threads, **child_environment()}
    with (
        stderr.open("wb") as errors,
        _ended(
            subprocess.Popen(  # noqa: S603  # our own module
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        ) as process,
    ):
        for line in process.stdout or ():
            _log.info("%s", line.rstrip())
        return process.wait()


@contextmanager
def _ended(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    """End the processes with the block; where this process is killed, they end because their stdin does."""
    with process:
        try:
            yield process
        finally:
            process.terminate()

"""Run a training in this process, or start its processes with torchrun and report their errors.

On several machines, torchrun reads their number and rendezvous address from its own environment variables
(`PET_NNODES`, `PET_NODE_RANK`, `PET_MASTER_ADDR`, `PET_MASTER_PORT`); the machines share the folder of the job.
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

from assay.corpus.child_process import child_environment
from assay.corpus.errors import AssayError
from assay.runs.metric_logging import MetricLog
from assay.serving.cpu import available_threads
from assay.tasks.training.exit_reason import read_exit
from assay.tasks.training.progress_pipe import take_progress
from assay.tasks.training.training_job import ATTACHED, TrainingJob

WORKER = "assay.tasks.training.worker"
FOLDER, JOB, STDERR = "processes", "job.json", "stderr.log"
LAST_LINES = 5

_log = logging.getLogger(__name__)


def launch_training(job: TrainingJob, log: MetricLog) -> None:
    """Train with the number of processes of the recipe: in this process, or in new ones.

    Outside the main thread, where other trainings may run at the same time, a single process is a new one, too: the
    random numbers of torch and the state of accelerate belong to the whole process.

    Raises:
        AssayError: the training failed, or one of its processes has died.
        PrunedTrial: the trial fell below the other trials.
    """
    if job.run.shared is not None and (remote_steps := job.run.remote_steps) is not None:
        for needed in (ref.path for ref in (job.snapshot, job.splits) if not ref.path.exists()):
            remote_steps.fetch(needed)  # made by the machine that handed the job out
        from assay.tasks.training.remote_checkpoints import fetch_checkpoints

        fetch_checkpoints(job.run.shared, job.run.store, job.folder)
    processes = job.run.recipe.training.processes
    if processes == 1 and threading.current_thread() is threading.main_thread():
        from assay.tasks.training.job_runner import run_training_job  # imports torch

        run_training_job(job, log.add)
    else:
        _train_in_subprocesses(job, processes)


def _train_in_subprocesses(job: TrainingJob, processes: int) -> None:
    local = _local_processes(processes) if processes > 1 else 1
    folder = job.folder / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    file = folder / JOB
    file.touch(mode=0o600)  # the address of MLflow may hold a password
    file.write_text(job.model_dump_json(), encoding="utf-8")
    try:
        command = _torchrun_command(local, file) if processes > 1 else _worker_command(file)
        code = _run(command, local, folder / STDERR)
    finally:
        file.unlink()
    if (error := read_exit(folder)) is not None:
        raise error
    if code:
        lines = (folder / STDERR).read_text(encoding="utf-8", errors="replace").splitlines()
        raise AssayError(
            "a process of the training has died ("
            + " / ".join(line.strip() for line in lines[-LAST_LINES:])
            + f"); see {folder / STDERR}, then start the run again: it resumes after the last complete epoch"
        )
    shutil.rmtree(folder)


def _local_processes(processes: int) -> int:
    """Return the number of processes on this machine.

    Raises:
        AssayError: the processes cannot be divided evenly among the machines, or outnumber the GPUs.
    """
    import torch

    machines = _machines()
    if processes % machines:
        raise AssayError(
            f"training.processes is {processes}, which is not a multiple of the {machines} machines (PET_NNODES); "
            "change one of them"
        )
    local, gpus = processes // machines, torch.cuda.device_count()
    if 0 < gpus < local:
        raise AssayError(
            f"training.processes asks for {local} GPUs on this machine, which has {gpus}; lower it, or set "
            "CUDA_VISIBLE_DEVICES= to train on the processor"
        )
    return local


def _machines() -> int:
    value = os.environ.get("PET_NNODES", "1")
    if not value.isdecimal() or not int(value):
        raise AssayError(f"PET_NNODES is {value!r}; it takes a number, since a training cannot continue with fewer")
    return int(value)


def _torchrun_command(local: int, file: Path) -> list[str]:
    python, *arguments = _worker_command(file)
    torchrun = ["-m", "torch.distributed.run", f"--nproc-per-node={local}"]
    if _machines() == 1:
        return [python, *torchrun, "--standalone", *arguments]
    _log.info("on every other machine, with its PET_NODE_RANK: python %s", shlex.join([*torchrun, *arguments[:-1]]))
    return [python, *torchrun, *arguments]


def _worker_command(file: Path) -> list[str]:
    return [sys.executable, "-m", WORKER, str(file), ATTACHED]


def _run(command: list[str], local: int, stderr: Path) -> int:
    """Run a command until it ends, log its output, and return its exit status."""
    threads = str(max(available_threads() // local, 1))
    environment = {"OMP_NUM_THREADS": threads, **child_environment()}
    with (
        stderr.open("wb") as errors,
        _terminated(
            subprocess.Popen(  # noqa: S603  # our own module
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        ) as process,
    ):
        for line in process.stdout or ():
            if not take_progress(line):
                _log.info("%s", line.rstrip())
        return process.wait()


@contextmanager
def _terminated(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    """Terminate the process at the end of the block; if this process is killed, closing its stdin ends the other."""
    with process:
        try:
            yield process
        finally:
            process.terminate()

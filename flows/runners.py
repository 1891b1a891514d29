"""Task runners: run the mapped tasks of a flow on this machine, or on the workers of a Ray cluster.

Trials of a search, trainings with several seeds, and parts of a prediction are mapped tasks. For `assay` and for
deployments, the environment selects the runner, `ASSAY_RUNNER`, and the resources that each task requests from a
cluster, `ASSAY_TASK_CPUS` and `ASSAY_TASK_GPUS`.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from prefect.task_runners import ThreadPoolTaskRunner

from assay.corpus.errors import AssayError
from assay.corpus.extras import install_command

RUNNER, CPUS, GPUS = "ASSAY_RUNNER", "ASSAY_TASK_CPUS", "ASSAY_TASK_GPUS"


def task_runner(where: str) -> Any:
    """Return the task runner of a name, for `flow.with_options(task_runner=...)`.

    On Ray, every worker must reach the Prefect server (PREFECT_API_URL; without it, each worker starts its own), have
    this package installed, and see inputs and outputs under the same paths.

    Args:
        where: `threads:N` (N tasks at a time on this machine), `ray` (a cluster of this machine's cores that lasts as
            long as the flow), or `ray:ADDRESS` (`auto`, `HOST:6379`, `ray://HOST:10001`).

    Raises:
        AssayError: there is no such runner, or Ray is not installed.
    """
    kind, _, rest = where.partition(":")
    if kind == "threads" and rest.isdecimal() and int(rest):
        return ThreadPoolTaskRunner(max_workers=int(rest))
    if kind == "ray":
        try:
            from prefect_ray import RayTaskRunner
        except ImportError as error:
            raise AssayError(f"the runner {where!r} needs Ray; run {install_command('ray')}") from error
        return RayTaskRunner(address=rest) if rest else RayTaskRunner(init_kwargs={"include_dashboard": False})
    raise AssayError(f"{where!r} is not a runner; write threads:4, ray, or ray:ADDRESS")


def runner_from_environment(default: Any = None) -> Any:
    """Return the task runner that the environment names, or the default.

    Raises:
        AssayError: see `task_runner`.
    """
    where = os.environ.get(RUNNER)
    return task_runner(where) if where else default


def task_resources_from_environment() -> AbstractContextManager[None]:
    """Request the cluster resources that the environment names for each task; by default one core and no GPU.

    Raises:
        AssayError: a variable is not a number.
    """
    return task_resources(os.environ.get(RUNNER, ""), _number(CPUS, 1), _number(GPUS, 0))


def _number(variable: str, default: float) -> float:
    value = os.environ.get(variable) or str(default)
    try:
        number = float(value)
    except ValueError:
        number = -1
    if not 0 <= number < float("inf"):
        raise AssayError(f"{variable} is {value!r}; it takes a number, such as 1 or 0.5")
    return number


def task_resources(where: str, cpus: float = 1, gpus: float = 0) -> AbstractContextManager[None]:
    """Request resources of a Ray cluster for each task submitted in the block; threads ignore them.

    Args:
        where: name of the runner, as in `task_runner`.
        cpus: cores per task.
        gpus: GPUs per task; fractions are allowed.
    """
    if not where.startswith("ray"):
        return nullcontext()
    from prefect_ray.context import remote_options

    options: AbstractContextManager[None] = remote_options(num_cpus=cpus, num_gpus=gpus)
    return options

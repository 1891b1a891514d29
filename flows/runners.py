"""Where the mapped tasks of a flow run: on this machine, or on the workers of a Ray cluster.

Trials of a search, trainings with several seeds, and parts of a prediction are mapped tasks. For `assay` and for
deployments, the environment says where: `ASSAY_RUNNER`, and what each task asks of a cluster, `ASSAY_TASK_CPUS` and
`ASSAY_TASK_GPUS`.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from prefect.task_runners import ThreadPoolTaskRunner

from assay.corpus.errors import AssayError

RUNNER, CPUS, GPUS = "ASSAY_RUNNER", "ASSAY_TASK_CPUS", "ASSAY_TASK_GPUS"


def task_runner(where: str) -> Any:
    """The task runner of that name, for `flow.with_options(task_runner=...)`.

    On Ray, every worker must reach the Prefect server (PREFECT_API_URL: without one, each starts its own), have this
    package, and see inputs and outputs under the same paths.

    Args:
        where: `threads:N` (N tasks at a time here), `ray` (a cluster of this machine's cores, for as long as the flow
            runs), or `ray:ADDRESS` (`auto`, `HOST:6379`, `ray://HOST:10001`).

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
            raise AssayError(f"runner {where!r} needs Ray; pip install 'assay[ray]'") from error
        return RayTaskRunner(address=rest) if rest else RayTaskRunner(init_kwargs={"include_dashboard": False})
    raise AssayError(f"{where!r} is no runner; write threads:4, ray, or ray:ADDRESS")


def chosen_runner(default: Any = None) -> Any:
    """The task runner that the environment names, else the default.

    Raises:
        AssayError: see `task_runner`.
    """
    where = os.environ.get(RUNNER)
    return task_runner(where) if where else default


def chosen_requests() -> AbstractContextManager[None]:
    """What the environment says that each task asks of a cluster: a core and no GPU, where it says nothing.

    Raises:
        AssayError: a variable holds no number.
    """
    return requesting(os.environ.get(RUNNER, ""), _number(CPUS, 1), _number(GPUS, 0))


def _number(variable: str, default: float) -> float:
    given = os.environ.get(variable) or str(default)
    try:
        number = float(given)
    except ValueError:
        number = -1
    if not 0 <= number < float("inf"):
        raise AssayError(f"{variable} is {given!r}; it takes a number, such as 1 or 0.5")
    return number


def requesting(where: str, cpus: float = 1, gpus: float = 0) -> AbstractContextManager[None]:
    """What each task that is submitted in the block asks of a Ray cluster; threads share what there is.

    Args:
        where: as `task_runner` takes it.
        cpus: cores of a task.
        gpus: GPUs of a task, or a part of one.
    """
    if not where.startswith("ray"):
        return nullcontext()
    from prefect_ray.context import remote_options

    options: AbstractContextManager[None] = remote_options(num_cpus=cpus, num_gpus=gpus)
    return options

"""`train` in a process that kills itself at a given point: with SIGKILL, so that nothing is tidied up."""

import importlib
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

# Forked from a server that has imported everything: a start costs no import of torch, prefect and mlflow. The flow
# imports what only some steps need when they run, so these modules are named one by one.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "assay.flows.training",
        "assay.expectations.snapshot_check",
        "assay.models.tag_coverage",
        "assay.tasks.training.job_runner",
        "assay.models.export.onnx_graph",
        "torch.onnx._internal.exporter._core",
        "onnxscript",
        "assay.evaluation.card.card_plots",
        "mlflow.pyfunc",
        "tests.faults.victim",
    ]
)
PATIENCE_S = 900  # a busy machine is no fault of the run


class Point(NamedTuple):
    """A call of the package; the process dies before or after it."""

    name: str
    place: str
    """`module:function` or `module:Class.method`."""
    nth: int = 1
    about: str = ""
    """Only calls with this text in the first argument count."""
    after: bool = False
    often: bool = False
    """Whether the point is part of the normal suite; `make faults` runs all of them."""


def _unnamed(step: str, *, often: bool = False) -> Point:
    return Point(
        f"{step}, complete but not published", "assay.runs.step_cache:publish_folder", about=f"/{step}-", often=often
    )


POINTS = (
    Point("extraction, before its manifest", "assay.corpus.snapshot:SnapshotWriter.finish", often=True),
    _unnamed("extract"),
    _unnamed("validate"),
    _unnamed("split"),
    Point("training, after its second checkpoint", "assay.models.resume:mark_complete", nth=2, after=True, often=True),
    _unnamed("train", often=True),
    Point("export, before the manifest", "assay.serving.bundle:write_manifest", often=True),
    _unnamed("export"),
    _unnamed("evaluate"),
    Point("upload, the model created without files", "mlflow:MlflowClient.log_model_artifacts"),
    Point("registration, before the version", "mlflow:MlflowClient.create_model_version"),
    Point("between registration and promotion", "assay.registry.champion_promotion:promote_version", often=True),
    Point("promotion, before the alias", "mlflow:MlflowClient.set_registered_model_alias"),
    Point("promotion, after the alias", "mlflow:MlflowClient.set_registered_model_alias", after=True, often=True),
    Point("after the promotion", "assay.registry.champion_promotion:promote_version", after=True),
)


def train_until(point: Point | None, recipe: Path, store: Path, prefect_api: str, report: Path) -> int | None:
    """Run the recipe in another process, which dies at the point, and return its exit code (-9: killed)."""
    process = CONTEXT.Process(target=_train, args=(point, recipe, store, prefect_api, report))
    process.start()
    process.join(PATIENCE_S)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"the run neither ended nor reached {point}")
    return process.exitcode


def _train(point: Point | None, recipe: Path, store: Path, prefect_api: str, report: Path) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from assay.flows.local import run_training
    from assay.recipes.loader import load_recipe

    os.environ.pop("MLFLOW_TRACKING_URI", None)
    if point is not None:
        set_trap(point, die)
    with temporary_settings({PREFECT_API_URL: prefect_api}):
        outcome = run_training(load_recipe(str(recipe)), store)
    report.write_text(outcome.model_dump_json(), encoding="utf-8")


def set_trap(point: Point, action: Callable[[], None]) -> None:
    """Act at the point: replace the function in every module that imported it."""
    module_name, _, path = point.place.partition(":")
    module = importlib.import_module(module_name)
    holder_name, _, method = path.rpartition(".")
    holder = getattr(module, holder_name) if holder_name else module
    original = getattr(holder, method)
    trap = _trap(point, original, action)
    setattr(holder, method, trap)
    if not holder_name:
        import sys

        for other in list(sys.modules.values()):
            if getattr(other, method, None) is original:
                setattr(other, method, trap)


def die() -> None:
    """End this process without any cleanup."""
    os.kill(os.getpid(), signal.SIGKILL)


def _trap(point: Point, original: Callable[..., Any], action: Callable[[], None]) -> Callable[..., Any]:
    calls = 0

    def trapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += not point.about or point.about in str(args[0])
        due = calls == point.nth and (not point.about or point.about in str(args[0]))
        if due and not point.after:
            action()
        result = original(*args, **kwargs)
        if due and point.after:
            action()
        return result

    return trapped

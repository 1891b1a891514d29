"""The monitoring flow: compare a window of new rows with the champion's data, report drift, and retrain."""

from pathlib import Path

from prefect import flow

from assay.corpus.errors import AssayError
from assay.corpus.storage.digest import digest_json
from assay.evaluation.drift.drift_report import DriftReport
from assay.evaluation.drift.window import Window
from assay.flows.run_limit import exclusive_training
from assay.flows.training import deployment_key, train
from assay.runs.lifecycle import open_key
from assay.runs.prefect_artifacts import current_flow_run
from assay.runs.tracking import tracking_uri_for
from assay.serving.address import existing_tracking_uri, without_password
from assay.tasks.find_reference import Champion, find_champion
from assay.tasks.monitor import compare_window, emit_drift, record_drift


@flow(name="monitor", flow_run_name="monitor-{model}", persist_result=False, result_serializer="json")
def monitor(
    model: str,
    window: Window,
    retrain: bool | None = None,
    store: Path = Path(".assay"),
    registry_uri: str | None = None,
) -> DriftReport:
    """Test every signal of a window, and emit the event `assay.drift` if one exceeds its limit.

    Args:
        model: `models:/NAME@champion` or `models:/NAME/VERSION`.
        window: the new rows.
        retrain: train the recipe again if a limit is exceeded. None: as `monitoring.retrain` of the recipe says. Leave
            it off if an automation listens to the event.
        store: folder of runs, reports and the promotion lock, the same as for training.
        registry_uri: address of MLflow. None: MLFLOW_TRACKING_URI, or sqlite in the store if that is not set. A
            training writes to the registry of the recipe, which must be the same one.

    Raises:
        AssayError: there is no such version, its rows are no longer available, the window cannot be read, or a
            training would write to another registry than that of the version.
    """
    champion, reference = find_champion(model, registry_uri or existing_tracking_uri(store), store)
    retrain = champion.recipe.monitoring.retrain if retrain is None else retrain
    if retrain:
        _check_registry(champion, store)
    report = compare_window(champion, reference, window, store)
    record_drift(champion, report)
    if report.drifted:
        emit_drift(champion, report)
        if retrain:
            # After a crash, the same flow run resumes the same training.
            key = deployment_key(current_flow_run()) or _training_key(champion, window, store)
            with exclusive_training(champion.recipe.name, current_flow_run()):
                train(champion.recipe, store, run_key=key, fresh=True)
    return report


def _training_key(champion: Champion, window: Window, store: Path) -> str:
    """Return the run key of the training for a window when there is no deployment; a new one after that has ended."""
    digest = digest_json({"model": champion.address, "window": window.model_dump(mode="json")})
    return open_key(f"{champion.recipe.name}-drift-{digest[:16]}", store)


def _check_registry(champion: Champion, store: Path) -> None:
    """Refuse a retraining that would write to another registry than that of the champion.

    The champion's address is not written into the recipe: MLflow stores recipes, and an address may hold a password.
    """
    uri, name = tracking_uri_for(champion.recipe, store), champion.recipe.registry.name
    if (uri.rstrip("/"), name) != (champion.tracking_uri.rstrip("/"), champion.name):
        raise AssayError(
            f"{champion.address} is in {without_password(champion.tracking_uri)}, but its recipe would be trained into "
            f"{name} of {without_password(uri)}; set MLFLOW_TRACKING_URI or the registry of the recipe to the same "
            "address and train there once, or leave retrain off"
        )

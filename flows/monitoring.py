"""Compare what came in with what the champion was trained on; say so, and train anew, where it has moved away."""

from pathlib import Path

from prefect import flow

from assay.corpus.errors import AssayError
from assay.corpus.storage.digest import digest_json
from assay.evaluation.drift.drift_report import DriftReport
from assay.evaluation.drift.window import Window
from assay.flows.run_limit import only_training
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
    """Test every signal of a window; a limit that is passed emits the event `assay.drift`.

    Args:
        model: `models:/NAME@champion` or `models:/NAME/VERSION`.
        window: what came in.
        retrain: train the recipe anew at once where a limit is passed; none: as `monitoring.retrain` of the recipe
            says. Leave it off where an automation listens to the event.
        store: folder of runs, reports and the promotion lock, the same as for training.
        registry_uri: MLflow; none: MLFLOW_TRACKING_URI, else sqlite in the store. A training goes to the registry of
            the recipe, which has to be the same one.

    Raises:
        AssayError: there is no such version, its rows are gone, the window cannot be read, or a training would go
            elsewhere than to the registry of the version.
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
            # Started again after a crash, the same run of monitor resumes the same training.
            key = deployment_key(current_flow_run()) or _training_key(champion, window, store)
            with only_training(champion.recipe.name, current_flow_run()):
                train(champion.recipe, store, run_key=key, fresh=True)
    return report


def _training_key(champion: Champion, window: Window, store: Path) -> str:
    """Return the key of the training that a window leads to, from a terminal; another one once that has ended."""
    digest = digest_json({"model": champion.address, "window": window.model_dump(mode="json")})
    return open_key(f"{champion.recipe.name}-drift-{digest[:16]}", store)


def _check_registry(champion: Champion, store: Path) -> None:
    """A training of the recipe goes to the registry that the recipe names, or that of the environment.

    The address is not written into the recipe instead: MLflow keeps recipes, and addresses may hold passwords.
    """
    uri, name = tracking_uri_for(champion.recipe, store), champion.recipe.registry.name
    if (uri.rstrip("/"), name) != (champion.tracking_uri.rstrip("/"), champion.name):
        raise AssayError(
            f"{champion.address} is in {without_password(champion.tracking_uri)}, but its recipe would be trained into "
            f"{name} of {without_password(uri)}; set MLFLOW_TRACKING_URI or the recipe's registry to the same, and "
            "train it there once, or leave retrain off"
        )

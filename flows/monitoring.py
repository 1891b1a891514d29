"""Compare what came in with what the champion was trained on; say so, and train anew, where it has moved away."""

from pathlib import Path

from prefect import flow

from flows.training import train
from serving.address import existing_tracking_uri
from tasks.monitoring.reference import find_champion
from tasks.monitoring.report import DriftReport
from tasks.monitoring.steps import announce_drift, compare_window, record_drift
from tasks.monitoring.window import Window


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
        registry_uri: MLflow; none: MLFLOW_TRACKING_URI, else sqlite in the store.

    Raises:
        AssayError: there is no such version, its rows are gone, or the window cannot be read.
    """
    champion, reference = find_champion(model, registry_uri or existing_tracking_uri(store), store)
    report = compare_window(champion, reference, window, store)
    record_drift(champion, report)
    if report.drifted:
        announce_drift(champion, report)
        if retrain or (retrain is None and champion.recipe.monitoring.retrain):
            train(champion.recipe, store, fresh=True)
    return report

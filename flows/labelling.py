"""The flows that find rows for people to label."""

from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import Field

from assay.corpus.sources.extended_json import MongoFilter
from assay.evaluation.labels.label_task_report import LabelTaskReport
from assay.evaluation.labels.row_choice import RANDOM_SHARE
from assay.evaluation.labels.task_formats import TaskFormat
from assay.serving.address import existing_tracking_uri
from assay.tasks.annotation.push import AnnotationServer
from assay.tasks.label_review import find_label_issues, push, suggest_rows

MOST_TASKS, MOST_FOLDS = 100_000, 20
Tasks = Annotated[int, Field(ge=1, le=MOST_TASKS)]
Folds = Annotated[int, Field(ge=2, le=MOST_FOLDS)]


@flow(name="label-issues", flow_run_name="label-issues-{model}", persist_result=False, result_serializer="json")
def label_issues(
    model: str,
    rows: Tasks = 200,
    output: Path | None = None,
    task_format: TaskFormat = "label-studio",
    cross_validate: Folds | None = None,
    server: AnnotationServer | None = None,
    store: Path = Path(".assay"),
    registry_uri: str | None = None,
) -> LabelTaskReport:
    """Find the held-out rows of a version whose labels are most probably wrong.

    Args:
        model: `models:/NAME@champion` or `models:/NAME/VERSION`.
        rows: most rows to list.
        output: file for an annotation tool; None writes none.
        task_format: the tool that is to read it.
        cross_validate: look at training rows, too: train the recipe once per fold, each without the rows it predicts.
            None: validation and test rows alone, which the version itself predicts.
        server: server of an annotation tool that is to have the tasks.
        store: folder of runs and corrections, the same as for training.
        registry_uri: address of MLflow. None: MLFLOW_TRACKING_URI, or sqlite in the store if that is not set.

    Raises:
        AssayError: there is no such version, or its rows are no longer available.
    """
    uri = registry_uri or existing_tracking_uri(store)
    report = find_label_issues(model, uri, store, rows, output, task_format, cross_validate)
    return report if server is None else push(report, server)


@flow(name="suggest-rows", flow_run_name="suggest-rows-{model}", persist_result=False, result_serializer="json")
def suggest_labels(
    model: str,
    source: str,
    rows: Tasks = 200,
    filter: MongoFilter | None = None,
    random_share: Annotated[float, Field(ge=0, le=1)] = RANDOM_SHARE,
    output: Path | None = None,
    task_format: TaskFormat = "label-studio",
    server: AnnotationServer | None = None,
    store: Path = Path(".assay"),
    registry_uri: str | None = None,
) -> LabelTaskReport:
    """Find the unlabelled rows of a source that are worth labelling next.

    Args:
        model: `models:/NAME@champion` or `models:/NAME/VERSION`.
        source: file, folder, glob or collection, in the document format of the recipe.
        rows: rows to choose.
        filter: filter on the documents of the source, in extended JSON.
        random_share: share of the rows that is drawn at random.
        output: file for an annotation tool; None writes none.
        task_format: the tool that is to read it.
        server: server of an annotation tool that is to have the tasks.
        store: folder of runs and corrections, the same as for training.
        registry_uri: address of MLflow. None: MLFLOW_TRACKING_URI, or sqlite in the store if that is not set.

    Raises:
        AssayError: there is no such version, its rows are no longer available, or the source cannot be read.
    """
    uri = registry_uri or existing_tracking_uri(store)
    report = suggest_rows(model, uri, store, source, filter or {}, rows, random_share, output, task_format)
    return report if server is None else push(report, server)

"""The steps that find label issues of a version, and show and push them."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from assay.evaluation.labels.issue_tasks import find_issue_tasks
from assay.evaluation.labels.label_task_report import LabelTaskReport
from assay.evaluation.labels.task_formats import TaskFormat, write_tasks
from assay.runs.prefect_artifacts import show_markdown
from assay.runs.step_progress import current_step, reported
from assay.runs.tracking import mlflow_page
from assay.tasks.version_rows import held_out_rows, open_version


@task(name="find-label-issues", cache_policy=NO_CACHE)
@reported("issues")
def find_label_issues(
    model: str,
    tracking_uri: str,
    store: Path,
    rows: int,
    output: Path | None = None,
    task_format: TaskFormat = "label-studio",
) -> LabelTaskReport:
    """Return the rows whose labels are most probably wrong, and write them as tasks of an annotation tool.

    Args:
        model: `models:/NAME/VERSION` or `models:/NAME@ALIAS`.
        tracking_uri: address of MLflow.
        store: folder of the runs and of the corrections.
        rows: most tasks.
        output: file of the tasks; None writes none.
        task_format: the tool that is to read the file.

    Raises:
        AssayError: there is no such version, or its rows are no longer available.
    """
    with open_version(model, tracking_uri, store) as version:
        held_out = held_out_rows(version, store)
        found = find_issue_tasks(held_out, version.engine.labels, version.engine.tags)
        report = LabelTaskReport(
            model=version.champion.address,
            recipe=version.champion.recipe.name,
            rows=len(held_out),
            found=len(found),
            tasks=found[:rows],
        )
        if output is not None:
            files = write_tasks(report.tasks, output, task_format, version.names, report.model)
            report = report.model_copy(update={"files": files})
        current_step().conclude(f"{report.found:,} of {report.rows:,} rows")
        page = mlflow_page(tracking_uri, f"models/{version.champion.name}/versions/{version.champion.number}")
        show_issues(report, page)
    return report


def show_issues(report: LabelTaskReport, page: str | None) -> None:
    """Show the report in Prefect, with a link to the version in MLflow if that has pages."""
    links = {f"{report.model} in MLflow": page} if page else {}
    show_markdown("label-issues", report.markdown(links), report.summary)

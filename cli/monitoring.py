"""`assay monitor`: whether what comes in is still what the champion was trained on."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from assay.cli.console import REFUSED, Store, echo, out
from assay.corpus.errors import AssayError


def monitor(
    model: Annotated[str, typer.Option(help="models:/NAME@champion or models:/NAME/VERSION.")],
    window: Annotated[
        str,
        typer.Option(
            help="What came in: a file or glob (JSONL, CSV, Parquet), mongo:env:VARIABLE/DATABASE/COLLECTION, "
            "or the log of a server, log:FOLDER."
        ),
    ],
    filter: Annotated[str | None, typer.Option(help="Which documents of a collection, in extended JSON.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only rows of this time or later, ISO 8601; without an offset UTC.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Only rows before this time.")] = None,
    known: Annotated[
        bool, typer.Option("--known", help="Compare rows of the snapshot that the version is made of, too.")
    ] = False,
    labels: Annotated[
        Path | None, typer.Option(help="File of labels that came late: id, and label or entities.")
    ] = None,
    retrain: Annotated[
        bool | None, typer.Option(help="Train anew where a limit is passed; else as the recipe says.")
    ] = None,
    store: Store = Path(".assay"),
) -> None:
    """Hold a window of rows against the snapshot that a version was trained on, and write a report.

    Exit code 0: no drift; 3: a limit was passed; 1: an error.
    """
    from pydantic import ValidationError

    from assay.evaluation.drift.window import Window
    from assay.serving.batch.mongo_address import parse_filter

    try:
        rows = Window(address=window, filter=parse_filter(filter), since=since, until=until, known=known, labels=labels)
    except ValidationError as error:
        faults = (fault["msg"].removeprefix("Value error, ") for fault in error.errors())
        raise AssayError("; ".join(f"--{fault}" for fault in faults)) from error

    from assay.flows.logs import join_prefect_logs

    join_prefect_logs()

    from assay.flows.local import run_monitoring

    report = run_monitoring(model, rows, store, retrain=retrain)
    table = Table("signal", "reference", "window", "effect", "limit", "p", "drift", title=report.model)
    for one in report.findings:
        metrics = ("" if value is None else f"{value:.3g}" for value in (one.effect, one.limit, one.p_value))
        drift = "YES" if one.drifted else "not tested" if one.effect is None else "no"
        table.add_row(one.name, one.reference, one.window, *metrics, drift)
    out.print(table)
    echo(report.summary)
    echo(f"report: {report.page}")
    if report.drifted:
        raise typer.Exit(REFUSED)

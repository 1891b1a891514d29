"""`assay monitor`: compare new rows with the data that the champion was trained on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.console import AsJson, Store, Verbose, echo, out, print_json
from assay.cli.exit_codes import ExitCode
from assay.cli.terminal_layout import plain_table, print_block
from assay.corpus.errors import AssayError

if TYPE_CHECKING:
    from assay.evaluation.drift.drift_report import DriftReport


def monitor(
    model: Annotated[str, typer.Option(help="models:/NAME@champion or models:/NAME/VERSION.")],
    window: Annotated[
        str,
        typer.Option(
            help="New rows: a file, folder or glob of any kind that a recipe reads, "
            "mongo:env:VARIABLE/DATABASE/COLLECTION, or the prediction log of a server, log:FOLDER."
        ),
    ],
    filter: Annotated[
        str | None,
        typer.Option(help="Filter for the documents of a collection or the rows of files, in extended JSON."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only rows of this time or later, ISO 8601; UTC without an offset.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Only rows before this time.")] = None,
    known: Annotated[
        bool, typer.Option("--known", help="Include rows of the snapshot that the version was made from.")
    ] = False,
    labels: Annotated[
        Path | None, typer.Option(help="File of labels that arrived later: id, and label or entities.")
    ] = None,
    retrain: Annotated[
        bool | None,
        typer.Option(help="Train the recipe again if a limit is exceeded. [default: as the recipe says]"),
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
    store: Store = Path(".assay"),
) -> None:
    """Compare new rows with those that a version was trained on.

    The command writes a report with plots. Exit code 0: no drift; 6: a limit was exceeded; 1: an error.
    """
    from pydantic import ValidationError

    from assay.evaluation.drift.window import Window
    from assay.serving.batch.mongo_address import parse_filter

    try:
        rows = Window(address=window, filter=parse_filter(filter), since=since, until=until, known=known, labels=labels)
    except ValidationError as error:
        faults = (fault["msg"].removeprefix("Value error, ") for fault in error.errors())
        raise AssayError("; ".join(f"--{fault}" for fault in faults)) from error

    from assay.cli.story import steps_shown

    with steps_shown(verbose=verbose):
        from assay.flows.local import run_monitoring

        report = run_monitoring(model, rows, store, retrain=retrain)
    if as_json:
        print_json(report)
    else:
        _show(report)
    if report.drifted:
        raise typer.Exit(ExitCode.DRIFTED)


def _show(report: "DriftReport") -> None:
    table = plain_table("signal", "effect", "limit", "p", "drift", title=report.model)
    for finding in report.findings:
        numbers = (finding.effect, finding.limit, finding.p_value)
        cells = ("" if value is None else f"{value:.3g}" for value in numbers)
        drift = "YES" if finding.drifted else "not tested" if finding.effect is None else "no"
        table.add_row(finding.name, *cells, drift)
    out.print(table)
    for finding in report.findings:
        if finding.drifted:
            print_block(finding.name, [f"reference: {finding.reference}", f"window: {finding.window}"])
    echo(report.summary)
    echo(f"report: {report.page}")

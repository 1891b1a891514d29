"""`assay models` and `assay show`: what the registry holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from assay.cli.console import AsJson, Store, echo, out, print_json
from assay.cli.terminal_layout import print_block, print_facts

if TYPE_CHECKING:
    from assay.registry.model_overview import ModelOverview
    from assay.registry.version_summary import VersionSummary


def models(as_json: AsJson = False, store: Store = Path(".assay")) -> None:
    """List the registered models, their champions and verdicts."""
    from assay.registry.model_overview import list_models
    from assay.serving.address import existing_tracking_uri, without_password

    tracking_uri = existing_tracking_uri(store)
    listed = list_models(tracking_uri)
    if as_json:
        print_json(listed)
        return
    if not listed.root:
        echo(f"{without_password(tracking_uri)} has no registered model; see assay run")
        return
    table = Table("model", "champion", "versions", "newest", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.columns[0].overflow = "fold"
    for model in listed.root:
        table.add_row(model.name, model.champion or "none", _counted(model), _newest(model))
    out.print(table)
    echo("details: assay show NAME or NAME/VERSION; changes of the champion: assay history NAME")


def _counted(model: "ModelOverview") -> str:
    counts = ", ".join(f"{count} {outcome}" for outcome, count in model.outcomes.most_common())
    return counts or "none"


def _newest(model: "ModelOverview") -> str:
    if not model.versions:
        return ""
    version = model.versions[0]
    return f"{version.number}, {version.outcome}, {version.created:%Y-%m-%d %H:%M}"


def show(
    version: Annotated[str, typer.Argument(metavar="NAME[/VERSION]", help="NAME, NAME/3 or NAME@champion.")],
    as_json: AsJson = False,
    store: Store = Path(".assay"),
) -> None:
    """Show a version: its verdict, metrics and lineage."""
    from assay.registry.version_summary import summarise_version
    from assay.serving.address import existing_tracking_uri

    summary = summarise_version(version, existing_tracking_uri(store), store)
    if as_json:
        print_json(summary)
        return
    aliases = f" ({', '.join(summary.aliases)})" if summary.aliases else ""
    echo(f"models:/{summary.name}/{summary.number}{aliases}: {summary.outcome}")
    print_facts(_facts(summary))
    _print_metrics(summary)
    _print_checks(summary)


def _facts(summary: "VersionSummary") -> list[tuple[str, str]]:
    """Return what is known about a version, without what is not."""
    promoted = f"{summary.promoted:%Y-%m-%d %H:%M}: {summary.reason}" if summary.promoted else None
    approver = summary.approval.approver if summary.approval else None
    values = {
        "promoted": promoted,
        "forced": summary.forced,
        "approval": f"{summary.approval.state}{f' by {approver}' if approver else ''}" if summary.approval else None,
        "compared": f"with champion version {summary.compared_with}" if summary.compared_with else "with no champion",
        "recipe": summary.recipe,
        "run": summary.run,
        "MLflow run": summary.mlflow_run,
        "bundle": summary.bundle,
        "snapshot": summary.snapshot,
        "splits": summary.splits,
        "code": summary.code,
        "card": str(summary.card) if summary.card else None,
    }
    return [(name, value) for name, value in values.items() if value]


def _print_metrics(summary: "VersionSummary") -> None:
    if summary.metrics:
        values = "  ".join(f"{name} {value:.4g}" for name, value in summary.metrics.items() if name.count(".") == 1)
        print_block("metrics on test rows (all of them: --json)", [values])


def _print_checks(summary: "VersionSummary") -> None:
    if summary.checks is None:
        echo("the verdict is not in the registry any more")
        return
    failed = [check for check in summary.checks if not check.passed]
    untested = [check.name for check in summary.checks if check.passed and not check.tested]
    passed = [check.name for check in summary.checks if check.passed and check.tested]
    for check in failed:
        print_block(f"FAILED  {check.name}", [f"measured {check.measured}; required {check.required}", check.why])
    print_block(f"passed {len(passed)} of {len(summary.checks)} checks", [", ".join(passed)] if passed else [])
    if untested:
        print_block("not tested", [", ".join(untested)])

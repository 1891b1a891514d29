"""`assay history`, `approve`, `rollback`, `reproduce` and `diff`: the versions of a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.console import AsJson, ModelName, Store, Verbose, echo, out, print_json
from assay.cli.exit_codes import ExitCode
from assay.cli.terminal_layout import print_block
from assay.corpus.errors import AssayError

if TYPE_CHECKING:
    from assay.registry.history import AliasChange


def history(name: ModelName, as_json: AsJson = False, store: Store = Path(".assay")) -> None:
    """Show every change of a model's champion, with its reason."""
    from assay.registry.history import AliasChanges
    from assay.registry.model_registry import ModelRegistry
    from assay.serving.address import existing_tracking_uri, without_password

    registry = ModelRegistry(name, existing_tracking_uri(store), store)
    changes = registry.history()
    if not changes:
        raise AssayError(
            f"no version of {name!r} was ever champion in {without_password(registry.tracking_uri)}; see assay models"
        )
    if as_json:
        print_json(AliasChanges(changes))
        return
    echo(f"champion of {name}, the newest change last")
    for change in changes:
        print_block(*_described(change))


def _described(change: "AliasChange") -> tuple[str, list[str]]:
    """Return the first line about a change of the champion, and further lines."""
    state = "" if change.state == "done" else f"  ({change.state})"
    versions = f"version {change.source or 'none'} -> version {change.target}"
    lines = [change.reason] if change.reason else []
    if change.forced:
        lines.append(f"FORCED: {change.forced}")
    if change.approval and change.approval.approver:
        notes = f": {change.approval.notes}" if change.approval.notes else ""
        lines.append(f"approved by {change.approval.approver}{notes}")
    if change.run:
        lines.append(f"run {change.run}")
    return f"{change.when:%Y-%m-%d %H:%M:%S}  {change.kind}  {versions}{state}", lines


def approve(
    name: ModelName,
    approver: Annotated[str, typer.Option(help="Your name, recorded in the history as declared.")],
    version: Annotated[str | None, typer.Option(help="Number of the version. [default: the only pending one]")] = None,
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse the version instead of approving it.")] = False,
    notes: Annotated[str, typer.Option(help="Your reasons, recorded in the history.")] = "",
    store: Store = Path(".assay"),
) -> None:
    """Approve or refuse a model that waits for approval.

    Exit code 0: done; 1: an error, for example if the time to decide is over or the champion has changed.
    """
    from assay.flows.approval import decide_pending

    result = decide_pending(name, store, version, not refuse, approver, notes)
    number = result.version.number if result.version else "?"
    echo(f"version {number} of {name}: {result.why}")


def rollback(
    name: ModelName,
    reason: Annotated[str, typer.Option(help="Reason, recorded permanently in the history.")],
    to: Annotated[str | None, typer.Option(help="Version to restore. [default: the previous champion]")] = None,
    store: Store = Path(".assay"),
) -> None:
    """Make an earlier version the champion again."""
    from assay.registry.champion_rollback import roll_back
    from assay.registry.model_registry import ModelRegistry
    from assay.serving.address import existing_tracking_uri

    change = roll_back(ModelRegistry(name, existing_tracking_uri(store), store), to, reason)
    echo(f"champion of {name}: version {change.source} -> version {change.target}")


def reproduce(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="models:/NAME/VERSION or models:/NAME@champion.")],
    as_json: AsJson = False,
    verbose: Verbose = False,
    store: Store = Path(".assay"),
) -> None:
    """Train a version again, and compare every result.

    It trains from the rows of the version in an empty store, and compares splits, network, predictions and metrics.
    Nothing is registered. Exit code 0: equal to the last digit; 4: a result differs; 1: an error.
    """
    from assay.cli.story import steps_shown

    with steps_shown(verbose=verbose):
        from assay.flows.local import run_reproduction

        result = run_reproduction(model, store)

    from assay.cli.lineage_tables import reproduction_tables

    if as_json:
        print_json(result)
    else:
        for table in reproduction_tables(result):
            out.print(table)
    if not result.equal:
        if not as_json:
            echo(f"the new results are in {result.folder}")
        raise typer.Exit(ExitCode.DIFFERS)


def diff(
    name: ModelName,
    before: Annotated[str, typer.Argument(metavar="FIRST", help="Number of the first version.")],
    after: Annotated[str, typer.Argument(metavar="SECOND", help="Number of the second version.")],
    as_json: AsJson = False,
    store: Store = Path(".assay"),
) -> None:
    """Compare two versions of a model.

    The comparison covers recipe, data, metrics, environment, and rows that changed splits.
    """
    from assay.cli.lineage_tables import diff_tables
    from assay.registry.lineage.version_diff import diff_versions
    from assay.serving.address import existing_tracking_uri

    comparison = diff_versions(name, before, after, existing_tracking_uri(store))
    if as_json:
        print_json(comparison)
        return
    tables = list(diff_tables(comparison))
    for table in tables:
        out.print(table)
    if not tables:
        echo(f"versions {before} and {after} of {name} do not differ")

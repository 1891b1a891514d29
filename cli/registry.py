"""`assay history`, `approve`, `rollback`, `reproduce` and `diff`: the versions of a model."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from assay.cli.console import DIFFERS, Store, echo, out
from assay.corpus.errors import AssayError


def history(name: str, store: Store = Path(".assay")) -> None:
    """Show every move of a model's champion alias: when, from, to, why, by which run."""
    from assay.registry.model_registry import ModelRegistry
    from assay.serving.address import existing_tracking_uri, without_password

    registry = ModelRegistry(name, existing_tracking_uri(store), store)
    table = Table("when", "from", "to", "why", "run", "forced", "approved by", "state", title=f"champion of {name}")
    moves = registry.history()
    if not moves:
        raise AssayError(
            f"no version of {name!r} was ever champion in {without_password(registry.tracking_uri)}; see assay run"
        )
    for move in moves:
        when = f"{move.when:%Y-%m-%d %H:%M:%S}"
        forced, approver = "FORCED" if move.forced else "", (move.approval and move.approval.approver) or ""
        table.add_row(when, move.source or "-", move.target, move.reason, move.run or "-", forced, approver, move.state)
    out.print(table)


def approve(
    name: str,
    approver: Annotated[str, typer.Option(help="Who answers; stands in the history as declared.")],
    version: Annotated[str | None, typer.Option(help="Version that waits; else the only one that does.")] = None,
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse it.")] = False,
    notes: Annotated[str, typer.Option(help="Why; stands in the history.")] = "",
    store: Store = Path(".assay"),
) -> None:
    """Approve a model that the gate passed and that waits for a person, or refuse it.

    Exit code 0: done; 1: an error, such as an answer that comes too late, or another champion by now.
    """
    from assay.flows.approval import decide_pending

    result = decide_pending(name, store, version, not refuse, approver, notes)
    number = result.version.number if result.version else "?"
    echo(f"version {number} of {name}: {result.why}")


def rollback(
    name: str,
    reason: Annotated[str, typer.Option(help="Stands in the history for ever.")],
    to: Annotated[str | None, typer.Option(help="Version to put back; else the one before.")] = None,
    store: Store = Path(".assay"),
) -> None:
    """Put an earlier champion back."""
    from assay.registry.model_registry import ModelRegistry
    from assay.serving.address import existing_tracking_uri

    move = ModelRegistry(name, existing_tracking_uri(store), store).rollback(to, reason)
    echo(f"champion of {name}: version {move.source} -> version {move.target}")


def reproduce(
    model: Annotated[str, typer.Argument(help="models:/NAME/VERSION or models:/NAME@champion.")],
    store: Store = Path(".assay"),
) -> None:
    """Train a version again from its rows, in an empty store, and compare sides, network, predictions and figures.

    Nothing is registered. Exit code 0: equal to the last digit; 4: something differs; 1: an error.
    """
    from assay.flows.logs import join_prefect_logs

    join_prefect_logs()

    from assay.cli.lineage_tables import reproduction_tables
    from assay.flows.local import run_reproduction

    result = run_reproduction(model, store)
    for table in reproduction_tables(result):
        out.print(table)
    if not result.equal:
        echo(f"what was made lies in {result.folder}")
        raise typer.Exit(DIFFERS)


def diff(
    name: str,
    before: Annotated[str, typer.Argument(metavar="VERSION", help="Number of a version.")],
    after: Annotated[str, typer.Argument(metavar="VERSION", help="Number of another version.")],
    as_json: Annotated[bool, typer.Option("--json", help="For machines: everything, with the id of each row.")] = False,
    store: Store = Path(".assay"),
) -> None:
    """Compare two versions of a model: recipe, data, figures, surroundings, rows that changed sides."""
    from assay.cli.lineage_tables import diff_tables
    from assay.registry.lineage.version_diff import diff_versions
    from assay.serving.address import existing_tracking_uri

    found = diff_versions(name, before, after, existing_tracking_uri(store))
    if as_json:
        sys.stdout.write(found.model_dump_json(indent=2) + "\n")
        return
    tables = list(diff_tables(found))
    for table in tables:
        out.print(table)
    if not tables:
        echo(f"versions {before} and {after} of {name} do not differ")

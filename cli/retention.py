"""`assay copy`, `assay gc` and `assay erase`: versions moved, old results cleared, rows erased.

Each shows first what it would do, and does it with `--yes`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from assay.cli.console import MOST, Store, echo, out

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assay.registry.retention.mlflow_erasure import Tracks

Yes = Annotated[bool, typer.Option("--yes", help="Do it; without, only show what would be done.")]
MIB = 2**20
NOT_DONE = "nothing was changed; do it with --yes"


def copy(
    model: Annotated[str, typer.Argument(help="models:/NAME/VERSION or models:/NAME@champion.")],
    to: Annotated[str, typer.Option(help="MLflow of the other registry.")],
    to_store: Annotated[Path, typer.Option(help="Folder of the other registry's lease and ledger.")],
    name: Annotated[str | None, typer.Option(help="Name of the model there; else the same.")] = None,
    promote: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Make it champion there, if the verdict was about the champion there."),
    ] = None,
    yes: Yes = False,
    store: Store = Path(".assay"),
) -> None:
    """Copy a version to another registry, with its bundle, its run, its verdict and its lineage."""
    from assay.registry.retention.copying import CopyTarget, copy_version, plan_copy, promote_copy
    from assay.serving.address import existing_tracking_uri

    source, target = CopyTarget(existing_tracking_uri(store), store), CopyTarget(to, to_store)
    plan = plan_copy(model, source, target, name)
    what = f"{plan.version.address} ({plan.version.outcome}, bundle {plan.version.bundle[:12]})"
    if plan.there:
        echo(f"{what} is {plan.there.address} of {target.name} already")
    else:
        size = f"{plan.files} files, {plan.bytes / MIB:.1f} MiB"
        echo(f"{what}: {size}, from {source.name} to {plan.name} of {target.name}")
    if not yes:
        echo(NOT_DONE)
        return
    made = copy_version(plan, source, target)
    echo(f"{made.address} of {target.name}")
    if promote:
        move = promote_copy(made, plan, source, target, promote)
        echo(f"champion of {made.name}: version {made.number}" if move else "it was the champion already")


def gc(
    keep_runs: Annotated[
        int, typer.Option(min=1, max=MOST, help="Newest closed runs of each recipe that stay whole.")
    ] = 3,
    older_than_days: Annotated[float, typer.Option(min=0, max=36_500, help="Younger runs stay whole.")] = 30,
    yes: Yes = False,
    store: Store = Path(".assay"),
) -> None:
    """Remove snapshots, checkpoints and results of old closed runs; what a version can be made from again stays."""
    from assay.registry.retention import garbage_collection
    from assay.registry.retention.protected import protected_snapshots

    plan = garbage_collection.plan_collection(store, keep_runs, older_than_days, protected_snapshots(store))
    done = garbage_collection.collect(plan, store) if yes else plan
    table = Table("run", "what", "days", "MiB")
    for one in done:
        table.add_row(one.run, one.what, f"{one.days:.0f}", f"{one.bytes / MIB:.1f}")
    if done:
        out.print(table)
    size = sum(one.bytes for one in done) / MIB
    echo(f"{len(done)} folders, {size:.1f} MiB" + ("" if not yes else " removed"))
    if not yes:
        echo(NOT_DONE)


def erase(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of rows, or of documents with their rows.")],
    mlflow: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="A further MLflow to search; may be given several times."),
    ] = None,
    yes: Yes = False,
    store: Store = Path(".assay"),
) -> None:
    """Erase rows from snapshots, MLflow and ledger, and say which versions trained on them.

    Searched is every MLflow that a run of the store has written to. Exit code 1: one of them does not answer, or a run
    lies in none; all others are erased, and the same command does the rest.
    """
    from assay.registry.retention import erasure

    plan = erasure.plan_erasure(ids, store, *(mlflow or ()))
    tracks = plan.tracks
    _show("snapshot", ((f"{one.run}", f"{len(one.rows)} rows, {one.reject_lines} rejects") for one in plan.found))
    _show("copy", ((one.path.relative_to(store).as_posix(), one.what) for one in plan.copies))
    _show("run in MLflow", ((one.name, ", ".join(one.artifacts)) for one in tracks.runs))
    _show("version", ((one.address, _split_of(one.split_of)) for one in tracks.versions))
    for copied in tracks.copied:
        echo(f"{copied} may hold them, too; forget them there")
    if plan.empty:
        nothing = f"no snapshot of {store} and no version holds {', '.join(ids)}"
        plan.check_complete(nothing)
        echo(nothing)
        return
    if not yes:
        plan.check_complete(NOT_DONE)
        echo(NOT_DONE)
        return
    try:
        keys = erasure.erase(plan, store)
    except erasure.IncompleteError:
        _say_who_knew(tracks)
        raise
    echo(
        f"erased from {len(plan.found)} snapshots and their results, {len(plan.copies)} copies and "
        f"{len(tracks.runs)} runs in MLflow; {keys} keys left the ledger"
    )
    _say_who_knew(tracks)


def _say_who_knew(tracks: "Tracks") -> None:
    if tracks.versions:
        echo("their ids, without texts, stay in the sides that MLflow keeps of these versions: they tell who knew them")
        echo("these versions can no longer be monitored, compared or made again")
    trained = [one.address for one in tracks.versions if "train" in one.split_of]
    if trained:
        echo(f"trained on them: {', '.join(trained)}; a model cannot unlearn: train anew, then roll these back")


def _split_of(split_of: dict[str, int]) -> str:
    return ", ".join(f"{count} in {split_name}" for split_name, count in split_of.items())


def _show(what: str, rows: "Iterable[tuple[str, str]]") -> None:
    table = Table(what, "holds")
    for row in rows:
        table.add_row(*row)
    if table.row_count:
        out.print(table)

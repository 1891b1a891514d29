"""`assay copy`, `assay gc` and `assay erase`: copy versions, remove old results, and erase rows.

Without `--yes`, each command only shows what it would do.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.console import MOST, AsJson, Store, echo, out, print_json
from assay.cli.terminal_layout import plain_table
from assay.corpus.plural import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from assay.registry.retention.erasure import ErasurePlan
    from assay.registry.retention.mlflow_erasure import MlflowMatches


Yes = Annotated[bool, typer.Option("--yes", help="Apply the changes; without it, only show them.")]
MIB = 2**20
NOT_DONE = "nothing was changed; add --yes to apply it"


def copy(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="models:/NAME/VERSION or models:/NAME@champion.")],
    to: Annotated[str, typer.Option(help="Address of the MLflow of the other registry.")],
    to_store: Annotated[Path, typer.Option(help="Folder of the lease and split ledger of the other registry.")],
    name: Annotated[str | None, typer.Option(help="Name of the model there. [default: the same name]")] = None,
    promote: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Make it the champion there, if the verdict was about that champion."),
    ] = None,
    yes: Yes = False,
    store: Store = Path(".assay"),
) -> None:
    """Copy a version to another registry.

    Its bundle, run, verdict and lineage go with it.
    """
    from assay.registry.retention.copying import CopyTarget, copy_version, plan_copy, promote_copy
    from assay.serving.address import existing_tracking_uri

    source, target = CopyTarget(existing_tracking_uri(store), store), CopyTarget(to, to_store)
    plan = plan_copy(model, source, target, name)
    version = f"{plan.version.address} ({plan.version.outcome}, bundle {plan.version.bundle[:12]})"
    if plan.there:
        echo(f"{version} is already {plan.there.address} of {target.name}")
    else:
        size = f"{plan.files} files, {plan.bytes / MIB:.1f} MiB"
        echo(f"{version}: {size}, from {source.name} to {plan.name} of {target.name}")
    if not yes:
        echo(NOT_DONE)
        return
    copied = copy_version(plan, source, target)
    echo(f"{copied.address} of {target.name}")
    if promote:
        promotion = promote_copy(copied, plan, source, target, promote)
        echo(f"champion of {copied.name}: version {copied.number}" if promotion else "it was the champion already")


def gc(
    keep_runs: Annotated[
        int, typer.Option(min=1, max=MOST, help="Number of newest closed runs of each recipe to keep.")
    ] = 3,
    older_than_days: Annotated[
        float, typer.Option(min=0, max=36_500, help="Age in days up to which runs are kept.")
    ] = 30,
    yes: Yes = False,
    as_json: AsJson = False,
    store: Store = Path(".assay"),
) -> None:
    """Remove results of old runs that nothing needs.

    These are snapshots, checkpoints and results of closed runs; data needed to reproduce a version stay.
    """
    from assay.registry.retention import garbage_collection
    from assay.registry.retention.protected import protected_snapshots

    plan = garbage_collection.plan_collection(store, keep_runs, older_than_days, protected_snapshots(store))
    folders = garbage_collection.collect(plan, store) if yes else plan
    if as_json:
        print_json(garbage_collection.CollectionReport(removed=yes, folders=folders))
        return
    table = plain_table("run", "what", "days", "MiB")
    for folder in folders:
        table.add_row(folder.run, folder.what, f"{folder.days:.0f}", f"{folder.bytes / MIB:.1f}")
    if folders:
        out.print(table)
    size = sum(folder.bytes for folder in folders) / MIB
    echo(f"{len(folders)} folders, {size:.1f} MiB" + ("" if not yes else " removed"))
    if not yes:
        echo(NOT_DONE)


def erase(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="Ids of rows, or of documents with their rows.")],
    mlflow: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Another MLflow to search; can be repeated."),
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
    store: Store = Path(".assay"),
) -> None:
    """Erase rows everywhere, and list the versions trained on them.

    The command erases them from snapshots, from the split ledger, and from every MLflow that a run of the store has
    written to. Exit code 1: one of them is not responding, or a run is in none of them; the rest is erased, and the
    same command completes the erasure.
    """
    from assay.registry.retention import erasure

    plan = erasure.plan_erasure(ids, store, *(mlflow or ()))
    if not as_json:
        _show_plan(plan, store)
    if plan.empty or not yes:
        line = f"no snapshot of {store} and no version holds {', '.join(ids)}" if plan.empty else NOT_DONE
        if as_json:
            print_json(erasure.ErasureReport(erased=False, plan=plan))
        plan.check_complete(line)
        if not as_json:
            echo(line)
        return
    try:
        keys = erasure.erase(plan, store)
    except erasure.IncompleteError:
        if not as_json:
            _echo_versions(plan.tracks)
        raise
    if as_json:
        print_json(erasure.ErasureReport(erased=True, plan=plan, ledger_keys=keys))
        return
    echo(
        f"erased from {counted(len(plan.found), 'snapshot')} with results, "
        f"{counted(len(plan.copies), 'copy', 'copies')} and {counted(len(plan.tracks.runs), 'run')} in MLflow, and "
        f"{counted(keys, 'key')} from the split ledger"
    )
    _echo_versions(plan.tracks)


def _show_plan(plan: "ErasurePlan", store: Path) -> None:
    tracks = plan.tracks
    _show(
        "snapshot",
        ((hit.run, f"{counted(len(hit.rows), 'row')}, {counted(hit.reject_lines, 'reject')}") for hit in plan.found),
    )
    _show("copy", ((copied.path.relative_to(store).as_posix(), copied.what) for copied in plan.copies))
    _show("corrections", ((held.path.name, counted(len(held.rows), "row")) for held in plan.corrections))
    _show("run in MLflow", ((run.name, ", ".join(run.artifacts)) for run in tracks.runs))
    _show("version", ((version.address, _row_counts(version.split_of)) for version in tracks.versions))
    for address in tracks.copied:
        echo(f"{address} may hold them, too; erase them there")


def _echo_versions(tracks: "MlflowMatches") -> None:
    if tracks.versions:
        echo("their ids, without texts, stay in the splits that MLflow stores for these versions, as evidence of use")
        echo("these versions can no longer be monitored, compared or reproduced")
    trained = [version.address for version in tracks.versions if "train" in version.split_of]
    if trained:
        echo(f"trained on them: {', '.join(trained)}; a model cannot unlearn: train a new version and roll these back")


def _row_counts(count_of_split: dict[str, int]) -> str:
    return ", ".join(f"{count} in {split_name}" for split_name, count in count_of_split.items())


def _show(what: str, rows: "Iterable[tuple[str, str]]") -> None:
    table = plain_table(what, "holds")
    for row in rows:
        table.add_row(*row)
    if table.row_count:
        out.print(table)

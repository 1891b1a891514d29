"""`assay run`: from a recipe to a verdict."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from assay.cli.console import PENDING, REFUSED, Overrides, RecipePath, Store, echo, out
from assay.cli.stopping import noting

if TYPE_CHECKING:
    from assay.flows.training import TrainingOutcome

SAVED = "progress is saved; run the same command to resume"


@noting(SAVED)
def run(
    recipe: RecipePath,
    overrides: Overrides = None,
    store: Store = Path(".assay"),
    fresh: Annotated[
        bool, typer.Option(help="Begin a new run and reuse nothing of others; after an interruption, resume it.")
    ] = False,
    from_step: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="STEP",
            help="Do STEP and all later steps of the newest run again; after an interruption, resume.",
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="STEP", help="Stop behind STEP: nothing is judged, and the run stays open.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Compute everything, register and move nothing.")] = False,
    force: Annotated[
        str | None, typer.Option(metavar="REASON", help="Promote even what the gate refuses; it is marked for ever.")
    ] = None,
) -> None:
    """Run a recipe from its source to a verdict, and promote the model if it earned it.

    Started again after a kill, it goes on where it was. Where the recipe asks for approval, a terminal asks for it.
    Exit code 0: promoted (or a passed dry run); 3: refused; 5: waits for assay approve; 1: an error; 130: Ctrl-C;
    143: SIGTERM.
    """
    from assay.recipes.loader import load_recipe

    loaded = load_recipe(recipe, [*(overrides or []), *(["run_mode=dry_run"] if dry_run else [])])

    from assay.flows.logs import join_prefect_logs

    join_prefect_logs()

    from assay.flows.local import run_steps, run_training

    if until is not None:
        for step, path in run_steps(loaded, store, until, fresh=fresh, from_step=from_step).items():
            echo(f"{step}: {path}")
        return
    outcome = run_training(loaded, store, fresh=fresh, from_step=from_step, force=force)
    show_outcome(outcome)
    promotion = outcome.promotion
    if promotion.pending:
        from assay.cli.approval_dialogue import ask_on_terminal

        with noting("the model still waits; see assay approve"):
            promotion = ask_on_terminal(outcome, store)
        if promotion.pending:
            raise typer.Exit(PENDING)
        echo(promotion.why)
    if not promotion.promoted and (promotion.version or outcome.verdict.outcome != "passed"):
        raise typer.Exit(REFUSED)


@noting(SAVED)
def seeds(
    recipe: RecipePath,
    overrides: Overrides = None,
    count: Annotated[int, typer.Option("--count", min=1, max=10_000, help="How many seeds, from 0.")] = 5,
    store: Store = Path(".assay"),
) -> None:
    """Train a recipe with several seeds, and show how far its validation scores lie apart; nothing is judged.

    How many train at a time, and where: ASSAY_RUNNER, such as threads:2, ray, or ray:auto. The run stays open, so that
    more seeds train on the same rows: assay run goes on with these rows, too, and with --fresh reads the source anew.
    """
    from assay.recipes.loader import load_recipe

    loaded = load_recipe(recipe, overrides or [])

    from assay.flows.logs import join_prefect_logs

    join_prefect_logs()

    from assay.flows.local import run_seeds

    found = run_seeds(loaded, range(count), store)
    for seed, score in found.scores.items():
        echo(f"seed {seed}: {score:.4f}")
    echo(f"mean {found.mean:.4f}, standard deviation {found.deviation:.4f}")
    echo("the run stays open: assay run goes on with the rows of now; assay run --fresh reads the source anew")


def show_outcome(outcome: "TrainingOutcome") -> None:
    """The verdict as a table, and where to look further."""
    title = f"{outcome.verdict.recipe}: {outcome.verdict.outcome}"
    table = Table("check", "measured", "required", "passed", title=title)
    for check in outcome.verdict.checks:
        passed = ("yes" if check.passed else "NO") if check.tested else "not tested"
        table.add_row(check.name, check.measured, check.required, passed)
    out.print(table)
    for attempt in outcome.verdict.attempts:
        echo(str(attempt))
    for check in outcome.verdict.failed:
        echo(f"refused by {check.name}: {check.why}")
    echo(outcome.promotion.why)
    echo(f"model card: {outcome.card}")

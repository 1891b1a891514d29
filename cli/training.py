"""`assay run` and `assay seeds`: train a recipe."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli.console import AsJson, Overrides, Quiet, RecipePath, Store, Verbose, echo, print_json
from assay.cli.exit_codes import ExitCode
from assay.cli.stopping import noting

if TYPE_CHECKING:
    from assay.flows.training import TrainingOutcome
    from assay.recipes.recipe import Recipe
    from assay.registry.promotion import PromotionResult

SAVED = "progress is saved; run the same command to resume"


@noting(SAVED)
def run(
    recipe: RecipePath,
    overrides: Overrides = None,
    store: Store = Path(".assay"),
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start a new run without reusing results; after an interruption, resume it.")
    ] = False,
    from_step: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="STEP",
            help="Redo STEP and all later steps of the newest run; after an interruption, resume.",
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="STEP", help="Stop after STEP, without running the gate; the run stays open.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compute everything, but register and promote nothing.")
    ] = False,
    force: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Promote the model even if the gate refuses it; recorded permanently."),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Train a recipe, test the model, and promote it if it passes.

    The run goes from the source to a verdict. After a kill, the same command resumes the run. If the recipe requires
    approval, the command asks for it on a terminal. Exit code 0: promoted (or a passed dry run); 3: refused; 5: waits
    for assay approve; 1: an error; 130: Ctrl-C; 143: SIGTERM.
    """
    from assay.recipes.loader import load_recipe

    loaded = load_recipe(recipe, [*(overrides or []), *(["run_mode=dry_run"] if dry_run else [])])
    begun = _begin(loaded, store, from_step, until)
    from assay.cli.story import steps_shown

    with steps_shown(verbose=verbose, quiet=quiet or as_json) as story:
        story.head(begun)

        from assay.flows.local import run_steps, run_training

        if until is not None:
            for step, path in run_steps(loaded, store, until, fresh=fresh, from_step=from_step).items():
                echo(f"{step}: {path}")
            return
        outcome = run_training(loaded, store, fresh=fresh, from_step=from_step, force=force)
    _show(outcome, loaded, store, quiet=quiet, as_json=as_json)
    promotion = outcome.promotion if as_json else _decided(outcome, store)
    if promotion.pending:
        raise typer.Exit(ExitCode.PENDING)
    if not promotion.promoted and (promotion.version or outcome.verdict.outcome != "passed"):
        raise typer.Exit(ExitCode.REFUSED)


@noting(SAVED)
def seeds(
    recipe: RecipePath,
    overrides: Overrides = None,
    count: Annotated[int, typer.Option("--count", min=1, max=10_000, help="Number of seeds, starting at 0.")] = 5,
    store: Store = Path(".assay"),
    verbose: Verbose = False,
) -> None:
    """Train a recipe with several seeds, and show the spread.

    The spread is that of the validation scores; the gate does not run. ASSAY_RUNNER sets how many trainings run at a
    time and where, such as threads:2, ray, or ray:auto. The run stays open, so that more seeds train on the same rows.
    assay run resumes it with these rows; with --fresh, it reads the source again.
    """
    from assay.recipes.loader import load_recipe

    loaded = load_recipe(recipe, overrides or [])

    begun = _begin(loaded, store, None, None)
    from assay.cli.story import steps_shown

    with steps_shown(verbose=verbose) as story:
        story.head(begun)

        from assay.flows.local import run_seeds

        result = run_seeds(loaded, range(count), store)
    for seed, score in result.scores.items():
        echo(f"seed {seed}: {score:.4f}")
    echo(f"mean {result.mean:.4f}, standard deviation {result.deviation:.4f}")
    echo("the run stays open: assay run resumes it with these rows; assay run --fresh reads the source again")


def _begin(recipe: "Recipe", store: Path, from_step: str | None, until: str | None) -> str:
    """Check the store and the names of steps, and return the first line.

    Raises:
        AssayError: the store cannot be written to, or there is no such step.
    """
    from assay.runs.redo import parse_last_step, parse_step
    from assay.runs.source_access import source_name
    from assay.runs.store_folder import check_store

    parse_step(from_step)
    if until is not None:
        parse_last_step(until)
    check_store(store)
    return f"{recipe.name}: {' and '.join(recipe.heads)} from {source_name(recipe.source)}"


def _decided(outcome: "TrainingOutcome", store: Path) -> "PromotionResult":
    """Return the result of the promotion, and ask for approval on a terminal first if the model waits for it."""
    if not outcome.promotion.pending:
        return outcome.promotion
    from assay.cli.approval_dialogue import ask_on_terminal

    with noting("the model still waits for approval; see assay approve"):
        promotion = ask_on_terminal(outcome, store)
    if not promotion.pending:
        echo(promotion.why)
    return promotion


def _show(outcome: "TrainingOutcome", recipe: "Recipe", store: Path, *, quiet: bool, as_json: bool) -> None:
    """Print the outcome: in full, in one line, or as JSON."""
    from assay.cli.run_report import show_summary
    from assay.cli.run_summary import summarise

    summary = summarise(outcome, recipe.name, recipe.registry.name, recipe.gate)
    if as_json:
        print_json(summary)
    elif quiet:
        echo(summary.headline)
    else:
        show_summary(summary, store)

"""Ask for the approval of a pending version on the terminal."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from assay.flows.approval import decide_outcome
from assay.registry.promotion import PromotionResult

if TYPE_CHECKING:
    from assay.flows.training import TrainingOutcome


def ask_on_terminal(outcome: "TrainingOutcome", store: Path) -> PromotionResult:
    """Ask the user for the approval that the version of a run needs, and apply the decision.

    Nothing is locked meanwhile. Without a terminal, or if the dialogue is aborted, the version stays pending.

    Returns:
        The result after the decision.

    Raises:
        AssayError: the champion changed meanwhile, or somebody else has decided.
    """
    promotion, version = outcome.promotion, outcome.promotion.version
    if version is None or not promotion.pending or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return promotion
    try:
        approve = typer.confirm(f"Make version {version.number} of {version.name} the champion?", default=None)
        approver = typer.prompt("Your name", default=os.environ.get("USER"))
        notes = typer.prompt("Notes", default="", show_default=False)
    except typer.Abort:
        return promotion
    return decide_outcome(outcome, version, store, approve, approver, notes)

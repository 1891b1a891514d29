"""Answer what a model waits for: on the terminal of the run that made it, or later by a command."""

import logging
import os
import sys
from pathlib import Path
from uuid import UUID

import httpx
import typer
from prefect.exceptions import PrefectException
from prefect.flow_runs import resume_flow_run
from prefect.settings import PREFECT_API_URL

from assay.flows.training import TrainingOutcome
from assay.registry.model_registry import ModelRegistry
from assay.registry.promotion import PromotionResult
from assay.serving.address import existing_tracking_uri
from assay.tasks.approve import ApprovalForm, decide
from assay.tasks.report import report_decision

logger = logging.getLogger(__name__)


def ask_on_terminal(outcome: TrainingOutcome, store: Path) -> PromotionResult:
    """Ask whoever sits at the terminal for the approval that the run's model waits for.

    Nothing is locked meanwhile. Without a terminal, or where the dialogue is broken off, the model goes on waiting.

    Returns:
        What became of the model.

    Raises:
        AssayError: the champion changed meanwhile, or somebody else has answered.
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
    registry = ModelRegistry(version.name, outcome.tracking_uri, store)
    result = decide(registry, version.number, approve, approver, notes)
    report_decision(store, outcome.run, result)
    return result


def decide_pending(
    name: str, store: Path, number: str | None, approve: bool, approver: str, notes: str
) -> PromotionResult:
    """Approve or refuse a version that waits, and let the flow run go on that is suspended for it.

    Args:
        name: registered model.
        store: folder of the promotion lock.
        number: of the version; None: the only one that waits.
        approve: or refuse.
        approver: who answers, as declared.
        notes: for the history.

    Raises:
        AssayError: nothing waits, its time is over, or the champion changed meanwhile.
    """
    result = decide(ModelRegistry(name, existing_tracking_uri(store), store), number, approve, approver, notes)
    approval = result.version.approval if result.version else None
    if approval is not None:
        report_decision(store, approval.run, result)
        _wake(approval.run, ApprovalForm(approve=approve, approver=approver, notes=notes))
    return result


def _wake(run_key: str, answer: ApprovalForm) -> None:
    """Resume the suspended flow run, which finds the answer given and ends; its key is the id of the flow run."""
    try:
        flow_run = UUID(run_key)
    except ValueError:
        return  # a run without a deployment has ended
    if not PREFECT_API_URL.value():
        logger.warning("flow run %s still waits; resume it in Prefect, or set PREFECT_API_URL", flow_run)
        return
    try:
        resume_flow_run(flow_run, run_input=answer.model_dump())
    except (PrefectException, httpx.HTTPError, RuntimeError) as error:
        # The answer stands in the registry already; the flow run ends by itself when its time is over.
        logger.warning("flow run %s was not resumed: %s", flow_run, error)

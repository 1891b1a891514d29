"""Decide on the approval of a pending version, and resume the flow run that is suspended for it."""

import logging
from pathlib import Path
from uuid import UUID

import httpx
from prefect.exceptions import PrefectException
from prefect.flow_runs import resume_flow_run
from prefect.settings import PREFECT_API_URL

from assay.flows.training import TrainingOutcome
from assay.registry.model_registry import ModelRegistry
from assay.registry.promotion import PromotionResult
from assay.registry.versions import Version
from assay.serving.address import existing_tracking_uri
from assay.tasks.approve import ApprovalForm, decide
from assay.tasks.report import report_decision

logger = logging.getLogger(__name__)


def decide_outcome(
    outcome: TrainingOutcome, version: Version, store: Path, approve: bool, approver: str, notes: str
) -> PromotionResult:
    """Approve or refuse the pending version of a run that has just ended.

    Args:
        outcome: result of the run.
        version: its pending version.
        store: folder of the promotion lock.
        approve: True to approve, False to refuse.
        approver: declared name of the person who decides.
        notes: notes for the history.

    Raises:
        AssayError: the champion changed meanwhile, or somebody else has decided.
    """
    registry = ModelRegistry(version.name, outcome.tracking_uri, store)
    result = decide(registry, version.number, approve, approver, notes)
    report_decision(store, outcome.run, result)
    return result


def decide_pending(
    name: str, store: Path, number: str | None, approve: bool, approver: str, notes: str
) -> PromotionResult:
    """Approve or refuse a pending version, and resume the flow run that is suspended for it.

    Args:
        name: registered model.
        store: folder of the promotion lock.
        number: number of the version. None: the only pending one.
        approve: True to approve, False to refuse.
        approver: declared name of the person who decides.
        notes: notes for the history.

    Raises:
        AssayError: no version is pending, the time to decide is over, or the champion changed meanwhile.
    """
    result = decide(ModelRegistry(name, existing_tracking_uri(store), store), number, approve, approver, notes)
    approval = result.version.approval if result.version else None
    if approval is not None:
        report_decision(store, approval.run, result)
        _resume(approval.run, ApprovalForm(approve=approve, approver=approver, notes=notes))
    return result


def _resume(run_key: str, decision: ApprovalForm) -> None:
    """Resume the suspended flow run, which reads the decision and ends; its key is the id of the flow run."""
    try:
        flow_run = UUID(run_key)
    except ValueError:
        return  # a run without a deployment has ended
    if not PREFECT_API_URL.value():
        logger.warning("flow run %s still waits; resume it in Prefect, or set PREFECT_API_URL", flow_run)
        return
    try:
        resume_flow_run(flow_run, run_input=decision.model_dump())
    except (PrefectException, httpx.HTTPError, RuntimeError) as error:
        # The decision is already in the registry; the flow run ends when its waiting time is over.
        logger.warning("flow run %s was not resumed: %s", flow_run, error)

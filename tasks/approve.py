"""The approval step: ask a person before a model is promoted, by a form in Prefect, on a terminal or by a command.

Nothing is locked while an approval is pending. The decision is bound to the verdict (`Verdict.approval_key`): if the
champion changes meanwhile, the gate runs again, and the new verdict needs a new approval.
"""

from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from pydantic import Field, ValidationError

from assay.corpus.errors import AssayError
from assay.corpus.markdown import cell
from assay.evaluation.run_results import RunResults
from assay.evaluation.verdict import Verdict, verdict_markdown
from assay.registry.aliases import ChampionChanged
from assay.registry.approvals import LONGEST_NAME, LONGEST_NOTES, Approval, needs_approval
from assay.registry.model_registry import ModelRegistry
from assay.registry.promotion import PromotionResult, apply_verdict, register_candidate, registry_of
from assay.registry.registration import add_note
from assay.registry.versions import Version
from assay.runs.prefect_artifacts import current_flow_run
from assay.runs.run import Run
from assay.runs.tags import RECIPE_TAG


class ApprovalForm(RunInput):
    """The form that Prefect shows to the person who resumes the run."""

    approve: bool = Field(False, description="Make this version the champion; otherwise it is refused")
    approver: str = Field(
        pattern=r"\S", max_length=LONGEST_NAME, description="Your name, recorded in the history as declared"
    )
    notes: str = Field("", max_length=LONGEST_NOTES, description="Your reasons, recorded in the history")


def approve(
    run: Run,
    results: RunResults,
    verdict: Verdict,
) -> Approval | None:
    """Ask for approval, if the recipe requires it and the verdict allows a promotion.

    The candidate is first registered as pending. A run of a deployment is then suspended: this process ends, and the
    decision starts the run again. Any other run continues with a pending approval, which `decide` can close.

    Args:
        run: the run.
        results: results of the steps of the run.
        verdict: verdict of the gate.

    Returns:
        The approval, pending or decided; None if none is needed.

    Raises:
        AssayError: MLflow cannot be reached.
    """
    registry = registry_of(run)
    champion = registry.champion()
    is_champion = champion is not None and champion.bundle == verdict.bundle
    if is_champion or not needs_approval(run.recipe, verdict):
        return None
    approval = None if "gate" in run.fresh_steps else _earlier_approval(registry, run, verdict)
    if approval is None:
        registry.pending()  # records which earlier approvals have expired
        approval = Approval.ask(verdict, run.key, run.recipe.gate.approval_hours)
        register_candidate(run, results, verdict, approval)
    if approval.state in ("pending", "expired") and _deployed():
        return _suspend(approval, question(registry, verdict, approval))
    return approval


def decide(
    registry: ModelRegistry, number: str | None, approve: bool, approver: str, notes: str = ""
) -> PromotionResult:
    """Approve or refuse a pending version.

    Args:
        registry: registry of the model.
        number: number of the version. None: the only pending one.
        approve: True to approve, False to refuse.
        approver: declared name of the person who decides.
        notes: notes for the history.

    Raises:
        AssayError: there is no such pending version, the time to decide is over, or the champion has changed.
    """
    version = _pending_version(registry, number)
    assert version.approval is not None  # noqa: S101  # every pending version has an approval
    verdict, decision = registry.stored_verdict(version), version.approval.decide(approve, approver, notes)
    try:
        result = apply_verdict(registry, version, verdict, decision, version.approval.run)
        add_note(registry, version, f"**{cell(decision)}**")
        return result
    except ChampionChanged as error:
        recipe = version.tags.get(RECIPE_TAG, "RECIPE")
        raise AssayError(
            f"{version.address}: the champion has changed since the verdict; run the gate again, then approve: "
            f"assay run {recipe} --from gate"
        ) from error


def question(registry: ModelRegistry, verdict: Verdict, approval: Approval) -> str:
    """Return the question to the approver, in Markdown."""
    version = registry.find(verdict.bundle)
    lines = [
        f"Shall version {version.number if version else '?'} of **{cell(registry.name)}** become champion "
        f"instead of {f'version {verdict.champion}' if verdict.champion else 'none'}?",
        f"Without a decision by {approval.expires:%Y-%m-%d %H:%M} UTC, it is refused.",
        verdict_markdown(verdict),
    ]
    return "\n\n".join(lines)


def _suspend(approval: Approval, text: str) -> Approval:
    """Suspend the flow run until the form is submitted. When called again in the resumed run, return the decision.

    Prefect stores the input of a key and never asks twice; the key identifies the verdict of the decision.
    """
    form = ApprovalForm.with_initial_data(description=text)
    attempt = 0
    while True:
        key = f"approval-{approval.approval_key[:32]}-{attempt}"
        try:
            decision = suspend_flow_run(wait_for_input=form, timeout=max(1, int(approval.seconds_left)), key=key)
        except ValidationError:  # resumed without the form, by a change of its state
            if not approval.open:
                return approval.expire()
            attempt += 1
        else:
            return approval.decide(decision.approve, decision.approver, decision.notes)


def _earlier_approval(registry: ModelRegistry, run: Run, verdict: Verdict) -> Approval | None:
    """Return the approval of the same run for the same candidate and champion, if there is one."""
    version = registry.find(verdict.bundle)
    approval = version.approval if version else None
    return approval if approval and (approval.run, approval.approval_key) == (run.key, verdict.approval_key) else None


def _deployed() -> bool:
    """Return whether Prefect can start this flow run again: only runs of deployments can be suspended."""
    flow_run = current_flow_run()
    return flow_run is not None and flow_run.deployment_id is not None


def _pending_version(registry: ModelRegistry, number: str | None) -> Version:
    """Return the pending version of this number, or the only pending one."""
    pending = registry.pending()
    if number is None:
        if len(pending) != 1:
            numbers = ", ".join(version.number for version in pending) or "none"
            raise AssayError(f"{registry.name}: versions that wait for approval: {numbers}; name one with --version")
        return pending[0]
    version = registry.version(number)
    if version.number not in {pending_version.number for pending_version in pending}:
        details = f" ({version.approval})" if version.approval else ""
        raise AssayError(
            f"{version.address} does not wait for approval: it is {version.outcome}{details}; assay show "
            f"{registry.name}/{version.number} shows its verdict"
        )
    return version

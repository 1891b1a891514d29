"""Ask a person before a model is promoted: in Prefect by a form, on a terminal, or later by a command.

Nothing is locked while a question waits, and only what was judged is bound to the answer (`Verdict.approval_key`):
where the champion changes meanwhile, the gate judges anew, and the new verdict is a new question.
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
from assay.registry.promotion import PromotionResult, apply_verdict, register, registry_of
from assay.registry.versions import Version
from assay.runs.prefect_artifacts import current_flow_run
from assay.runs.run import Run
from assay.runs.tags import RECIPE_TAG


class ApprovalForm(RunInput):
    """What Prefect shows to whoever resumes the run."""

    approve: bool = Field(False, description="Make this version the champion. If not, it is refused")
    approver: str = Field(
        pattern=r"\S", max_length=LONGEST_NAME, description="Who you are; stands in the history as declared"
    )
    notes: str = Field("", max_length=LONGEST_NOTES, description="Why; stands in the history")


def approve(
    run: Run,
    results: RunResults,
    verdict: Verdict,
) -> Approval | None:
    """Ask for approval, where the recipe wants it and the verdict allows a promotion.

    The candidate is registered as pending first. A run of a deployment is suspended then: this process ends,
    and the answer starts the run again. Any other run goes on with a question that `decide` can answer.

    Args:
        run: with the recipe.
        results: what the run's steps have left.
        verdict: the gate's answer.

    Returns:
        The question, answered or not; None where nobody has to be asked.

    Raises:
        AssayError: MLflow cannot be reached.
    """
    registry = registry_of(run)
    champion = registry.champion()
    serves = champion is not None and champion.bundle == verdict.bundle
    if serves or not needs_approval(run.recipe, verdict):
        return None
    approval = None if "gate" in run.fresh_steps else _asked_before(registry, run, verdict)
    if approval is None:
        registry.pending()  # writes down which earlier questions have expired
        approval = Approval.ask(verdict, run.key, run.recipe.gate.approval_hours)
        register(run, results, verdict, approval)
    if approval.state in ("pending", "expired") and _deployed():
        return _suspend(approval, question(registry, verdict, approval))
    return approval


def decide(
    registry: ModelRegistry, number: str | None, approve: bool, approver: str, notes: str = ""
) -> PromotionResult:
    """Answer the question about a pending version.

    Args:
        registry: of the model.
        number: of the version; None: the one that is pending.
        approve: or refuse.
        approver: who answers, as declared.
        notes: for the history.

    Raises:
        AssayError: there is no such question, its time is over, or the champion is another one by now.
    """
    version = _pending_version(registry, number)
    assert version.approval is not None  # noqa: S101  # only versions with a question are pending
    verdict, answer = registry.kept_verdict(version), version.approval.answered(approve, approver, notes)
    try:
        result = apply_verdict(registry, version, verdict, answer, version.approval.run)
        registry.note(version, f"**{cell(answer)}**")
        return result
    except ChampionChanged as error:
        recipe = version.tags.get(RECIPE_TAG, "RECIPE")
        raise AssayError(
            f"{version.address}: the champion changed since it was judged; judge it again, then approve: "
            f"assay run {recipe} --from gate"
        ) from error


def question(registry: ModelRegistry, verdict: Verdict, approval: Approval) -> str:
    """What is asked, in Markdown."""
    version = registry.find(verdict.bundle)
    lines = [
        f"Shall version {version.number if version else '?'} of **{cell(registry.name)}** become champion "
        f"instead of {f'version {verdict.champion}' if verdict.champion else 'none'}?",
        f"Without an answer until {approval.expires:%Y-%m-%d %H:%M} UTC it is refused.",
        verdict_markdown(verdict),
    ]
    return "\n\n".join(lines)


def _suspend(approval: Approval, text: str) -> Approval:
    """Suspend the flow run until the form is filled in. Called again in the resumed run, it gives the answer.

    Prefect remembers the key of a question and never asks twice; the key holds what the answer is bound to.
    """
    form = ApprovalForm.with_initial_data(description=text)
    attempt = 0
    while True:
        key = f"approval-{approval.approval_key[:32]}-{attempt}"
        try:
            answer = suspend_flow_run(wait_for_input=form, timeout=max(1, int(approval.seconds_left)), key=key)
        except ValidationError:  # started again without the form, by a change of its state
            if not approval.open:
                return approval.expire()
            attempt += 1
        else:
            return approval.answered(answer.approve, answer.approver, answer.notes)


def _asked_before(registry: ModelRegistry, run: Run, verdict: Verdict) -> Approval | None:
    """The question of this very run about the same candidate and champion."""
    version = registry.find(verdict.bundle)
    found = version.approval if version else None
    return found if found and (found.run, found.approval_key) == (run.key, verdict.approval_key) else None


def _deployed() -> bool:
    """Whether Prefect can start this flow run again: only runs of deployments can be suspended."""
    flow_run = current_flow_run()
    return flow_run is not None and flow_run.deployment_id is not None


def _pending_version(registry: ModelRegistry, number: str | None) -> Version:
    """The version that waits for an answer."""
    pending = registry.pending()
    if number is None:
        if len(pending) != 1:
            found = ", ".join(one.number for one in pending) or "none"
            raise AssayError(f"{registry.name}: versions that wait for approval: {found}; name one with --version")
        return pending[0]
    version = registry.version(number)
    if version.number not in {one.number for one in pending}:
        said = f" ({version.approval})" if version.approval else ""
        raise AssayError(f"{version.address} does not wait for approval: it is {version.outcome}{said}")
    return version

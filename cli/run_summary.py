"""The outcome of `assay run` as one document: what `--json` prints, and what the report on the terminal shows."""

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from assay.evaluation.attempts import Attempt
from assay.evaluation.bundle_evaluation import Evaluation
from assay.evaluation.decisive_scores import DecisiveScore, decisive_scores
from assay.evaluation.verdict import Check
from assay.recipes.recipe import Gate

if TYPE_CHECKING:
    from assay.flows.training import TrainingOutcome


class RunSummary(BaseModel):
    """The outcome of a run."""

    model_config = ConfigDict(frozen=True)

    recipe: str = Field(description="Name of the recipe")
    model: str = Field(description="Name of the registered model")
    version: str | None = Field(description="Number of the registered version; None after a dry run")
    outcome: Literal["promoted", "passed", "pending", "refused"] = Field(
        description="passed: a dry run whose model passed the gate; pending: the version waits for approval"
    )
    why: str = Field(description="Reason of the outcome, in one line")
    scores: list[DecisiveScore] = Field(description="F1 of each head on the test rows, and what it was compared with")
    checks: list[Check] = Field(description="All checks of the gate, in their order")
    compared_with: str | None = Field(description="Number of the champion that the checks compared with")
    attempts: list[Attempt] = Field(description="Trainings of the run, if there could be more than one")
    card: str = Field(description="Path of the model card")
    run: str = Field(description="Key of the run")
    mlflow_run: str = Field(description="Id of the run in MLflow")

    @property
    def failed(self) -> list[Check]:
        """Return the failed checks."""
        return [check for check in self.checks if not check.passed]

    @property
    def address(self) -> str | None:
        """Return the address of the version; that of the alias for the champion; None after a dry run."""
        if self.version is None:
            return None
        return (
            f"models:/{self.model}@champion" if self.outcome == "promoted" else f"models:/{self.model}/{self.version}"
        )

    @property
    def headline(self) -> str:
        """Return name, version and outcome in one line."""
        name = f"{self.model} version {self.version}" if self.version else f"{self.model} (nothing registered)"
        if self.outcome == "refused" and self.failed:
            return f"{name}: refused, {len(self.failed)} of {len(self.checks)} checks failed"
        return f"{name}: {self.why}"


def summarise(outcome: "TrainingOutcome", recipe: str, model: str, gate: Gate) -> RunSummary:
    """Return the summary of an ended run.

    Args:
        outcome: result of the training flow.
        recipe: name of the recipe.
        model: name of the registered model.
        gate: section `gate` of the recipe.

    Raises:
        AssayError: the evaluation of the run is gone.
    """
    verdict, promotion = outcome.verdict, outcome.promotion
    return RunSummary(
        recipe=recipe,
        model=model,
        version=promotion.version.number if promotion.version else None,
        outcome=_outcome(outcome),
        why=promotion.why,
        scores=decisive_scores(Evaluation.load(outcome.evaluation).intervals, verdict, gate),
        checks=verdict.checks,
        compared_with=verdict.champion,
        attempts=verdict.attempts,
        card=str(outcome.card),
        run=outcome.run,
        mlflow_run=outcome.mlflow_run,
    )


def _outcome(outcome: "TrainingOutcome") -> Literal["promoted", "passed", "pending", "refused"]:
    promotion = outcome.promotion
    if promotion.pending:
        return "pending"
    if promotion.promoted:
        return "promoted"
    return "passed" if promotion.version is None and outcome.verdict.outcome == "passed" else "refused"

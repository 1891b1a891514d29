"""The decision section of a recipe: how sure a prediction must be, or else a person looks at it."""

from collections.abc import Collection, Mapping
from typing import Annotated

from pydantic import Field, model_validator

from assay.corpus.example import Head
from assay.corpus.settings import StrictModel
from assay.recipes.gate_rules import check_rule_heads, unknown_names

MOST_COST = 1_000_000_000
Cost = Annotated[float, Field(gt=0, le=MOST_COST)]


class CostTable(StrictModel):
    """What a prediction costs, in any unit: only the ratios count."""

    wrong: Cost = Field(description="Cost of a wrong prediction")
    wrong_by_class: dict[str, Cost] = Field(
        default_factory=dict,
        description="Cost of a wrong prediction of this class, or of this entity type, in place of `wrong`",
    )
    abstain: Cost = Field(description="Cost of handing a prediction to a person")

    @property
    def largest(self) -> float:
        """Return the largest cost of a wrong prediction."""
        return max([self.wrong, *self.wrong_by_class.values()])

    @property
    def smallest(self) -> float:
        """Return the smallest cost of a wrong prediction."""
        return min([self.wrong, *self.wrong_by_class.values()])

    def of(self, label: str) -> float:
        """Return the cost of wrongly predicting a class or an entity type."""
        return self.wrong_by_class.get(label, self.wrong)

    @model_validator(mode="after")
    def _people_pay(self) -> "CostTable":
        if self.abstain >= self.largest:
            raise ValueError(
                f"costs.abstain is {self.abstain:g}, at least the cost of a wrong prediction "
                f"({self.largest:g}), so that every prediction would be decided; lower it, or remove the decision"
            )
        return self


class DecisionRule(StrictModel):
    """The promise that decided predictions of one head keep. Exactly one of `precision` and `costs` is set."""

    precision: float | None = Field(
        None, ge=0.01, le=0.9999, description="Share of the decided predictions that are right, at least"
    )
    costs: CostTable | None = Field(
        None,
        description="Costs: decided predictions cost less on average than handing them to a person, and the threshold "
        "with the lowest total cost is taken",
    )
    confidence: float = Field(
        0.95, gt=0.5, le=0.9999, description="Confidence that the promise holds on rows like the validation rows"
    )

    @property
    def limit(self) -> float:
        """Return the largest mean loss of decided predictions, over the largest loss of one."""
        if self.costs is not None:
            return self.costs.abstain / self.costs.largest
        return 1 - (self.precision or 0.0)

    @model_validator(mode="after")
    def _one_promise(self) -> "DecisionRule":
        if (self.precision is None) == (self.costs is None):
            given = "neither" if self.precision is None else "both"
            raise ValueError(f"{given} of precision and costs is set; set exactly one, such as precision: 0.95")
        return self


def costs_key(head: Head) -> str:
    """Return the key of the costs by class of a head."""
    return f"decision.{head}.costs.wrong_by_class"


def cost_classes(rules: Mapping[Head, DecisionRule]) -> dict[Head, list[str]]:
    """Return the classes and entity types that have costs of their own, of each head."""
    return {head: sorted(rule.costs.wrong_by_class) if rule.costs else [] for head, rule in rules.items()}


def check_decisions(
    rules: Mapping[Head, DecisionRule], heads: Collection[Head], allowed: Mapping[Head, tuple[str, list[str] | None]]
) -> None:
    """Refuse decisions that the model of the recipe cannot make.

    Args:
        rules: section `decision`.
        heads: heads of the model.
        allowed: key of the recipe that lists the allowed classes, labels or entity types, and its list by head; None if
            the source decides.

    Raises:
        ValueError: the model lacks the head, or a cost names a class that the recipe does not allow.
    """
    check_rule_heads("decision", rules, heads)
    for head, names in cost_classes(rules).items():
        where, known = allowed[head]
        for line in unknown_names(costs_key(head), names, head, known, where) if known is not None else ():
            raise ValueError(line)

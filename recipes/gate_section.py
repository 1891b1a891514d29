"""What a model must show before it is promoted."""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from assay.corpus.example import Head
from assay.corpus.settings import Closed
from assay.recipes.bounds import MOST_ROWS
from assay.recipes.conditions import BUILT_IN, LABEL, columns_of
from assay.recipes.term_lists import SHIPPED_LISTS, ShippedList, TermList, check_template, own_list, shipped_list


class ChampionRule(Closed):
    """How a challenger must compare with the champion, on the same test rows."""

    margin: float = Field(
        0.01, ge=0, lt=1, description="Non-inferior: the lower bound of the F1 difference is above -margin"
    )
    improve: bool = Field(False, description="The lower bound of the primary head's difference must be above 0")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="One-sided confidence of the bound")
    multiplicity: Literal["report", "corrected"] = Field(
        "report",
        description="report: the verdict says how many were tested on the same test rows. corrected: the k-th needs a "
        "confidence of 1 - (1 - confidence) / (k (k + 1)), so that all of them together err as seldom as it says",
    )
    allow_not_comparable: bool = Field(
        False, description="Pass when the champion has other labels, or may have trained on the test rows"
    )


class SliceRule(Closed):
    """When a slice is unfairly served."""

    columns: list[str] = Field(default_factory=list, description="Slice columns that are judged")
    text_length: bool = Field(False, description="Judge thirds of the rows by text length, too")
    label: bool = Field(False, description="Judge each class, too: its own F1, and entities in its rows")
    expressions: dict[str, str] = Field(
        default_factory=dict,
        description="Name -> condition on slice columns, label and text_length (characters), such as `year < 2010`",
    )
    min_share: float = Field(0.1, ge=0, le=1, description="Smaller slices are reported, not tested")
    min_ratio: float = Field(0.9, gt=0, le=1, description="Share of the whole F1 that a slice must keep")
    alpha: float = Field(
        0.05, ge=0.001, lt=1, description="Level of the Holm-corrected test that the shortfall is chance"
    )

    @model_validator(mode="after")
    def _expressions_can_be_read(self) -> "SliceRule":
        for name, condition in self.expressions.items():
            try:
                columns_of(condition)
            except ValueError as error:
                raise ValueError(f"gate.slices.expressions.{name}: {error}") from error
        return self

    @property
    def active(self) -> bool:
        """Whether anything is judged."""
        return bool(self.columns or self.text_length or self.label or self.expressions)

    def check_against(self, columns: Collection[str], heads: Collection[Head]) -> None:
        """Refuse what the rows of the recipe will not have.

        Args:
            columns: slice columns that the source defines.
            heads: of the model.

        Raises:
            ValueError: a column is not defined, or a class is asked for where the model has none.
        """
        for name in self.columns:
            if name not in columns:
                raise ValueError(f"gate.slices.columns names {name!r}, which source.fields.slices does not define")
        if self.label and "sentence" not in heads:
            raise ValueError(f"gate.slices.label needs the sentence head, but model.heads is {list(heads)}")
        for name, condition in self.expressions.items():
            self._check_expression(f"gate.slices.expressions.{name}", condition, columns, heads)

    @staticmethod
    def _check_expression(key: str, condition: str, columns: Collection[str], heads: Collection[Head]) -> None:
        for name in columns_of(condition):
            if name in BUILT_IN and name in columns:
                raise ValueError(f"{key} names {name!r}, which every row has; rename that in source.fields.slices")
            if name == LABEL and "sentence" not in heads:
                raise ValueError(f"{key} names the class, but model.heads is {list(heads)}")
            if name not in columns and name not in BUILT_IN:
                raise ValueError(
                    f"{key}: {condition!r} names {name!r}, which source.fields.slices does not define "
                    "(text stands in quotes)"
                )


class CounterfactualRule(Closed):
    """Whether answers stay the same when a name, a pronoun, a nationality or a religion is put for another."""

    lists: list[ShippedList] = Field(
        default_factory=lambda: list(SHIPPED_LISTS), description="Shipped English term lists (recipes/terms)"
    )
    terms: dict[str, list[list[str]]] = Field(
        default_factory=dict, description="Further lists: name -> groups of terms that may stand for each other"
    )
    templates: list[str] = Field(
        default_factory=list,
        description="Sentences with {LIST} or {LIST.GROUP}, filled with each of its terms; {pronouns.subject} and the "
        "like change together",
    )
    max_flips: float = Field(0.02, ge=0, lt=1, description="Largest share of swaps that change the answer")
    min_swaps: int = Field(50, ge=1, le=MOST_ROWS, description="Fewer swaps are reported, not tested")
    max_rows: int = Field(1000, ge=1, le=MOST_ROWS, description="At most so many real rows are tried")
    allow_untested: bool = Field(False, description="Pass where there are too few swaps to judge by")

    @model_validator(mode="after")
    def _lists_and_templates_fit(self) -> "CounterfactualRule":
        for name in self.terms:
            if name in SHIPPED_LISTS:
                raise ValueError(
                    f"gate.counterfactual.terms names {name!r}, which is a shipped list; call it otherwise"
                )
        lists = self.term_lists()
        if not lists:
            raise ValueError("gate.counterfactual has neither lists nor terms; name some, or set it to null")
        for template in self.templates:
            check_template(template, lists)
        return self

    def term_lists(self) -> dict[str, TermList]:
        """The lists by name, shipped ones first.

        Raises:
            ValueError: a group of `terms` cannot be used.
        """
        shipped: dict[str, TermList] = {name: shipped_list(name) for name in self.lists}
        return shipped | {
            name: own_list(f"gate.counterfactual.terms.{name}", groups) for name, groups in self.terms.items()
        }

    def check_against(self, pair: bool) -> None:
        """Refuse templates where the model reads pairs.

        Raises:
            ValueError: there are templates, which are single sentences.
        """
        if pair and self.templates:
            raise ValueError("gate.counterfactual.templates are single sentences, but the model reads pairs; drop them")


class Gate(Closed):
    """What a model must show before it is promoted. A gate without thresholds is refused."""

    min_f1: dict[Head, Annotated[float, Field(gt=0, le=1)]] = Field(
        description="Least F1 of each head: macro-F1 for sentences, strict entity F1 for tokens"
    )
    primary: Head | None = Field(None, description="Head that decides `improve`; none: the first head")
    baseline: Literal["majority", "tfidf", "off"] = Field(
        "majority",
        description="Trivial model that must be beaten on the test rows. majority: one class for every row, the "
        "one that scores best there, and for entities the majority tag of each word of the training rows. tfidf: "
        "besides, TF-IDF with logistic regression, for classes. off: none",
    )
    allow_untested: bool = Field(
        False, description="Pass where the model predicts a class or an entity type that no test row holds"
    )
    champion: ChampionRule = ChampionRule()
    slices: SliceRule = SliceRule()
    counterfactual: CounterfactualRule | None = Field(None, description="none: not checked")
    parity_tolerance: float = Field(
        1e-3, gt=0, le=1, description="Largest difference of logits, torch against ONNX fp32"
    )
    int8: Literal["auto", "off"] = Field(
        "auto",
        description="auto: ship int8 where F1 falls by at most int8_max_drop; its predictions depend a little on the "
        "rows that share a batch, which the verdict states",
    )
    int8_max_drop: float = Field(0.005, ge=0, lt=1, description="Largest fall of F1 on validation rows by int8")
    max_p95_ms: float | None = Field(
        None, gt=0, le=3_600_000, description="95th percentile of one row's latency on this machine"
    )
    max_size_mb: float | None = Field(None, gt=0, le=1_000_000, description="Size of the ONNX file")
    approval: Literal["none", "required"] = Field(
        "none", description="required: a person must approve what the gate passed before it is promoted"
    )
    approval_hours: float = Field(72, gt=0, le=8760, description="After so long without an answer the model is refused")

    @field_validator("int8", "baseline", mode="before")
    @classmethod
    def _off_is_no_boolean(cls, value: object) -> object:
        """YAML reads a bare `off` as false."""
        return "off" if value is False else value

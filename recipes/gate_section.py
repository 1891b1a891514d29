"""The gate section of a recipe: the requirements that a model must meet before it is promoted."""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from assay.corpus.example import Head
from assay.corpus.settings import StrictModel
from assay.recipes.bounds import MOST_ROWS
from assay.recipes.conditions import BUILT_IN, LABEL, columns_of
from assay.recipes.gate_rules import MinPrecisionAt, MinRecall
from assay.recipes.term_lists import SHIPPED_LISTS, ShippedList, TermList, check_template, own_list, shipped_list


class ChampionRule(StrictModel):
    """The comparison of a challenger with the champion, on the same test rows."""

    margin: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="Non-inferiority margin: the lower bound of the F1 difference must be above -margin",
    )
    improve: bool = Field(
        False, description="Require that the lower bound of the primary head's F1 difference is above 0"
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="One-sided confidence of the lower bound")
    multiplicity: Literal["report", "corrected"] = Field(
        "report",
        description="How to treat several challengers on the same test rows. report: the verdict reports their number. "
        "corrected: the k-th challenger needs a confidence of 1 - (1 - confidence) / (k (k + 1)), so that the "
        "confidence holds for all of them together",
    )
    allow_not_comparable: bool = Field(
        False, description="Pass if the champion has other labels, or may have been trained on the test rows"
    )


class SliceRule(StrictModel):
    """The slices that are tested, and the F1 that each must reach."""

    columns: list[str] = Field(default_factory=list, description="Slice columns to test")
    text_length: bool = Field(False, description="Test thirds of the rows by text length, too")
    label: bool = Field(
        False,
        description="Test each class and each row label, too: its own F1, and the F1 of the other heads in its rows",
    )
    expressions: dict[str, str] = Field(
        default_factory=dict,
        description="Name -> condition on slice columns, label and text_length (characters), such as `year < 2010`",
    )
    min_share: float = Field(
        0.1, ge=0, le=1, description="Minimum share of the rows; smaller slices are reported, not tested"
    )
    min_ratio: float = Field(0.9, gt=0, le=1, description="Share of the overall F1 that a slice must reach")
    alpha: float = Field(
        0.05, ge=0.001, lt=1, description="Level of the test that the gap is not chance, with Holm's correction"
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
        """Return whether any slice is tested."""
        return bool(self.columns or self.text_length or self.label or self.expressions)

    def check_against(self, columns: Collection[str], heads: Collection[Head]) -> None:
        """Refuse slices that the rows of the recipe cannot have.

        Args:
            columns: slice columns that the source defines.
            heads: heads of the model.

        Raises:
            ValueError: a column is not defined, or the slices use the class but the model has no sentence head.
        """
        for name in self.columns:
            if name not in columns:
                raise ValueError(f"gate.slices.columns names {name!r}, which source.fields.slices does not define")
        if self.label and not {"sentence", "labels"} & set(heads):
            raise ValueError(
                f"gate.slices.label needs the sentence or labels head, but model.heads is {list(heads)}; remove it"
            )
        for name, condition in self.expressions.items():
            self._check_expression(f"gate.slices.expressions.{name}", condition, columns, heads)

    @staticmethod
    def _check_expression(key: str, condition: str, columns: Collection[str], heads: Collection[Head]) -> None:
        for name in columns_of(condition):
            if name in BUILT_IN and name in columns:
                raise ValueError(
                    f"{key} names {name!r}, which every row has; rename the column in source.fields.slices"
                )
            if name == LABEL and "sentence" not in heads:
                raise ValueError(f"{key} names the class, but model.heads is {list(heads)}; remove it")
            if name not in columns and name not in BUILT_IN:
                raise ValueError(
                    f"{key}: {condition!r} names {name!r}, which source.fields.slices does not define "
                    "(text needs quotes)"
                )


class CounterfactualRule(StrictModel):
    """Counterfactuals: predictions must not change if a name, pronoun, nationality or religion replaces another."""

    lists: list[ShippedList] = Field(
        default_factory=lambda: list(SHIPPED_LISTS), description="Shipped English term lists (recipes/terms)"
    )
    terms: dict[str, list[list[str]]] = Field(
        default_factory=dict, description="Further term lists: name -> groups of interchangeable terms"
    )
    templates: list[str] = Field(
        default_factory=list,
        description="Sentences with {LIST} or {LIST.GROUP}, filled with each term of the list; the forms of a pronoun, "
        "such as {pronouns.subject}, change together",
    )
    max_flips: float = Field(0.02, ge=0, lt=1, description="Maximum share of swaps that change the prediction")
    min_swaps: int = Field(
        50, ge=1, le=MOST_ROWS, description="Minimum number of swaps; fewer are reported, not tested"
    )
    max_rows: int = Field(1000, ge=1, le=MOST_ROWS, description="Maximum number of test rows to swap terms in")
    allow_untested: bool = Field(False, description="Pass if there are too few swaps for a test")

    @model_validator(mode="after")
    def _lists_and_templates_fit(self) -> "CounterfactualRule":
        for name in self.terms:
            if name in SHIPPED_LISTS:
                raise ValueError(f"gate.counterfactual.terms names {name!r}, which is a shipped list; rename it")
        lists = self.term_lists()
        if not lists:
            raise ValueError("gate.counterfactual has neither lists nor terms; name some, or set it to null")
        for template in self.templates:
            check_template(template, lists)
        return self

    def term_lists(self) -> dict[str, TermList]:
        """Return the term lists by name, the shipped ones first.

        Raises:
            ValueError: a group of `terms` cannot be used.
        """
        shipped: dict[str, TermList] = {name: shipped_list(name) for name in self.lists}
        return shipped | {
            name: own_list(f"gate.counterfactual.terms.{name}", groups) for name, groups in self.terms.items()
        }

    def check_against(self, pair: bool) -> None:
        """Refuse templates for a model that reads pairs of texts.

        Raises:
            ValueError: there are templates, which are single sentences.
        """
        if pair and self.templates:
            raise ValueError(
                "gate.counterfactual.templates are single sentences, but the model reads pairs "
                "(source.fields.text_pair); remove them"
            )


class Gate(StrictModel):
    """The requirements that a model must meet before it is promoted. A gate without thresholds is refused."""

    min_f1: dict[Head, Annotated[float, Field(gt=0, le=1)]] = Field(
        description="Minimum F1 of each head: macro-F1 for sentence and labels, strict entity F1 for tokens"
    )
    max_ece: dict[Head, Annotated[float, Field(gt=0, le=1)]] = Field(
        default_factory=dict,
        description="Largest calibration error of each head on test rows: how far its confidence is from the share "
        "of predictions that are right. Empty: reported, not tested",
    )
    min_precision_at: MinPrecisionAt = Field(
        default_factory=dict,
        description="Minimum precision of the most confident predictions of each head on test rows, such as "
        "`{sentence: {coverage: 0.8, precision: 0.95}}`. Empty: not tested",
    )
    min_recall: MinRecall = Field(
        default_factory=dict,
        description="Minimum recall on test rows of each class or entity type that must not be missed, such as "
        "`{sentence: {negative: 0.9}, tokens: {DRUG: 0.85}}`. Empty: not tested",
    )
    max_abstain: dict[Head, Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=dict,
        description="Largest share of the predictions of each head that may be left to a person on test rows "
        "(section `decision`). Empty: reported, not tested",
    )
    primary: Head | None = Field(None, description="Head that `champion.improve` applies to. None: the first head")
    baseline: Literal["majority", "tfidf", "off"] = Field(
        "majority",
        description="Trivial model that must be beaten on the test rows. majority: for classes, the single class "
        "with the best score on the test rows; for labels, every label for every row; for entities, the most "
        "frequent tag of each word in the training rows. tfidf: the same, and TF-IDF with logistic regression for "
        "classes and labels. off: no baseline",
    )
    allow_untested: bool = Field(
        False,
        description="Pass if the model can predict a class or an entity type that no test row holds, or if too few "
        "test rows are decided to test the promise of a decision",
    )
    champion: ChampionRule = ChampionRule()
    slices: SliceRule = SliceRule()
    counterfactual: CounterfactualRule | None = Field(None, description="Counterfactual check. None: not checked")
    parity_tolerance: float = Field(
        1e-3, gt=0, le=1, description="Maximum difference of the logits between torch and ONNX fp32"
    )
    precision: Literal["auto", "fp32", "bf16", "int8"] = Field(
        "auto",
        description="Precision that ships if F1 drops by at most precision_max_drop, else fp32. auto: the fastest one. "
        "bf16 needs the extra openvino and a CPU of Intel with bf16, at export and where it serves; others serve int8 "
        "or fp32. "
        "Predictions of an int8 model depend slightly on the other rows of a batch; the verdict reports that",
    )
    precision_max_drop: float = Field(
        0.005, ge=0, lt=1, description="Largest accepted drop of F1 on validation rows caused by bf16 or int8"
    )
    max_p95_ms: float | None = Field(
        None,
        gt=0,
        le=3_600_000,
        description="Maximum 95th percentile of the latency per row, in ms on this machine. None: not checked",
    )
    max_size_mb: float | None = Field(
        None, gt=0, le=1_000_000, description="Maximum size of the ONNX file, in MB. None: not checked"
    )
    approval: Literal["none", "required"] = Field(
        "none", description="required: after the gate has passed a model, a person must approve its promotion"
    )
    approval_hours: float = Field(
        72, gt=0, le=8760, description="Hours to wait for an approval decision; after that, the model is refused"
    )

    @field_validator("baseline", mode="before")
    @classmethod
    def _off_is_no_boolean(cls, value: object) -> object:
        """Accept `off` from loaders that follow YAML 1.1, which read a bare `off` as false."""
        return "off" if value is False else value

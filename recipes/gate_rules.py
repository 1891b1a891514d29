"""Optional rules of the gate about single classes and about the most confident predictions, and names in rules."""

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated

from pydantic import Field

from assay.corpus.choice import nearest
from assay.corpus.example import LABEL_KINDS, Head
from assay.corpus.settings import StrictModel
from assay.recipes.yaml_booleans import misread_name, quote_hint

Share = Annotated[float, Field(gt=0, le=1)]
MinRecall = dict[Head, Annotated[dict[str, Share], Field(min_length=1)]]


class PrecisionAt(StrictModel):
    """The precision that the most confident predictions of a head must reach."""

    coverage: float = Field(
        gt=0,
        le=1,
        description="Share of the predictions that count, the most confident ones: rows for sentence, predicted "
        "labels for labels, predicted entities for tokens",
    )
    precision: float = Field(gt=0, le=1, description="Minimum share of them that is right")


MinPrecisionAt = dict[Head, PrecisionAt]


def check_rule_heads(key: str, rule: Mapping[Head, object], heads: Collection[Head]) -> None:
    """Refuse a rule about a head that the model does not have.

    Args:
        key: key of the rule in the recipe.
        rule: the rule by head.
        heads: heads of the model.

    Raises:
        ValueError: the rule names such a head.
    """
    for head in rule:
        if head not in heads:
            raise ValueError(f"{key}.{head} is set, but model.heads is {list(heads)}; remove it")


def unknown_names(key: str, names: Iterable[str], head: Head, known: Collection[str], where: str) -> list[str]:
    """Return a line for each class or entity type that a rule names and that is not among the known ones.

    Args:
        key: key of the rule in the recipe.
        names: the names in it.
        head: the head that they belong to.
        known: classes, or entity types.
        where: what has the known names, such as `validation.labels`.
    """
    listed = ", ".join(map(repr, list(known)[:20])) + (", …" if len(known) > 20 else "")
    has = f" (it has {listed})" if listed else " (it has none)"
    return [
        f"{key} names the {LABEL_KINDS[head]} {name!r}, which {where} does not have{_likely(name, known) or has}"
        for name in names
        if name not in known
    ]


def _likely(name: str, known: Collection[str]) -> str:
    """Return what is probably meant by an unknown name; nothing if no known name is near."""
    misread = misread_name(name, known)
    return nearest(name, known) if misread is None else f"; {quote_hint(name, misread)}"

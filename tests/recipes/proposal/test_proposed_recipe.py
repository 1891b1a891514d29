"""The lines of a proposed recipe: values that fit the sample, each with its reason."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.example import Entity, Example, Head
from assay.recipes.loader import parse_recipe
from assay.recipes.proposal.field_roles import RowRoles
from assay.recipes.proposal.layout_parts import DocumentLayout
from assay.recipes.proposal.proposed_recipe import Encoder, Proposal, recipe_lines
from assay.recipes.proposal.recipe_file import Line, recipe_text, values_of
from assay.recipes.proposal.row_facts import facts_of
from assay.recipes.proposal.source_settings import MEANING, with_settings
from assay.recipes.proposal.suitable_settings import SampleScores
from assay.recipes.recipe import TEXT_LIMIT, Recipe
from assay.recipes.yaml_values import read_yaml

ROWS = [
    Example(str(number), f"Acme {verb} land", label=label, entities=(Entity(0, 4, "ORG"),))
    for number, (verb, label) in enumerate([("buys", "good"), ("sells", "bad")] * 30)
]


def proposal(
    rows: Sequence[Example] = ROWS,
    heads: tuple[Head, ...] = ("sentence", "tokens"),
    fields: dict[str, Any] | None = None,
    **changes: Any,
) -> Proposal:
    named = {"label": "label", "entities": "entities"} if fields is None else fields
    layout = DocumentLayout(DocumentFormat.model_validate({"fields": named}), heads, RowRoles())
    made = Proposal(
        name="news",
        source={"kind": "files", "paths": {"news.jsonl": "all"}},
        layout=layout,
        facts=facts_of(rows),
        rows=len(rows),
        scores=SampleScores(0.33, 0.9, 0.7),
        reject_share=0.0,
        published=False,
    )
    return replace(made, **changes)


def recipe_of(made: Proposal) -> Recipe:
    return parse_recipe(values_of(recipe_lines(made)), "the proposal")


def comments(lines: Sequence[Line], prefix: str = "") -> dict[str, str]:
    """Return the comment of each key, by its path."""
    found: dict[str, str] = {}
    for line in lines:
        found[prefix + line.key] = line.comment
        found |= comments(line.children, f"{prefix}{line.key}.")
    return found


def test_recipe_lines_are_a_valid_recipe_of_both_heads() -> None:
    recipe = recipe_of(proposal())
    assert (recipe.name, recipe.registry.name, recipe.heads) == ("news", "news", ["sentence", "tokens"])
    assert recipe.model.scratch is not None
    assert set(recipe.gate.min_f1) == {"sentence", "tokens"}
    said = comments(recipe_lines(proposal()))
    assert said["model.heads"] == "both: JointBERT"
    assert "TF-IDF reaches 0.90, one class for all 0.33" in said["gate.min_f1.sentence"]
    assert said["gate.min_f1.tokens"].endswith("the most frequent tag of each word reaches 0.70")


@pytest.mark.parametrize("heads", [("sentence",), ("tokens",)])
def test_recipe_lines_ask_for_thresholds_of_the_heads_alone(heads: tuple[Head, ...]) -> None:
    fields = {"label": "label"} if heads == ("sentence",) else {"entities": "entities"}
    recipe = recipe_of(proposal(heads=heads, fields=fields))
    assert list(recipe.gate.min_f1) == recipe.heads == list(heads)


def test_recipe_lines_name_an_encoder_with_its_commit() -> None:
    recipe = recipe_of(proposal(encoder=Encoder("owner/encoder", "abc")))
    assert (recipe.model.encoder, recipe.model.revision, recipe.model.scratch) == ("owner/encoder", "abc", None)
    # the epochs of a network from scratch are many, those of an encoder stay as they are
    assert "training.epochs" not in comments(recipe_lines(proposal(encoder=Encoder("models/mine"))))
    assert "training.epochs" in comments(recipe_lines(proposal()))


def test_recipe_lines_keep_a_published_split() -> None:
    assert recipe_of(proposal(published=True)).split.method == "published"


def test_recipe_lines_keep_groups_together() -> None:
    made = proposal(fields={"label": "label", "entities": "entities", "group": "author"})
    assert recipe_of(made).source.fields.group == "author"
    assert comments(recipe_lines(made))["split"].endswith("; rows of one author together")


def test_recipe_lines_loosen_checks_only_where_the_sample_needs_it() -> None:
    assert "validation" not in comments([line for line in recipe_lines(proposal()) if line.children])
    rare = [*ROWS, Example("rare", "Acme waits", label="open", entities=())]
    assert recipe_of(proposal(rare)).validation.min_class_rows == 2
    long = [*ROWS, Example("long", "Acme " * (TEXT_LIMIT // 4), label="good", entities=())]
    assert recipe_of(proposal(long)).validation.max_text_length == 2 * len(long[-1].text)
    assert recipe_of(proposal(reject_share=0.03)).source.max_reject_share == 0.03


def test_recipe_lines_weigh_the_classes_of_unbalanced_data() -> None:
    unbalanced = [replace(row, label="good" if number % 10 else "bad") for number, row in enumerate(ROWS * 2)]
    made = proposal(unbalanced)
    assert made.facts.classes == Counter(good=108, bad=12)
    assert recipe_of(made).training.class_weights == "balanced"
    assert comments(recipe_lines(made))["training.class_weights"] == "'good' is much more frequent than others"


def test_recipe_lines_tell_that_classes_are_numbers() -> None:
    numbers = [replace(row, label=str(number % 2)) for number, row in enumerate(ROWS)]
    said = comments(recipe_lines(proposal(numbers)))
    assert said["source.fields.label"] == "the class, a number: source.label_map can name the classes"


SETTINGS = {
    "format": ("rows", "tokens"),
    "entity": ("rows", {"end_inclusive": True}),
    "tagging": ("tokens", {"scheme": "io"}),
    "annotations": ("label_studio", {"relations": "ignore"}),
    "label_map": ("rows", {"bad": "poor"}),
    "fold_labels": ("rows", True),
    "no_label": ("rows", ["NA"]),
    "label_separator": ("rows", ";"),
}


@pytest.mark.parametrize("key", MEANING)
def test_recipe_file_holds_each_key_that_the_user_set(key: str) -> None:
    name, value = SETTINGS[key]
    found = {"format": name, "fields": {"label": "label", "labels": "labels", "entities": "entities"}}
    document_format = with_settings(found, {key: value})
    made = proposal()
    made = replace(made, layout=replace(made.layout, format=document_format))
    recipe = parse_recipe(read_yaml(recipe_text([], recipe_lines(made))), "the file")
    assert getattr(recipe.source, key) == getattr(document_format, key)
    assert getattr(recipe.source, key) != getattr(DocumentFormat(), key)


TOPICS = [Example(str(number), "Acme buys land", labels=("money",)) for number in range(60)]


@pytest.mark.parametrize(
    ("scores", "comment"),
    [
        (
            SampleScores(every_label=0.4, tfidf_labels=0.8),
            "macro-F1 of the labels; in the sample, TF-IDF reaches 0.80, every label for all rows 0.40",
        ),
        (SampleScores(), "macro-F1 of the labels"),
    ],
)
def test_recipe_lines_set_a_threshold_of_the_labels(scores: SampleScores, comment: str) -> None:
    made = proposal(TOPICS, ("labels",), {"labels": "topics"}, scores=scores)
    assert list(recipe_of(made).gate.min_f1) == ["labels"]
    assert comments(recipe_lines(made))["gate.min_f1.labels"] == comment


def test_recipe_lines_claim_no_scores_that_the_sample_does_not_give() -> None:
    said = comments(recipe_lines(proposal(scores=SampleScores())))
    assert said["gate.min_f1.sentence"] == "macro-F1 of the classes"
    assert said["gate.min_f1.tokens"] == "strict F1 of the entities"


def test_recipe_lines_clean_texts_with_html() -> None:
    made = proposal([replace(row, text=f"<b>{row.text}</b>") for row in ROWS])
    assert recipe_of(made).model.cleaning.html
    assert comments(recipe_lines(made))["model.cleaning"] == "in training and serving alike"

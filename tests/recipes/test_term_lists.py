from collections import Counter
from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.recipes.gate_section import CounterfactualRule
from assay.recipes.loader import parse_recipe
from assay.recipes.term_lists import SHIPPED_LISTS, fill, shipped_list, slots_of
from tests.snapshots import recipe_values


@pytest.mark.parametrize("name", SHIPPED_LISTS)
def test_shipped_list_names_sources_and_offers_replacements_for_every_term(name: Any) -> None:
    terms = shipped_list(name)
    assert terms.sources
    assert all(len(terms.kinds(group)) >= 2 for group in terms.groups)
    for group in terms.groups:
        forms = Counter(form.lower() for kind in terms.kinds(group).values() for form in kind)
        assert [form for form, count in forms.items() if count > 1] == [], group


def refused(rule: dict[str, Any], **parts: Any) -> str:
    gate = {"min_f1": {"sentence": 0.6}, "counterfactual": rule}
    with pytest.raises(AssayError) as caught:
        parse_recipe(recipe_values(gate=gate, **parts), "recipe.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"lists": ["ages"]}, "one of names, pronouns, nationalities, religions; did you mean 'names'?"),
        ({"lists": []}, "gate.counterfactual has neither lists nor terms"),
        ({"terms": {"names": [["Anna", "Fatma"]]}}, "terms names 'names', which is a shipped list"),
        ({"terms": {"towns": [["Rome"]]}}, "gate.counterfactual.terms.towns holds the group ['Rome']"),
        ({"terms": {"towns": [["Rome", "rome "]]}}, "a group needs at least two different terms"),
        ({"terms": {"towns": []}}, "gate.counterfactual.terms.towns holds no group"),
        ({"templates": ["All is well."]}, "templates: 'All is well.' has no slot; write {names} where"),
        ({"templates": ["{towns} is far."]}, "'{towns} is far.' names the list 'towns'; this gate has names, pronouns"),
        ({"templates": ["{names.boys} is here."]}, "names the group 'boys'; names has women, men"),
        (
            {"templates": ["{pronouns} left."]},
            "does not name a group of pronouns; write for example {pronouns.subject}",
        ),
        ({"templates": ["{names.men} met {names.women}."]}, "cannot be filled together"),
    ],
)
def test_counterfactual_rule_refuses_invalid_terms_and_templates(rule: dict[str, Any], message: str) -> None:
    assert message in refused(rule)


def test_counterfactual_rule_refuses_templates_for_pairs() -> None:
    source = {"kind": "files", "paths": {"r.jsonl": "all"}, "fields": {"label": "label", "text_pair": "passage"}}
    assert "the model reads pairs (source.fields.text_pair); remove them" in refused(
        {"templates": ["{names} is here."]}, source=source
    )


def test_counterfactual_rule_adds_own_lists_to_shipped_ones() -> None:
    rule = CounterfactualRule(lists=["names"], terms={"towns": [["Rome", "Oslo"], ["east", "west"]]})
    lists = rule.term_lists()
    assert list(lists) == ["names", "towns"]
    assert lists["towns"].terms() == ["Rome", "Oslo", "east", "west"]


def test_fill_capitalises_a_leading_term() -> None:
    template = "{pronouns.subject} sold {pronouns.determiner} car."
    assert slots_of(template) == [("pronouns", "subject"), ("pronouns", "determiner")]
    text, spans = fill(template, {("pronouns", "subject"): "she", ("pronouns", "determiner"): "her"})
    assert text == "She sold her car."
    assert [text[start:end] for start, end in spans] == ["She", "her"]

from collections import Counter
from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.recipes.gate_section import CounterfactualRule
from assay.recipes.loader import parse_recipe
from assay.recipes.term_lists import SHIPPED_LISTS, fill, shipped_list, slots_of
from tests.snapshots import recipe_values


@pytest.mark.parametrize("name", SHIPPED_LISTS)
def test_shipped_lists_name_their_sources_and_give_every_term_someone_to_stand_for(name: Any) -> None:
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
        ({"lists": ["ages"]}, "'names', 'pronouns', 'nationalities' or 'religions'"),
        ({"lists": []}, "gate.counterfactual has neither lists nor terms"),
        ({"terms": {"names": [["Anna", "Fatma"]]}}, "terms names 'names', which is a shipped list"),
        ({"terms": {"towns": [["Rome"]]}}, "gate.counterfactual.terms.towns holds the group ['Rome']"),
        ({"terms": {"towns": [["Rome", "rome "]]}}, "a group needs two or more different terms"),
        ({"terms": {"towns": []}}, "gate.counterfactual.terms.towns holds no group"),
        ({"templates": ["All is well."]}, "templates: 'All is well.' has no slot; write {names} where"),
        ({"templates": ["{towns} is far."]}, "'{towns} is far.' names the list 'towns'; this gate has names, pronouns"),
        ({"templates": ["{names.boys} is here."]}, "names the group 'boys'; names has women, men"),
        ({"templates": ["{pronouns} left."]}, "does not say which form of pronouns it takes; write {pronouns.subject}"),
        ({"templates": ["{names.men} met {names.women}."]}, "would be filled apart from each other"),
    ],
)
def test_what_cannot_be_swapped_or_filled_is_refused_early(rule: dict[str, Any], message: str) -> None:
    assert message in refused(rule)


def test_templates_are_refused_where_the_model_reads_pairs() -> None:
    source = {"kind": "files", "paths": {"r.jsonl": "all"}, "fields": {"label": "label", "text_pair": "passage"}}
    assert "the model reads pairs; drop them" in refused({"templates": ["{names} is here."]}, source=source)


def test_lists_of_the_recipe_come_beside_the_shipped_ones() -> None:
    rule = CounterfactualRule(lists=["names"], terms={"towns": [["Rome", "Oslo"], ["east", "west"]]})
    lists = rule.term_lists()
    assert list(lists) == ["names", "towns"]
    assert lists["towns"].terms() == ["Rome", "Oslo", "east", "west"]


def test_a_template_is_filled_with_a_capital_at_its_beginning() -> None:
    template = "{pronouns.subject} sold {pronouns.determiner} car."
    assert slots_of(template) == [("pronouns", "subject"), ("pronouns", "determiner")]
    text, spans = fill(template, {("pronouns", "subject"): "she", ("pronouns", "determiner"): "her"})
    assert text == "She sold her car."
    assert [text[start:end] for start, end in spans] == ["She", "her"]

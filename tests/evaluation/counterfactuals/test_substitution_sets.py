from assay.corpus.example import Example
from assay.evaluation.counterfactuals.substitution_sets import SubstitutionSet, sets_of_rows, sets_of_template
from assay.evaluation.counterfactuals.text_replacement import SharedSpan
from assay.recipes.term_lists import TermList, own_list, shipped_list
from assay.serving.engine import Row

TOWNS = own_list("towns", [["Rome", "Oslo"]])


def of_rows(*texts: tuple[str, str | None], pair: bool = False, terms: TermList = TOWNS) -> list[SubstitutionSet]:
    examples = [Example(str(number), text, second) for number, (text, second) in enumerate(texts)]
    return list(sets_of_rows(examples, terms, pair=pair))


def check_spans(set_: SubstitutionSet) -> None:
    """Each shared span covers the same characters in the shared text and in the text that it is of."""
    for text in (*([set_.original] if set_.original else []), *set_.counterfactuals):
        for span in text.shared_spans:
            shared = set_.shared_text[span.first : span.first + span.length]
            assert text.row.text[span.second : span.second + span.length] == shared


def test_sets_of_rows_hold_original_and_counterfactual_of_rows_with_a_term() -> None:
    [only] = of_rows(("nothing here", None), ("I saw Rome.", "unread"))
    assert (only.name, only.shared_text) == ("1", "I saw Rome.")
    assert only.original is not None
    assert (only.original.row, only.original.words) == (Row("I saw Rome."), "")
    [counterfactual] = only.counterfactuals
    assert (counterfactual.row, counterfactual.words) == (Row("I saw Oslo."), "Rome → Oslo")
    assert counterfactual.shared_spans == (SharedSpan(0, 0, 6), SharedSpan(10, 10, 1))
    check_spans(only)


def test_sets_of_rows_change_both_texts_of_a_pair() -> None:
    [only] = of_rows(("is it Rome", "Rome is old"), pair=True)
    assert only.counterfactuals[0].row == Row("is it Oslo", "Oslo is old")
    [second] = of_rows(("is it", "Rome is old"), pair=True)
    assert second.counterfactuals[0].row == Row("is it", "Oslo is old")
    assert second.counterfactuals[0].shared_spans == (SharedSpan(0, 0, 5),)


def test_sets_of_rows_change_pronouns_together() -> None:
    [only] = of_rows(("He said that it was his.", None), terms=shipped_list("pronouns"))
    text = only.counterfactuals[0].row.text
    assert text != "He said that it was his."
    assert not text.startswith("He ")
    check_spans(only)


def test_sets_of_rows_name_the_word_and_not_its_article() -> None:
    nationalities = shipped_list("nationalities")
    sets = of_rows(*((f"she is a German in town {number}", None) for number in range(60)), terms=nationalities)
    assert {set_.counterfactuals[0].words.split(" → ")[0] for set_ in sets} == {"German"}
    assert any(" an " in set_.counterfactuals[0].row.text for set_ in sets)
    for set_ in sets:
        check_spans(set_)


def test_sets_of_template_hold_one_text_per_term_without_an_original() -> None:
    [only] = sets_of_template("{towns} is old. I like {towns}", {"towns": TOWNS})
    assert (only.name, only.original) == ("template '{towns} is old. I like {towns}'", None)
    assert [text.row.text for text in only.counterfactuals] == ["Rome is old. I like Rome", "Oslo is old. I like Oslo"]
    assert [text.words for text in only.counterfactuals] == ["Rome", "Oslo"]
    assert only.shared_text == " is old. I like "
    check_spans(only)


def test_sets_of_template_take_the_terms_of_the_named_group() -> None:
    terms = own_list("towns", [["Rome", "Oslo"], ["Asia", "Europe"]])
    [only] = sets_of_template("in {towns.2}", {"towns": terms})
    assert [text.words for text in only.counterfactuals] == ["Asia", "Europe"]


def test_sets_of_template_change_forms_of_a_kind_together() -> None:
    terms = TermList(
        together=True,
        groups={
            "subject": {"he": ["he"], "she": ["she"], "they": ["they"]},
            "possessive": {"he": ["his"], "she": ["her", "hers"]},
        },
    )
    [only] = sets_of_template("{p.subject} lost {p.possessive} key", {"p": terms})
    # `they` has no possessive here, so that it is left out.
    assert [text.row.text for text in only.counterfactuals] == ["He lost his key", "She lost her key"]
    check_spans(only)


def test_sets_of_template_need_two_texts_to_compare() -> None:
    terms = TermList(together=True, groups={"subject": {"he": ["he"]}, "object": {"he": ["him"], "she": ["her"]}})
    assert list(sets_of_template("{p.subject} and {p.object}", {"p": terms})) == []

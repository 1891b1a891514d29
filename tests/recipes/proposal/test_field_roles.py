from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.recipes.proposal.field_profile import profile_fields
from assay.recipes.proposal.field_roles import Choices, RowRoles, find_roles, find_texts
from assay.recipes.proposal.questions import NONE, AmbiguousError

Columns = Mapping[str, Sequence[Any]]
CITIES = ("Ulm", "Bern", "Graz", "Lyon", "Turin")


def documents(columns: Columns) -> list[dict[str, Any]]:
    """Forty documents; a column repeats its values, and `{}` in a text is the number of the row."""
    return [
        {
            name: values[row % len(values)].format(row)
            if isinstance(values[row % len(values)], str)
            else values[row % len(values)]
            for name, values in columns.items()
        }
        for row in range(40)
    ]


def roles(columns: Columns, choices: Choices | None = None, *, has_entities: bool = False) -> RowRoles:
    return find_roles(profile_fields(documents(columns)), choices or Choices(), has_entities=has_entities)


def texts(columns: Columns, choices: Choices | None = None) -> tuple[str, str | None]:
    return find_texts(profile_fields(documents(columns)), choices or Choices())


SENTENCES = ["Acme opens plant {}"]


@pytest.mark.parametrize("name", ["text", "Text", "tweet", "review_text", "data.text", "Beschreibung"])
def test_find_texts_takes_the_only_text(name: str) -> None:
    assert texts({name: SENTENCES, "label": ["good", "bad"]}) == (name, None)


def test_find_texts_prefers_a_field_of_the_usual_name() -> None:
    assert texts({"title": SENTENCES, "text": SENTENCES, "remark": SENTENCES}) == ("text", None)


def test_find_texts_asks_between_two() -> None:
    with pytest.raises(AmbiguousError, match=r"^2 fields may hold the text of a row: title \(.*--text title or body$"):
        texts({"title": SENTENCES, "body": SENTENCES})
    assert texts({"title": SENTENCES, "body": SENTENCES}, Choices(text="body")) == ("body", None)


@pytest.mark.parametrize("names", [("premise", "hypothesis"), ("question", "passage"), ("Sentence1", "Sentence2")])
def test_find_texts_finds_pairs(names: tuple[str, str]) -> None:
    assert texts(dict.fromkeys(names, SENTENCES)) == names


def test_find_texts_needs_texts() -> None:
    with pytest.raises(AssayError, match=r"^no field holds texts: label \(good, bad\); name the text with --text"):
        texts({"label": ["good", "bad"]})


def test_find_texts_reads_scripts_without_spaces() -> None:
    assert texts({"inhalt": ["我在北京工作我在北京工作第{}号"], "label": ["a", "b"]}) == ("inhalt", None)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("label", ["good", "bad"]),
        ("Sentiment", ["positive", "negative", "neutral"]),
        ("rating", [1, 2, 3, 4, 5]),
        ("label", [1.0, 2.0]),
        ("is_spam", [True, False]),
        ("stars", ["1", "5"]),
        ("Bewertung", ["gut", "schlecht"]),
    ],
)
def test_find_roles_takes_the_only_class(name: str, values: Sequence[Any]) -> None:
    assert roles({name: values, "weight": [0.5, 0.25]}).label == name


def test_find_roles_prefers_a_field_called_label() -> None:
    assert roles({"label": ["good", "bad"], "topic": ["a", "b", "c"]}).label == "label"


def test_find_roles_asks_between_two_classes() -> None:
    columns: Columns = {"rating": [1, 2], "category": ["a", "b", "c"]}
    with pytest.raises(
        AmbiguousError, match=r"rating \(1, 2\); category \(a, b, c\). Which is it\? Add --label rating or"
    ):
        roles(columns)
    assert roles(columns, Choices(label="rating")).label == "rating"


def test_find_roles_needs_no_class_beside_entities() -> None:
    assert roles({"source": ["web", "print"]}, has_entities=True).label is None
    assert roles({"source": ["web", "print"]}, has_entities=True).slices == ("source",)
    assert roles({"label": ["a", "b"]}, Choices(label=NONE), has_entities=True).label is None


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": ["good"]}, "field label holds one class only, 'good'"),
        ({"label": ["{}"]}, "classes or entities: label holds 40 different values in 40 rows; name it with --label"),
        ({"label": ["x" * 61, "y" * 61]}, "label holds values of more than 60 characters"),
        ({"score": [number / 7 for number in range(40)]}, "score holds numbers with decimals, which are no classes"),
        ({"when": ["2024-05-01"], "": ["a"]}, "when holds times; a column without a name holds a; name it"),
        ({}, "no field holds classes or entities: there is none beside the text"),
    ],
)
def test_find_roles_needs_something_to_learn(columns: Columns, message: str) -> None:
    with pytest.raises(AssayError, match=message):
        roles(columns)


def test_find_roles_finds_id_group_time_split_and_slices() -> None:
    found = roles(
        {
            "label": ["good", "bad"],
            "_id": ["row-{}"],
            "user_id": [f"user-{number}" for number in range(15)],
            "created_at": [f"2024-05-{day:02}" for day in range(1, 31)],
            "split": ["train", "train", "dev", "test"],
            "language": ["de", "en"],
            "city": CITIES,
        }
    )
    assert found == RowRoles("label", "_id", "user_id", "created_at", "split", ("language",))
    assert found.ignored == ("city",)


def test_find_roles_asks_between_two_groups() -> None:
    users, threads = [f"u{number}" for number in range(15)], [f"t{number}" for number in range(20)]
    columns: Columns = {"label": ["good", "bad"], "user_id": users, "thread_id": threads}
    with pytest.raises(AmbiguousError, match="--group user_id or thread_id or none"):
        roles(columns)
    assert roles(columns, Choices(group=NONE)).group is None


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("split", ["train", "dev", "test"]),
        ("set", ["TRAIN", "VALID", "TEST"]),
        ("partition", ["training", "validation", "testing"]),
        ("data.split", ["train", "eval"]),
        ("Split", ["train", "test"]),
    ],
)
def test_find_roles_finds_published_splits_by_their_words(name: str, values: list[str]) -> None:
    assert roles({"label": ["good", "bad"], name: values}).split == name


@pytest.mark.parametrize("values", [["train", "test", "extra"], ["train", "dev", "eval"], ["train", "test", None]])
def test_find_roles_asks_about_splits_that_are_not_clear(values: list[str | None]) -> None:
    columns: Columns = {"label": ["good", "bad"], "split": values}
    with pytest.raises(AmbiguousError, match=r"^field split \(.*\) may hold published splits; .* or add --split none"):
        roles(columns)
    found = roles(columns, Choices(split=NONE))
    assert (found.split, found.slices) == (None, ())


def test_find_roles_takes_no_slice_from_folds() -> None:
    assert roles({"label": ["good", "bad"], "fold": ["0", "1"]}).slices == ()


@pytest.mark.parametrize("name", ["thread", "conversation", "patient", "user_id", "Session", "username"])
def test_find_roles_finds_groups_by_their_words(name: str) -> None:
    assert roles({"label": ["good", "bad"], name: [f"g{number}" for number in range(15)]}).group == name


def test_find_roles_asks_in_a_line_that_can_be_typed() -> None:
    columns: Columns = {f"how was part {number}": [1, 2] for number in range(40)}
    with pytest.raises(AmbiguousError) as error:
        roles(columns)
    assert str(error.value).startswith("40 fields may hold the class of a row: how was part 0 (1, 2); ")
    assert str(error.value).endswith("; and 34 more. Which is it? Add --label FIELD")
    with pytest.raises(AmbiguousError, match=r"Add --label 'how was' or 'where was'$"):
        roles({"how was": [1, 2], "where was": [1, 2]})


def test_find_roles_takes_no_id_that_repeats() -> None:
    assert roles({"label": ["good", "bad"], "id": [f"{number}" for number in range(39)]}).id is None


def test_choices_check_refuses_two_uses_of_a_field() -> None:
    with pytest.raises(AssayError, match=r"^--text and --label both name text; a field has one use"):
        Choices(text="text", label="text").check(["text"])
    with pytest.raises(AssayError, match=r"^--label and --labels both name b; a field has one use"):
        Choices(label="b", labels="a, b").check(["a", "b"])
    Choices(label=NONE, labels=NONE, group=NONE, split=NONE, entities=NONE).check(["text"])
    with pytest.raises(AssayError, match=r"^--text none: no document has this field"):
        Choices(text=NONE).check(["text"])


def test_find_roles_refuses_a_split_field_of_other_values() -> None:
    columns: Columns = {"label": ["good", "bad"], "part": ["train", "rest"]}
    with pytest.raises(AssayError, match=r"^--split part: 'rest' is none of train, .*; name another, or none$"):
        roles(columns, Choices(split="part"))


def test_choices_check_names_the_fields_that_exist() -> None:
    with pytest.raises(
        AssayError, match=r"^--label lable: no document has this field; fields are text, label; did you mean 'label'\?$"
    ):
        Choices(label="lable").check(["text", "label"])

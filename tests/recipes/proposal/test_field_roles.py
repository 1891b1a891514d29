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
    with pytest.raises(AssayError, match="no field holds texts; the fields are label"):
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
        ({"label": ["{}"]}, "no field holds classes or entities; the remaining fields are label"),
        ({"score": [number / 7 for number in range(40)]}, "no field holds classes or entities"),
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


def test_find_roles_takes_no_id_that_repeats() -> None:
    assert roles({"label": ["good", "bad"], "id": [f"{number}" for number in range(39)]}).id is None


def test_choices_check_names_the_fields_that_exist() -> None:
    with pytest.raises(AssayError, match=r"^--label lable: no document has this field; fields are text, label$"):
        Choices(label="lable").check(["text", "label"])

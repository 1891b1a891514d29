import pytest

from assay.recipes.yaml_booleans import misread_name


@pytest.mark.parametrize(
    ("name", "known", "misread"),
    [
        ("true", ["Yes", "No"], "Yes"),
        ("false", ["up", "off"], "off"),
        ("true", ["no"], None),
        ("true", ["true", "yes"], None),  # a class of this name
        ("open", ["yes"], None),
    ],
)
def test_misread_name_finds_the_name_that_became_a_boolean(name: str, known: list[str], misread: str | None) -> None:
    assert misread_name(name, known) == misread

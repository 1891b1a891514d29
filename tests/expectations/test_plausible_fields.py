"""Fields that hold something else than their names say."""

import pytest

from assay.corpus.example import Example
from assay.expectations.plausible_fields import plausibility_checks
from tests.expectations.conftest import MakeRecipe, MakeSnapshot

TEXT = "A long text about number {}"


@pytest.mark.parametrize(
    ("text", "label", "name", "severity", "why"),
    [
        (
            TEXT,
            "id{}",
            "plausible label",
            "critical",
            "source.fields.label ('label') holds 20 classes in 20 rows, such as 'id0': it seems to be an id; name the "
            "field of the class",
        ),
        (
            "good",
            TEXT,
            "plausible label",
            "critical",
            "source.fields.label ('label') holds 20 classes in 20 rows, such as 'A long text about number 0', and the "
            "text repeats, such as 'good': text and label seem to be swapped; swap them",
        ),
        (
            "17{}",
            "",
            "plausible text",
            "critical",
            "source.fields.text ('text') holds numbers, such as '170'; name the field of the text",
        ),
        (
            "a7-{}",
            "",
            "plausible text",
            "warning",
            "source.fields.text ('text') holds ids, such as 'a7-0'; name the field of the text",
        ),
    ],
)
def test_plausibility_checks_name_the_field_that_holds_something_else(
    make_recipe: MakeRecipe, make_snapshot: MakeSnapshot, text: str, label: str, name: str, severity: str, why: str
) -> None:
    rows = [Example(str(n), text.format(n), label=label.format(n) or "ab"[n % 2]) for n in range(20)]
    [check] = plausibility_checks(make_snapshot(rows), make_recipe(fields={"label": "label"}))
    assert (check.name, check.severity, check.passed, check.why) == (name, severity, False, why)


@pytest.mark.parametrize("rows", [8, 20])
def test_plausibility_checks_accept_texts_with_classes_and_few_rows(
    make_recipe: MakeRecipe, make_snapshot: MakeSnapshot, rows: int
) -> None:
    examples = [Example(str(n), TEXT.format(n), label=str(n % 10)) for n in range(rows)]
    assert plausibility_checks(make_snapshot(examples), make_recipe(fields={"label": "label"})) == []

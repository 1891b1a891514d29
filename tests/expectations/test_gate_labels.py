from assay.corpus.example import Entity, Example
from assay.expectations.gate_labels import gate_label_checks
from tests.expectations.conftest import MakeRecipe, MakeSnapshot

ROWS = [
    Example(id=f"r{n}", text="Acme rose", label="up" if n % 2 else "down", entities=(Entity(0, 4, "ORG"),))
    for n in range(4)
]
HEADS = ("sentence", "tokens")


def gate(**recalls: dict[str, float]) -> dict[str, object]:
    return {"min_f1": dict.fromkeys(HEADS, 0.5), "min_recall": recalls}


def test_gate_label_checks_name_the_nearest_class_and_type(
    make_recipe: MakeRecipe, make_snapshot: MakeSnapshot
) -> None:
    recipe = make_recipe(HEADS, gate=gate(sentence={"up": 0.9, "dwon": 0.9}, tokens={"ORGS": 0.8}))
    [check] = gate_label_checks(make_snapshot(ROWS), recipe)
    assert (check.severity, check.passed, check.invalid_ids) == ("critical", False, ["dwon", "ORGS"])
    assert check.measured == "2 of 3 without a row"
    assert check.why == (
        "gate.min_recall.sentence names the class 'dwon', which the data does not have; did you mean 'down'?; "
        "gate.min_recall.tokens names the entity type 'ORGS', which the data does not have; did you mean 'ORG'?"
    )


def test_gate_label_checks_pass_for_names_of_the_data(make_recipe: MakeRecipe, make_snapshot: MakeSnapshot) -> None:
    [check] = gate_label_checks(make_snapshot(ROWS), make_recipe(HEADS, gate=gate(sentence={"up": 0.9})))
    assert check.passed
    assert gate_label_checks(make_snapshot(ROWS), make_recipe(HEADS)) == []

from assay.corpus.example import Entity, Example
from assay.evaluation.sample_baselines import class_baselines, entity_baseline


def rows(count: int = 60) -> list[Example]:
    words = ("wins", "loses")
    return [
        Example(
            str(row),
            f"Acme {words[row % 2]} number {row}",
            label=("good", "bad")[row % 2],
            entities=(Entity(0, 4, "ORG"),),
        )
        for row in range(count)
    ]


def test_class_baselines_of_separable_classes() -> None:
    assert class_baselines(rows()) == (1 / 3, 1.0)


def test_class_baselines_need_rows_of_two_classes() -> None:
    assert class_baselines(rows(4)) is None
    assert class_baselines([]) is None


def test_entity_baseline() -> None:
    assert entity_baseline(rows()) == 1.0
    assert entity_baseline([Example("1", "Acme", entities=())]) is None

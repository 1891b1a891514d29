from mlflow.store.model_registry.dbmodels.models import SqlModelVersion

from assay.registry.card_descriptions import LONGEST_DESCRIPTION, shortened_card


def test_a_card_that_is_too_long_is_cut_where_a_section_begins() -> None:
    whole = "# tiny: passed\n\n## Verdict\n\n| a |\n\n## Data\n\n" + "row\n" * 40
    assert shortened_card(whole, len(whole)) == whole
    short = shortened_card(whole, 110)
    head = "# tiny: passed\n\n## Verdict\n\n| a |"
    assert short == f"{head}\n\nThe whole card: card.md in the folder cards of the run's artifacts.\n"


def test_descriptions_are_as_long_as_the_column_of_mlflow() -> None:
    assert SqlModelVersion.__table__.c.description.type.length == LONGEST_DESCRIPTION

from mlflow.store.model_registry.dbmodels.models import SqlModelVersion

from assay.registry.card_descriptions import LONGEST_DESCRIPTION, shortened_card


def test_shortened_card_cuts_a_long_card_before_a_section() -> None:
    whole = "# tiny: passed\n\n## Verdict\n\n| a |\n\n## Data\n\n" + "row\n" * 40
    assert shortened_card(whole, len(whole)) == whole
    short = shortened_card(whole, 110)
    head = "# tiny: passed\n\n## Verdict\n\n| a |"
    assert short == f"{head}\n\nThe whole card: card.md in the folder cards of the run's artifacts.\n"


def test_longest_description_is_the_length_of_the_column_of_mlflow() -> None:
    assert SqlModelVersion.__table__.c.description.type.length == LONGEST_DESCRIPTION

"""Cards as MLflow shows them: on the page of a run, and of a version."""

from mlflow.utils.validation import MAX_TAG_VAL_LENGTH

CARD = "card.md"
# The column of MLflow's database, which PostgreSQL is strict about.
LONGEST_DESCRIPTION = 5000
LONGEST_NOTE = MAX_TAG_VAL_LENGTH


def shortened_card(markdown: str, longest: int) -> str:
    """A card of at most so many characters, cut where a section begins; all of it is among the artifacts."""
    if len(markdown) <= longest:
        return markdown
    rest = f"\n\nThe whole card: {CARD} in the folder cards of the run's artifacts.\n"
    return markdown[: longest - len(rest)].rpartition("\n## ")[0].rstrip() + rest

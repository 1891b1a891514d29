"""Model cards as descriptions in MLflow, of a run and of a version."""

from mlflow.utils.validation import MAX_TAG_VAL_LENGTH

CARD = "card.md"
# Length of the column in MLflow's database, which PostgreSQL enforces.
LONGEST_DESCRIPTION = 5000
LONGEST_NOTE = MAX_TAG_VAL_LENGTH


def shortened_card(markdown: str, longest: int) -> str:
    """Return a card of at most so many characters, cut before a section; the artifacts hold all of it."""
    if len(markdown) <= longest:
        return markdown
    rest = f"\n\nThe whole card: {CARD} in the folder cards of the run's artifacts.\n"
    return markdown[: longest - len(rest)].rpartition("\n## ")[0].rstrip() + rest

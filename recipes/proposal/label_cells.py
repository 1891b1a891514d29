"""Cells of text that hold several labels with a separator."""

from collections import Counter
from collections.abc import Iterable, Sequence

from assay.recipes.proposal.field_profile import LONGEST_CLASS, FieldProfile

SEPARATORS = (";", "|", ",")
# Labels repeat: with fewer rows per value, a field is a text or a name.
MIN_ROWS_PER_CLASS = 2.0
MOST_CLASSES = 300
# Share of the cells with several labels, from which on a separator is believed.
LEAST_SEVERAL = 0.05


def separator_of(profile: FieldProfile, separators: Sequence[str] = SEPARATORS) -> str | None:
    """Return what stands between the labels of a cell; None if cells hold one label each."""
    for separator in separators:
        several = sum(count for cell, count in profile.counts.items() if separator in cell.strip(separator))
        if several >= LEAST_SEVERAL * profile.present and are_labels(_parts(profile, separator)):
            return separator
    return None


def combines(profile: FieldProfile, separator: str) -> bool:
    """Return whether the cells are combinations: at least half of the parts are in several different cells."""
    parts = Counter(part.strip() for cell in profile.counts for part in set(cell.split(separator)))
    return 2 * sum(count > 1 for count in parts.values()) >= len(parts)


def are_labels(labels: Iterable[str]) -> bool:
    """Return whether texts are labels: short and few, and each on several rows."""
    counts = Counter(labels)
    return (
        1 <= len(counts) <= MOST_CLASSES
        and counts.total() >= MIN_ROWS_PER_CLASS * len(counts)
        and max(map(len, counts)) <= LONGEST_CLASS
    )


def _parts(profile: FieldProfile, separator: str) -> Sequence[str]:
    return [part.strip() for cell, count in profile.counts.items() for part in cell.split(separator) * count]

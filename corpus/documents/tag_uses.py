"""Which tag schemes the rows of a source show: how many rows each of them, and an example."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from assay.corpus.documents.tag_schemes import B_BEGINS, BARE, I_BEGINS, OPEN_END, PREFIXES, SCHEMES

# In the order in which rows that may be of several schemes count.
ORDER = ("iob2", "iob1", "bioes", "bilou", "bmewo", "io")
IO_OR_IOB1 = "IO or IOB1"
LIMITS = {
    "IO": "in which adjacent entities of one type are read as one",
    IO_OR_IOB1: "which are read alike: no tag begins with B, so adjacent entities of one type are one",
}


class TagUse(BaseModel):
    """Rows with the same marks of a tag scheme: how many, and the id of the first, or None if that was erased."""

    model_config = ConfigDict(frozen=True)

    marks: tuple[str, ...]
    rows: int
    example: str | None


class TagCounter:
    """Counter of rows by their marks."""

    def __init__(self) -> None:
        self._rows: Counter[frozenset[str]] = Counter()
        self._first: dict[frozenset[str], str] = {}

    def add(self, marks: frozenset[str], row_id: str) -> None:
        """Count one row."""
        self._rows[marks] += 1
        self._first.setdefault(marks, row_id)

    def take(self) -> list[TagUse]:
        """Return the uses of the rows since the last call."""
        uses = [
            TagUse(marks=tuple(sorted(marks)), rows=rows, example=self._first[marks])
            for marks, rows in self._rows.items()
        ]
        self._rows.clear()
        self._first.clear()
        return uses


class SchemeUse(BaseModel):
    """A scheme in words, the rows that show it, and the id of the first; mixed where each row shows several."""

    model_config = ConfigDict(frozen=True)

    scheme: str
    rows: int
    example: str | None
    is_mixed: bool = False

    @property
    def with_limit(self) -> str:
        """The scheme, and what it cannot express."""
        limit = LIMITS.get(self.scheme)
        return self.scheme if limit is None else f"{self.scheme}, {limit}"


def merged(uses: Iterable[TagUse]) -> list[TagUse]:
    """Return uses of which those with the same marks are one, in the order of their first rows."""
    found: dict[tuple[str, ...], TagUse] = {}
    for use in uses:
        earlier = found.get(use.marks)
        found[use.marks] = use if earlier is None else earlier.model_copy(update={"rows": earlier.rows + use.rows})
    return list(found.values())


def schemes_of(uses: Iterable[TagUse]) -> list[SchemeUse]:
    """Return the schemes that rows show, the one of most rows first: one, unless the source mixes several.

    A row may suit several schemes, such as one with nothing but B: it counts for the scheme of most rows.
    """
    left = [use for use in uses if use.marks]
    found: list[SchemeUse] = []
    while left:
        scheme = max(ORDER, key=lambda name: sum(use.rows for use in left if _suits(use.marks, name)))
        rows = [use for use in left if _suits(use.marks, scheme)]
        # The others suit no scheme: they show several at once, or end no entity.
        found.append(_joined(_described(scheme, rows), rows) if rows else _joined(_prefixes(left), left, mixed=True))
        left = [use for use in left if use not in rows] if rows else []
    return found


def _suits(marks: Collection[str], scheme: str) -> bool:
    if BARE in marks or scheme == "io":
        return scheme == "io" and BARE in marks
    if not {mark for mark in marks if mark in PREFIXES} <= set(SCHEMES[scheme]):
        return False
    if scheme == "iob1":
        return B_BEGINS not in marks
    return I_BEGINS not in marks and (scheme == "iob2" or OPEN_END not in marks)


def _described(scheme: str, rows: Sequence[TagUse]) -> str:
    is_either = scheme == "iob1" and not any("B" in use.marks for use in rows)
    return IO_OR_IOB1 if is_either else scheme.upper()


def _prefixes(rows: Sequence[TagUse]) -> str:
    prefixes = sorted({mark for use in rows for mark in use.marks if mark in PREFIXES})
    return f"no single scheme (prefixes {', '.join(prefixes)})"


def _joined(scheme: str, rows: Sequence[TagUse], *, mixed: bool = False) -> SchemeUse:
    return SchemeUse(scheme=scheme, rows=sum(use.rows for use in rows), example=rows[0].example, is_mixed=mixed)

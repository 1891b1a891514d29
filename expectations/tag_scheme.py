"""The scheme of the tags of a source, as the report says it, and a warning where rows show several."""

from assay.corpus.documents.tag_uses import SchemeUse, schemes_of
from assay.corpus.plural import counted
from assay.corpus.snapshot import Snapshot
from assay.expectations.validation_report import CheckResult, shown

NAME = "tag scheme"


def tag_scheme_checks(snapshot: Snapshot, chosen: str | None = None) -> list[CheckResult]:
    """Return one check if the rows were read from tags, else none.

    Args:
        snapshot: the rows.
        chosen: scheme that the recipe sets; None: by the prefixes.
    """
    schemes = schemes_of(snapshot.manifest.tag_uses)
    if not schemes:
        return []
    several = len(schemes) > 1 or schemes[0].is_mixed
    return [
        CheckResult(
            name=NAME,
            severity="warning",
            passed=not several,
            measured=", ".join(f"{use.scheme} in {counted(use.rows, 'row')}" for use in schemes)
            if several
            else schemes[0].with_limit,
            required="one scheme (source.tagging.scheme)",
            why=_why(schemes, chosen) if several else "",
            invalid_ids=[use.example for use in schemes[1:] if use.example is not None],
            invalid_count=sum(use.rows for use in schemes[1:]),
        )
    ]


def _why(schemes: list[SchemeUse], chosen: str | None) -> str:
    rows = [f"{use.scheme} in {counted(use.rows, 'row')}{_example(use)}" for use in schemes]
    remedy = (
        "or set source.tagging.scheme to the one to read, which rejects rows with prefixes of others"
        if chosen is None
        else f"where all entities begin and end as {chosen.upper()} has it (source.tagging.scheme)"
    )
    return f"the tags are not of one scheme: {'; '.join(rows)}; write one scheme at the source, {remedy}"


def _example(use: SchemeUse) -> str:
    return "" if use.example is None else f", such as {shown(use.example)}"

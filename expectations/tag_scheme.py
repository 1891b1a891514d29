"""The scheme of the tags of a source, as the report says it, and a warning where they show several."""

from assay.corpus.documents.tag_schemes import I_BEGINS, PREFIXES, scheme_of
from assay.corpus.snapshot import Snapshot
from assay.expectations.validation_report import CheckResult

NAME = "tag scheme"


def tag_scheme_checks(snapshot: Snapshot) -> list[CheckResult]:
    """Return one check if the rows were read from tags, else none."""
    marks = snapshot.manifest.tag_marks
    if not marks:
        return []
    scheme = scheme_of(marks)
    prefixes = ", ".join(mark for mark in marks if mark in PREFIXES)
    begins = " and I begins entities as B does" if I_BEGINS in marks else ""
    return [
        CheckResult(
            name=NAME,
            severity="warning",
            passed=scheme is not None,
            measured=scheme or f"prefixes {prefixes}{begins}",
            required="one scheme (source.tagging.scheme)",
            why="" if scheme else "tags show several schemes, and an entity may be cut in two; write one at the source",
        )
    ]

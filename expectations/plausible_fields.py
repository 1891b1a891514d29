"""Checks that the fields of text and label hold what their names say: ids, numbers or each other's values fail.

A check appears only where it fails, since nobody asks whether a text is a text.
"""

import itertools
import re
import statistics
from collections.abc import Iterator, Sequence

from assay.corpus.plural import counted
from assay.corpus.snapshot import Snapshot
from assay.expectations.validation_report import CheckResult, Severity
from assay.recipes.recipe import Recipe

SAMPLE = 2_000
LEAST_ROWS = 10
MOST_CLASSES = 0.9  # share of the rows: more classes are ids or texts
ALMOST_ALL = 0.95
LONG_LABEL = 3.0  # words on average
_ID = re.compile(r"(?=\S*\d)\S+")
_LETTER = re.compile(r"[^\W\d_]")


def plausibility_checks(snapshot: Snapshot, recipe: Recipe) -> list[CheckResult]:
    """Return the failed checks of a sample of the rows; none where text and label are plausible."""
    rows = list(itertools.islice(_rows(snapshot), SAMPLE))
    if len(rows) < LEAST_ROWS:
        return []
    texts, labels = [text for text, _ in rows], [label for _, label in rows if label is not None]
    checks = (_label_check(texts, labels, recipe), _text_check(texts, recipe))
    return [check for check in checks if check is not None]


def _rows(snapshot: Snapshot) -> Iterator[tuple[str, str | None]]:
    for batch in snapshot.batches(["text", "label"]):
        yield from zip(batch["text"].to_pylist(), batch["label"].to_pylist(), strict=True)


def _label_check(texts: Sequence[str], labels: Sequence[str], recipe: Recipe) -> CheckResult | None:
    classes = len(set(labels))
    if len(labels) < LEAST_ROWS or classes <= MOST_CLASSES * len(labels):
        return None
    key = "source.parse.label" if recipe.source.format == "parse" else "source.fields.label"
    name = recipe.source.parse.label if recipe.source.format == "parse" else recipe.source.fields.label
    counts = f"{counted(classes, 'class', 'classes')} in {counted(len(labels), 'row')}"
    what = f"{key} ({name!r}) holds {counts}, such as {labels[0]!r:.60}"
    is_text = statistics.fmean(len(label.split()) for label in labels) >= LONG_LABEL
    if is_text and len(set(texts)) <= MOST_CLASSES * len(texts):
        why = f"{what}, and the text repeats, such as {texts[0]!r:.60}: text and label seem to be swapped; swap them"
    elif is_text:
        why = f"{what}: it holds texts; name the field of the class"
    else:
        why = f"{what}: it seems to be an id; name the field of the class"
    return _result("plausible label", f"at most {MOST_CLASSES:.0%} as many classes as rows", f"{classes} classes", why)


def _text_check(texts: Sequence[str], recipe: Recipe) -> CheckResult | None:
    ids = sum(_ID.fullmatch(text.strip()) is not None for text in texts)
    if ids < ALMOST_ALL * len(texts):
        return None
    name = recipe.source.fields.text if recipe.source.format == "rows" else "the words"
    letters = sum(_LETTER.search(text) is not None for text in texts)
    what = "numbers" if letters < (1 - ALMOST_ALL) * len(texts) else "ids"
    why = f"source.fields.text ({name!r}) holds {what}, such as {texts[0]!r:.60}; name the field of the text"
    # Texts without letters are all alike to the model; codes with letters may be meant.
    severity: Severity = "critical" if what == "numbers" else "warning"
    return _result("plausible text", "words", f"{ids} of {len(texts)} are {what}", why, severity)


def _result(name: str, required: str, measured: str, why: str, severity: Severity = "critical") -> CheckResult:
    return CheckResult(name=name, severity=severity, passed=False, measured=measured, required=required, why=why)

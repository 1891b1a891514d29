"""A data report for people, within 80 columns."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from assay.cli.console import out
from assay.cli.terminal_layout import print_plain
from assay.corpus.plural import counted

if TYPE_CHECKING:
    from assay.evaluation.data_report import DataReport, LabelCount, SampleRow

WIDTH = 80
MOST_LABELS = 15
MOST_CHARACTERS = 240  # of a sample row
_NAMES = 12


def print_report(report: "DataReport") -> None:
    """Print the report; its last line says whether the recipe is ready, and what to do next."""
    width = min(out.width, WIDTH)
    facts = Table.grid(padding=(0, 1))
    facts.add_column(width=_NAMES, no_wrap=True)
    facts.add_column(overflow="fold", max_width=width - _NAMES - 1)
    for name, line in _facts(report):
        facts.add_row(name, Text(line))
    print_plain(out, facts, width)
    kinds = (("class", report.classes), ("label", report.row_labels), ("entity type", report.entity_types))
    for title, labels in kinds:
        if labels:
            out.print()
            print_plain(out, _labels(title, labels, report.splits), width)
    _print_samples(report, width)
    _print_checks(report, width)
    _print_end(report)


def _facts(report: "DataReport") -> Iterator[tuple[str, str]]:
    yield from _named("source", report.source)
    yield "read as", report.reading
    yield from _named("documents", list(_documents(report)))
    yield from _named("rows", list(_rows(report)))
    if report.label_map is not None:
        yield from _named("label map", list(_label_map(report)))
    if (truncation := report.truncation) is not None:
        share = f"{truncation.share:.1%} of {counted(truncation.rows, 'row')} are longer than model.max_length"
        yield (
            "length",
            f"{share} {truncation.max_length}, and their end is cut off"
            if truncation.truncated
            else (f"no row is longer than model.max_length {truncation.max_length}"),
        )
    if report.tag_scheme is not None:
        yield "tag scheme", report.tag_scheme
    if report.tags is not None:
        half = (
            f"; {report.tags.half_words:.1%} cut a word and count as the whole word" if report.tags.half_words else ""
        )
        yield "entities", f"the tags give back {report.tags.recovered:.1%} of {report.tags.entities:,}{half}"
    yield "encoder", report.encoder.detail


def _named(name: str, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines):
        yield ("" if number else name), line


def _documents(report: "DataReport") -> Iterator[str]:
    if (counts := report.counts) is None:
        return
    yield (
        f"{counts.documents:,}: {counts.used:,} used, {counts.filtered:,} filtered out, {counts.rejected:,} rejected"
    )
    for reason in report.rejects:
        yield f"- {counted(reason.count, 'row')} rejected: {reason.example}; {reason.remedy}"


def _rows(report: "DataReport") -> Iterator[str]:
    if (counts := report.counts) is None:
        return
    parts = [f"{count:,} {split}" for split, count in report.splits.items()]
    parts += [f"{count:,} left out ({reason})" for reason, count in report.excluded.items()]
    yield f"{counts.rows:,}{': ' if parts else ''}{', '.join(parts)}"
    if counts.no_label:
        yield f"{counts.no_label:,} more without a label (source.no_label), left out"
    if report.contradictions:
        yield f"{report.contradictions:,} with the text of another row and other labels"
    if report.near_duplicates:
        yield f"{report.near_duplicates:.1%} repeat an earlier text but for case, digits and the like"


def _label_map(report: "DataReport") -> Iterator[str]:
    if (use := report.label_map) is None:
        return
    if use.unmapped:
        yield f"labels without an entry: {_listed(use.unmapped)}"
    if use.unused:
        yield f"entries that no row has: {_listed(use.unused)}"
    if not use.unmapped and not use.unused:
        yield "every label has an entry, every entry a row"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_LABELS} more" if len(names) > MOST_LABELS else ""
    return ", ".join(map(repr, names[:MOST_LABELS])) + more


def _labels(title: str, labels: Sequence["LabelCount"], splits: dict[str, int]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(title, overflow="fold", min_width=_NAMES - 1)
    for name in ("entities" if title == "entity type" else "rows", *splits):
        table.add_column(name, justify="right", no_wrap=True)
    for label in labels[:MOST_LABELS]:
        counts = (label.total, *(getattr(label, split) for split in splits))
        table.add_row(Text(label.name), *(f"{count:,}" for count in counts))
    if len(labels) > MOST_LABELS:
        table.add_row(f"and {len(labels) - MOST_LABELS} more")
    return table


def _print_samples(report: "DataReport", width: int) -> None:
    if not report.samples:
        return
    out.print("\nas the model reads them", style="bold", highlight=False)
    longest = max((len(_sample_labels(row)) for row in report.samples), default=0)
    names = min(longest, 24)
    rows = Table.grid(padding=(0, 2))
    if names:
        rows.add_column(width=names, overflow="fold")
    rows.add_column(overflow="fold", max_width=width - names - 2)
    for row in report.samples:
        text = row.text if len(row.text) <= MOST_CHARACTERS else row.text[: MOST_CHARACTERS - 1] + "…"
        rows.add_row(*([Text(_sample_labels(row))] if names else []), Text(text))
    print_plain(out, rows, width)


def _sample_labels(row: "SampleRow") -> str:
    return "; ".join([*([] if row.label is None else [row.label]), *(row.labels or ())])


def _print_checks(report: "DataReport", width: int) -> None:
    if not report.checks:
        return
    # Notes such as the share of rejected rows stand above.
    checks = [check for check in report.checks if check.severity != "info"]
    failed = [check for check in checks if not check.passed]
    stops = sum(check.severity == "critical" for check in failed)
    counts = f"{len(checks) - len(failed)} passed, {stops} failed, {len(failed) - stops} to look at"
    out.print(f"\n{counted(len(checks), 'check')} of the data: {counts}", style="bold", highlight=False)
    for check in sorted(failed, key=lambda check: check.severity != "critical"):
        out.print(Text(f"- {check.severity}: {check.why}"), width=width, highlight=False)
    for warning in report.warnings:
        out.print(Text(f"- warning: {warning}"), width=width, highlight=False)


def _print_end(report: "DataReport") -> None:
    """Print the last line unwrapped, so that the command can be copied."""
    out.print()
    for problem in report.problems[1:]:
        out.print(Text(f"then fix: {problem}"), highlight=False, soft_wrap=True)
    line = f"ready: {report.command}" if report.ready else f"not ready: {report.problems[0]}"
    out.print(Text(line), style="bold green" if report.ready else "bold red", highlight=False, soft_wrap=True)

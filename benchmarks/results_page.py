"""Write `docs/results.md` and a page per benchmark from the recorded rows (`make results`).

The first page has a short table per area: the decisive rows, and every row below its requirement. Behind it each
benchmark has a page with all of its rows, what was measured, and on which machine.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from assay.corpus.storage.atomic import atomic_path
from benchmarks.results import RESULTS, Row
from benchmarks.results_areas import AREAS, Area, Headline

DOCS = Path(__file__).parent.parent / "docs"
HEAD = """# Results

Every figure was measured by the command beside it and written here by `make results`. Speeds are ratios measured in one
run, interleaved, with medians: absolute times depend on the load of the machine, ratios much less. A row below its
requirement stays. A headline that stands for several rows shows the worst of them.
"""


class RecordedRow(Row):
    """A row with the date, machine and versions of its measurement."""

    context: dict[str, str]


def main() -> None:
    """Write all pages."""
    recorded = {path.stem: read(path) for path in sorted(RESULTS.glob("*.jsonl"))}
    listed = {name for area in AREAS for name in area.benchmarks}
    if missing := sorted(set(recorded) - listed):
        raise SystemExit(f"benchmarks/results_areas.py names no area for {', '.join(missing)}")
    write(DOCS / "results.md", first_page(recorded))
    for name, rows in recorded.items():
        write(DOCS / "results" / f"{name}.md", page(name, rows))


def read(path: Path) -> list[RecordedRow]:
    """Read the recorded rows of one benchmark."""
    return [RecordedRow.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path: Path, text: str) -> None:
    """Write a page."""
    path.parent.mkdir(exist_ok=True)
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def first_page(recorded: dict[str, list[RecordedRow]]) -> str:
    """Return the page of the short tables."""
    toctree = "\n".join(["```{toctree}", ":hidden:", "", *(f"results/{name}" for name in recorded), "```", ""])
    return "\n".join([HEAD, *(_area(area, recorded) for area in AREAS), toctree])


def _area(area: Area, recorded: dict[str, list[RecordedRow]]) -> str:
    rows = [row for name in area.benchmarks for row in recorded[name]]
    lines = list(_headlines(area.headlines, rows))
    pages = ", ".join(f"[{name.replace('_', ' ')}](results/{name}.md)" for name in area.benchmarks)
    commands = ", ".join(f"`{command}`" for command in dict.fromkeys(row.command for row in rows))
    required = [row for row in rows if row.required is not None]
    reached = f"{sum(row.reached for row in required)} of {len(required)} requirements are met. " if required else ""
    head = ["| | measured | required |", "|---|---|---|"]
    end = f"{reached}All rows: {pages} ({commands})."
    return "\n".join([f"## {area.title}\n", f"{area.what}\n", *head, *lines, "", end, ""])


def _headlines(headlines: Sequence[Headline], rows: Sequence[RecordedRow]) -> Iterator[str]:
    shown: set[str] = set()
    for headline in headlines:
        matching = [row for row in rows if headline.matches(row.measure)]
        if not matching:
            raise SystemExit(f"no recorded row matches {headline.pattern!r} of benchmarks/results_areas.py")
        worst = (min if matching[0].better == "higher" else max)(matching, key=lambda row: row.value)
        shown.add(worst.measure)
        yield _short_line(headline.label.format(count=len(matching)), worst)
    for row in rows:
        if not row.reached and row.measure not in shown:
            yield _short_line(row.measure, row)


def _short_line(label: str, row: Row) -> str:
    return f"| {label} | {_value(row)} | {_bound(row, row.required)} |"


def page(name: str, rows: Sequence[RecordedRow]) -> str:
    """Return the page of one benchmark: all of its rows, their notes, the machines."""
    head = [
        f"# Results: {name.replace('_', ' ')}\n",
        "| measure | value | required | aim | spread |",
        "|---|---|---|---|---|",
    ]
    notes = [f"- {row.measure}: {row.note}" for row in rows if row.note]
    contexts: dict[str, list[RecordedRow]] = {}
    for row in rows:
        contexts.setdefault("; ".join(f"{key} {value}" for key, value in row.context.items()), []).append(row)
    machines = [f"- {len(measured)} of {len(rows)} rows: {context}." for context, measured in contexts.items()]
    commands = ", ".join(f"`{command}`" for command in dict.fromkeys(row.command for row in rows))
    parts = [f"Measured by {commands}.\n", *(["## Notes\n", *notes, ""] if notes else []), "## Machines\n", *machines]
    return "\n".join([*head, *map(_line, rows), "", *parts, ""])


def _line(row: Row) -> str:
    spread = f"{row.spread[0]:g} to {row.spread[1]:g}" if row.spread else ""
    return f"| {row.measure} | {_value(row)} | {_bound(row, row.required)} | {_bound(row, row.aim)} | {spread} |"


def _value(row: Row) -> str:
    return f"{row.value:g}" if row.reached else f"**{row.value:g} (short)**"


def _bound(row: Row, bound: float | None) -> str:
    return "" if bound is None else f"{'≥' if row.better == 'higher' else '≤'} {bound:g}"


if __name__ == "__main__":
    main()

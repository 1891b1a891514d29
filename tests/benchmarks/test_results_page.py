import pytest

from benchmarks.results import RESULTS, Row
from benchmarks.results_areas import AREAS
from benchmarks.results_page import DOCS, RecordedRow, first_page, page, read

RECORDED = {path.stem: read(path) for path in sorted(RESULTS.glob("*.jsonl"))}


def test_results_pages_show_the_recorded_rows() -> None:
    assert (DOCS / "results.md").read_text(encoding="utf-8") == first_page(RECORDED), "run make results"
    for name, rows in RECORDED.items():
        assert (DOCS / "results" / f"{name}.md").read_text(encoding="utf-8") == page(name, rows), "run make results"


def test_results_areas_name_every_benchmark_once() -> None:
    named = [name for area in AREAS for name in area.benchmarks]
    assert sorted(named) == sorted(RECORDED)


def test_results_page_shows_every_row_below_its_requirement() -> None:
    text = first_page(RECORDED)
    for rows in RECORDED.values():
        for row in rows:
            assert row.reached or f"**{row.value:g} (short)**" in text, row.measure


def test_results_page_shows_the_worst_row_of_a_headline() -> None:
    text = first_page(RECORDED)
    worst = max(row.value for row in RECORDED["gate"] if "promoted (improve)," in row.measure)
    assert f"cells of clusters | {worst:g} |" in text


def test_results_page_stops_where_a_headline_has_no_row() -> None:
    other = RecordedRow(**Row(measure="other", value=1, better="higher", command="make x").model_dump(), context={})
    with pytest.raises(SystemExit, match="no recorded row matches"):
        first_page({name: [other] for name in RECORDED})

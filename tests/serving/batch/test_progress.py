import io

import pytest
from rich.console import Console
from rich.progress import Progress

from assay.serving.batch.progress import RowsBar, _Speed, rows_bar


class Clock:
    """A clock that stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Progress:
    return Progress(_Speed(), console=Console(file=io.StringIO()), get_time=clock, auto_refresh=False)


def shown(progress: Progress) -> str:
    return _Speed().render(progress.tasks[0]).plain


def test_rows_bar_measures_the_speed_without_the_rows_of_an_earlier_run(progress: Progress, clock: Clock) -> None:
    # given a run that reads 40 seconds until it knows that half of the rows are done
    bar = RowsBar(progress, progress.add_task("rows", total=6_000))
    clock.now = 40.0
    bar.resume(3_000)
    assert (progress.tasks[0].completed, shown(progress)) == (3_000, "")
    # when it predicts the rest at 1500 rows per second
    for clock.now in (41.0, 42.0):
        bar.advance(1_500)
    # then neither the earlier rows nor the time before them count
    assert progress.tasks[0].completed == 6_000
    assert progress.tasks[0].finished_speed == 1_500
    assert shown(progress) == "1,500 rows/s"


def test_rows_bar_adds_the_rows_of_several_earlier_shards(progress: Progress) -> None:
    bar = RowsBar(progress, progress.add_task("rows", total=100))
    for rows in (10, 0, 20):
        bar.resume(rows)
    bar.advance(5)
    assert progress.tasks[0].completed == 35


def test_rows_bar_keeps_its_speed_where_nothing_was_done_before(progress: Progress, clock: Clock) -> None:
    bar = RowsBar(progress, progress.add_task("rows", total=100))
    bar.advance(0)
    clock.now = 2.0
    bar.advance(20)
    bar.resume(0)
    assert shown(progress) == "10 rows/s"


def test_rows_bar_is_shown_on_stderr_of_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # the sign by which rich takes any stream for a terminal
    monkeypatch.setenv("COLUMNS", "120")
    with rows_bar("news.jsonl", 4) as bar:
        bar.advance(3)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "news.jsonl" in printed.err
    assert "3/4" in printed.err


def test_rows_bar_is_hidden_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    with rows_bar("news.jsonl", 4) as bar:
        bar.resume(1)
        bar.advance(3)
    assert capsys.readouterr() == ("", "")

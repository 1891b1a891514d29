"""The end of a run, in full and as JSON."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from assay.cli import console, run_report
from assay.cli.run_report import next_commands, show_summary
from assay.cli.run_summary import RunSummary
from assay.evaluation.decisive_scores import DecisiveScore
from assay.evaluation.verdict import Check


def check(name: str, *, passed: bool = True, tested: bool = True) -> Check:
    return Check(name=name, measured="0.5", required="0.7", passed=passed, tested=tested, why=f"why of {name} " * 8)


def summary(*checks: Check, **changes: object) -> RunSummary:
    score = DecisiveScore(
        head="sentence",
        metric="sentence.macro_f1",
        f1=0.912,
        low=0.9,
        high=0.93,
        threshold=0.7,
        baseline=0.36,
        champion=None,
    )
    values = {
        "recipe": "tiny",
        "model": "tiny",
        "version": "3",
        "outcome": "promoted",
        "why": "champion instead of version 2",
        "scores": [score],
        "checks": list(checks),
        "compared_with": "2",
        "attempts": [],
        "card": "/somewhere/card.html",
        "run": "k",
        "mlflow_run": "m",
    }
    return RunSummary.model_validate({**values, **changes})


def shown(monkeypatch: pytest.MonkeyPatch, result: RunSummary, *, terminal: bool = True) -> str:
    screen = Console(file=io.StringIO(), width=80, force_terminal=terminal, color_system=None, markup=False)
    for module in (console, run_report):
        monkeypatch.setattr(module, "out", screen)
    show_summary(result, Path(".assay"))
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def test_show_summary_groups_what_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    slices = [check(f"slice: region={name} (sentence)") for name in ("north", "south")]
    text = shown(monkeypatch, summary(check("data"), check("score: sentence"), *slices))
    lines = [line.rstrip() for line in text.splitlines()]
    assert "tiny version 3: champion instead of version 2" in lines
    assert "passed      data, score, 2 slices" in lines
    assert "sentence          0.912     0.900-0.930         0.7      0.360" in lines
    assert "serve       assay serve --model models:/tiny@champion" in lines
    assert "why of" not in text
    assert all(len(line) <= 80 for line in lines)


def test_show_summary_shows_what_failed_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = check("score: sentence", passed=False)
    result = summary(check("data"), failed, outcome="refused", why="refused: score: sentence")
    text = shown(monkeypatch, result)
    assert "tiny version 3: refused, 1 of 2 checks failed" in text
    assert "failed: score: sentence" in text
    assert text.count("why of score") == 8
    assert 'help        "Refused: what now?" in the documentation' in text
    assert "assay serve" not in text
    assert all(len(line) <= 80 for line in text.splitlines())
    plain = shown(monkeypatch, result, terminal=False)
    assert "  why       " + failed.why in plain.splitlines()  # one line in a log


def test_next_commands_name_another_store() -> None:
    pending = summary(check("data"), outcome="pending")
    commands = dict(next_commands(pending, Path("my store")))
    assert commands["approve"] == "assay approve tiny --version 3 --approver YOUR_NAME --store 'my store'"
    assert commands["predict"].startswith("assay predict --model models:/tiny/3 --input ")
    assert "serve" not in commands


def test_address_is_none_after_a_dry_run() -> None:
    dry = summary(version=None, outcome="passed", why="dry run: passed, nothing registered")
    assert dry.address is None
    assert dry.headline == "tiny (nothing registered): dry run: passed, nothing registered"

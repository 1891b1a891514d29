import pytest

from tests.cli.calls import call


def test_monitor_reports_an_invalid_time_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("monitor", "--model", "models:/toy@champion", "--window", "in.jsonl", "--since", "yesterday")
    assert call(monkeypatch, *words) == 1
    said = capsys.readouterr().err
    assert "--since is 'yesterday', which is not an ISO 8601 time; write 2026-11-14" in said
    assert "Traceback" not in said

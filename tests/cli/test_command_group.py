"""Help, version, completion and errors of the command line, as a person at a terminal of 80 columns sees them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from assay.cli.command import GROUPS, THEMES
from assay.cli.command_group import LONGEST_SUMMARY
from assay.cli.command_help import summary_of
from tests.cli.calls import call

COMMANDS = [command.__name__ for commands in THEMES.values() for command in commands]
SUBCOMMANDS = [(name, command.__name__) for name, commands in GROUPS.items() for command in commands]


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"]])
def test_command_group_lists_every_command_in_one_line(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *words) == 0
    shown = capsys.readouterr().out
    assert "..." not in shown.partition("Start:")[2]
    assert max(map(len, shown.splitlines())) <= 80
    listed = dict(re.findall(r"^  ([a-z]+) +(\S.*)$", shown.partition("Start:")[2], re.MULTILINE))
    assert list(listed) == [*COMMANDS, *GROUPS]
    assert listed["rollback"] == "Make an earlier version the champion again"


def test_command_group_lists_the_commands_of_a_group(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "labels", "-h") == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    listed = dict(re.findall(r"^  ([a-z]+) +(\S.*)$", shown.partition("Commands:")[2], re.MULTILINE))
    assert list(listed) == ["issues", "suggest", "apply"]
    assert listed["apply"] == "Use corrected labels in the next run of a recipe"


@pytest.mark.parametrize(
    "command", [command for commands in (*THEMES.values(), *GROUPS.values()) for command in commands]
)
def test_summary_of_each_command_fits_beside_its_name(command: object) -> None:
    summary = summary_of(command.__doc__ or "")
    assert 10 <= len(summary) <= LONGEST_SUMMARY
    assert (command.__doc__ or "").partition("\n")[0].endswith(".")


@pytest.mark.parametrize("words", [*((name,) for name in COMMANDS), *SUBCOMMANDS])
def test_help_names_values_in_words(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *words, "--help") == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert not re.search(r"<[a-z\[]|[{}]|\[\[|list\[", shown)
    assert shown.startswith(f"Usage: assay {' '.join(words)} [OPTIONS]")
    for name in re.findall(r"[A-Z][A-Z/\[\]]+", shown.partition("\n")[0].partition("[OPTIONS]")[2]):
        assert f"\n  {name.strip('[]')} " in shown or f"\n  {name} " in shown


@pytest.mark.parametrize("words", [*((name,) for name in COMMANDS), *SUBCOMMANDS])
def test_command_group_has_no_negative_of_a_flag_that_is_off(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *words, "-h") == 0
    pairs = re.findall(r"--(\S+) / --no-\1", capsys.readouterr().out)
    assert set(pairs) <= {"retrain", "open"}  # None by default: both have a meaning


def test_command_group_prints_the_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--version") == 0
    assert re.fullmatch(r"assay \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["vlidate", "x"], "assay: there is no command 'vlidate'; did you mean 'validate'?"),
        (["labels", "issue"], "assay: there is no command 'issue'; did you mean 'issues'?"),
        (["xyzzy"], "assay: there is no command 'xyzzy'; see assay --help"),
        (["validate"], "assay: Missing argument 'RECIPE'; see assay validate --help"),
        (
            ["doctor", "--stor", "x"],
            "assay: No such option: --stor (Possible options: --json, --set, --store); see assay doctor --help",
        ),
        (["--verbose"], "assay: No such option: --verbose"),
        (["up", "--mlflow-port", "x"], "assay: --mlflow-port is x; it takes a whole number"),
        (["seeds", "snips", "--count", "0"], "assay: --count is 0; it takes a number from 1 to 10000"),
    ],
)
def test_command_group_reports_wrong_use_in_one_line(
    words: list[str], line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(line)
    assert shown.err.count("\n") == 1


def completions(shell: str, *words: str) -> str:
    """Return what a shell's completion script gets for the last word."""
    environment = {
        **os.environ,
        "_ASSAY_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": " ".join(words),
    }
    program = Path(sys.executable).with_name("assay")
    done = subprocess.run([program], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_of_commands_and_options(shell: str) -> None:
    assert "rollback" in completions(shell, "assay", "roll")
    assert "--store" in completions(shell, "assay", "history", "--st")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_script_is_valid(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    program = Path(sys.executable).with_name("assay")
    environment = {**os.environ, "_ASSAY_COMPLETE": f"source_{shell}"}
    script = subprocess.run([program], env=environment, capture_output=True, text=True, check=True).stdout
    (tmp_path / "script").write_text(script)
    subprocess.run([shell, "-n", tmp_path / "script"], check=True)
    assert "assay" in script

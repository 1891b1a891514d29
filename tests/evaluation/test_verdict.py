from assay.evaluation.attempts import Attempt, SliceChange
from assay.evaluation.verdict import Check, Verdict, verdict_markdown


def a_check(**changes: object) -> Check:
    values = {"name": "data", "measured": "0", "required": "0", "passed": True, "why": "sound"}
    return Check.model_validate({**values, **changes})


def a_verdict(*checks: Check, champion: str | None = None, forced: str | None = None) -> Verdict:
    return Verdict(
        recipe="r",
        bundle="b" * 64,
        snapshot="s" * 64,
        splits="p",
        champion=champion,
        checks=list(checks),
        forced=forced,
    )


def test_verdict_passes_only_if_every_check_passed() -> None:
    assert a_verdict(a_check()).outcome == "passed"
    assert a_verdict(a_check(), a_check(name="score", passed=False)).outcome == "refused"


def test_verdict_without_checks_is_refused() -> None:
    assert a_verdict().outcome == "refused"


def test_verdict_survives_json() -> None:
    verdict = a_verdict(a_check(tested=False), champion="3")
    again = Verdict.model_validate_json(verdict.model_dump_json())
    assert again == verdict
    assert again.digest == verdict.digest


def test_verdict_markdown_shows_failed_checks_first_and_names_the_champion() -> None:
    failed = a_check(name="score: sentence", passed=False, why="below the threshold")
    lines = verdict_markdown(a_verdict(a_check(), failed, champion="3")).splitlines()
    assert lines[0] == "# Refused"
    assert "1 of 2 checks passed" in lines[2]
    assert "champion version 3" in lines[2]
    assert lines[6] == "| score: sentence | failed | 0 | 0 | below the threshold |"
    assert lines[7] == "| data | passed | 0 | 0 | sound |"


def test_verdict_markdown_shows_untested_checks_and_the_force_reason() -> None:
    page = verdict_markdown(a_verdict(a_check(tested=False), forced="agreed with the desk"))
    assert "| not tested |" in page
    assert "forced: agreed with the desk" in page


def test_verdict_markdown_keeps_values_in_their_cell() -> None:
    hostile = "a|b\n# heading <script>"
    line = verdict_markdown(a_verdict(a_check(name=hostile))).splitlines()[6]
    assert line.startswith(r"| a\|b # heading &lt;script&gt; | passed |")


def test_verdict_markdown_shows_the_attempts() -> None:
    hostile = "region=a|b <script>"
    change = SliceChange(head="sentence", name=hostile, training_rows=1200, before=0.5, after=0.66)
    first = Attempt(
        kind="first", why="as it stands", f1={"sentence": 0.7, "tokens": 0.81}, accepted=True, reason="first"
    )
    mitigated = Attempt(
        kind="mitigated",
        number=1,
        why=f"slices fell short: {hostile}",
        settings={"training.learning_rate": 0.0003},
        f1={"sentence": 0.72, "tokens": 0.8},
        slices=[change],
        accepted=False,
        reason="costs too much",
    )
    verdict = a_verdict(a_check()).model_copy(update={"attempts": [first, mitigated]})
    lines = verdict_markdown(verdict).splitlines()
    assert "## Attempts" in lines
    assert "| first | as it stands | sentence 0.700, tokens 0.810 | kept | first |  |" in lines
    [line] = [line for line in lines if line.startswith("| mitigated 1 | slices")]
    assert line.endswith("| sentence 0.720, tokens 0.800 | no | costs too much | training.learning\\_rate=0.0003 |")
    assert r"| mitigated 1 | region=a\|b &lt;script&gt; (sentence) | 1,200 | 0.500 | 0.660 |" in lines
    assert "Attempts" not in verdict_markdown(a_verdict(a_check()))

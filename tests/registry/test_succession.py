"""The succession of champions after promotions and rollbacks."""

import pytest

from assay.registry.history import AliasChange
from assay.registry.succession import newest_first, read_succession


def history(*steps: str, state: str = "done") -> list[AliasChange]:
    """Return changes such as `+3` (version 3 is promoted) and `-1` (a rollback puts version 1 back)."""
    moves: list[AliasChange] = []
    for number, step in enumerate(steps, 1):
        source = moves[-1].target if moves else None
        kind = "promotion" if step[0] == "+" else "rollback"
        values = {"number": number, "kind": kind, "source": source, "target": step[1:], "previous": None}
        moves.append(AliasChange.model_validate({**values, "reason": "why", "state": state, "bundle": f"b{step[1:]}"}))
    return moves


@pytest.mark.parametrize(
    ("steps", "in_force", "rolled_back"),
    [
        (["+1", "+2", "+3"], ["1", "2", "3"], set()),
        (["+1", "+2", "+3", "-2"], ["1", "2"], {"3"}),
        (["+1", "+2", "+3", "-2", "-1"], ["1"], {"2", "3"}),
        (["+1", "+2", "+3", "-1"], ["1"], {"3"}),  # version 2 was skipped, and is no target either
        (["+1", "+2", "-1", "-2"], ["2"], {"1"}),  # put back by name
        (["+1", "+2", "-1", "+2"], ["1", "2"], set()),  # forced or approved
        (["+1", "+2", "+1", "-2"], ["2"], {"1"}),
    ],
)
def test_succession_knows_who_is_in_force_and_who_was_rolled_back(
    steps: list[str], in_force: list[str], rolled_back: set[str]
) -> None:
    succession = read_succession(history(*steps))
    assert succession.in_force == in_force
    assert set(succession.rolled_back) == rolled_back


def test_succession_ignores_undone_changes() -> None:
    assert read_succession(history("+1", "+2", state="undone")).in_force == []


def test_succession_takes_down_the_last_champion_where_its_alias_was_gone() -> None:
    moves = history("+1", "+2", "-1")
    moves[-1] = moves[-1].model_copy(update={"source": None})
    succession = read_succession(moves)
    assert (succession.in_force, set(succession.rolled_back)) == (["1"], {"2"})


def test_succession_knows_the_champion_before_a_history_that_lost_its_beginning() -> None:
    assert read_succession(history("+1", "+2", "+3", "+4")[2:]).in_force == ["2", "3", "4"]
    assert read_succession(history("+1", "+2", "+3", "-2")[2:]).in_force == ["2"]
    assert read_succession(history("+1", "+2", "-1")[2:]).in_force == ["1"]


def test_why_rolled_back_knows_a_bundle_whose_version_is_deleted() -> None:
    succession = read_succession(history("+1", "+2", "-1"))
    assert str(succession.why_rolled_back("b2", lambda number: "")).startswith("version 2 holds this bundle")
    assert succession.why_rolled_back("b1", lambda number: "") is None


def test_why_rolled_back_asks_for_a_digest_that_the_history_does_not_hold() -> None:
    moves = [move.model_copy(update={"bundle": None}) for move in history("+1", "+2", "-1")]
    assert read_succession(moves).why_rolled_back("digest of 2", lambda number: f"digest of {number}") is not None


@pytest.mark.parametrize(
    ("steps", "refused"),
    [
        (["+1 a", "+2 x", "-1 a", "+4 x", "+5 b"], False),  # made again, and promoted by force or approval
        (["+1 a", "+2 x", "-1 a", "+4 x", "-1 a"], True),  # and rolled back again
        (["+1 a", "+2 x", "-1 a", "+4 x", "-1 a", "+6 x", "+7 b"], False),
        (["+1 a", "+2 x", "-1 a", "+4 x", "-1 a", "-4 x", "+7 b"], False),  # put back by name
        (["+1 a", "+2 x", "-1 a", "+5 b"], True),
        (["+1 a", "+2 x", "+3 y", "-1 a", "+4 y", "-1 a", "-2 x"], False),
    ],
)
def test_why_rolled_back_forgets_a_bundle_that_was_promoted_under_another_number(
    steps: list[str], refused: bool
) -> None:
    moves = [
        move.model_copy(update={"target": move.target.split()[0], "bundle": move.target.split()[1]})
        for move in history(*steps)
    ]
    sources = [None, *(move.target for move in moves[:-1])]
    moves = [move.model_copy(update={"source": source}) for move, source in zip(moves, sources, strict=True)]
    why = read_succession(moves).why_rolled_back("x", lambda number: "")
    assert (why is not None) == refused


def test_newest_first_names_each_version_once() -> None:
    assert newest_first(["1", "2", "1", "3"]) == ["3", "1", "2"]

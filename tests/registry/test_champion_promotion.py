from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.registry.aliases import ChampionChanged
from assay.registry.champion_promotion import promote_version
from assay.registry.champion_rollback import roll_back
from assay.registry.model_registry import ModelRegistry
from tests.registry.toy_registry import (
    NAME,
    MakeCandidate,
    aliases,
)


def test_promote_version_changes_both_aliases_and_records_it(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    # Given a champion,
    first, passed_first = candidate("first")
    promote_version(registry, first, passed_first, None, "the first one", "run-1")
    # when another version is promoted,
    second, passed_second = candidate("second")
    move = promote_version(registry, second, passed_second, first, "better", "run-2")
    # then it serves, the old one is remembered, and the version tells why.
    assert aliases(registry) == ("2", "1")
    assert registry.version("2").tags.items() >= {"assay.reason": "better", "assay.replaced": "1"}.items()
    # The history holds both moves in order, for anybody who reads the registry with another store.
    history = ModelRegistry(NAME, registry.tracking_uri, Path("/nowhere")).history()
    assert [(one.source, one.target, one.reason, one.run, one.state) for one in history] == [
        (None, "1", "the first one", "run-1", "done"),
        ("1", "2", "better", "run-2", "done"),
    ]
    assert history[1] == move
    assert history[1].verdict == passed_second.digest
    assert history[0].when < history[1].when


def test_promote_version_is_idempotent_for_the_champion(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    version, verdict = candidate("first")
    promote_version(registry, version, verdict, None, "better")
    assert promote_version(registry, version, verdict, None, "better") is None
    assert len(registry.history()) == 1


def test_promote_version_skips_a_refused_candidate(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    version, verdict = candidate("first", passed=False)
    with pytest.raises(AssayError, match=r"models:/toy/1 was refused \(score: sentence\)"):
        promote_version(registry, version, verdict, None, "I like it")
    blank = verdict.model_copy(update={"forced": "  "})
    with pytest.raises(AssayError, match="was refused"):
        promote_version(registry, version, blank, None, "I like it")
    assert aliases(registry) == (None, None)


def test_promote_version_refuses_a_verdict_without_checks(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    version, verdict = candidate("first")
    with pytest.raises(AssayError, match="no checks were made"):
        promote_version(registry, version, verdict.model_copy(update={"checks": []}), None, "better")


def test_promote_version_records_a_forced_promotion_permanently(
    candidate: MakeCandidate, registry: ModelRegistry
) -> None:
    # Given a refused candidate that is forced with a reason,
    version, verdict = candidate("first", passed=False, forced="the old one is on fire")
    promote_version(registry, version, verdict, None, "emergency")
    # when other versions come and it is put back,
    second, passed = candidate("second")
    promote_version(registry, second, passed, version, "better")
    roll_back(registry, "1", "second one is worse")
    # then version and history still say so, and the sound one carries no such mark.
    assert registry.version("1").tags["assay.forced"] == "the old one is on fire"
    assert "assay.forced" not in registry.version("2").tags
    assert [move.forced for move in registry.history()] == ["the old one is on fire", None, "the old one is on fire"]


def test_promote_version_ignores_a_reason_to_force_that_was_not_needed(
    candidate: MakeCandidate, registry: ModelRegistry
) -> None:
    version, verdict = candidate("first", forced="in case it is refused")
    move = promote_version(registry, version, verdict, None, "better")
    assert move is not None
    assert move.forced is None
    assert "assay.forced" not in registry.version("1").tags


def test_promote_version_refuses_a_verdict_about_another_bundle(
    candidate: MakeCandidate, registry: ModelRegistry
) -> None:
    first, _ = candidate("first")
    _, other = candidate("second")
    with pytest.raises(AssayError, match="the verdict is about bundle"):
        promote_version(registry, first, other, None, "better")


def test_promote_version_refuses_a_verdict_about_another_champion(
    candidate: MakeCandidate, registry: ModelRegistry
) -> None:
    # Given two candidates that were both compared with no champion,
    (first, passed_first), (second, passed_second) = candidate("first"), candidate("second")
    promote_version(registry, first, passed_first, None, "better")
    # when the second one comes,
    with pytest.raises(ChampionChanged, match="the champion is version 1, but the candidate was compared with None"):
        promote_version(registry, second, passed_second, None, "better")
    # then the first one serves on.
    assert aliases(registry) == ("1", None)

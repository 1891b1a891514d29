import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.corpus.storage.leases import hold_lease
from assay.corpus.storage.object_store import SharedStore
from assay.registry.aliases import ChampionChanged
from assay.registry.champion_change import hold_champion
from assay.registry.champion_promotion import promote_version
from assay.registry.champion_rollback import roll_back
from assay.registry.history import AliasChange
from assay.registry.model_registry import ModelRegistry
from assay.runs.tags import ALIAS_CHANGE_TAG
from tests.registry.toy_registry import (
    NAME,
    Candidate,
    FailingClient,
    MakeCandidate,
    aliases,
)


def test_hold_champion_takes_the_lease_in_the_shared_store(
    store: Path, tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_SHARED_STORE", f"{bucket}/team")
    uri = f"sqlite:///{store}/mlflow.db"
    MlflowClient(tracking_uri=uri).create_registered_model("tiny")
    # given two machines with a store of their own
    machines = [ModelRegistry("tiny", uri, tmp_path / name) for name in ("one", "two")]
    # when each of them holds the lease, then the numbers rise
    numbers = []
    for registry in machines:
        with hold_champion(registry) as lease:
            numbers.append(lease.fencing)
    assert numbers == [1, 2]
    assert SharedStore(f"{bucket}/team").names("locks/tiny", "*.json") == ["locks/tiny/000000002.json"]
    assert not (tmp_path / "one" / "locks").exists()


def test_hold_champion_orders_concurrent_promotions(candidate: MakeCandidate, uri: str, store: Path) -> None:
    # Given six candidates whose flows gate again whenever the champion changed,
    candidates = [candidate("x" * length) for length in range(1, 7)]
    begin = threading.Barrier(len(candidates))

    def promote(one: Candidate) -> None:
        registry = ModelRegistry(NAME, uri, store)
        begin.wait()
        while True:
            try:
                promote_version(registry, *one, registry.champion(), "better")
            except ChampionChanged:
                continue
            return

    # when all promote at once,
    with ThreadPoolExecutor(len(candidates)) as pool:
        list(pool.map(promote, candidates))
    # then each was champion once, each replaced the one before it, and the aliases point to the last two.
    registry = ModelRegistry(NAME, uri, store)
    moves = registry.history()
    assert [move.source for move in moves] == [None, *(move.target for move in moves[:-1])]
    assert sorted(move.target for move in moves) == [str(number) for number in range(1, 7)]
    assert aliases(registry) == (moves[-1].target, moves[-2].target)


@pytest.mark.parametrize(
    ("method", "at"),
    [
        ("set_model_version_tag", 1),
        ("set_registered_model_alias", 1),
        ("set_registered_model_alias", 2),
        ("set_registered_model_tag", 1),
        ("set_registered_model_tag", 2),
    ],
)
def test_change_champion_undoes_a_change_that_fails(
    candidate: MakeCandidate, registry: ModelRegistry, store: Path, method: str, at: int
) -> None:
    # Given a champion and the one before it, and an MLflow that breaks down at one of the writes,
    for name, expected in (("a", None), ("bb", "1")):
        version, verdict = candidate(name)
        promote_version(registry, version, verdict, registry.version(expected) if expected else None, "better")
    third, passed = candidate("third")
    uri = registry.tracking_uri
    broken = ModelRegistry(NAME, uri, store, FailingClient(uri, method, at))
    # when a third one is promoted,
    with pytest.raises(AssayError, match="the server went away"):
        promote_version(broken, third, passed, registry.champion(), "better")
    # then both aliases are as they were, the attempt is in the history as undone at most,
    assert aliases(registry) == ("2", "1")
    assert [move.state for move in registry.history()][2:] in (["undone"], [])
    # and it can be made good.
    promote_version(registry, third, passed, registry.champion(), "better")
    assert aliases(registry) == ("3", "2")


@pytest.mark.parametrize(("arrived", "state", "wanted"), [(False, "undone", ("2", "1")), (True, "done", ("3", "2"))])
def test_hold_champion_settles_what_a_dead_process_left(
    candidate: MakeCandidate, registry: ModelRegistry, arrived: bool, state: str, wanted: tuple[str, str]
) -> None:
    # Given two champions, and a third promotion that was cut off between its writes,
    for name, expected in (("a", None), ("bb", "1")):
        version, verdict = candidate(name)
        promote_version(registry, version, verdict, registry.version(expected) if expected else None, "better")
    candidate("third")
    client = MlflowClient(tracking_uri=registry.tracking_uri)
    cut_off = AliasChange(number=77, kind="promotion", source="2", target="3", previous="1", reason="better")
    client.set_registered_model_tag(NAME, f"{ALIAS_CHANGE_TAG}000077", cut_off.model_dump_json())
    client.set_registered_model_alias(NAME, "previous", "2")
    if arrived:
        client.set_registered_model_alias(NAME, "champion", "3")
    # when the next one takes the lease,
    with pytest.raises(AssayError, match="is the champion already"):
        roll_back(registry, wanted[0], "look")
    # then the move is either ended or undone, never half of it.
    assert aliases(registry) == wanted
    assert registry.history()[-1] == cut_off.model_copy(update={"state": state})


def test_change_champion_writes_nothing_after_its_lease_expired(
    candidate: MakeCandidate, uri: str, store: Path
) -> None:
    # Given a promotion that hangs before its first alias until its lease was given to another one,
    version, verdict = candidate("first")

    class Hanging(MlflowClient):
        def set_model_version_tag(self, *args: Any, **kwargs: Any) -> None:
            lease = store / "locks" / f"{NAME}.json"
            lease.write_text(lease.read_text().replace('"expires":', '"expires":0,"then":'))
            with hold_lease(lease):
                super().set_model_version_tag(*args, **kwargs)

    registry = ModelRegistry(NAME, uri, store, Hanging(tracking_uri=uri))
    # when it goes on,
    with pytest.raises(AssayError, match="has expired"):
        promote_version(registry, version, verdict, None, "better")
    # then it moves nothing, and leaves the move for the next holder to settle.
    assert aliases(registry) == (None, None)
    assert [move.state for move in registry.history()] == ["begun"]


def test_change_champion_notices_an_alias_moved_by_other_means(candidate: MakeCandidate, uri: str, store: Path) -> None:
    # Given somebody who sets the alias in the MLflow UI right after us,
    (first, _), (second, verdict) = candidate("first"), candidate("second")

    class Meddled(MlflowClient):
        def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
            super().set_registered_model_alias(name, alias, version)
            if (alias, version) == ("champion", "2"):
                super().set_registered_model_alias(name, alias, first.number)

    registry = ModelRegistry(NAME, uri, store, Meddled(tracking_uri=uri))
    with pytest.raises(ChampionChanged, match="version 1 was made champion by other means"):
        promote_version(registry, second, verdict, None, "better")
    assert [move.state for move in registry.history()] == ["undone"]

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from assay.corpus.errors import AssayError
from assay.corpus.storage.leases import hold_lease
from assay.corpus.storage.object_store import SharedStore
from assay.registry.aliases import ChampionChanged
from assay.registry.history import AliasChange
from assay.registry.model_registry import ModelRegistry
from assay.registry.versions import Version
from assay.runs.tags import ALIAS_CHANGE_TAG
from assay.serving.address import open_bundle
from tests.bundles import build_bundle
from tests.registry.toy_registry import (
    NAME,
    WORDS,
    Candidate,
    FailingClient,
    MakeBundle,
    MakeCandidate,
    a_verdict,
    aliases,
)


def test_model_registry_takes_its_lease_in_the_shared_store(
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
        with registry._lease() as lease:
            numbers.append(lease.fencing)
    assert numbers == [1, 2]
    assert SharedStore(f"{bucket}/team").names("locks/tiny", "*.json") == ["locks/tiny/000000002.json"]
    assert not (tmp_path / "one" / "locks").exists()


def test_register_keeps_the_bundle_unchanged(
    registry: ModelRegistry, mlflow_run: str, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    # When a bundle is registered,
    bundle = make_bundle("first", WORDS)
    verdict = a_verdict(bundle)
    version = registry.register(mlflow_run, bundle.folder, verdict, {"assay.snapshot": "s"}, "a card")
    # then the version tells what it is,
    assert (version.number, version.bundle, version.outcome) == ("1", bundle.digest, "passed")
    assert version.tags["assay.verdict"] == verdict.digest
    assert version.tags["assay.snapshot"] == "s"
    assert version.run_id == mlflow_run
    assert version.address == "models:/toy/1"
    # and its bytes are those of the bundle, for the gate and for the server.
    assert registry.fetch(version, tmp_path / "fetched").digest == bundle.digest
    assert open_bundle("models:/toy/1", tmp_path / "cache", registry.tracking_uri).digest == bundle.digest


def test_register_stores_a_model_without_pickle(
    candidate: MakeCandidate, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given that MLflow may not unpickle anything,
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    version, _ = candidate("first")
    client = MlflowClient(tracking_uri=registry.tracking_uri)
    # when the model is loaded as any MLflow model is,
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(client.get_model_version_download_uri(NAME, version.number))
    # then it answers, and knows its columns.
    predictions = model.predict(pd.DataFrame({"text": ["a bad day"]}))
    assert predictions["label"].tolist() == ["negative"]
    assert model.metadata.get_input_schema().input_names() == ["text"]


def test_register_creates_one_version_if_repeated(
    registry: ModelRegistry, mlflow_run: str, make_bundle: MakeBundle
) -> None:
    # Given a registered bundle,
    bundle = make_bundle("first", WORDS)
    first = registry.register(mlflow_run, bundle.folder, a_verdict(bundle), {})
    # when it comes again with another verdict,
    later = a_verdict(bundle, passed=False)
    second = registry.register(mlflow_run, bundle.folder, later, {})
    # then it is the same version with the later verdict, and its files were uploaded once.
    assert second.number == first.number
    assert (second.outcome, second.tags["assay.verdict"]) == ("refused", later.digest)
    client = MlflowClient(tracking_uri=registry.tracking_uri)
    assert len(client.search_model_versions(f"name = '{NAME}'")) == 1
    outputs = client.get_run(mlflow_run).outputs
    assert outputs is not None
    assert len(outputs.model_outputs) == 1


def test_register_accepts_a_name_with_dots(uri: str, store: Path, mlflow_run: str, tmp_path: Path) -> None:
    # MLflow takes dots in the name of a registered model, and none in that of a logged one
    folder = tmp_path / "dotted"
    folder.mkdir()
    bundle = build_bundle(folder, WORDS, {}, None, {"name": "news.v2"})
    version = ModelRegistry("news.v2", uri, store).register(mlflow_run, folder, a_verdict(bundle), {})
    assert version.address == "models:/news.v2/1"
    assert open_bundle("models:/news.v2/1", tmp_path / "cache", uri).digest == bundle.digest


def test_register_accepts_a_bundle_whose_run_was_removed(
    registry: ModelRegistry, mlflow_run: str, make_bundle: MakeBundle
) -> None:
    # given a version whose MLflow run was deleted, and removed for good by `mlflow gc`
    bundle = make_bundle("first", WORDS)
    version = registry.register(mlflow_run, bundle.folder, a_verdict(bundle), {})
    client = MlflowClient(tracking_uri=registry.tracking_uri)
    experiment = client.get_run(mlflow_run).info.experiment_id
    client.delete_run(mlflow_run)
    tracking: Any = SqlAlchemyStore  # MLflow declares no types here
    tracking(registry.tracking_uri, ".")._hard_delete_run(mlflow_run)
    assert registry.tagged_verdict(version) is None
    # when the same bundle comes again with another run
    again = client.create_run(experiment).info.run_id
    assert registry.register(again, bundle.folder, a_verdict(bundle), {}).number == version.number


def test_register_deletes_a_version_that_a_repeated_request_made(
    uri: str, store: Path, mlflow_run: str, make_bundle: MakeBundle
) -> None:
    # Given a client that sends the request to create a version twice, as after a lost answer,
    class Repeating(MlflowClient):
        def create_model_version(self, *args: Any, **kwargs: Any) -> Any:
            super().create_model_version(*args, **kwargs)
            return super().create_model_version(*args, **kwargs)

    registry = ModelRegistry(NAME, uri, store, Repeating(tracking_uri=uri))
    bundle = make_bundle("first", WORDS)
    # when a bundle is registered,
    version = registry.register(mlflow_run, bundle.folder, a_verdict(bundle), {})
    # then the lower one of both versions is left.
    assert version.number == "1"
    (left,) = MlflowClient(tracking_uri=uri).search_model_versions(f"name = '{NAME}'")
    assert Version.of(left) == version


def test_fetch_and_promote_refuse_changed_bytes(
    candidate: MakeCandidate, registry: ModelRegistry, tmp_path: Path
) -> None:
    # Given a version whose graph somebody replaced,
    version, verdict = candidate("first")
    (graph,) = (tmp_path / "artifacts").rglob("model.onnx")
    graph.write_bytes(b"another graph")
    # then it can neither be fetched nor promoted, and nothing is left behind.
    with pytest.raises(AssayError, match=r"model\.onnx differs from its digest"):
        registry.fetch(version, tmp_path / "fetched")
    with pytest.raises(AssayError, match=r"model\.onnx differs from its digest"):
        registry.promote(version, verdict, None, "better")
    assert registry.champion() is None
    assert not (tmp_path / "fetched").exists()


def test_fetch_refuses_a_version_without_our_tags(registry: ModelRegistry, tmp_path: Path) -> None:
    version = Version(name=NAME, number="7", tags={})
    with pytest.raises(AssayError, match=r"models:/toy/7 has no tag assay\.bundle"):
        registry.fetch(version, tmp_path / "fetched")


def test_version_reports_an_unknown_number_in_one_line(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    candidate("first")
    with pytest.raises(AssayError, match="toy has no version 9; see assay history toy"):
        registry.version("9")


def test_model_registry_without_the_model_is_empty(registry: ModelRegistry) -> None:
    assert (registry.champion(), registry.previous(), registry.history()) == (None, None, [])


def test_model_registry_reports_an_unreachable_mlflow_without_the_password(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = ModelRegistry(NAME, "http://anna:secret@127.0.0.1:9", store)
    with pytest.raises(AssayError) as caught:
        registry.champion()
    line = str(caught.value)
    assert "127.0.0.1:9" in line
    assert "secret" not in line
    assert "\n" not in line


def test_promote_changes_both_aliases_and_records_it(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    # Given a champion,
    first, passed_first = candidate("first")
    registry.promote(first, passed_first, None, "the first one", "run-1")
    # when another version is promoted,
    second, passed_second = candidate("second")
    move = registry.promote(second, passed_second, first, "better", "run-2")
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


def test_promote_is_idempotent_for_the_champion(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    version, verdict = candidate("first")
    registry.promote(version, verdict, None, "better")
    assert registry.promote(version, verdict, None, "better") is None
    assert len(registry.history()) == 1


def test_promote_skips_a_refused_candidate(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    version, verdict = candidate("first", passed=False)
    with pytest.raises(AssayError, match=r"models:/toy/1 was refused \(score: sentence\)"):
        registry.promote(version, verdict, None, "I like it")
    blank = verdict.model_copy(update={"forced": "  "})
    with pytest.raises(AssayError, match="was refused"):
        registry.promote(version, blank, None, "I like it")
    assert aliases(registry) == (None, None)


def test_register_removes_the_failed_checks_of_a_bundle_that_passes_later(
    registry: ModelRegistry, mlflow_run: str, make_bundle: MakeBundle
) -> None:
    bundle = make_bundle("first", WORDS)
    registry.register(mlflow_run, bundle.folder, a_verdict(bundle, passed=False), {"assay.failed": "latency"})
    version = registry.register(mlflow_run, bundle.folder, a_verdict(bundle), {})
    assert version.outcome == "passed"
    assert "assay.failed" not in version.tags


def test_promote_refuses_a_verdict_without_checks(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    version, verdict = candidate("first")
    with pytest.raises(AssayError, match="no checks were made"):
        registry.promote(version, verdict.model_copy(update={"checks": []}), None, "better")


def test_promote_records_a_forced_promotion_permanently(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    # Given a refused candidate that is forced with a reason,
    version, verdict = candidate("first", passed=False, forced="the old one is on fire")
    registry.promote(version, verdict, None, "emergency")
    # when other versions come and it is put back,
    second, passed = candidate("second")
    registry.promote(second, passed, version, "better")
    registry.rollback("1", "second one is worse")
    # then version and history still say so, and the sound one carries no such mark.
    assert registry.version("1").tags["assay.forced"] == "the old one is on fire"
    assert "assay.forced" not in registry.version("2").tags
    assert [move.forced for move in registry.history()] == ["the old one is on fire", None, "the old one is on fire"]


def test_promote_ignores_a_reason_to_force_that_was_not_needed(
    candidate: MakeCandidate, registry: ModelRegistry
) -> None:
    version, verdict = candidate("first", forced="in case it is refused")
    move = registry.promote(version, verdict, None, "better")
    assert move is not None
    assert move.forced is None
    assert "assay.forced" not in registry.version("1").tags


def test_promote_refuses_a_verdict_about_another_bundle(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    first, _ = candidate("first")
    _, other = candidate("second")
    with pytest.raises(AssayError, match="the verdict is about bundle"):
        registry.promote(first, other, None, "better")


def test_register_refuses_a_verdict_about_another_bundle(
    registry: ModelRegistry, mlflow_run: str, make_bundle: MakeBundle
) -> None:
    first, second = make_bundle("first", WORDS), make_bundle("second", WORDS, max_length=5)
    with pytest.raises(AssayError, match="the verdict is about bundle"):
        registry.register(mlflow_run, first.folder, a_verdict(second), {})
    assert MlflowClient(tracking_uri=registry.tracking_uri).search_registered_models() == []


def test_promote_refuses_a_verdict_about_another_champion(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    # Given two candidates that were both compared with no champion,
    (first, passed_first), (second, passed_second) = candidate("first"), candidate("second")
    registry.promote(first, passed_first, None, "better")
    # when the second one comes,
    with pytest.raises(ChampionChanged, match="the champion is version 1, but the candidate was compared with None"):
        registry.promote(second, passed_second, None, "better")
    # then the first one serves on.
    assert aliases(registry) == ("1", None)


def test_promote_orders_concurrent_promotions(candidate: MakeCandidate, uri: str, store: Path) -> None:
    # Given six candidates whose flows gate again whenever the champion changed,
    candidates = [candidate("x" * length) for length in range(1, 7)]
    begin = threading.Barrier(len(candidates))

    def promote(one: Candidate) -> None:
        registry = ModelRegistry(NAME, uri, store)
        begin.wait()
        while True:
            try:
                registry.promote(*one, registry.champion(), "better")
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
def test_promote_rolls_back_a_failed_promotion(
    candidate: MakeCandidate, registry: ModelRegistry, store: Path, method: str, at: int
) -> None:
    # Given a champion and the one before it, and an MLflow that breaks down at one of the writes,
    for name, expected in (("a", None), ("bb", "1")):
        version, verdict = candidate(name)
        registry.promote(version, verdict, registry.version(expected) if expected else None, "better")
    third, passed = candidate("third")
    uri = registry.tracking_uri
    broken = ModelRegistry(NAME, uri, store, FailingClient(uri, method, at))
    # when a third one is promoted,
    with pytest.raises(AssayError, match="the server went away"):
        broken.promote(third, passed, registry.champion(), "better")
    # then both aliases are as they were, the attempt is in the history as undone at most,
    assert aliases(registry) == ("2", "1")
    assert [move.state for move in registry.history()][2:] in (["undone"], [])
    # and it can be made good.
    registry.promote(third, passed, registry.champion(), "better")
    assert aliases(registry) == ("3", "2")


@pytest.mark.parametrize(("arrived", "state", "wanted"), [(False, "undone", ("2", "1")), (True, "done", ("3", "2"))])
def test_lease_settles_what_a_dead_process_left(
    candidate: MakeCandidate, registry: ModelRegistry, arrived: bool, state: str, wanted: tuple[str, str]
) -> None:
    # Given two champions, and a third promotion that was cut off between its writes,
    for name, expected in (("a", None), ("bb", "1")):
        version, verdict = candidate(name)
        registry.promote(version, verdict, registry.version(expected) if expected else None, "better")
    candidate("third")
    client = MlflowClient(tracking_uri=registry.tracking_uri)
    cut_off = AliasChange(number=77, kind="promotion", source="2", target="3", previous="1", reason="better")
    client.set_registered_model_tag(NAME, f"{ALIAS_CHANGE_TAG}000077", cut_off.model_dump_json())
    client.set_registered_model_alias(NAME, "previous", "2")
    if arrived:
        client.set_registered_model_alias(NAME, "champion", "3")
    # when the next one takes the lease,
    with pytest.raises(AssayError, match="is the champion already"):
        registry.rollback(wanted[0], "look")
    # then the move is either ended or undone, never half of it.
    assert aliases(registry) == wanted
    assert registry.history()[-1] == cut_off.model_copy(update={"state": state})


def test_promote_writes_nothing_after_its_lease_expired(candidate: MakeCandidate, uri: str, store: Path) -> None:
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
        registry.promote(version, verdict, None, "better")
    # then it moves nothing, and leaves the move for the next holder to settle.
    assert aliases(registry) == (None, None)
    assert [move.state for move in registry.history()] == ["begun"]


def test_promote_notices_an_alias_moved_by_other_means(candidate: MakeCandidate, uri: str, store: Path) -> None:
    # Given somebody who sets the alias in the MLflow UI right after us,
    (first, _), (second, verdict) = candidate("first"), candidate("second")

    class Meddled(MlflowClient):
        def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
            super().set_registered_model_alias(name, alias, version)
            if (alias, version) == ("champion", "2"):
                super().set_registered_model_alias(name, alias, first.number)

    registry = ModelRegistry(NAME, uri, store, Meddled(tracking_uri=uri))
    with pytest.raises(ChampionChanged, match="version 1 was made champion by other means"):
        registry.promote(second, verdict, None, "better")
    assert [move.state for move in registry.history()] == ["undone"]

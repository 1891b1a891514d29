"""The registry with a real MLflow: versions by bundle digest, ordered promotions, and rollback of failures."""

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from assay.corpus.errors import AssayError
from assay.corpus.splits import Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.corpus.storage.leases import hold_lease
from assay.evaluation.export_report import ExportReport
from assay.evaluation.row_sample import sample_rows
from assay.evaluation.verdict import Check, Verdict
from assay.recipes.recipe import Recipe
from assay.registry.aliases import ChampionChanged
from assay.registry.approvals import Approval
from assay.registry.history import AliasChange
from assay.registry.model_registry import ModelRegistry
from assay.registry.promotion import apply_verdict
from assay.registry.versions import Version
from assay.runs.run import Run
from assay.runs.tags import ALIAS_CHANGE_TAG
from assay.serving.address import open_bundle
from assay.serving.bundle import Bundle
from assay.tasks.promote import promote
from tests.bundles import build_bundle
from tests.results import some_results
from tests.snapshots import recipe_values

NAME = "toy"
WORDS = {"good": "positive", "bad": "negative"}

MakeBundle = Callable[..., Bundle]
Candidate = tuple[Version, Verdict]
MakeCandidate = Callable[..., Candidate]


@pytest.fixture
def uri(store: Path) -> str:
    return f"sqlite:///{store}/mlflow.db"


@pytest.fixture
def mlflow_run(uri: str, tmp_path: Path) -> str:
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("toy", artifact_location=(tmp_path / "artifacts").as_uri())
    return str(client.create_run(experiment).info.run_id)


@pytest.fixture
def registry(uri: str, store: Path) -> ModelRegistry:
    return ModelRegistry(NAME, uri, store)


@pytest.fixture
def candidate(registry: ModelRegistry, mlflow_run: str, make_bundle: MakeBundle) -> MakeCandidate:
    """Return `make(name)`, which registers a version and returns it with its verdict, one bundle per name."""

    def make(name: str, *, passed: bool = True, forced: str | None = None) -> Candidate:
        bundle = make_bundle(name, WORDS, max_length=10 + len(name))
        verdict = a_verdict(bundle, passed=passed, forced=forced)
        return registry.register(mlflow_run, bundle.folder, verdict, {"assay.ledger": "one"}), verdict

    return make


def a_verdict(bundle: Bundle, *, passed: bool = True, forced: str | None = None) -> Verdict:
    check = Check(name="score: sentence", measured="0.9", required="0.6", passed=passed, why="macro-F1")
    return Verdict(
        recipe="r", bundle=bundle.digest, snapshot="s", splits="p", champion=None, checks=[check], forced=forced
    )


def aliases(registry: ModelRegistry) -> tuple[str | None, str | None]:
    """Return the numbers of the champion and of the previous champion."""
    champion, previous = registry.champion(), registry.previous()
    return champion.number if champion else None, previous.number if previous else None


class FailingClient(MlflowClient):
    """An MLflow client that fails at the n-th call of a method, for a number of calls."""

    def __init__(self, uri: str, method: str, at: int, times: int = 1) -> None:
        super().__init__(tracking_uri=uri, registry_uri=uri)
        self._calls = 0
        original = getattr(self, method)

        def failing(*args: Any, **kwargs: Any) -> Any:
            self._calls += 1
            if at <= self._calls < at + times:
                raise MlflowException("the server went away")
            return original(*args, **kwargs)

        setattr(self, method, failing)


# Versions


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


def test_a_version_whose_run_is_gone_can_be_judged_again(
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


def test_a_version_that_a_repeated_request_made_is_deleted(
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


def test_changed_bytes_in_the_registry_are_refused(
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


def test_a_version_of_other_hands_is_refused(registry: ModelRegistry, tmp_path: Path) -> None:
    version = Version(name=NAME, number="7", tags={})
    with pytest.raises(AssayError, match=r"models:/toy/7 has no tag assay\.bundle"):
        registry.fetch(version, tmp_path / "fetched")


def test_an_unknown_version_is_one_line(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    candidate("first")
    with pytest.raises(AssayError, match="toy has no version 9; see assay history toy"):
        registry.version("9")


def test_a_registry_without_the_model_is_empty(registry: ModelRegistry) -> None:
    assert (registry.champion(), registry.previous(), registry.history()) == (None, None, [])


def test_an_unreachable_mlflow_is_one_line_without_the_password(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = ModelRegistry(NAME, "http://anna:secret@127.0.0.1:9", store)
    with pytest.raises(AssayError) as caught:
        registry.champion()
    line = str(caught.value)
    assert "127.0.0.1:9" in line
    assert "secret" not in line
    assert "\n" not in line


# Promotion


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


def test_a_champion_that_is_judged_again_and_refused_keeps_what_it_was_promoted_on(
    registry: ModelRegistry, mlflow_run: str, make_bundle: MakeBundle, store: Path, tmp_path: Path
) -> None:
    # Given a run that was killed behind its promotion,
    values = recipe_values(registry={"name": NAME})
    run = Run(
        key="k", recipe=Recipe.model_validate(values), store=store, tracking_uri=registry.tracking_uri,
        mlflow_run=mlflow_run,
    )  # fmt: skip
    bundle = make_bundle("bundle", WORDS)
    export, splits = (
        ArtifactRef[ExportReport](path=bundle.folder.parent, digest="e"),
        ArtifactRef[Splits](path=tmp_path / "splits", digest="p"),
    )
    splits.path.mkdir()
    Splits.create({"r": "test"}, snapshot="s", method="stratified").save(splits.path)
    results = some_results(export=export, evaluation=export, splits=splits)
    passed = a_verdict(bundle)
    assert promote.fn(run, results, passed).promoted
    # when the gate refuses it on its second start,
    result = promote.fn(run, results, a_verdict(bundle, passed=False))
    # then the answer says so, and the version still tells by which verdict it serves.
    assert not result.promoted
    assert "stays so until a rollback" in result.why
    champion = registry.champion()
    assert champion is not None
    assert (champion.outcome, champion.tags["assay.verdict"]) == ("passed", passed.digest)
    assert champion.tags["assay.test_rows"] == sample_rows(["r"])


def test_a_candidate_that_passes_at_last_no_longer_names_what_failed(
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


def test_a_reason_to_force_that_was_not_needed_leaves_no_mark(
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


# Undo


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
def test_what_a_dead_process_left_is_settled_by_the_next(
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


def test_a_holder_whose_lease_ran_out_writes_nothing_more(candidate: MakeCandidate, uri: str, store: Path) -> None:
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


def test_an_alias_moved_by_other_means_is_noticed(candidate: MakeCandidate, uri: str, store: Path) -> None:
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


# Rollback


def test_rollback_restores_the_previous_champion(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    first, passed_first = candidate("first")
    second, passed_second = candidate("second")
    registry.promote(first, passed_first, None, "better")
    registry.promote(second, passed_second, first, "better")
    # When the previous one is put back,
    move = registry.rollback(None, "wrong about Berlin", "run-9")
    # then the aliases have changed places, and the history tells it.
    assert aliases(registry) == ("1", "2")
    assert (move.kind, move.source, move.target, move.reason) == ("rollback", "2", "1", "wrong about Berlin")
    assert move.verdict == passed_first.digest
    assert registry.history()[-1] == move


def test_rollback_only_restores_former_champions(candidate: MakeCandidate, registry: ModelRegistry) -> None:
    first, verdict = candidate("first")
    candidate("second", passed=False)
    registry.promote(first, verdict, None, "better")
    with pytest.raises(AssayError, match="toy has no previous champion"):
        registry.rollback(None, "worse")
    with pytest.raises(AssayError, match="models:/toy/2 never was champion"):
        registry.rollback("2", "worse")
    with pytest.raises(AssayError, match="models:/toy/1 is the champion already"):
        registry.rollback("1", "worse")
    with pytest.raises(AssayError, match="needs a reason"):
        registry.rollback("1", " ")
    assert aliases(registry) == ("1", None)


@pytest.fixture
def champions(candidate: MakeCandidate, registry: ModelRegistry) -> list[Candidate]:
    """Return three versions, promoted in sequence."""
    made = [candidate(name) for name in ("a", "bb", "ccc")]
    for number, (version, verdict) in enumerate(made):
        registry.promote(version, verdict, made[number - 1][0] if number else None, "better")
    return made


def test_rollback_never_restores_a_rolled_back_version(champions: list[Candidate], registry: ModelRegistry) -> None:
    # Given three champions, when each of two people on call rolls back, then the second one gets an earlier version,
    registry.rollback(None, "insults customers")
    registry.rollback(None, "the second person on call does the same")
    champion = registry.champion()
    assert champion is not None
    assert champion.number == "1"
    # and where none is left, one line says so; by name a version can be put back.
    with pytest.raises(AssayError, match="no previous champion that no rollback took down; name a version with --to"):
        registry.rollback(None, "once more")
    registry.rollback("3", "it was the customers")
    assert [move.target for move in registry.history()] == ["1", "2", "3", "2", "1", "3"]


def test_rollback_skips_a_deleted_version(champions: list[Candidate], registry: ModelRegistry) -> None:
    MlflowClient(tracking_uri=registry.tracking_uri).delete_model_version(NAME, "2")
    assert registry.rollback(None, "worse").target == "1"


def damage(registry: ModelRegistry, artifacts: Path, number: str, how: str) -> None:
    """Replace or remove the graph of a version, or remove all its files."""
    model_id = str(registry.version(number).model_id)
    (graph,) = [path for path in artifacts.rglob("model.onnx") if model_id in str(path)]
    if how == "graph replaced":
        graph.write_bytes(b"another graph")
    elif how == "graph removed":
        graph.unlink()
    else:
        shutil.rmtree(next(folder for folder in graph.parents if folder.name == model_id))


@pytest.mark.parametrize("how", ["graph replaced", "graph removed", "all removed"])
def test_rollback_skips_a_version_that_cannot_be_downloaded(
    champions: list[Candidate], registry: ModelRegistry, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    damage(registry, tmp_path, "2", how)
    assert registry.rollback(None, "worse").target == "1"
    assert "models:/toy/2 is passed over: " in caplog.text
    # By name it is not put back either.
    with pytest.raises(AssayError):
        registry.rollback("2", "worse")


def test_rollback_names_all_versions_that_cannot_be_downloaded(
    champions: list[Candidate], registry: ModelRegistry, tmp_path: Path
) -> None:
    for number in ("1", "2"):
        damage(registry, tmp_path, number, "graph replaced")
    with pytest.raises(
        AssayError, match=r"no previous champion that can be fetched; models:/toy/2: .*models:/toy/1: "
    ) as caught:
        registry.rollback(None, "worse")
    assert "\n" not in str(caught.value)
    assert aliases(registry) == ("3", "2")


def test_a_rolled_back_bundle_is_promoted_only_by_force_or_a_later_approval(
    champions: list[Candidate], registry: ModelRegistry
) -> None:
    # Given a version that was approved, promoted and rolled back,
    third, verdict = champions[-1]
    before = Approval.ask(verdict, "run", 1).decide(approve=True, approver="Eve")
    second = registry.version(registry.rollback(None, "insults customers").target)
    # when its bundle comes again, with or without the approval of before, then it is refused with the reason.
    again = verdict.model_copy(update={"champion": second.number})
    for approval in (None, before):
        result = apply_verdict(registry, third, again, approval, "run")
        assert not result.promoted
        assert "version 3 holds this bundle and was rolled back on" in result.why
        assert "insults customers" in result.why
        with pytest.raises(AssayError, match=r"rolled back on .*insults customers; .*--force REASON"):
            registry.promote(third, again, second, "better", approval=approval)
    # A reason to force promotes it, and so does an approval that knows of the rollback.
    after = Approval.ask(again, "run", 1).decide(approve=True, approver="Eve")
    assert apply_verdict(registry, third, again, after, "run").promoted
    registry.rollback(None, "still")
    assert apply_verdict(
        registry, third, again.model_copy(update={"forced": "the customers like it"}), None, "run"
    ).promoted


def test_rollback_remains_after_its_version_is_deleted(
    champions: list[Candidate], registry: ModelRegistry, candidate: MakeCandidate, tmp_path: Path
) -> None:
    digest = champions[-1][0].bundle
    registry.rollback(None, "insults customers")
    MlflowClient(tracking_uri=registry.tracking_uri).delete_model_version(NAME, "3")
    assert "insults customers" in str(registry.why_rolled_back(digest))
    assert registry.why_rolled_back(champions[0][0].bundle) is None


def test_an_override_of_a_rollback_holds_for_the_bundle_under_another_number(
    champions: list[Candidate], registry: ModelRegistry, candidate: MakeCandidate, mlflow_run: str, tmp_path: Path
) -> None:
    # Given a rolled back version that is deleted, and whose bundle is made again and promoted by force,
    registry.rollback(None, "insults customers")
    MlflowClient(tracking_uri=registry.tracking_uri).delete_model_version(NAME, "3")
    verdict = champions[-1][1].model_copy(update={"forced": "the customers like it"})
    again = registry.register(mlflow_run, tmp_path / "ccc", verdict, {})
    assert (again.number, again.bundle) == ("4", champions[-1][0].bundle)
    registry.promote(again, verdict, registry.champion(), "better")
    # when another champion follows, then the bundle can be promoted once more.
    fifth, passed = candidate("eeeee")
    registry.promote(fifth, passed, again, "better")
    assert registry.why_rolled_back(again.bundle) is None
    assert apply_verdict(
        registry, again, verdict.model_copy(update={"champion": "5", "forced": None}), None, "run"
    ).promoted


def lose_history(registry: ModelRegistry) -> None:
    client = MlflowClient(tracking_uri=registry.tracking_uri)
    for move in registry.history():
        client.delete_registered_model_tag(NAME, f"{ALIAS_CHANGE_TAG}{move.number:06d}")


@pytest.mark.parametrize("to", [None, "2", "1"])
def test_rollback_works_without_history(champions: list[Candidate], registry: ModelRegistry, to: str | None) -> None:
    lose_history(registry)
    move = registry.rollback(to, "insults customers")
    assert (move.source, move.target, move.forced) == ("3", to or "2", None)
    assert move.verdict == champions[int(move.target) - 1][1].digest
    assert registry.why_rolled_back(champions[-1][0].bundle) is not None


def test_rollback_works_without_the_start_of_the_history(
    champions: list[Candidate], registry: ModelRegistry, candidate: MakeCandidate
) -> None:
    # Given one promotion since the history was lost,
    lose_history(registry)
    fourth, passed = candidate("dddd")
    registry.promote(fourth, passed, champions[-1][0], "better")
    # then the champion that it replaced can be put back, and by name an earlier one.
    assert registry.rollback(None, "worse").target == "3"
    assert registry.rollback("1", "worse, too").target == "1"


def test_rollback_without_history_only_restores_promoted_versions(
    champions: list[Candidate], registry: ModelRegistry, candidate: MakeCandidate
) -> None:
    candidate("dddd", passed=False)
    lose_history(registry)
    with pytest.raises(AssayError, match="models:/toy/4 never was champion"):
        registry.rollback("4", "worse")


# Champions that are gone


def test_former_champions_are_those_that_are_left_and_were_not_rolled_back(
    champions: list[Candidate], registry: ModelRegistry
) -> None:
    MlflowClient(tracking_uri=registry.tracking_uri).delete_model_version(NAME, "3")
    assert registry.champion() is None
    assert registry.last_champion() == "3"
    assert [version.number for version in registry.former_champions()] == ["2", "1"]
    # Without the history, the tags of the versions say the same.
    lose_history(registry)
    assert [version.number for version in registry.former_champions()] == ["2", "1"]
    assert registry.last_champion() == "2"


def test_last_champion_outlives_a_registered_model_that_is_deleted(
    champions: list[Candidate], registry: ModelRegistry, store: Path
) -> None:
    MlflowClient(tracking_uri=registry.tracking_uri).delete_registered_model(NAME)
    assert (registry.last_champion(), registry.former_champions()) == ("3", [])
    # Another MLflow, or another model, has had none.
    assert ModelRegistry("other", registry.tracking_uri, store).last_champion() is None


def test_last_champion_is_none_where_the_first_promotion_was_undone(
    candidate: MakeCandidate, uri: str, store: Path
) -> None:
    version, verdict = candidate("first")
    broken = ModelRegistry(NAME, uri, store, FailingClient(uri, "set_registered_model_alias", 1))
    with pytest.raises(AssayError, match="the server went away"):
        broken.promote(version, verdict, None, "better")
    registry = ModelRegistry(NAME, uri, store)
    assert [move.state for move in registry.history()] == ["undone"]
    assert (registry.last_champion(), registry.former_champions()) == (None, [])

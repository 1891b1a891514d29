import asyncio
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import onnx
import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.serving.bundle import MODEL, Bundle, GoldenRow
from assay.serving.engine import Row
from assay.serving.http.active_model import ActiveModel
from assay.serving.http.app import make_app
from assay.serving.http.batcher import Batcher
from assay.serving.http.follower import Follower
from assay.serving.http.server import open_active_model
from assay.serving.http.server_lifecycle import DrainingServer, configure
from assay.serving.http.server_metrics import ServerMetrics
from assay.serving.http.server_settings import Settings
from assay.serving.registered_model import BUNDLE_TAG, ModelAddress
from tests.serving.http.conftest import LOCAL, rewrite
from tests.waiting import wait_until

CHAMPION = ModelAddress("toy", "champion", None)
BuildToy = Callable[..., Bundle]


class Shelf:
    """A real registry in sqlite whose versions are bundles."""

    def __init__(self, store: Path) -> None:
        self.uri = f"sqlite:///{store}/mlflow.db"
        self.store = store
        self.client = MlflowClient(tracking_uri=self.uri)
        self.client.create_registered_model("toy")

    def add(self, bundle: Bundle, run_id: str | None = None, name: str = "toy") -> str:
        """Add a bundle as a new version, and return its number."""
        folder = self.store / f"model-{bundle.folder.name}"
        shutil.copytree(bundle.folder, folder / "artifacts" / "bundle")
        tags = {BUNDLE_TAG: bundle.digest}
        return str(self.client.create_model_version(name, folder.as_uri(), run_id=run_id, tags=tags).version)

    def crown(self, number: str, name: str = "toy") -> None:
        """Promote a version to champion."""
        self.client.set_registered_model_alias(name, "champion", number)

    def path(self, bundle: Bundle) -> Path:
        """Return the folder with the files of a version."""
        return self.store / f"model-{bundle.folder.name}" / "artifacts" / "bundle"


@pytest.fixture
def shelf(store: Path) -> Shelf:
    return Shelf(store)


@pytest.fixture
def settings(shelf: Shelf, tmp_path: Path) -> Settings:
    return Settings(str(CHAMPION), tracking_uri=shelf.uri, cache=tmp_path / "cache", follow=0.05, port=0)


def follower(settings: Settings) -> Follower:
    return Follower(CHAMPION, settings, ServerMetrics())


def label(active_model: ActiveModel, text: str) -> str | None:
    return active_model.model.engine.predict([Row(text)])[0].label


def test_follower_activates_a_new_champion(shelf: Shelf, settings: Settings, build_toy: BuildToy) -> None:
    first, second = build_toy("first"), build_toy("second", max_length=32)
    shelf.crown(shelf.add(first))
    following = follower(settings)
    active_model = following.start()
    assert (active_model.model.digest, active_model.model.origin.version, active_model.degraded) == (
        first.digest,
        "1",
        False,
    )
    # A poll without a new version changes nothing.
    model = active_model.model
    asyncio.run(following.poll(active_model))
    assert active_model.model is model
    shelf.crown(shelf.add(second))
    asyncio.run(following.poll(active_model))
    assert (active_model.model.digest, active_model.model.origin.version) == (second.digest, "2")
    # A rollback promotes the earlier version again.
    shelf.crown("1")
    asyncio.run(following.poll(active_model))
    assert (active_model.model.digest, active_model.model.origin.version) == (first.digest, "1")


def _replace_graph(shelf: Shelf, bundle: Bundle) -> None:
    (shelf.path(bundle) / MODEL).write_bytes(b"no graph")


def _remove(shelf: Shelf, bundle: Bundle) -> None:
    shutil.rmtree(shelf.path(bundle))


@pytest.mark.parametrize(
    ("damage", "changes", "reason"),
    [
        (_replace_graph, {}, "differs from its digest"),
        (_remove, {}, "could not be fetched from"),
        (None, {"labels": ["down", "up", "sideways"]}, "output sentence has 2 values"),
        (None, {"golden": [{"text": "good", "label": "down", "probabilities": [0.9, 0.1]}]}, "golden row 0"),
    ],
)
def test_follower_refuses_a_broken_champion_and_keeps_the_active_model(
    shelf: Shelf,
    settings: Settings,
    build_toy: BuildToy,
    damage: Callable[[Shelf, Bundle], None] | None,
    changes: dict[str, object],
    reason: str,
) -> None:
    # Given an active champion, and a broken version with its alias,
    shelf.crown(shelf.add(build_toy("first")))
    following = follower(settings)
    active_model = following.start()
    champion = active_model.model
    broken = build_toy("broken", **{"golden": [{"text": "good"}], **changes})
    number = shelf.add(broken)
    if damage:
        damage(shelf, broken)
    shelf.crown(number)
    # when the follower polls more than once,
    asyncio.run(following.poll(active_model))
    asyncio.run(following.poll(active_model))
    # then the active model stays, and the reason is reported once, not at each poll.
    assert active_model.model is champion
    assert active_model.refused is not None
    assert active_model.refused.version == "2"
    assert reason in active_model.refused.reason
    assert b'assay_model_refused_total{name="toy"} 1.0' in following._metrics.render()
    # A valid champion clears the refusal.
    shelf.crown(shelf.add(build_toy("third", max_length=16)))
    asyncio.run(following.poll(active_model))
    state = active_model.model.origin.version, active_model.refused is None
    assert state == ("3", True)


def test_follower_retries_a_champion_that_could_not_be_downloaded(
    shelf: Shelf, settings: Settings, build_toy: BuildToy, tmp_path: Path
) -> None:
    shelf.crown(shelf.add(build_toy("first")))
    following = follower(settings)
    active_model = following.start()
    # Given a champion whose files cannot be downloaded for a while,
    second = build_toy("second", max_length=32)
    shelf.crown(shelf.add(second))
    shutil.move(shelf.path(second), tmp_path / "away")
    for _ in range(3):
        asyncio.run(following.poll(active_model))
        assert active_model.refused is not None
        assert active_model.refused.again
    assert b'assay_model_refused_total{name="toy"} 1.0' in following._metrics.render()
    # then it becomes active once they can.
    shutil.move(tmp_path / "away", shelf.path(second))
    asyncio.run(following.poll(active_model))
    assert (active_model.model.digest, active_model.refused) == (second.digest, None)


def test_follower_refuses_a_graph_that_loads_but_does_not_run(
    shelf: Shelf, settings: Settings, build_toy: BuildToy
) -> None:
    shelf.crown(shelf.add(build_toy("first")))
    following = follower(settings)
    active_model = following.start()
    # Given a champion whose tokenizer has words that its graph does not have,
    bundle = build_toy("short")
    graph = onnx.load(bundle.model_path)
    votes = next(tensor for tensor in graph.graph.initializer if tensor.name == "votes")
    votes.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(votes)[:1], "votes"))
    shelf.crown(shelf.add(rewrite(bundle, graph, golden=[GoldenRow(text="good")])))
    asyncio.run(following.poll(active_model))
    assert active_model.model.origin.version == "1"
    assert active_model.refused is not None
    assert "loads but does not run" in active_model.refused.reason


def test_follower_serves_the_last_version_without_a_registry(
    shelf: Shelf, settings: Settings, build_toy: BuildToy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    bundle = build_toy("first")
    shelf.crown(shelf.add(bundle))
    follower(settings).start()
    # Given a start without the registry,
    down = Settings(str(CHAMPION), tracking_uri="http://127.0.0.1:9", cache=settings.cache)
    following = follower(down)
    active_model = following.start()
    assert (active_model.model.digest, active_model.model.origin.version, active_model.degraded) == (
        bundle.digest,
        "1",
        True,
    )
    assert b'assay_registry_degraded{name="toy"} 1.0' in following._metrics.render()
    # then the first poll that succeeds ends the degraded state.
    asyncio.run(follower(settings).poll(active_model))
    assert not active_model.degraded


def test_follower_does_not_trust_a_modified_cache(
    shelf: Shelf, settings: Settings, build_toy: BuildToy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    bundle = build_toy("first")
    shelf.crown(shelf.add(bundle))
    follower(settings).start()
    assert settings.cache is not None
    (settings.cache / bundle.digest / MODEL).write_bytes(b"other")
    down = Settings(str(CHAMPION), tracking_uri="http://127.0.0.1:9", cache=settings.cache)
    with pytest.raises(AssayError, match="could not be fetched from"):
        follower(down).start()


def test_follower_starts_with_the_last_version_if_the_champion_is_broken(
    shelf: Shelf, settings: Settings, build_toy: BuildToy
) -> None:
    shelf.crown(shelf.add(build_toy("first")))
    follower(settings).start()
    broken = build_toy("broken", labels=["down", "up", "sideways"], golden=[{"text": "good"}])
    shelf.crown(shelf.add(broken))
    active_model = follower(settings).start()
    assert active_model.model.origin.version == "1"
    assert active_model.refused is not None
    assert not active_model.degraded


def test_follower_keeps_the_active_model_without_a_registry(
    shelf: Shelf, settings: Settings, build_toy: BuildToy
) -> None:
    shelf.crown(shelf.add(build_toy("first")))
    following = follower(settings)
    active_model = following.start()
    model = active_model.model
    shelf.client.delete_registered_model_alias("toy", "champion")
    asyncio.run(following.poll(active_model))
    assert (active_model.model, active_model.degraded) == (model, True)


def test_follower_adds_metrics_and_card_after_the_promotion(
    shelf: Shelf, settings: Settings, build_toy: BuildToy, tmp_path: Path
) -> None:
    experiment = shelf.client.create_experiment("toy", artifact_location=(tmp_path / "artifacts").as_uri())
    run = shelf.client.create_run(experiment).info.run_id
    shelf.crown(shelf.add(build_toy("first"), run))
    following = follower(settings)
    active_model = following.start()
    assert (dict(active_model.model.metrics), active_model.model.card) == ({}, None)
    shelf.client.log_metric(run, "test.sentence.macro_f1", 0.75)
    shelf.client.log_metric(run, "loss", 0.1)
    shelf.client.set_model_version_tag("toy", "1", "assay.verdict", "0123456789abcdef0123")
    shelf.client.log_text(run, "<h1>Toy</h1>", "cards/0123456789abcdef/card.html")
    asyncio.run(following.poll(active_model))
    assert (dict(active_model.model.metrics), active_model.model.card) == ({"sentence.macro_f1": 0.75}, "<h1>Toy</h1>")


def test_follower_changes_champions_under_load_without_a_failed_request(
    shelf: Shelf, settings: Settings, build_toy: BuildToy
) -> None:
    # Given a server that follows the alias, and clients that send requests without a pause,
    bundles = [build_toy(f"v{number}", max_length=16 + number) for number in range(1, 5)]
    shelf.crown(shelf.add(bundles[0]))
    metrics = ServerMetrics()
    active_model, background = open_active_model(settings, metrics)
    app = make_app(settings, active_model, Batcher(2, 65536, metrics), metrics, background)
    server = DrainingServer(configure(app, settings), active_model, 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    stop = threading.Event()
    statuses: Counter[int] = Counter()
    versions: set[str] = set()

    def ask() -> None:
        with httpx.Client(base_url=f"{LOCAL}:{port}") as client:
            while not stop.is_set():
                response = client.post("/predict", json={"texts": ["good Apple", "bad"]})
                statuses[response.status_code] += 1
                content = response.json()
                versions.add(content["model"]["version"])
                assert [row["label"] for row in content["predictions"]] == ["up", "down"]

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    wait_until(lambda: sum(statuses.values()) > 20)
    # when the champion changes three times,
    for bundle in bundles[1:]:
        shelf.crown(shelf.add(bundle))
        wait_until(lambda bundle=bundle: active_model.model.digest == bundle.digest)  # type: ignore[misc]
        seen = sum(statuses.values())
        wait_until(lambda seen=seen: sum(statuses.values()) > seen + 20)  # type: ignore[misc]
    stop.set()
    for client in clients:
        client.join()
    server.should_exit = True
    thread.join()
    # then every request succeeds, and each of the four versions predicts some.
    assert set(statuses) == {200}
    assert versions == {"1", "2", "3", "4"}

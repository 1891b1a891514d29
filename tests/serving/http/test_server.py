"""Two models of the registry in one server, each of which follows its own alias."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from assay.serving.http.server import open_app
from assay.serving.http.server_settings import Limits, Settings
from tests.bundles import build_bundle
from tests.serving.http.conftest import LOCAL, metric
from tests.serving.http.test_follower import Shelf
from tests.waiting import wait_until

PREDICTION = {"toy": "up", "mood": "glad"}


@pytest.fixture
def shelf(store: Path) -> Shelf:
    """Return a registry with two registered models."""
    shelf = Shelf(store)
    shelf.client.create_registered_model("mood")
    return shelf


@pytest.fixture
def settings(shelf: Shelf, tmp_path: Path) -> Settings:
    """Return settings that follow both champions."""
    toy = Settings("models:/toy@champion", tracking_uri=shelf.uri, cache=tmp_path / "cache", follow=0.05, threads=1)
    # A busy machine is no fault of the server.
    return replace(toy, more_models=("models:/mood@champion",), limits=Limits(deadline=60))


def promote(shelf: Shelf, name: str, folder: Path, **changes: object) -> str:
    """Register a bundle that gives the model's own class to `good`, make it the champion, and return its version."""
    folder.mkdir()
    classes = {"good": PREDICTION[name], "bad": "worse"}
    bundle = build_bundle(folder, classes, {}, changes={"name": name, **changes})
    number = shelf.add(bundle, name=name)
    shelf.crown(number, name)
    return number


def versions(client: TestClient) -> dict[str, str]:
    """Return the versions of the models that the index calls ready."""
    index = client.post("/v2/repository/index").json()
    return {entry["name"]: entry["version"] for entry in index if entry["state"] == "READY"}


@contextmanager
def asking(client: TestClient) -> Iterator[Counter[tuple[str, int, str]]]:
    """Ask both models again and again; yield counts of (model, status, label)."""
    seen: Counter[tuple[str, int, str]] = Counter()
    stop = threading.Event()

    def ask(name: str) -> None:
        while not stop.is_set():
            response = client.post(f"/predict?model={name}", json={"text": "good"})
            label = response.json()["predictions"][0]["label"] if response.status_code == 200 else response.text
            seen[name, response.status_code, label] += 1
            time.sleep(0.005)  # leaves the interpreter to the server

    threads = [threading.Thread(target=ask, args=[name]) for name in PREDICTION]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_server_swaps_one_of_two_followed_models(shelf: Shelf, settings: Settings, tmp_path: Path) -> None:
    # Given a server of two champions, under load,
    for name in PREDICTION:
        promote(shelf, name, tmp_path / f"{name}-1")
    app, _ = open_app(settings)
    with TestClient(app, base_url=LOCAL) as client, asking(client) as seen:
        assert versions(client) == {"toy": "1", "mood": "1"}
        # when the alias of the second one moves,
        promote(shelf, "mood", tmp_path / "mood-2", max_length=32)
        wait_until(lambda: versions(client)["mood"] == "2", seconds=60)
        # then it alone is swapped, in every protocol, and both are ready,
        assert versions(client) == {"toy": "1", "mood": "2"}
        for name, version in (("toy", "1"), ("mood", "2")):
            assert client.get(f"/v2/models/{name}/versions/{version}/ready").json()["ready"]
            assert client.get(f"/model?model={name}").json()["version"] == version
            assert f'assay_model_info{{digest="{client.get(f"/model?model={name}").json()["digest"]}"' in (
                client.get("/metrics").text
            )
        assert client.get("/v2/models/mood/versions/1/ready").status_code == 404
        assert client.get("/v2/health/ready").status_code == 200
        # and the metrics name it.
        page = client.get("/metrics").text
        assert 'assay_model_swaps_total{name="mood"} 1.0' in page
        assert 'assay_model_swaps_total{name="toy"} 0.0' in page
        assert metric(client, "assay_model_info") == 2
    # No request of either model failed, or went to the other one.
    assert set(seen) == {("toy", 200, "up"), ("mood", 200, "glad")}


def test_server_keeps_both_models_when_a_champion_is_broken(shelf: Shelf, settings: Settings, tmp_path: Path) -> None:
    # Given a server of two champions, under load,
    for name in PREDICTION:
        promote(shelf, name, tmp_path / f"{name}-1")
    app, _ = open_app(settings)
    with TestClient(app, base_url=LOCAL) as client, asking(client) as seen:
        # when one alias moves to a bundle that predicts its golden row differently,
        golden = [{"text": "good", "label": "worse", "probabilities": [0.1, 0.9]}]
        promote(shelf, "mood", tmp_path / "mood-2", golden=golden)
        wait_until(lambda: client.get("/model?model=mood").json()["refused"], seconds=60)
        # then its earlier version stays, the reason is reported with this model only,
        assert "golden row 0" in client.get("/model?model=mood").json()["refused"]["reason"]
        assert client.get("/model?model=toy").json()["refused"] is None
        assert versions(client) == {"toy": "1", "mood": "1"}
        page = client.get("/metrics").text
        assert 'assay_model_refused_total{name="mood"} 1.0' in page
        assert 'assay_model_refused_total{name="toy"} 0.0' in page
        # and the other one still follows its alias.
        promote(shelf, "toy", tmp_path / "toy-2", max_length=32)
        wait_until(lambda: versions(client) == {"toy": "2", "mood": "1"}, seconds=60)
    assert set(seen) == {("toy", 200, "up"), ("mood", 200, "glad")}

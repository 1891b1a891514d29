"""A registered model as anybody's MLflow loads and serves it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from mlflow import MlflowClient

from assay.registry.mlflow_package import log_bundle, requirements
from assay.serving.address import BUNDLE_TAG
from tests.ports import free_port
from tests.tasks.conftest import MakeBundle

# Every package of the training stack, as a requirement would name it.
HEAVY = r"torch|transformers|peft|datasets|prefect|scikit-learn|great.expectations|pymongo"


def test_requirements_are_those_of_the_base_install() -> None:
    wanted = requirements()
    assert any(line.startswith("onnxruntime") for line in wanted)
    assert [line for line in wanted if re.match(HEAVY, line)] == []


@pytest.fixture
def registered(store: Path, make_bundle: MakeBundle, tmp_path: Path) -> str:
    """Tracking URI of an MLflow whose model `toy` has a champion."""
    uri = f"sqlite:///{store}/mlflow.db"
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("toy", artifact_location=(tmp_path / "artifacts").as_uri())
    run = client.create_run(experiment).info.run_id
    bundle = make_bundle("toy", {"good": "up", "bad": "down"}, {"Apple": "ORG"})
    model = log_bundle(client, run, bundle)
    client.create_registered_model("toy")
    version = client.create_model_version("toy", model.artifact_location, run, tags={BUNDLE_TAG: bundle.digest})
    client.set_registered_model_alias("toy", "champion", version.version)
    return uri


def test_log_bundle_logs_a_bundle_once_per_run(store: Path, make_bundle: MakeBundle, tmp_path: Path) -> None:
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
    experiment = client.create_experiment("toy", artifact_location=(tmp_path / "artifacts").as_uri())
    run, other = (client.create_run(experiment).info.run_id for _ in range(2))
    bundle = make_bundle("toy", {"good": "up", "bad": "down"}, {"Apple": "ORG"})
    first = log_bundle(client, run, bundle)
    assert log_bundle(client, run, bundle).model_id == first.model_id
    assert log_bundle(client, other, bundle).model_id != first.model_id


@pytest.fixture
def served(registered: str, tmp_path: Path) -> Iterator[tuple[int, str]]:
    """Process id and address of `mlflow models serve` on the champion."""
    port = free_port()
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": registered,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    environment.pop("PYTHONPATH", None)
    command = ["mlflow", "models", "serve", "-m", "models:/toy@champion", "--env-manager", "local", "-p", str(port)]
    log = (tmp_path / "serve.log").open("wb")
    # In a folder without our packages and a session of its own: the server is a child of the command.
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}/ping", process, tmp_path / "serve.log")
        yield process.pid, f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=300)
        log.close()


def wait_until_it_answers(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(480):
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            assert process.poll() is None, log.read_text(encoding="utf-8")
        time.sleep(0.25)
    pytest.fail(f"no response in two minutes: {log.read_text(encoding='utf-8')}")


@pytest.mark.slow  # two processes import mlflow
def test_save_model_is_served_by_mlflow_without_the_training_stack(served: tuple[int, str]) -> None:
    process, address = served
    texts = ["good Apple", "bad"]
    bodies: list[dict[str, object]] = [
        {"dataframe_records": [{"text": text} for text in texts]},
        {"dataframe_split": {"columns": ["text"], "data": [[text] for text in texts]}},
        {"instances": texts},
        {"inputs": texts},
        {"inputs": {"text": texts}},
    ]
    for body in bodies:
        response = httpx.post(f"{address}/invocations", json=body)
        assert response.status_code == 200, response.text
        first, second = response.json()["predictions"]
        assert (first["label"], second["label"]) == ("up", "down")
        assert first["probability.up"] > 0.5 > first["probability.down"]
        [entity] = first["entities"]
        assert (entity["text"], entity["start"], entity["end"], entity["label"]) == ("Apple", 5, 10, "ORG")
    refused = httpx.post(f"{address}/invocations", json={"dataframe_records": [{"text": "good"}, {"text": None}]})
    assert refused.status_code == 400
    assert "row 1" in refused.json()["message"]
    assert loaded_libraries(process, "libonnxruntime|onnxruntime_pybind")
    assert not loaded_libraries(process, "libtorch")


def loaded_libraries(session: int, name: str) -> list[str]:
    """Files that a process of the session has mapped."""
    own = [maps for maps in Path("/proc").glob("[0-9]*/maps") if in_session(maps.parent, session)]
    lines = [line for maps in own for line in maps.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if re.search(name, line)]


def in_session(folder: Path, session: int) -> bool:
    try:
        return os.getsid(int(folder.name)) == session
    except ProcessLookupError:
        return False

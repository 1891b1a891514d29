"""Ctrl-C in a terminal, which signals the whole process group: one line, and the same command resumes."""

import json
import os
import signal
from pathlib import Path

import httpx
import pytest
import yaml
from mlflow import MlflowClient

from tests.bundles import build_bundle
from tests.flows.tiny import make_recipe, write_rows
from tests.ports import free_port
from tests.terminals import Terminal, check_stopped, lives, terminal

SAVED = "progress is saved; run the same command to resume"


def statuses(store: Path) -> list[str]:
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
    return [run.info.status for run in client.search_runs([one.experiment_id for one in client.search_experiments()])]


def has_server(opened: Terminal) -> bool:
    return any("assay.flows.server_process" in words for words in opened.commands())


@pytest.mark.slow  # four starts of a run, each of which imports its packages and starts Prefect's temporary server
def test_run_resumes_after_a_stop_in_a_terminal(store: Path, tmp_path: Path) -> None:
    recipe = make_recipe(
        write_rows(tmp_path / "rows.jsonl"),
        training={"epochs": 8},
        gate={"min_f1": {"sentence": 0.001, "tokens": 0.001}},
    )
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    words = ["run", str(tmp_path / "recipe.yaml"), "--store", str(store)]
    # while Prefect's server starts
    with terminal(words, tmp_path) as opened:
        opened.wait_until(lambda: has_server(opened))
        check_stopped(opened, opened.press_ctrl_c, signal.SIGINT, SAVED)
    # in the extraction, as `timeout` and systemd do: the group, and the process once more
    with terminal(words, tmp_path) as opened:
        opened.wait_until(lambda: list(store.glob("runs/*/extract-*")))

        def end_group() -> None:
            os.killpg(opened.pid, signal.SIGTERM)
            os.kill(opened.pid, signal.SIGTERM)

        check_stopped(opened, end_group, signal.SIGTERM, SAVED)
    # in the training, by an impatient hand
    with terminal(words, tmp_path) as opened:
        opened.wait_until(lambda: list(store.glob("runs/*/train-*/**/checkpoint-*")))

        def press_twice() -> None:
            opened.press_ctrl_c()
            opened.press_ctrl_c()

        check_stopped(opened, press_twice, signal.SIGINT, SAVED)
    assert statuses(store) == ["FAILED"]
    # and the same command ends what the first began
    with terminal(words, tmp_path) as opened:
        assert opened.wait() == 0, opened.shown
        assert len(list((store / "runs").iterdir())) == 1
    assert statuses(store) == ["FINISHED"]


@pytest.mark.slow  # a run in two processes that torchrun starts
def test_run_of_several_processes_stops_on_a_signal_to_it_alone(store: Path, tmp_path: Path) -> None:
    recipe = make_recipe(write_rows(tmp_path / "rows.jsonl"), training={"epochs": 100, "processes": 2})
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    with terminal(["run", str(tmp_path / "recipe.yaml"), "--store", str(store)], tmp_path) as opened:
        opened.wait_until(lambda: sum("assay.tasks.training.worker" in words for words in opened.commands()) == 3)
        check_stopped(opened, lambda: os.kill(opened.pid, signal.SIGTERM), signal.SIGTERM, SAVED)


@pytest.mark.slow  # a start of Prefect's server
def test_run_leaves_no_server_after_a_kill(store: Path, tmp_path: Path) -> None:
    recipe = make_recipe(write_rows(tmp_path / "rows.jsonl"))
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    with terminal(["run", str(tmp_path / "recipe.yaml"), "--store", str(store)], tmp_path) as opened:
        opened.wait_until(lambda: list(store.glob("runs/*/extract-*")))
        before = opened.family()
        os.kill(opened.pid, signal.SIGKILL)
        opened.wait()
        until = [one for one in before if lives(one)]
        for one in until:
            one.wait(10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_stops_in_a_terminal(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "bundle").mkdir()
    build_bundle(tmp_path / "bundle", {"good": "up", "bad": "down"}, {}, changes={})
    port = free_port()
    with terminal(["serve", "--model", "bundle", "--port", str(port)], tmp_path) as opened:
        opened.wait_until(lambda: "serving toy" in opened.shown)
        assert httpx.post(f"http://127.0.0.1:{port}/predict", json={"text": "good"}).status_code == 200
        stop = opened.press_ctrl_c if number == signal.SIGINT else lambda: os.killpg(opened.pid, number)
        check_stopped(opened, stop, number, "requests in flight are completed")


def test_predict_resumes_after_a_stop_in_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    build_bundle(tmp_path / "bundle", {"good": "up", "bad": "down"}, {}, changes={})
    rows = [json.dumps({"id": number, "text": "good " * 50}) for number in range(10_000)]
    (tmp_path / "in.jsonl").write_text("\n".join(rows))
    words = ["predict", "--model", "bundle", "--input", "in.jsonl", "--output", "out.jsonl", "--shard-rows", "100"]
    with terminal(words, tmp_path) as opened:
        opened.wait_until((tmp_path / ".out.jsonl.shards" / "0000003.json").exists)
        note = "no output is half-written; run the same command to resume after the last whole shard"
        check_stopped(opened, opened.press_ctrl_c, signal.SIGINT, note)
    with terminal(words, tmp_path) as opened:
        assert opened.wait() == 0, opened.shown
        assert "of them by an earlier command" in opened.shown
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 10_000


@pytest.mark.slow  # two servers begin to start
def test_up_stops_in_a_terminal(tmp_path: Path) -> None:
    store = tmp_path / "store"
    ports = ["--prefect-port", str(free_port()), "--mlflow-port", str(free_port())]
    with terminal(["up", *ports, "--store", str(store)], tmp_path) as opened:
        opened.wait_until((store / "services" / "mlflow.json").exists)
        note = "the services that it had started are stopped; run the same command again"
        check_stopped(opened, opened.press_ctrl_c, signal.SIGINT, note)
    assert not list((store / "services").glob("*.json"))

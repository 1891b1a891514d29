"""An MLflow server that fails at a call: a clear error, and a second attempt completes the run."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.evaluation.verdict import Check, Verdict
from assay.registry.champion_promotion import promote_version
from assay.registry.model_registry import ModelRegistry
from assay.registry.registration import register_bundle
from assay.registry.versions import Version
from assay.serving.bundle import Bundle
from tests.bundles import build_bundle
from tests.faults.counts import check_line, count, many
from tests.faults.faulty_http import Fault, FaultyProxy
from tests.ports import free_port

NAME = "toy"
MODES: tuple[Fault, ...] = ("500", "429", "down", "lost", "slow")


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Iterator[int]:
    """Start a real MLflow server and return its port."""
    import shutil

    folder = tmp_path_factory.mktemp("server")
    shutil.copy(mlflow_database, folder / "mlflow.db")
    port = free_port()
    words = ["server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination"]
    command = [sys.executable, "-m", "mlflow", *words, f"{folder}/artifacts", "--port", str(port), "--workers", "1"]
    log = (folder / "log").open("wb")
    # jobs are for the evaluation of prompts: eight more processes that nobody here needs
    own = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(command, cwd=folder, env=own, stdout=log, stderr=log, start_new_session=True)
    until = time.monotonic() + 300
    while not _answers(port):
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < until
        time.sleep(0.2)
    yield port
    os.killpg(process.pid, 9)
    process.wait()
    log.close()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the number of retries, but without the pauses."""
    settings = {"MAX_RETRIES": "2", "BACKOFF_FACTOR": "0", "BACKOFF_JITTER": "0", "TIMEOUT": "6"}
    for name, value in settings.items():
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", value)
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


class Shop:
    """Candidates in sequence, through a proxy and directly."""

    def __init__(self, proxy: FaultyProxy, store: Path, folder: Path) -> None:
        self.proxy = proxy
        self.store = store
        self.folder = folder
        self.direct = f"http://127.0.0.1:{proxy.target}"
        self.client = MlflowClient(tracking_uri=self.direct)
        self.run = str(self.client.create_run(self.client.create_experiment(f"toy{time.time_ns()}")).info.run_id)
        self._made = 0

    def candidate(self) -> tuple[Bundle, Verdict]:
        self._made += 1
        folder = self.folder / f"bundle{self._made}"
        folder.mkdir()
        bundle = build_bundle(folder, {"good": "up", "bad": "down"}, {}, changes={"max_length": 20 + self._made})
        check = Check(name="score: sentence", measured="0.9", required="0.6", passed=True, why="macro-F1")
        return bundle, Verdict(
            recipe="r", bundle=bundle.digest, snapshot="s", splits="p", champion=None, checks=[check], forced=None
        )

    def registry(self, url: str) -> ModelRegistry:
        return ModelRegistry(NAME, url, self.store)

    def champion(self) -> Version | None:
        return self.registry(self.direct).champion()

    def promote(self, url: str, bundle: Bundle, verdict: Verdict) -> None:
        registry = self.registry(url)
        version = register_bundle(registry, self.run, bundle.folder, verdict, {"assay.ledger": "one"})
        promote_version(registry, version, verdict, registry.champion(), "better")

    def try_with(self, faults: Callable[[int], Fault | None], name: str) -> tuple[bool, int]:
        """Promote a new candidate while MLflow fails, then again after it has recovered.

        Gives whether the first try ended well, and how many calls it made.
        """
        bundle, verdict = self.candidate()
        before = self.champion()
        self.proxy.begin(faults)
        first = True
        try:
            self.promote(self.proxy.url, bundle, verdict)
        except AssayError as error:
            first = False
            check_line(error, name)
            champion = self.champion()
            assert champion is None or champion.bundle in (bundle.digest, before.bundle if before else None), name
        asked = len(self.proxy.requests)
        self.proxy.begin(lambda number: None)
        self.promote(self.proxy.url, bundle, verdict)
        self._check(bundle, before, name)
        return first, asked

    def _check(self, bundle: Bundle, before: Version | None, name: str) -> None:
        registry = self.registry(self.direct)
        champion, previous = registry.champion(), registry.previous()
        assert champion is not None, name
        assert champion.bundle == bundle.digest, name
        assert (previous and previous.number) == (before and before.number), name
        same = f"name = '{NAME}' AND tags.`assay.bundle` = '{bundle.digest}'"
        assert len(self.client.search_model_versions(same)) == 1, name
        moves = [move for move in registry.history() if move.target == champion.number]
        assert [move.state for move in moves if move.state != "undone"] == ["done"], name


@pytest.fixture
def shop(mlflow_server: int, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    with FaultyProxy(mlflow_server) as proxy:
        shop = Shop(proxy, tmp_path / "store", tmp_path)
        request.getfixturevalue("impatient")  # a server that has just started takes its time for the first requests
        yield shop


@pytest.mark.slow  # a server, and for each fault a registration and a promotion, twice
def test_run_survives_a_failing_mlflow_call(shop: Shop) -> None:
    # given how many calls a registration and a promotion are
    assert shop.try_with(lambda number: None, "whole")[0]
    bundle, verdict = shop.candidate()
    shop.proxy.begin(lambda number: None)
    shop.promote(shop.proxy.url, bundle, verdict)
    calls = len(shop.proxy.requests)
    assert calls > 20
    # when each of them fails in every way: once, which is tried again, and from there on for good
    # (an answer that is late takes its time in the test, too, so not all of them)
    every = [(call, mode, for_good) for call in range(1, calls + 1) for mode in MODES for for_good in (False, True)]
    cases = [case for case in every if case[1] != "slow" or case[0] % 8 == 1]
    # (of the short run: 500 once, no connection for good, and 429 at least; the long one takes each way at some call)
    chosen = cases[:: many(105, 3)]
    failed = 0
    for call, mode, for_good in chosen:

        def faults(number: int, call: int = call, mode: Fault = mode, for_good: bool = for_good) -> Fault | None:
            return mode if number == call or (for_good and number > call) else None

        name = f"{mode} at call {call} of {calls}, {'for good' if for_good else 'once'}"
        ended, asked = shop.try_with(faults, name)
        # a later promotion may need a call less
        reached = asked >= call
        assert not (reached and for_good and ended and mode in ("500", "down")), name
        failed += not ended
    # then each second try has completed it, with one version and one move
    count(
        "MLflow responds with 500, 429, late or never, or its response is lost, at each call",
        len(chosen),
        "faults",
    )
    assert failed

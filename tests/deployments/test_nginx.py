"""The nginx.conf of compose before real servers on the loopback: one is killed under load, and few callers notice."""

import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.ports import free_port
from tests.servers import PATIENCE_S, ROOT, Server
from tests.waiting import wait_until

FOLDER = ROOT / "deployments"
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
CALLERS = 8
RESOLVES = (1, 27, 3)  # the first nginx that knows `resolve`

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed; apt-get install nginx-light")


class Nginx:
    """nginx with the conf of compose, on a free port, before replicas of the loopback."""

    def __init__(self, folder: Path, replicas: list[str]) -> None:
        self.port = free_port()
        self.log = folder / "access.log"
        self._folder = folder
        conf = folder / "conf"
        (conf / "nginx").mkdir(parents=True)
        shutil.copy(FOLDER / "nginx.conf", conf)
        (conf / "nginx" / "listen.conf").write_text(f"listen 127.0.0.1:{self.port};\n")
        lines = [f"server {address} max_fails=1 fail_timeout=2s;\n" for address in replicas]
        (conf / "nginx" / "replicas.conf").write_text("".join(lines))

    def command(self, *options: str) -> list[str]:
        # As root, nginx would drop to a user who may not enter the folders of the tests.
        directives = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
        conf = str(self._folder / "conf" / "nginx.conf")
        return [str(NGINX), "-p", str(self._folder), "-c", conf, "-g", directives, *options]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def requests(self) -> list[dict[str, Any]]:
        """The access log, without what a test asks to see whether somebody is up."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        found: list[dict[str, Any]] = [
            json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")
        ]
        return [one for one in found if one["path"] == "/predict"]

    def answered_by(self, server: Server, since: int) -> bool:
        """Whether one of the requests behind the first `since` was answered by this replica at the first try."""
        return any(entry["replica"] == f"127.0.0.1:{server.port}" for entry in self.requests()[since:])


@pytest.fixture
def replicas(toy: Path, tmp_path: Path) -> Iterator[list[Server]]:
    """Three servers that are ready."""
    servers = [Server(toy, tmp_path / f"{number}.log") for number in range(3)]
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(Server.start, servers))
        yield servers
    finally:
        for server in servers:
            server.kill()


@pytest.fixture
def nginx(replicas: list[Server], tmp_path: Path) -> Iterator[Nginx]:
    """nginx before them."""
    with running(Nginx(tmp_path, [f"127.0.0.1:{server.port}" for server in replicas])) as nginx:
        yield nginx


@contextmanager
def running(nginx: Nginx) -> Iterator[Nginx]:
    """nginx, up and passing on, and ended behind the block."""
    with nginx.log.open("wb") as log, subprocess.Popen(nginx.command(), stdout=log, stderr=log) as process:
        try:
            until = time.monotonic() + PATIENCE_S
            while not answers(f"{nginx.url}/nginx-health"):
                assert process.poll() is None, nginx.log.read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
            yield nginx
        finally:
            process.terminate()


def answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


class Load:
    """Callers that ask one after the other, each with texts of its own, until the block ends."""

    def __init__(self, url: str, callers: int = CALLERS) -> None:
        self.answered = 0
        self.wrong: list[str] = []
        self.broken_off: list[str] = []  # answers that ended half-way: the caller knows, and asks again
        self._url = url
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(callers)]

    def _ask(self, number: int) -> None:
        with httpx.Client(timeout=60) as client:
            turn = 0
            while not self._ended.is_set():
                turn += 1
                text = f"{'good' if (number + turn) % 2 else 'bad'} {'x ' * (turn % 7)}Apple"
                try:
                    if fault := self._fault(client, text):
                        self.wrong.append(fault)
                except httpx.TransportError as error:
                    self.broken_off.append(repr(error))
                self.answered += 1

    def _fault(self, client: httpx.Client, text: str) -> str | None:
        answer = client.post(f"{self._url}/predict", json={"text": text}, headers={"X-Deadline-Ms": "30000"})
        if answer.status_code != 200:
            return f"{answer.status_code} {answer.text}"
        [prediction] = answer.json()["predictions"]
        [entity] = prediction["entities"]
        right = prediction["label"] == ("up" if text.startswith("good") else "down")
        return None if right and entity["start"] == text.index("Apple") else f"{text!r}: {prediction}"

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def go_on(self, answers: int) -> None:
        """Come back after so many further answers."""
        wanted = self.answered + answers
        wait_until(lambda: self.answered >= wanted, PATIENCE_S)


@pytest.mark.slow  # three servers and nginx as processes
def test_a_replica_that_is_killed_under_load_is_not_missed_and_comes_back(nginx: Nginx, replicas: list[Server]) -> None:
    victim = replicas[0]
    with Load(nginx.url) as load:
        load.go_on(200)
        victim.kill()
        load.go_on(600)
        before = len(nginx.requests())
        victim.start()
        # nginx counts fail_timeout in whole seconds, so that the next try may come a second later than it says.
        until = time.monotonic() + PATIENCE_S
        while not nginx.answered_by(victim, before):
            assert time.monotonic() < until, "the replica was up again, and nginx asked it nothing"
            load.go_on(20)
    assert load.wrong == []
    # What the victim had begun to answer cannot be asked of another replica: its caller sees that it broke off.
    assert len(load.broken_off) <= CALLERS
    # nginx writes its line behind the answer
    wait_until(lambda: len(nginx.requests()) == load.answered)
    log = nginx.requests()
    assert {entry["status"] for entry in log} == {200}
    # What the victim did not answer, another replica did:
    address = f"127.0.0.1:{victim.port}"
    retried = [entry for entry in log if entry["replica"].startswith(f"{address}, ")]
    assert retried
    assert len(retried) < 30  # it was left alone in between


@pytest.mark.slow  # three servers and nginx as processes
def test_requests_are_spread_and_the_page_the_health_and_the_limits_are_those_of_the_replicas(
    nginx: Nginx, replicas: list[Server]
) -> None:
    with Load(nginx.url) as load:
        load.go_on(300)
    assert load.wrong + load.broken_off == []
    shares = Counter(entry["replica"] for entry in nginx.requests())
    assert set(shares) == {f"127.0.0.1:{server.port}" for server in replicas}
    assert min(shares.values()) > load.answered / 10
    page = httpx.get(nginx.url)
    assert "text/html" in page.headers["content-type"]
    assert "sha256-" in page.headers["content-security-policy"]
    assert httpx.get(f"{nginx.url}/v2/health/ready").status_code == 200
    assert httpx.get(f"{nginx.url}/metrics").status_code == 404  # of which replica?
    huge = httpx.post(f"{nginx.url}/predict", content=b"x" * 3_000_000, headers={"content-type": "application/json"})
    assert huge.status_code == 413
    # Texts are in no log.
    assert "Apple" not in nginx.log.read_text(encoding="utf-8")


@pytest.mark.slow  # three servers and nginx as processes
def test_a_replica_that_stops_in_order_is_not_missed_either(nginx: Nginx, replicas: list[Server]) -> None:
    with Load(nginx.url) as load:
        load.go_on(100)
        replicas[1].terminate()
        load.go_on(300)
    assert load.wrong + load.broken_off == []


@pytest.mark.slow  # a server and nginx as processes
def test_replicas_that_are_overloaded_speak_for_themselves_and_are_not_taken_for_dead(
    toy: Path, tmp_path: Path
) -> None:
    # Given a replica that lets nothing wait, which stands for two,
    full = Server(toy, tmp_path / "full.log", "--queue-tokens", "1")
    try:
        full.start()
        with running(Nginx(tmp_path, [f"127.0.0.1:{full.port}"] * 2)) as nginx:
            # when many ask at once,
            answers = ask_at_once(f"{nginx.url}/predict", {"texts": ["good Apple"] * 300})
    finally:
        full.kill()
    # then some are refused by the replica itself, with the time to wait (or too late, on a busy machine), and none
    # is passed on to another.
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert {answer.status_code for answer in answers} <= {200, 429, 504}
    assert [entry for entry in nginx.requests() if "," in entry["replica"]] == []


def ask_at_once(url: str, body: dict[str, list[str]]) -> list[httpx.Response]:
    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda _: client.post(url, json=body), range(64)))


def test_the_conf_is_right(tmp_path: Path) -> None:
    nginx = Nginx(tmp_path, ["127.0.0.1:1"])
    done = subprocess.run(nginx.command("-t"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr


def test_the_replicas_of_compose_are_right(tmp_path: Path) -> None:
    shown = subprocess.run([str(NGINX), "-v"], capture_output=True, text=True, check=True).stderr
    version = tuple(int(part) for part in re.findall(r"nginx/(\d+)\.(\d+)\.(\d+)", shown)[0])
    if version < RESOLVES:
        pytest.skip(f"{shown.strip()} does not know `resolve`, which compose's nginx has")
    nginx = Nginx(tmp_path, [])
    shutil.copy(FOLDER / "nginx" / "replicas.conf", tmp_path / "conf" / "nginx")
    shutil.copy(FOLDER / "nginx" / "listen.conf", tmp_path / "conf" / "nginx")
    done = subprocess.run(nginx.command("-t"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

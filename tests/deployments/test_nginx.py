"""nginx.conf of compose in front of real servers: one is killed under load, and few clients notice."""

import json
import os
import re
import shlex
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
CLIENTS = 8
RESOLVE_VERSION = (1, 27, 3)  # the first nginx that supports `resolve`

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed; apt-get install nginx-light")


class Nginx:
    """nginx with the configuration of compose, on a free port, in front of replicas on the loopback."""

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
        # As root, nginx would switch to a user without access to the folders of the tests.
        directives = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
        conf = str(self._folder / "conf" / "nginx.conf")
        return [str(NGINX), "-p", str(self._folder), "-c", conf, "-g", directives, *options]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def requests(self) -> list[dict[str, Any]]:
        """Return the access log, without health checks of the tests."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        entries: list[dict[str, Any]] = [
            json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")
        ]
        return [entry for entry in entries if entry["path"] == "/predict"]

    def was_served_by(self, server: Server, since: int) -> bool:
        """Return whether this replica served a request after the first `since` ones, at the first attempt."""
        return any(entry["replica"] == f"127.0.0.1:{server.port}" for entry in self.requests()[since:])


@pytest.fixture
def replicas(toy: Path, tmp_path: Path) -> Iterator[list[Server]]:
    """Yield three servers that are ready."""
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
    """Yield nginx in front of the replicas."""
    with running(Nginx(tmp_path, [f"127.0.0.1:{server.port}" for server in replicas])) as nginx:
        yield nginx


@contextmanager
def running(nginx: Nginx) -> Iterator[Nginx]:
    """Run nginx within a `with` block."""
    with nginx.log.open("wb") as log, subprocess.Popen(nginx.command(), stdout=log, stderr=log) as process:
        try:
            until = time.monotonic() + PATIENCE_S
            while not responds(f"{nginx.url}/nginx-health"):
                assert process.poll() is None, nginx.log.read_text()
                assert time.monotonic() < until
                time.sleep(0.05)
            yield nginx
        finally:
            process.terminate()


def responds(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


class Load:
    """Clients that send requests one after another, each with its own texts, until the block ends."""

    def __init__(self, url: str, clients: int = CLIENTS) -> None:
        self.completed = 0
        self.errors: list[str] = []
        self.interrupted: list[str] = []  # incomplete responses: the client notices, and can retry
        self._url = url
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(clients)]

    def _ask(self, number: int) -> None:
        with httpx.Client(timeout=60) as client:
            turn = 0
            while not self._ended.is_set():
                turn += 1
                text = f"{'good' if (number + turn) % 2 else 'bad'} {'x ' * (turn % 7)}Apple"
                try:
                    if fault := self._fault(client, text):
                        self.errors.append(fault)
                except httpx.TransportError as error:
                    self.interrupted.append(repr(error))
                self.completed += 1

    def _fault(self, client: httpx.Client, text: str) -> str | None:
        response = client.post(f"{self._url}/predict", json={"text": text}, headers={"X-Deadline-Ms": "30000"})
        if response.status_code != 200:
            return f"{response.status_code} {response.text}"
        [prediction] = response.json()["predictions"]
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

    def wait_for_responses(self, count: int) -> None:
        """Wait for a number of further responses."""
        target = self.completed + count
        wait_until(lambda: self.completed >= target, PATIENCE_S)


@pytest.mark.slow  # three servers and nginx as processes
def test_nginx_replaces_a_killed_replica_and_uses_it_again(nginx: Nginx, replicas: list[Server]) -> None:
    victim = replicas[0]
    with Load(nginx.url) as load:
        load.wait_for_responses(200)
        victim.kill()
        load.wait_for_responses(600)
        before = len(nginx.requests())
        victim.start()
        # nginx counts fail_timeout in whole seconds, so that the next attempt may come a second later.
        until = time.monotonic() + PATIENCE_S
        while not nginx.was_served_by(victim, before):
            assert time.monotonic() < until, "the replica was up again, and nginx sent it no request"
            load.wait_for_responses(20)
    assert load.errors == []
    # nginx cannot retry a response that has begun: its client sees the interruption.
    assert len(load.interrupted) <= CLIENTS
    # nginx writes its log line after the response.
    wait_until(lambda: len(nginx.requests()) == load.completed)
    log = nginx.requests()
    assert {entry["status"] for entry in log} == {200}
    # Other replicas served the requests that the victim did not.
    address = f"127.0.0.1:{victim.port}"
    retried = [entry for entry in log if entry["replica"].startswith(f"{address}, ")]
    assert retried
    assert len(retried) < 30  # nginx skipped it in between


@pytest.mark.slow  # three servers and nginx as processes
def test_nginx_spreads_requests_and_passes_on_page_health_and_limits(nginx: Nginx, replicas: list[Server]) -> None:
    with Load(nginx.url) as load:
        load.wait_for_responses(300)
    assert load.errors + load.interrupted == []
    shares = Counter(entry["replica"] for entry in nginx.requests())
    assert set(shares) == {f"127.0.0.1:{server.port}" for server in replicas}
    assert min(shares.values()) > load.completed / 10
    page = httpx.get(nginx.url)
    assert "text/html" in page.headers["content-type"]
    assert "sha256-" in page.headers["content-security-policy"]
    assert httpx.get(f"{nginx.url}/v2/health/ready").status_code == 200
    assert httpx.get(f"{nginx.url}/metrics").status_code == 404  # each replica has its own
    huge = httpx.post(f"{nginx.url}/predict", content=b"x" * 3_000_000, headers={"content-type": "application/json"})
    assert huge.status_code == 413
    # The log contains no texts.
    assert "Apple" not in nginx.log.read_text(encoding="utf-8")


@pytest.mark.slow  # three servers and nginx as processes
def test_nginx_replaces_a_replica_that_drains(nginx: Nginx, replicas: list[Server]) -> None:
    with Load(nginx.url) as load:
        load.wait_for_responses(100)
        replicas[1].terminate()
        load.wait_for_responses(300)
    assert load.errors + load.interrupted == []


@pytest.mark.slow  # a server and nginx as processes
def test_nginx_passes_on_refusals_of_overloaded_replicas(toy: Path, tmp_path: Path) -> None:
    # Given a replica without a queue, which stands for two,
    full = Server(toy, tmp_path / "full.log", "--queue-tokens", "1")
    try:
        full.start()
        with running(Nginx(tmp_path, [f"127.0.0.1:{full.port}"] * 2)) as nginx:
            # when many requests arrive at once,
            responses = send_at_once(f"{nginx.url}/predict", {"texts": ["good Apple"] * 300})
    finally:
        full.kill()
    # then the replica refuses some, with the time to wait (or too late, on a busy machine), and none is retried.
    refused = [response for response in responses if response.status_code == 429]
    assert refused
    assert all(int(response.headers["retry-after"]) >= 1 for response in refused)
    assert {response.status_code for response in responses} <= {200, 429, 504}
    assert [entry for entry in nginx.requests() if "," in entry["replica"]] == []


def send_at_once(url: str, body: dict[str, list[str]]) -> list[httpx.Response]:
    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda _: client.post(url, json=body), range(64)))


def by_hand_options() -> list[str]:
    """Return the options of the first `assay serve` in docs/deploying.md, without those that the test sets."""
    page = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8").partition("### By hand")[2]
    [command, *_] = re.findall(r"^assay serve (.*)$", page, re.MULTILINE)
    words = shlex.split(command)
    del words[words.index("--model") : words.index("--model") + 2]
    del words[words.index("--port") : words.index("--port") + 2]
    return words


@pytest.mark.slow  # a server and nginx as processes
def test_nginx_by_hand_passes_on_any_host_name_and_responds_with_json(toy: Path, tmp_path: Path) -> None:
    server = Server(toy, tmp_path / "server.log", *by_hand_options())
    try:
        server.start()
        with (
            running(Nginx(tmp_path, [f"127.0.0.1:{server.port}"])) as nginx,
            httpx.Client(base_url=nginx.url) as client,
        ):
            named = {"Host": "models.lan:8080", "X-Request-Id": "abc-1", "Origin": "http://models.lan:8080"}
            done = client.post("/predict", json={"text": "good"}, headers=named)
            assert done.status_code == 200, done.text
            assert done.headers.get_list("x-request-id") == ["abc-1"]
            (new_id,) = client.get("/ping", headers={"X-Request-Id": "two words"}).headers.get_list("x-request-id")
            assert len(new_id) == 32
            foreign = client.post("/predict", json={"text": "good"}, headers={**named, "Origin": "http://example.org"})
            refused = [foreign, client.get("/metrics"), client.post("/predict", content=b"x" * 3_000_000)]
            server.kill()
            refused.append(client.post("/predict", json={"text": "good"}))
    finally:
        server.kill()
    assert [response.status_code for response in refused] == [403, 404, 413, 503]
    assert all(response.headers["content-type"] == "application/json" for response in refused)
    assert all(response.json()["error"] for response in refused)


def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    nginx = Nginx(tmp_path, ["127.0.0.1:1"])
    result = subprocess.run(nginx.command("-t"), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "[warn]" not in result.stderr


def test_nginx_accepts_the_replicas_of_compose(tmp_path: Path) -> None:
    output = subprocess.run([str(NGINX), "-v"], capture_output=True, text=True, check=True).stderr
    version = tuple(int(part) for part in re.findall(r"nginx/(\d+)\.(\d+)\.(\d+)", output)[0])
    if version < RESOLVE_VERSION:
        pytest.skip(f"{output.strip()} does not support `resolve`, unlike the nginx of compose")
    nginx = Nginx(tmp_path, [])
    shutil.copy(FOLDER / "nginx" / "replicas.conf", tmp_path / "conf" / "nginx")
    shutil.copy(FOLDER / "nginx" / "listen.conf", tmp_path / "conf" / "nginx")
    result = subprocess.run(nginx.command("-t"), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr

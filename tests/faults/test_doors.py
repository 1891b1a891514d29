"""Security boundaries against clients, databases, data sets and checkpoints."""

import ast
import hmac
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pymongo import monitoring
from starlette.testclient import TestClient

from assay.corpus.errors import AssayError
from assay.corpus.sources.mongo import read_mongo
from assay.deployments.local_stack import LocalStack
from assay.deployments.mlflow_page import HOST
from assay.deployments.processes import Processes
from assay.flows.api_access import check_token
from assay.models.training_loop import WORK, train
from assay.recipes.recipe import ModelSection, Scratch, Training
from assay.serving.bundle import Bundle
from assay.serving.http.server_settings import Settings
from tests.bundles import build_bundle
from tests.faults.counts import count
from tests.mongo import Mongo
from tests.serving.http.conftest import LOCAL, make_parts

ROOT = Path(__file__).parents[2]
TOKEN = "a secret of the tests"
# What begins a path out of a folder, an address, a template, a tag of HTML.
ATTACKS = [
    "../../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "/etc/passwd",
    "//etc/passwd",
    "file:///etc/passwd",
    "etc/passwd%00.html",
    "..\\..\\etc\\passwd",
    "{{7*7}}etc/passwd",
    "<script>alert('etc/passwd')</script>",
]
PLACES = [
    "/{}",
    "/card/{}",
    "/docs/{}",
    "/card?path={}",
    "/v2/models/{}",
    "/v2/models/{}/infer",
    "/v2/models/toy/versions/{}",
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return build_bundle(tmp_path_factory.mktemp("toy"), {"good": "up", "bad": "down"}, {"Apple": "ORG"})


@pytest.fixture
def ask(bundle: Bundle) -> Iterator[Callable[..., Any]]:
    """Return `ask(method, path, ...)`, which sends a request with the token of the server."""
    from assay.serving.http.app import make_app

    with TestClient(
        make_app(*make_parts(bundle, token=TOKEN)), base_url=LOCAL, raise_server_exceptions=False
    ) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        yield client.request


class Opened:
    """Record the paths that this process opens or lists, by Python's audit events."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.on = False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, values: tuple[Any, ...]) -> None:
        if self.on and event in ("open", "os.listdir", "os.scandir") and values:
            self.paths.append(str(values[0]))


OPENED = Opened()


def test_server_keeps_client_paths_out_of_the_file_system(ask: Callable[..., Any]) -> None:
    ask("GET", "/")
    ask("GET", "/card")
    OPENED.paths, OPENED.on, tried = [], True, 0
    try:
        for attack in ATTACKS:
            for method in ("GET", "POST"):
                responses = [ask(method, place.format(attack)) for place in PLACES]
                responses.append(ask(method, "/predict", headers={"X-File": attack, "Host": "127.0.0.1"}))
                responses.append(ask("POST", "/predict", json={attack: attack, "text": "good"}))
                responses.append(ask("POST", "/v2/models/toy/infer", json={"id": attack, "inputs": [{"name": attack}]}))
                for response in responses:
                    tried += 1
                    assert response.status_code < 500
                    assert "root:" not in response.text
                    # only a page can run a script, and only what is no page may quote
                    assert attack not in response.text or response.headers["content-type"].startswith(
                        "application/json"
                    )
                    assert response.headers["x-content-type-options"] == "nosniff"
        # the hook hears what is opened
        (ROOT / "pyproject.toml").read_bytes()
    finally:
        OPENED.on = False
    assert [path for path in OPENED.paths if not path.endswith("pyproject.toml")] == []
    assert OPENED.paths
    count("paths outside a folder, templates and tags in requests", tried, "requests, no file opened, no script shown")


def test_server_compares_tokens_in_constant_time(ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(sent: bytes, wanted: bytes) -> bool:
        compared.append((sent, wanted))
        return hmac.compare_digest(sent, wanted)

    monkeypatch.setattr("assay.serving.http.access.secrets.compare_digest", compare)
    assert ask("GET", "/model", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert ask("GET", "/model").status_code == 200
    wanted = TOKEN.encode()
    assert compared == [(b"wrong", wanted), (wanted, wanted)]


def test_servers_listen_on_loopback_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from typer.main import get_command

    from assay.cli.command import app

    assert Settings(model="m").host == HOST == "127.0.0.1"
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for name in ("serve", "api"):
        [host] = [option.default for option in commands[name].params if option.name == "host"]
        assert host == HOST, name
    # others are let in with a token only
    with pytest.raises(AssayError):
        check_token(None, "0.0.0.0", no_token=False)  # noqa: S104  # nothing listens
    # what make up starts
    started: dict[str, Sequence[str]] = {}

    def start(self: Processes, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        started[name] = command

    monkeypatch.setattr(Processes, "start", start)
    monkeypatch.setattr(Processes, "wait_until", lambda *args: None)
    LocalStack(tmp_path, 1, 2)._start_servers()
    assert set(started) == {"prefect", "mlflow"}
    for command in started.values():
        assert command[command.index("--host") + 1] == HOST


class Shell:
    """An object that runs a command when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self._proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._proof,)


def test_checkpoint_runs_no_code(tmp_path: Path, one_thread: None) -> None:
    import torch

    from assay.models.resume import COMPLETE, mark_complete
    from tests.models.test_training_loop import ROWS, _KillAt, _KilledError

    # given a training that was broken off, whose checkpoint somebody changed, seal and all
    model = ModelSection(
        scratch=Scratch(layers=1, hidden=16, attention_heads=2, vocabulary=100), heads=["sentence"], max_length=32
    )
    training = Training(epochs=3, batch_size=8, learning_rate=1e-3)
    with pytest.raises(_KilledError):
        train(ROWS, ROWS[:8], model, training, tmp_path, callbacks=[_KillAt(8)])
    [*_, checkpoint] = sorted((tmp_path / WORK).glob("checkpoint-*"))
    proof = tmp_path / "proof"
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        assert (checkpoint / name).is_file()
        torch.save({"state": Shell(proof)}, checkpoint / name)
    mark_complete(checkpoint, json.loads((checkpoint / COMPLETE).read_text())["key"])
    # then going on from it fails, and nothing of it runs
    with pytest.raises(Exception, match=r"[Ww]eights[_ ]only"):
        train(ROWS, ROWS[:8], model, training, tmp_path)
    assert not proof.exists()
    # though it would have run where that is not asked for
    torch.load(checkpoint / "optimizer.pt", weights_only=False)
    assert proof.exists()


def assay_packages() -> list[str]:
    return sorted(path.name for path in (ROOT / "assay").iterdir() if path.is_symlink())


def calls(name: str) -> Iterator[tuple[Path, ast.Call]]:
    """Yield the calls of a function of this name in the source of the packages."""
    for package in (*assay_packages(), "demo"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == name:
                    yield path, node


def test_hub_downloads_are_pinned_and_run_no_code() -> None:
    loaded = 0
    for path, node in [*calls("from_pretrained"), *calls("load_dataset")]:
        words = {word.arg: word.value for word in node.keywords}
        code = words.get("trust_remote_code", ast.Constant(False))
        assert isinstance(code, ast.Constant), path
        assert code.value is False, path
        loaded += "revision" in words
        # files of a data set are named by address, revision and all; the rest are folders that this package has written
        assert {"revision", "data_files"} & set(words) or path.parent.name in ("models", "export"), path
    assert loaded >= 3


def test_torch_loads_only_weights() -> None:
    for path, node in calls("load"):
        if isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "torch":
            words = {word.arg: word.value for word in node.keywords}
            assert ast.dump(words["weights_only"]) == ast.dump(ast.Constant(True)), path


class Heard(monitoring.CommandListener):
    """Records the commands that were sent to MongoDB."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.commands.append({**event.command})

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Ignore the event."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Ignore the event."""


def test_mongo_reads_as_a_read_only_user_with_a_query_limit(mongo: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    mongo.fill("rows", ({"_id": number, "text": "good"} for number in range(2_500)))
    heard = Heard()
    monkeypatch.setattr("pymongo.monitoring._LISTENERS", monitoring._Listeners([heard], [], [], [], []))
    assert len(list(read_mongo(mongo.query("rows", filter={"text": {"$in": ["good"]}}, timeout_s=7)))) == 2_500
    names = [next(iter(command)) for command in heard.commands]
    assert {"find", "getMore"} <= set(names) <= {"ping", "find", "getMore", "killCursors", "endSessions"}
    assert [command["maxTimeMS"] for command in heard.commands if "find" in command] == [7_000]


@pytest.mark.parametrize(
    "operator", ["$where", "$function", "$accumulator", "$expr", "$regex", "$jsonSchema", "$text", "$lookup", "$out"]
)
def test_mongo_filter_refuses_scripts_and_patterns(mongo: Mongo, operator: str) -> None:
    for filter_ in ({operator: "1"}, {"a": {operator: "1"}}, {"$and": [{"a": {"$elemMatch": {operator: "1"}}}]}):
        with pytest.raises(AssayError, match=f"holds the operator '\\{operator}'"):
            list(read_mongo(mongo.query("rows", filter=filter_)))

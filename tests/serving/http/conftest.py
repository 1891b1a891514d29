"""Real applications on bundles with known predictions, and a heavy bundle that makes requests wait."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from starlette.testclient import TestClient

from assay.corpus.storage.digest import digest_file
from assay.serving.bundle import MODEL, Bundle, write_manifest
from assay.serving.encoding import EncodedText
from assay.serving.http.active_model import ActiveModel, Origin, ServedModel, load_model
from assay.serving.http.app import make_app
from assay.serving.http.batcher import Batcher
from assay.serving.http.listening import bind, listeners
from assay.serving.http.server_lifecycle import DrainingServer, configure
from assay.serving.http.server_metrics import ServerMetrics
from assay.serving.http.server_settings import Limits, Settings
from tests.waiting import PATIENCE_S, wait_until

LOCAL = "http://127.0.0.1"
Serve = Callable[..., TestClient]
Listen = Callable[..., "Listening"]
Hold = Callable[[ServedModel], "HeldModel"]


@pytest.fixture
def heavy(build_toy: Callable[..., Bundle]) -> Bundle:
    """Return a bundle with additional matrix products, of about a millisecond per token, that change no prediction."""
    bundle = build_toy("heavy")
    model = onnx.load(bundle.model_path)
    nodes, width = model.graph.node, 512
    weights = np.full((width, width), 1e-3, dtype=np.float32)
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(weights, "heavy.weights"),
            numpy_helper.from_array(np.ones((1, width), dtype=np.float32), "heavy.first"),
            numpy_helper.from_array(np.zeros((width, 2), dtype=np.float32), "heavy.none"),
            numpy_helper.from_array(np.array([1]), "heavy.axis"),
        ]
    )
    last = next(node for node in nodes if node.output[0] == "sentence")
    last.output[0] = "light"
    nodes.append(helper.make_node("MatMul", ["column", "heavy.first"], ["heavy.0"]))
    for number in range(40):
        nodes.append(helper.make_node("MatMul", [f"heavy.{number}", "heavy.weights"], [f"heavy.{number + 1}"]))
    nodes.append(helper.make_node("ReduceSum", ["heavy.40", "heavy.axis"], ["heavy.sum"], keepdims=0))
    nodes.append(helper.make_node("MatMul", ["heavy.sum", "heavy.none"], ["heavy.zero"]))
    nodes.append(helper.make_node("Add", ["light", "heavy.zero"], ["sentence"]))
    return rewrite(bundle, model)


def rewrite(bundle: Bundle, model: onnx.ModelProto, **changes: Any) -> Bundle:
    """Replace the graph of a bundle."""
    onnx.save(model, bundle.model_path)
    files = {**bundle.manifest.files, MODEL: digest_file(bundle.model_path)}
    write_manifest(bundle.folder, bundle.manifest.model_copy(update={"files": files, **changes}))
    return Bundle.load(bundle.folder)


def make_parts(bundle: Bundle, **options: Any) -> tuple[Settings, ActiveModel, Batcher, ServerMetrics]:
    """Return the parts of a server; options are those of `Limits`, or `token`, `host`, `threads`, `origin`."""
    names = (
        "token",
        "host",
        "port",
        "allowed_hosts",
        "cors_origins",
        "access_log",
        "otel",
        "drain",
        "log",
        "grpc_port",
        "stop",
    )
    server_options = {name: options.pop(name) for name in names if name in options}
    threads, origin = options.pop("threads", 1), options.pop("origin", Origin("toy", "3", "champion"))
    # A busy machine is no fault of the server.
    limits = Limits(**{"deadline": PATIENCE_S, **options})
    settings = Settings(model=str(bundle.folder), limits=limits, **server_options)
    metrics = ServerMetrics()
    active_model = ActiveModel(load_model(bundle, origin, settings.limits.batch_tokens))
    metrics.set_model(active_model.model)
    batcher = Batcher(threads, settings.limits.queue_tokens, metrics)
    return settings, active_model, batcher, metrics


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Yield `serve(bundle, **options)`, which returns a client of the application in this process, without a socket."""
    with ExitStack() as stack:

        def start(bundle: Bundle, headers: dict[str, str] | None = None, **options: Any) -> TestClient:
            app = make_app(*make_parts(bundle, **options))
            return stack.enter_context(TestClient(app, base_url=LOCAL, headers=headers, raise_server_exceptions=False))

        yield start


@pytest.fixture
def client(serve: Serve, toy: Bundle) -> TestClient:
    """Return a client of the toy model."""
    return serve(toy)


class Listening:
    """A server on a socket, in a thread."""

    def __init__(self, parts: tuple[Settings, ActiveModel, Batcher, ServerMetrics]) -> None:
        self.settings, self.active_model, self.batcher, self.metrics = parts
        self.app = make_app(*parts)
        config = configure(self.app, self.settings)
        self.server = DrainingServer(config, self.active_model, self.settings.drain, self.app.state.grpc)
        sockets = listeners(bind("127.0.0.1", self.settings.port))
        self._thread = threading.Thread(target=self.server.run, args=[sockets])

    @property
    def port(self) -> int:
        """Port of the server."""
        port: int = self.server.servers[0].sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """URL of the server."""
        return f"{LOCAL}:{self.port}"

    def metric(self, name: str) -> float:
        """Return the sum of a metric over its labels."""
        return _sum_of(name, self.metrics.render().decode())

    def set_limits(self, **limits: Any) -> None:
        """Change limits of connections; a timer that is running keeps its time."""
        connections: Any = self.server.config.http_protocol_class
        connections.limits = replace(connections.limits, **limits)

    def stop(self) -> None:
        """Stop the server, and wait until it has."""
        self.server.should_exit = True
        self._thread.join()

    @contextmanager
    def running(self) -> Iterator["Listening"]:
        """Run the server within a `with` block."""
        self._thread.start()
        wait_until(lambda: self.server.started)
        try:
            yield self
        finally:
            self.stop()


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Yield `listen(bundle, **options)`, which returns a server that listens on a port of this machine."""
    with ExitStack() as stack:

        def start(bundle: Bundle, **options: Any) -> Listening:
            return stack.enter_context(Listening(make_parts(bundle, port=0, **options)).running())

        yield start


class HeldModel:
    """A model that computes no batch until it is released. `lengths` are the tokens of each row, batch by batch."""

    def __init__(self, model: ServedModel, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lengths: list[list[int]] = []
        self._released = threading.Event()
        predict_batch = model.engine.predict_batch

        def hold(batch: Sequence[EncodedText]) -> Any:
            self.lengths.append([len(item) for item in batch])
            self._released.wait(PATIENCE_S)
            return predict_batch(batch)

        monkeypatch.setattr(model.engine, "predict_batch", hold)

    @property
    def sizes(self) -> list[int]:
        """Number of rows of each batch that has begun."""
        return [len(batch) for batch in self.lengths]

    def release(self) -> None:
        """Let the model compute."""
        self._released.set()


@pytest.fixture
def hold(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hold]:
    """Yield `hold(model)`, which holds the batches of a model until they are released, or until the test ends."""
    held: list[HeldModel] = []

    def start(model: ServedModel) -> HeldModel:
        held.append(HeldModel(model, monkeypatch))
        return held[-1]

    yield start
    for model in held:
        model.release()


def metric(client: TestClient, name: str) -> float:
    """Return the sum of a metric over its labels."""
    return _sum_of(name, client.get("/metrics").text)


def _sum_of(name: str, text: str) -> float:
    lines = text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.partition("{")[0].partition(" ")[0] == name)


@pytest.fixture
def full(listen: Listen, toy: Bundle) -> Iterator[Listening]:
    """Yield a server that reports an endless queue."""
    server = listen(toy, body=5000)
    server.batcher._submitted_tokens += 10**9
    yield server
    server.batcher._submitted_tokens -= 10**9

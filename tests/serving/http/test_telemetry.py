import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from assay.serving.bundle import Bundle
from tests.serving.http.conftest import Serve

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Collector(ThreadingHTTPServer):
    """A collector of OpenTelemetry, which keeps what it receives."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: dict[str, list[bytes]] = {}


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
        assert isinstance(self.server, Collector)
        self.server.bodies.setdefault(self.path, []).append(body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Run a collector, and point OpenTelemetry to it."""
    server = Collector()
    threading.Thread(target=server.serve_forever).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "assay-test")
    yield server
    server.shutdown()
    server.server_close()


def test_otel_sends_a_span_of_the_trace_of_the_client(serve: Serve, toy: Bundle, collector: Collector) -> None:
    pytest.importorskip("opentelemetry.instrumentation.asgi", reason="the extra otel is not installed")
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    client = serve(toy, otel=True, allowed_hosts=("*",))
    headers = {"Traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    assert client.post("/predict", json={"text": "good"}, headers=headers).status_code == 200
    for probe in ("/ping", "/metrics", "/v2/health/live", "/v2/models/toy/ready"):
        assert client.get(probe).status_code == 200
    # Only whole paths are probes: "shipping" ends with "ping".
    client.get("/model", headers={"Host": "shipping.example.org"})
    client.__exit__()
    traces = [ExportTraceServiceRequest.FromString(body) for body in collector.bodies["/v1/traces"]]
    spans = [span for trace in traces for part in trace.resource_spans for s in part.scope_spans for span in s.spans]
    assert [span.name for span in spans] == ["POST /predict", "GET /model"]
    assert spans[0].trace_id.hex() == TRACE
    metrics = [ExportMetricsServiceRequest.FromString(body) for body in collector.bodies["/v1/metrics"]]
    names = {m.name for r in metrics for part in r.resource_metrics for s in part.scope_metrics for m in s.metrics}
    assert any("duration" in name for name in names)

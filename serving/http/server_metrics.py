"""What Prometheus reads at /metrics. Names follow Triton's, with `assay_` in front."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from assay.serving.http.active_model import ServedModel

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)
_TOKENS = (16, 32, 64, 128, 256, 512, 1024, 2048)


class Metrics:
    """Counters of one server, in a registry of their own: scrape each replica."""

    def __init__(self) -> None:
        # Times at which counters began would only double the page.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # of prometheus-client
        self._registry = registry = CollectorRegistry()
        requests = ["protocol"]
        self.success = Counter(
            "assay_inference_request_success", "Requests that were answered", requests, registry=registry
        )
        self.failure = Counter(
            "assay_inference_request_failure", "Requests that were not", [*requests, "reason"], registry=registry
        )
        self.duration = Histogram(
            "assay_inference_request_duration_seconds", "From the first byte to the answer", requests,
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._rows = Counter("assay_inference_count", "Rows that were computed", registry=registry)
        self._batches = Counter("assay_inference_exec_count", "Batches that were computed", registry=registry)
        self._tokens = Counter("assay_inference_tokens", "Tokens that were computed, padding not", registry=registry)
        self._padding = Counter("assay_inference_padding_tokens", "Padding that was computed", registry=registry)
        self.truncated = Counter("assay_inference_truncated", "Rows longer than the model reads", registry=registry)
        self.tokenization = Histogram(
            "assay_inference_tokenization_duration_seconds", "Of a request", buckets=_SECONDS, registry=registry
        )
        self._queue = Histogram(
            "assay_inference_queue_duration_seconds", "Wait of a row", buckets=_SECONDS, registry=registry
        )
        self._compute = Histogram(
            "assay_inference_compute_infer_duration_seconds", "Of a batch", buckets=_SECONDS, registry=registry
        )
        self._batch_rows = Histogram("assay_batch_rows", "Rows of a batch", buckets=_ROWS, registry=registry)
        self._batch_tokens = Histogram("assay_batch_tokens", "With padding", buckets=_TOKENS, registry=registry)
        self._info = Gauge(
            "assay_model_info", "1 for the model that answers", ["name", "version", "digest", "precision"],
            registry=registry,
        )  # fmt: skip
        self.swaps = Counter("assay_model_swaps", "Models that took over", registry=registry)
        self.refused = Counter("assay_model_refused", "Models that were to take over and may not", registry=registry)
        self.degraded = Gauge("assay_registry_degraded", "1 while the registry cannot be asked", registry=registry)
        self.logged = Counter("assay_log_rows", "Rows written to the log of answers", registry=registry)
        self.log_dropped = Counter("assay_log_dropped_rows", "Rows that the log had no room for", registry=registry)

    def picked(self, waits: Iterable[float]) -> None:
        """Rows that waited so long make a batch."""
        for wait in waits:
            self._queue.observe(wait)

    def computed(self, rows: int, padded: int, tokens: int, seconds: float) -> None:
        """A batch was answered."""
        self._rows.inc(rows)
        self._batches.inc()
        self._tokens.inc(tokens)
        self._padding.inc(padded - tokens)
        self._batch_rows.observe(rows)
        self._batch_tokens.observe(padded)
        self._compute.observe(seconds)

    def serves(self, model: ServedModel) -> None:
        """This model answers from now on."""
        self._info.clear()
        self._info.labels(model.name, model.version_name, model.digest, model.engine.manifest.precision).set(1)

    def watch(self, rows: Callable[[], float], tokens: Callable[[], float]) -> None:
        """Read the length of the queue when Prometheus asks."""
        pending = Gauge("assay_inference_pending_request_count", "Rows that wait", registry=self._registry)
        pending.set_function(rows)
        waiting = Gauge("assay_queue_tokens", "Tokens that wait", registry=self._registry)
        waiting.set_function(tokens)

    def render(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self._registry)

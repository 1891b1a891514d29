"""Metrics for Prometheus at /metrics. Names follow those of Triton, with the prefix `assay_`."""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from assay.serving.engine import Prediction
from assay.serving.http.active_model import ServedModel

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)
_TOKENS = (16, 32, 64, 128, 256, 512, 1024, 2048)


class ServerMetrics:
    """Metrics of one server, in a registry of their own: scrape each replica."""

    def __init__(self) -> None:
        # The creation times of counters would double the length of the page.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus-client does not annotate it
        self._registry = registry = CollectorRegistry()
        requests = ["protocol"]
        self.success = Counter("assay_inference_request_success", "Successful requests", requests, registry=registry)
        self.failure = Counter(
            "assay_inference_request_failure", "Failed requests", [*requests, "reason"], registry=registry
        )
        self.duration = Histogram(
            "assay_inference_request_duration_seconds", "Seconds from first byte to response", requests,
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._rows = Counter("assay_inference_count", "Computed rows", registry=registry)
        self._batches = Counter("assay_inference_exec_count", "Computed batches", registry=registry)
        self._tokens = Counter("assay_inference_tokens", "Computed tokens without padding", registry=registry)
        self._padding = Counter("assay_inference_padding_tokens", "Computed padding tokens", registry=registry)
        self._truncated = Counter("assay_inference_truncated", "Rows that were truncated", registry=registry)
        self._abstained = Counter("assay_inference_abstained", "Rows that were left to a person", registry=registry)
        self.tokenization = Histogram(
            "assay_inference_tokenization_duration_seconds", "Seconds per request", buckets=_SECONDS, registry=registry
        )
        self._queue = Histogram(
            "assay_inference_queue_duration_seconds", "Seconds that a row waits", buckets=_SECONDS, registry=registry
        )
        self._compute = Histogram(
            "assay_inference_compute_infer_duration_seconds", "Seconds per batch", buckets=_SECONDS, registry=registry
        )
        self._batch_rows = Histogram("assay_batch_rows", "Rows per batch", buckets=_ROWS, registry=registry)
        self._batch_tokens = Histogram(
            "assay_batch_tokens", "Tokens per batch, padding included", buckets=_TOKENS, registry=registry
        )
        self._info = Gauge(
            "assay_model_info", "1 for the active model", ["name", "version", "digest", "precision"],
            registry=registry,
        )  # fmt: skip
        self.model_changes = Counter("assay_model_swaps", "Changes of the active model", ["name"], registry=registry)
        self.refused = Counter("assay_model_refused", "Versions that were refused", ["name"], registry=registry)
        self._models: dict[str, tuple[str, ...]] = {}
        self.degraded = Gauge(
            "assay_registry_degraded", "1 while the registry is unreachable", ["name"], registry=registry
        )
        self.logged = Counter("assay_log_rows", "Rows written to the prediction log", registry=registry)
        self.access_log_dropped = Counter(
            "assay_access_log_dropped_lines", "Lines that the access log dropped", registry=registry
        )
        # Memory, CPU and open files of this process, under the names of Prometheus.
        ProcessCollector(registry=registry)
        self.log_dropped = Counter("assay_log_dropped_rows", "Rows that the prediction log dropped", registry=registry)

    def record_waits(self, waits: Iterable[float]) -> None:
        """Record the seconds that each row of a batch has waited."""
        for wait in waits:
            self._queue.observe(wait)

    def record_batch(self, rows: int, padded: int, tokens: int, seconds: float) -> None:
        """Record a computed batch.

        Args:
            rows: number of rows.
            padded: number of tokens, padding included.
            tokens: number of tokens without padding.
            seconds: time that the batch took.
        """
        self._rows.inc(rows)
        self._batches.inc()
        self._tokens.inc(tokens)
        self._padding.inc(padded - tokens)
        self._batch_rows.observe(rows)
        self._batch_tokens.observe(padded)
        self._compute.observe(seconds)

    def record_predictions(self, predictions: Sequence[Prediction]) -> None:
        """Record the predictions of a request; most are neither truncated nor left to a person."""
        if truncated := sum(prediction.truncated for prediction in predictions):
            self._truncated.inc(truncated)
        if abstained := sum(prediction.abstained for prediction in predictions):
            self._abstained.inc(abstained)

    def set_model(self, model: ServedModel) -> None:
        """Set the active model of its name."""
        if previous := self._models.get(model.name):
            self._info.remove(*previous)
        labels = (model.name, model.version_name, model.digest, model.engine.precision)
        self._models[model.name] = labels
        self._info.labels(*labels).set(1)
        # A series that begins with its first event would hide that event from `increase`.
        for of_name in (self.degraded, self.model_changes, self.refused):
            of_name.labels(model.name)

    def watch_queue(self, rows: Callable[[], float], tokens: Callable[[], float]) -> None:
        """Register functions that return the waiting rows and tokens at each scrape."""
        waiting_rows = Gauge("assay_inference_pending_requests", "Waiting rows", registry=self._registry)
        waiting_rows.set_function(rows)
        waiting_tokens = Gauge("assay_queue_tokens", "Waiting tokens", registry=self._registry)
        waiting_tokens.set_function(tokens)

    def render(self) -> bytes:
        """Return the page that Prometheus scrapes."""
        return generate_latest(self._registry)

"""OpenTelemetry: traces and metrics of requests, sent by OTLP over HTTP. Off by default.

Address and name come from the variables of OpenTelemetry, such as OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_SERVICE_NAME.
"""

import os
from collections.abc import Callable
from typing import NamedTuple

from starlette.middleware import Middleware

from assay.corpus.errors import AssayError
from assay.corpus.extras import install_command

# A pattern is searched in the whole address: names of hosts and models may hold such a word, too.
_PROBES = "/(ping|health|metrics|ready|live)/?$"


class Telemetry(NamedTuple):
    """The middleware that observes requests, and a function that sends what is left."""

    middleware: Middleware
    stop: Callable[[], None]


def start_telemetry() -> Telemetry:
    """Return the middleware; a trace goes on from the header traceparent. Probes are not observed.

    Raises:
        AssayError: the packages of the extra are not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.util.http import parse_excluded_urls
    except ImportError as error:
        raise AssayError(
            f"--otel needs OpenTelemetry, which is not installed; run {install_command('otel')}"
        ) from error
    os.environ.setdefault("OTEL_SERVICE_NAME", "assay")
    # Providers of this server alone: the global ones may be MLflow's.
    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])

    def stop() -> None:
        tracers.shutdown()
        meters.shutdown()

    middleware = Middleware(
        OpenTelemetryMiddleware,
        excluded_urls=parse_excluded_urls(_PROBES),
        tracer_provider=tracers,
        meter_provider=meters,
        # One span per request, none per part of a body.
        exclude_spans=["receive", "send"],
    )
    return Telemetry(middleware, stop)

"""Spans through OpenTelemetry: sets up where they go. The extra `otel` is imported here and nowhere else.

OTLP goes over HTTP, which Jaeger, Tempo and every collector take; the Jaeger exporter is discontinued.
"""

from __future__ import annotations

import importlib
import logging
import sys
from typing import Any, Literal
from urllib.parse import urlsplit

from pytest_autorl.errors import AutorlError, UsageError

logger = logging.getLogger(__name__)

#: Path of the OTLP/HTTP receiver for spans (OpenTelemetry protocol specification, "OTLP/HTTP request").
_OTLP_PATH = "/v1/traces"


def setup_tracing(
    service_name: str = "pytest-autorl",
    exporter: Literal["console", "otlp"] = "console",
    endpoint: str | None = None,
) -> Any:
    """Send this process's spans somewhere; returns the TracerProvider in use.

    A provider that is set already, by an earlier call or by somebody else, is left as it is and returned.

    Args:
        service_name: ``service.name`` of the spans.
        exporter: "console" (standard error, one span at a time) or "otlp" (in batches).
        endpoint: OTLP over HTTP, e.g. ``http://127.0.0.1:4318``; default: OpenTelemetry's own environment
            variables, then that address.
    Raises: UsageError for another exporter or an address that is none; AutorlError when the extra is missing.
    """
    if exporter not in ("console", "otlp"):
        raise UsageError(f"exporter={exporter!r} is not known", do="use 'console' or 'otlp'")
    if endpoint is not None and exporter == "console":
        raise UsageError("an endpoint has no meaning for the console exporter", do="use exporter='otlp'")
    url = None if endpoint is None else _traces_url(endpoint)
    api = _part("opentelemetry.trace")
    current = api.get_tracer_provider()
    if not isinstance(current, api.ProxyTracerProvider):
        logger.info("a tracer provider is set already (%s): left as it is", type(current).__name__)
        return current
    provider = _part("opentelemetry.sdk.trace").TracerProvider(
        resource=_part("opentelemetry.sdk.resources").Resource.create({"service.name": service_name})
    )
    provider.add_span_processor(_processor(exporter, url))
    api.set_tracer_provider(provider)
    return provider


def _processor(exporter: str, url: str | None) -> Any:
    export = _part("opentelemetry.sdk.trace.export")
    if exporter == "console":
        return export.SimpleSpanProcessor(export.ConsoleSpanExporter(out=sys.stderr))
    otlp = _part("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    return export.BatchSpanProcessor(otlp.OTLPSpanExporter(endpoint=url))


def _traces_url(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("the endpoint for spans is no http(s) address", do="write http://HOST:4318")
    # The exporter takes an explicit endpoint as it is; people name the collector.
    return endpoint if parts.path not in ("", "/") else endpoint.rstrip("/") + _OTLP_PATH


def _part(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise AutorlError(
            f"spans need OpenTelemetry, and {name} cannot be imported", do="pip install pytest-autorl[otel]"
        ) from error

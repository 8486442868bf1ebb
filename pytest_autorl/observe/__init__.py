"""What a run, a script or a service tells about itself: log, spans, health.

    from pytest_autorl import observe

    parts = observe.setup(service_name="night-farm", app=wsgi_app, checks={"disk": has_room})

Public names load their part when first asked for (PEP 562).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import logging as std_logging

    from pytest_autorl.observe.actions import ActionLogger, get_logger
    from pytest_autorl.observe.binding import bind, bound, inheriting, unbind
    from pytest_autorl.observe.health import Check, HealthChecker, init_health_checker
    from pytest_autorl.observe.logging import remove_logging, setup_logging
    from pytest_autorl.observe.monitoring import WSGIApplication, setup_monitoring
    from pytest_autorl.observe.tracing import setup_tracing

_HOMES = {
    "ActionLogger": "pytest_autorl.observe.actions",
    "HealthChecker": "pytest_autorl.observe.health",
    "bind": "pytest_autorl.observe.binding",
    "bound": "pytest_autorl.observe.binding",
    "get_logger": "pytest_autorl.observe.actions",
    "inheriting": "pytest_autorl.observe.binding",
    "init_health_checker": "pytest_autorl.observe.health",
    "remove_logging": "pytest_autorl.observe.logging",
    "setup_logging": "pytest_autorl.observe.logging",
    "setup_monitoring": "pytest_autorl.observe.monitoring",
    "setup_tracing": "pytest_autorl.observe.tracing",
    "unbind": "pytest_autorl.observe.binding",
}

__all__ = [
    "ActionLogger",
    "HealthChecker",
    "Setup",
    "bind",
    "bound",
    "get_logger",
    "inheriting",
    "init_health_checker",
    "remove_logging",
    "setup",
    "setup_logging",
    "setup_monitoring",
    "setup_tracing",
    "unbind",
]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What `setup` has put up.

    Attributes:
        handler: The log's handler; `remove_logging` takes it down.
        tracer_provider: OpenTelemetry's provider in use; None when no service name was given.
        checker: Answers the health questions; None when there are neither checks nor an application.
        app: The application with the health routes; None when none was given.
    """

    handler: std_logging.Handler
    tracer_provider: Any = None
    checker: HealthChecker | None = None
    app: WSGIApplication | None = None


def setup(
    log_level: str = "INFO",
    json_logs: bool = True,
    service_name: str | None = None,
    app: WSGIApplication | None = None,
    checks: Mapping[str, Check] | None = None,
) -> Setup:
    """Everything at once, for programs that are no pytest run.

    Args:
        log_level: DEBUG, INFO, WARNING, ERROR or CRITICAL.
        json_logs: One JSON object a line; else text for people. Both to standard error.
        service_name: Turns spans on, printed to standard error; None = no spans.
        app: A WSGI application that gets the health routes.
        checks: Health checks by name, see `HealthChecker`.
    Raises: UsageError for a value that cannot be used; AutorlError when the extra `otel` is missing.
    """
    from pytest_autorl.observe.health import init_health_checker
    from pytest_autorl.observe.logging import setup_logging
    from pytest_autorl.observe.monitoring import setup_monitoring
    from pytest_autorl.observe.tracing import setup_tracing

    # Spans first: the only part that may be missing, and nothing is to be half up when it is.
    provider = setup_tracing(service_name) if service_name else None
    handler = setup_logging(log_level, json_logs)
    checker = init_health_checker(**checks) if checks else None
    if app is not None and checker is None:
        checker = init_health_checker()
    return Setup(
        handler=handler,
        tracer_provider=provider,
        checker=checker,
        app=setup_monitoring(app) if app is not None else None,
    )


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Health routes for a WSGI application (PEP 3333).

    /health           200 or 503   every check passes or not, in one word
    /health/live      200          the process answers
    /health/ready     200 or 503   every check passes or not, with the names of those that do not
    /health/detailed  200 or 503   each check with status and latency

Everything else is the application's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from pytest_autorl.observe.health import Answer, HealthChecker, current_checker

StartResponse = Callable[..., Any]
WSGIApplication = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


def setup_monitoring(app: WSGIApplication, *, checker: HealthChecker | None = None) -> WSGIApplication:
    """The application with the health routes in front.

    Args:
        checker: Answers; default: that of the process (`init_health_checker`), looked up at each request.
    """

    def wrapped(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        ask = _ROUTES.get(str(environ.get("PATH_INFO", "")))
        if ask is None:
            return app(environ, start_response)
        method = environ.get("REQUEST_METHOD", "GET")
        extra: list[tuple[str, str]] = []
        if method in ("GET", "HEAD"):
            answer = ask(checker or current_checker())
            status, data = "200 OK" if answer.is_ok else "503 Service Unavailable", answer.body
        else:
            status, data, extra = "405 Method Not Allowed", {"status": "fail"}, [("Allow", "GET, HEAD")]
        body = json.dumps(data).encode()
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
        ]
        start_response(status, headers + extra)
        return [b"" if method == "HEAD" else body]

    return wrapped


def _summary(checker: HealthChecker) -> Answer:
    answer = checker.ready()
    return Answer(is_ok=answer.is_ok, body={"status": answer.body["status"]})


_ROUTES: dict[str, Callable[[HealthChecker], Answer]] = {
    "/health": _summary,
    "/health/live": HealthChecker.live,
    "/health/ready": HealthChecker.ready,
    "/health/detailed": HealthChecker.detailed,
}

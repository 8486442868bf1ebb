"""The health routes, asked over real HTTP in front of a real WSGI application."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.validate import validator

import pytest

from pytest_autorl.observe import HealthChecker, init_health_checker, setup_monitoring
from pytest_autorl.observe import health as health_module


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Says which path reached it."""
    body = f"application at {environ['PATH_INFO']}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def served(app: Any) -> Iterator[Callable[..., tuple[int, dict[str, str], str]]]:
    """Serve the application, checked against PEP 3333; gives ``ask(path, method)``."""
    with make_server("127.0.0.1", 0, validator(app), handler_class=_Quiet) as server:
        thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
        thread.start()

        def ask(path: str, method: str = "GET") -> tuple[int, dict[str, str], str]:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
            try:
                connection.request(method, path)
                answer = connection.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read().decode()
            finally:
                connection.close()

        try:
            yield ask
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _own_checker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "_current", HealthChecker())


def test_a_healthy_process_answers_200_everywhere() -> None:
    app = setup_monitoring(application, checker=HealthChecker({"disk": lambda: True}))

    with served(app) as ask:
        answers = {
            path: ask(path) for path in ("/health", "/health/live", "/health/ready", "/health/detailed")
        }

    assert {path: answer[0] for path, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert json.loads(answers["/health"][2]) == {"status": "ok"}
    assert json.loads(answers["/health/detailed"][2])["checks"]["disk"]["status"] == "ok"
    assert answers["/health"][1]["Content-Type"] == "application/json"
    assert answers["/health"][1]["Cache-Control"] == "no-store"


def test_a_failing_check_is_503_but_the_process_lives() -> None:
    app = setup_monitoring(application, checker=HealthChecker({"disk": lambda: False, "db": lambda: None}))

    with served(app) as ask:
        codes = {
            path: ask(path)[0] for path in ("/health", "/health/live", "/health/ready", "/health/detailed")
        }
        failed = json.loads(ask("/health/ready")[2])

    assert codes == {"/health": 503, "/health/live": 200, "/health/ready": 503, "/health/detailed": 503}
    assert failed == {"status": "fail", "failed": ["disk"]}


def test_every_other_path_is_the_applications() -> None:
    with served(setup_monitoring(application)) as ask:
        for path in ("/", "/healthy", "/health/", "/health/other", "/api/health"):
            assert ask(path)[2] == f"application at {path}"


def test_head_answers_without_a_body_and_other_methods_are_refused() -> None:
    with served(setup_monitoring(application)) as ask:
        head = ask("/health/live", "HEAD")
        post = ask("/health/live", "POST")

    assert (head[0], head[2]) == (200, "")
    assert (post[0], post[1]["Allow"]) == (405, "GET, HEAD")


def test_checks_set_up_after_the_routes_count() -> None:
    app = setup_monitoring(application)
    init_health_checker(late=lambda: False)

    with served(app) as ask:
        assert ask("/health/ready")[0] == 503

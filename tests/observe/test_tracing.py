"""Where spans go. Each case is a process of its own: OpenTelemetry's provider is set once for a process."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap

import pytest

from pytest_autorl.errors import AutorlError, UsageError
from pytest_autorl.observe import setup_tracing

needs_otel = pytest.mark.skipif(
    importlib.util.find_spec("opentelemetry") is None, reason="the extra `otel` is not installed"
)


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"exporter": "jaeger"}, "'console' or 'otlp'"),
        ({"exporter": "otlp", "endpoint": "collector:4318"}, "http://HOST:4318"),
        ({"exporter": "console", "endpoint": "http://127.0.0.1:4318"}, "exporter='otlp'"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(arguments: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        setup_tracing(**arguments)  # type: ignore[arg-type]


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    # None in sys.modules is Python's own way to say that a module cannot be imported.
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)

    with pytest.raises(AutorlError, match=r"pip install pytest-autorl\[otel\]"):
        setup_tracing()


@needs_otel
def test_spans_are_printed_to_standard_error_under_the_services_name() -> None:
    done = run(
        """
        from opentelemetry import trace
        from pytest_autorl.observe import setup_tracing
        setup_tracing("night-farm")
        with trace.get_tracer("t").start_as_current_span("lease"):
            pass
        """
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert '"name": "lease"' in done.stderr
    assert '"service.name": "night-farm"' in done.stderr


@needs_otel
def test_a_provider_that_somebody_has_set_is_left_as_it_is() -> None:
    done = run(
        """
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from pytest_autorl.observe import setup_tracing
        theirs = TracerProvider()
        trace.set_tracer_provider(theirs)
        assert setup_tracing("night-farm") is theirs
        assert trace.get_tracer_provider() is theirs
        """
    )

    assert (done.returncode, done.stderr) == (0, "")


@needs_otel
def test_a_second_call_returns_the_first_provider() -> None:
    done = run(
        """
        from pytest_autorl.observe import setup_tracing
        assert setup_tracing("a") is setup_tracing("b")
        """
    )

    assert done.returncode == 0, done.stderr


@needs_otel
def test_otlp_spans_reach_a_collector_at_its_plain_address() -> None:
    done = run(
        """
        import http.server, threading
        from opentelemetry import trace
        from pytest_autorl.observe import setup_tracing

        seen = []
        class Collector(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                seen.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
            def log_message(self, *args):
                pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Collector)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        provider = setup_tracing(exporter="otlp", endpoint=f"http://127.0.0.1:{server.server_port}/")
        with trace.get_tracer("t").start_as_current_span("lease"):
            pass
        provider.shutdown()
        assert seen == ["/v1/traces"], seen
        """
    )

    assert done.returncode == 0, done.stderr

"""Everything at once, and that asking for a part loads only that part."""

from __future__ import annotations

import io
import logging
import subprocess
import sys

import pytest

from pytest_autorl import observe
from pytest_autorl.errors import AutorlError, UsageError
from pytest_autorl.observe import health as health_module


@pytest.fixture(autouse=True)
def _own_checker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "_current", observe.HealthChecker())


def test_setup_gives_a_log_and_nothing_that_was_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)

    parts = observe.setup(log_level="WARNING", json_logs=False)
    try:
        logging.getLogger("pytest_autorl.tests").warning("here")
    finally:
        observe.remove_logging(parts.handler)

    assert stream.getvalue().rstrip().endswith("WARNING pytest_autorl.tests: here")
    assert (parts.tracer_provider, parts.checker, parts.app) == (None, None, None)


def test_setup_with_an_application_gives_it_health_routes() -> None:
    said: list[str] = []

    parts = observe.setup(app=lambda environ, start: [b"app"], checks={"disk": lambda: False})
    observe.remove_logging(parts.handler)
    assert parts.app is not None
    parts.app({"PATH_INFO": "/health/ready"}, lambda status, headers: said.append(status))

    assert said == ["503 Service Unavailable"]
    assert parts.checker is not None
    assert not parts.checker.ready().is_ok


def test_nothing_is_half_up_when_a_part_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    logger = logging.getLogger("pytest_autorl")
    before = list(logger.handlers)

    with pytest.raises(AutorlError, match="otel"):
        observe.setup(service_name="night-farm")

    assert logger.handlers == before


def test_a_wrong_level_is_refused() -> None:
    with pytest.raises(UsageError, match="'chatty'"):
        observe.setup(log_level="chatty")


def test_every_public_name_is_there_and_unknown_ones_are_not() -> None:
    for name in observe.__all__:
        assert getattr(observe, name) is not None
    assert set(observe.__all__) <= set(dir(observe))
    with pytest.raises(AttributeError, match="'dashboard'"):
        _ = observe.dashboard


def test_importing_the_package_loads_none_of_its_parts() -> None:
    code = (
        "import sys, pytest_autorl.observe\n"
        "print([m for m in sys.modules if m.startswith('pytest_autorl.observe.') or m == 'opentelemetry'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == "[]"

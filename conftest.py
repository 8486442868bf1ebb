"""Settings of our own runs: the suite under tests/ and the examples.

The demo installs only what the examples need, so everything else here is optional.
"""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["pytester"]

#: Read by the suite itself, not by the plugin: an inner run may keep it.
OWN_VARIABLES = frozenset({"AUTORL_REQUIRE_REAL"})
#: Plugins that change inner runs without being asked: randomly shuffles, playwright takes the name `device`,
#: asyncio warns about an unset option of its own, which an older pytest makes our error. That of hypothesis loads all
#: of hypothesis into each process at its end, which takes longer than most inner runs; Faker's loads all of Faker.
#: A test about living beside one of them asks for it: `-p playwright` on its command line wins.
INNER_OPTIONS = "-p no:randomly -p no:playwright -p no:asyncio -p no:hypothesispytest -p no:faker"

try:
    from hypothesis import HealthCheck, settings
except ImportError:  # the examples' own hypothesis test says that it is missing
    pass
else:
    # No deadlines: a busy machine must not fail a property. CI repeats the same cases, so that a red
    # build is red for a change; people at their desks explore new ones.
    settings.register_profile("default", settings.get_profile("default"), deadline=None)
    settings.register_profile(
        "ci",
        deadline=None,
        derandomize=True,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(autouse=True)
def _inner_runs_see_a_clean_environment(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run inside a test must not inherit the farm, options or worker of the run around it."""
    if "pytester" not in request.fixturenames:
        return
    request.getfixturevalue("pytester")  # drops PYTEST_ADDOPTS itself, so it has to come first
    for name in list(os.environ):
        ours = name.startswith("AUTORL_") and name not in OWN_VARIABLES
        if ours or name.startswith("PYTEST_XDIST") or name in ("CI", "BUILD_NUMBER", "PYTEST_PLUGINS"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_ADDOPTS", INNER_OPTIONS)

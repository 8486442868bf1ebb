"""Contract with the private parts of pytest that we read: fails loudly when a new version changes them."""

from __future__ import annotations

import pytest

from pytest_autorl.private_api import defines_fixture, fixture_functions

pytestmark = pytest.mark.unit


def _of_fixture(function: object) -> object:
    class Plugin:
        named = function

    return Plugin()


def test_fixtures_of_a_plugin_are_seen_by_the_name_under_which_they_are_requested() -> None:
    @pytest.fixture
    def device() -> None: ...

    @pytest.fixture(name="device")
    def other() -> None: ...

    @pytest.fixture
    def unrelated() -> None: ...

    names = frozenset({"device"})
    assert defines_fixture(_of_fixture(device), names)
    assert defines_fixture(_of_fixture(other), names)
    assert not defines_fixture(_of_fixture(unrelated), names)
    assert not defines_fixture(_of_fixture(17), names)
    assert not defines_fixture(object(), names)


def test_a_plugins_properties_are_not_run_by_looking() -> None:
    class Plugin:
        @property
        def device(self) -> None:
            raise AssertionError("somebody else's code was run")

    assert not defines_fixture(Plugin(), frozenset({"device"}))


@pytest.fixture
def marked_fixture() -> str:
    return "here"


def test_the_function_behind_a_fixture_name_is_found(
    request: pytest.FixtureRequest, marked_fixture: str, tmp_path: object
) -> None:
    """Attributes that `device_fixture` puts on the function must be readable from a collected item."""
    functions = dict(fixture_functions(request.node))

    assert {"marked_fixture", "tmp_path"} <= functions.keys()
    assert functions["marked_fixture"]() == marked_fixture


def test_an_item_of_another_kind_has_no_fixtures() -> None:
    assert list(fixture_functions(object())) == []

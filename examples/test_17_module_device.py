"""A device for a whole module, made by `device_fixture`, and `reset()` where a test needs it as new.

A module should hold on to one device only: who keeps one while asking for another may wait long.
"""

from __future__ import annotations

import pytest

from examples.pages import PASSWORD, USER, SettingsPage, SignInPage
from pytest_autorl import DeviceHandle, device_fixture

#: Takes the keywords of the marker. The fixture's name is that of the variable.
tablet = device_fixture(scope="module", form_factor="tablet")


@pytest.fixture
def fresh(tablet: DeviceHandle) -> SignInPage:
    """The tablet of the module, as new, whatever the test before did to it."""
    tablet.reset()
    return SignInPage(tablet.driver)


def test_one_test_changes_the_settings(fresh: SignInPage) -> None:
    fresh.sign_in().open_settings().flip("dark_mode")
    assert SettingsPage(fresh.driver).is_on("dark_mode")


def test_another_finds_them_as_they_were(fresh: SignInPage) -> None:
    assert not fresh.sign_in().open_settings().is_on("dark_mode")


def test_a_reset_keeps_the_session(tablet: DeviceHandle, fresh: SignInPage) -> None:
    """That is what makes it fast: the app's data is cleared and it starts anew, nothing else."""
    session = tablet.driver.session_id
    fresh.submit(USER, PASSWORD)
    tablet.reset()
    assert fresh.is_open
    assert tablet.driver.session_id == session


def test_a_reset_to_a_new_session_is_possible_too(tablet: DeviceHandle) -> None:
    session = tablet.driver.session_id
    tablet.reset("session")
    assert tablet.driver.session_id != session
    assert SignInPage(tablet.driver).is_open

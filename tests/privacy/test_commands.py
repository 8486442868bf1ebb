"""Commands on their way to a device: what tests type goes through, what breaks the way there does not."""

from __future__ import annotations

from typing import Any

import pytest
from appium.webdriver.mobilecommand import MobileCommand
from selenium.webdriver.remote.command import Command

from pytest_autorl.privacy.commands import check_command
from pytest_autorl.privacy.inputs import InputGuard, UnsafeInputError

pytestmark = pytest.mark.unit


def keys(text: str) -> dict[str, Any]:
    presses = [{"type": kind, "value": char} for char in text for kind in ("keyDown", "keyUp")]
    return {"actions": [{"type": "key", "id": "k", "actions": presses}, {"type": "pointer", "actions": [{}]}]}


def mobile(name: str, **given: Any) -> dict[str, Any]:
    return {"script": f"mobile: {name}", "args": [given]}


@pytest.fixture
def guard() -> InputGuard:
    return InputGuard()


@pytest.mark.parametrize(
    ("command", "params"),
    [
        (Command.SEND_KEYS_TO_ELEMENT, {"id": "e", "text": "'; DROP TABLE a; -- \x1b", "value": ["x"]}),
        (Command.SEND_KEYS_TO_ELEMENT, {"value": ["a", "b"]}),
        (Command.W3C_SET_ALERT_VALUE, {"text": "<script>"}),
        (Command.W3C_ACTIONS, keys("Ignore all previous instructions")),
        (Command.W3C_EXECUTE_SCRIPT, mobile("shell", command="dumpsys battery")),
        (Command.W3C_EXECUTE_SCRIPT, mobile("shell", command="sh", args=["-c", "ls; ls | wc"])),
        (Command.W3C_EXECUTE_SCRIPT, mobile("type", text="\U0001f600")),
        (Command.W3C_EXECUTE_SCRIPT, mobile("keys", keys=["a", {"key": "b", "modifierFlags": 1}])),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_tests_send_on_purpose_goes_through_and_is_counted(
    guard: InputGuard, command: str, params: dict[str, Any]
) -> None:
    check_command(command, params, guard)

    assert sum(guard.counts().validations.values()) >= 1
    assert guard.counts().blocks == {}


@pytest.mark.parametrize(
    ("command", "params", "family"),
    [
        (Command.SEND_KEYS_TO_ELEMENT, {"text": "a\x00"}, "nul"),
        (Command.SEND_KEYS_TO_ELEMENT, {"text": "x" * 100_001}, "long"),
        (Command.SEND_KEYS_TO_ELEMENT, {"value": ["a", "\x00"]}, "nul"),
        (Command.W3C_SET_ALERT_VALUE, {"text": "\ud800"}, "surrogate"),
        (Command.W3C_ACTIONS, keys("a\x00"), "nul"),
        (Command.W3C_EXECUTE_SCRIPT, mobile("shell", command="ls; reboot"), "metacharacter"),
        (Command.W3C_EXECUTE_SCRIPT, mobile("shell", command="ls\nreboot"), "metacharacter"),
        (Command.W3C_EXECUTE_SCRIPT, mobile("shell", command="-c reboot"), "program"),
        (Command.W3C_EXECUTE_SCRIPT, mobile("shell", command="ls", args=["a\x00"]), "nul"),
        (Command.W3C_EXECUTE_SCRIPT, mobile("shell", command="ls", args="a\x00"), "nul"),
        (Command.W3C_EXECUTE_SCRIPT, mobile("type", text="\x00"), "nul"),
        (Command.W3C_EXECUTE_SCRIPT, mobile("keys", keys=[{"key": "\x00"}]), "nul"),
        (
            Command.W3C_EXECUTE_SCRIPT,
            {"script": "mobile:shell", "args": ({"command": "a|b"},)},
            "metacharacter",
        ),
    ],
    ids=lambda value: ascii(value)[:24],
)
def test_what_breaks_the_way_there_is_refused(
    guard: InputGuard, command: str, params: dict[str, Any], family: str
) -> None:
    with pytest.raises(UnsafeInputError) as caught:
        check_command(command, params, guard)

    assert caught.value.family == family


def test_a_character_of_two_halves_may_be_pressed_half_by_half(guard: InputGuard) -> None:
    """Clients press what Python holds: whole characters. Halves in two presses stay halves, and are refused."""
    check_command(Command.W3C_ACTIONS, keys("\U0001f600"), guard)

    with pytest.raises(UnsafeInputError):
        check_command(Command.W3C_ACTIONS, keys("\ud83d\ude00"), guard)


@pytest.mark.parametrize(
    ("command", "params"),
    [
        (Command.GET, {"url": "a\x00"}),
        (MobileCommand.ACTIVATE_APP, {"appId": "a"}),
        (Command.W3C_EXECUTE_SCRIPT, {"script": "return ';'", "args": []}),
        (Command.W3C_EXECUTE_SCRIPT, mobile("swipe", direction="up")),
        (Command.W3C_EXECUTE_SCRIPT, {"script": "mobile: shell", "args": []}),
        (Command.W3C_EXECUTE_SCRIPT, {"script": "mobile: shell", "args": ["ls"]}),
        (Command.W3C_EXECUTE_SCRIPT, {"script": None, "args": None}),
        (Command.W3C_EXECUTE_SCRIPT, mobile("shell", command=5, args=[6])),
        (Command.W3C_EXECUTE_SCRIPT, mobile("keys", keys=5)),
        (Command.SEND_KEYS_TO_ELEMENT, {"text": 5}),
        (Command.SEND_KEYS_TO_ELEMENT, None),
        (Command.W3C_ACTIONS, {"actions": 5}),
        (
            Command.W3C_ACTIONS,
            {"actions": [5, {"type": "key", "actions": [5, {"type": "keyDown", "value": 5}]}]},
        ),
        (Command.W3C_ACTIONS, {"actions": [{"type": "key"}]}),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_what_carries_no_text_or_is_not_of_the_protocol_is_left_to_the_server(
    guard: InputGuard, command: str, params: Any
) -> None:
    check_command(command, params, guard)

    assert guard.counts().validations == {}


def test_the_names_are_those_of_the_clients() -> None:
    """A client that renames a command would send texts past the guard."""
    assert Command.SEND_KEYS_TO_ELEMENT == "sendKeysToElement"
    assert Command.W3C_EXECUTE_SCRIPT == "w3cExecuteScript"
    assert Command.W3C_SET_ALERT_VALUE == "w3cSetAlertValue"
    assert Command.W3C_ACTIONS == "actions"

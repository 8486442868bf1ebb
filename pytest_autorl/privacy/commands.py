"""WebDriver commands that carry somebody's text into a device, and what of it the guard looks at.

Names are those of the clients (selenium's `Command`, Appium's `MobileCommand`); parameters those of the protocol (W3C
WebDriver, sections 12.5.3, 15.3 and 16; Appium's `mobile:` extensions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pytest_autorl.privacy.inputs import InputGuard


def check_command(command: str, params: Mapping[str, Any], guard: InputGuard) -> None:
    """Look at a command before it is sent.

    Texts that tests type on purpose go through: only what cannot be typed, or would break the way there, is refused
    (NUL, half a character, more than 100,000 characters). In ``mobile: shell`` the command must be one command of plain
    words; its arguments are free, but for NUL.

    Raises: UnsafeInputError. What is not of the protocol is left to the server to refuse.
    """
    check = _CHECKS.get(command)
    if check is not None and isinstance(params, Mapping):
        check(params, guard)


def _text(params: Mapping[str, Any], guard: InputGuard) -> None:
    text = params.get("text")
    if isinstance(text, str):
        guard.typed(text)
        return
    # The list of characters that older servers want, when there is no text.
    value = params.get("value")
    if isinstance(value, list | tuple):
        guard.typed("".join(part for part in value if isinstance(part, str)))


def _actions(params: Mapping[str, Any], guard: InputGuard) -> None:
    typed = "".join(_keys(params.get("actions")))
    if typed:
        guard.typed(typed)


def _keys(sources: Any) -> Iterator[str]:
    """What all keyboards press, one after the other."""
    for source in sources if isinstance(sources, list | tuple) else ():
        if not isinstance(source, Mapping) or source.get("type") != "key":
            continue
        actions = source.get("actions")
        for action in actions if isinstance(actions, list | tuple) else ():
            if isinstance(action, Mapping) and action.get("type") == "keyDown":
                value = action.get("value")
                if isinstance(value, str):
                    yield value


def _script(params: Mapping[str, Any], guard: InputGuard) -> None:
    script, arguments = params.get("script"), params.get("args")
    if not isinstance(script, str) or not script.startswith("mobile:"):
        return
    given = arguments[0] if isinstance(arguments, list | tuple) and arguments else None
    check = _EXTENSIONS.get(script.removeprefix("mobile:").strip())
    if check is not None and isinstance(given, Mapping):
        check(given, guard)


def _shell(given: Mapping[str, Any], guard: InputGuard) -> None:
    command = given.get("command")
    if isinstance(command, str):
        guard.shell_text(command)
    arguments = given.get("args")
    for argument in arguments if isinstance(arguments, list | tuple) else (arguments,):
        if isinstance(argument, str):
            guard.argument(argument)


def _keys_of_xcuitest(given: Mapping[str, Any], guard: InputGuard) -> None:
    """Texts, or objects with a text under ``key``."""
    keys = given.get("keys")
    found = (
        key.get("key") if isinstance(key, Mapping) else key
        for key in (keys if isinstance(keys, list | tuple) else ())
    )
    typed = "".join(key for key in found if isinstance(key, str))
    if typed:
        guard.typed(typed)


_Check = Callable[[Mapping[str, Any], InputGuard], None]
_CHECKS: Final[dict[str, _Check]] = {
    "sendKeysToElement": _text,
    "sendKeysToActiveElement": _text,
    "w3cSetAlertValue": _text,
    "setAlertValue": _text,
    "actions": _actions,
    "w3cExecuteScript": _script,
    "executeScript": _script,
}
_EXTENSIONS: Final[dict[str, _Check]] = {
    "shell": _shell,
    "type": _text,
    "keys": _keys_of_xcuitest,
}

"""What keys do to a running app: letters, Enter, Backspace, Tab, and where the focus goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_autorl.virtual import app as m
from pytest_autorl.virtual.display import Target

if TYPE_CHECKING:
    from pytest_autorl.virtual.runtime import AppRun

MAX_FIELD = 10_000
ENTER_KEYS = ("\n", "\ue006", "\ue007")
ERASE_KEYS = ("\ue003", "\ue017")
TAB_KEY = "\ue004"


def press(run: AppRun, text: str) -> bool:
    """Press keys one after the other. False when a key met no field with the focus: it and the rest are lost.

    Enter may open another screen, which has no field with the focus.
    """
    for key in text:
        if not run.focus:
            return False
        _press(run, run.focus, key)
    return True


def _press(run: AppRun, name: str, key: str) -> None:
    if key in ERASE_KEYS:
        run.fields[name] = run.fields.get(name, "")[:-1]
    elif key in ENTER_KEYS or key == TAB_KEY:
        _leave_field(run, name, submit=key != TAB_KEY)
    elif not "\ue000" <= key <= "\ue0ff":  # other WebDriver keys (arrows, modifiers) do nothing here
        run.fields[name] = (run.fields.get(name, "") + key)[:MAX_FIELD]
        run.errors.pop(name, None)


def _leave_field(run: AppRun, name: str, *, submit: bool) -> None:
    """Enter presses the button that the field names; else, as Tab, it goes to the next field that can be used."""
    screen, scope = run.top.screen, run.scope()
    inputs = [each for each in screen.walk() if each.role in m.INPUT_ROLES]
    here = next((each for each in inputs if each.name == name), None)
    if submit and here is not None and here.enter:
        button = next(each for each in screen.walk() if each.name == here.enter)
        run.tap_target(Target(run.top, button))
        return
    after = inputs[inputs.index(here) + 1 :] if here is not None else []
    usable = [each.name for each in after if each.visible_when(scope) and each.enabled_when(scope)]
    run.focus = usable[0] if usable else ""
    run.keyboard_shown = bool(usable)

"""A running app: the stack of screens, what was typed, dialogs, and what taps, keys and swipes do to it.

Pure in the sense that counts: the clock, the back-end, the data on the device and the display come from
outside, nothing here waits, reads a file or knows of HTTP. A process that ends takes an `AppRun` with it;
`local` (data on the device) and the back-end stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pytest_autorl.virtual import app as m
from pytest_autorl.virtual.backend import Backend
from pytest_autorl.virtual.display import Container, Display, Picture, Target
from pytest_autorl.virtual.expressions import ExpressionError
from pytest_autorl.virtual.keys import press
from pytest_autorl.virtual.layout import lay_out
from pytest_autorl.virtual.node import Node
from pytest_autorl.virtual.screens import Dialog, Entry, alert_dialog, permission_dialog
from pytest_autorl.virtual.steps import do, do_nested

TOAST_MS = 2000
MAX_STACK = 50
#: Screens that one tap may lead to, each opened by the one before (`on_enter`).
MAX_REDIRECTS = 20
#: A press this long or longer is a long press, ms (Android: ViewConfiguration.getLongPressTimeout).
LONG_PRESS_MS = 500


class Emit(Protocol):
    """Told of everything that changes something: for the device's log and its list of effects."""

    def __call__(self, kind: str, /, **detail: Any) -> None: ...


class AppRun:
    """One process of an app.

    Args:
        local: Data of the app on the device; changed in place, the caller keeps it.
        permissions: Answers given so far, name -> granted; changed in place, the caller keeps it.
        facts: What `device.x` says in expressions; read each time.
        clock_ms: Monotonic milliseconds.
    """

    def __init__(
        self,
        model: m.AppModel,
        *,
        backend: Backend,
        local: dict[str, Any],
        permissions: dict[str, bool],
        display: Display,
        clock_ms: Callable[[], float],
        facts: Callable[[], Mapping[str, Any]] = dict,
        options: Mapping[str, Any] | None = None,
        emit: Emit | None = None,
    ) -> None:
        self.model = model
        self.backend = backend
        self.local = local
        self.permissions = permissions
        self.display = display
        self.state: dict[str, Any] = {}
        self.fields: dict[str, str] = {}
        self.errors: dict[str, str] = {}
        self.focus = ""
        self.keyboard_shown = False
        self._clock_ms = clock_ms
        self._facts = facts
        self._options = {**model.options, **(options or {})}
        self._emit = emit
        self._stack: list[Entry] = []
        self._dialogs: list[Dialog] = []
        self._toast: tuple[str, float] = ("", 0.0)
        self._serial = self._redirects = 0
        self.go(m.Go(model.start, "replace"), None)

    # What is to be seen

    def picture(self) -> Picture:
        """The screen now."""
        with self.backend.lock:
            return lay_out(self)

    def tree(self) -> Node:
        """What locators see: the dialog alone when one is open."""
        return self.picture().active

    def scope(self, item: Any = None, value: Any = None) -> Mapping[str, Any]:
        """The names that expressions of the model can use."""
        return {
            "app": {"title": self.model.title, "version": self.model.version},
            "backend": self.backend.data,
            "device": self._facts(),
            "error": self.errors,
            "field": self.fields,
            "item": item,
            "local": self.local,
            "option": self._options,
            "state": self.state,
            "value": value,
        }

    def panes(self) -> list[Entry | None]:
        """The screens side by side; None stands for an empty right half of a tablet."""
        top = self._stack[-1]
        if not self.display.is_tablet:
            return [top]
        if top.screen.master:
            left = next(
                (each for each in reversed(self._stack) if each.screen.name == top.screen.master), None
            )
            return [left, top] if left is not None else [top]
        return [top, None] if top.screen.placeholder else [top]

    def dialog(self) -> Dialog | None:
        """The topmost open dialog."""
        return self._dialogs[-1] if self._dialogs else None

    def toast(self) -> str:
        """The toast's text while it is shown."""
        text, until_ms = self._toast
        return text if self._clock_ms() < until_ms else ""

    def is_ready(self, entry: Entry) -> bool:
        """False while a slow screen still loads."""
        return self._clock_ms() >= entry.ready_at_ms

    def can_go_back(self, entry: Entry) -> bool:
        """Whether the screen's bar has a back button."""
        return len(self.panes()) == 1 and self._stack.index(entry) > 0

    @property
    def top(self) -> Entry:
        """The topmost screen."""
        return self._stack[-1]

    @property
    def screen(self) -> str:
        """Name of the topmost screen."""
        return self._stack[-1].screen.name

    def read(self, path: tuple[str, ...]) -> Any:
        """The value at a path such as ("local", "dark_mode")."""
        value: Any = self.scope()
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    # What a user does

    def tap(self, key: str) -> bool:
        """Tap a node. Returns whether something was there to react (a disabled element does not)."""
        with self.backend.lock:
            target = lay_out(self).targets.get(key)
            return target is not None and self.tap_target(target)

    def long_press(self, key: str) -> bool:
        """Press long; like a tap where the element has no answer of its own to it."""
        with self.backend.lock:
            target = lay_out(self).targets.get(key)
            if target is None:
                return False
            element = target.element
            if element is None or not element.on_long_press:
                return self.tap_target(target)
            return self._enabled(target) and do(self, element.on_long_press, target)

    def type_text(self, key: str, text: str) -> bool:
        """Type at the end of a field; Enter, Backspace and Tab act. False when it is no field, or disabled."""
        with self.backend.lock:
            target = self._field(key)
            if target is None:
                return False
            self._focus(target.name)
            press(self, text)
            return True

    def type_keys(self, text: str) -> bool:
        """Type into the focused field. False when nothing has the focus (any more)."""
        with self.backend.lock:
            return press(self, text)

    def clear(self, key: str) -> bool:
        """Empty a field. False when it is no field, or disabled."""
        with self.backend.lock:
            target = self._field(key)
            if target is None:
                return False
            self._focus(target.name)
            self.fields[target.name] = ""
            return True

    def back(self) -> bool:
        """The back key: hides the keyboard, dismisses a dialog, goes back. False: leave the app."""
        with self.backend.lock:
            if self.keyboard_shown:
                self.hide_keyboard()
                return True
            if self._dialogs:
                self.answer(self._dialogs[-1].button(False).name)
                return True
            return self._leave()

    def _leave(self) -> bool:
        """Go back a screen. False: there is none behind."""
        top = self._stack[-1]
        if top.screen.on_back:
            do(self, top.screen.on_back, None)
            return True
        return self.pop()

    def answer(self, button: str) -> bool:
        """Press a button of the open dialog. False when there is none of that name."""
        with self.backend.lock:
            shown = self.dialog()
            pressed = next((each for each in shown.buttons if each.name == button), None) if shown else None
            if shown is None or pressed is None:
                return False
            self._dialogs.pop()
            self.tell("dialog", name=shown.key, button=button)
            if shown.permission is not None:
                asked = shown.permission
                self.permissions[asked.permission] = pressed.accepts
                do(self, asked.granted if pressed.accepts else asked.denied, None)
            else:
                do(self, pressed.steps, None)
            return True

    def swipe(self, start: tuple[int, int], end: tuple[int, int]) -> bool:
        """Drag a finger: the innermost scrolling container under its start follows. True when it moved."""
        with self.backend.lock:
            under = [
                each
                for each in lay_out(self).containers.values()
                if each.bounds[0] <= start[0] < each.bounds[2] and each.bounds[1] <= start[1] < each.bounds[3]
            ]
            # A list at its end hands the drag on to the body around it, as nested scrolling does.
            return not self._dialogs and any(
                self._scroll(each, start[1] - end[1]) for each in reversed(under)
            )

    def scroll(self, key: str, pixels: int) -> bool:
        """Scroll a container node by so many pixels (down is positive). True when it moved."""
        with self.backend.lock:
            container = lay_out(self).containers.get(key)
            return container is not None and self._scroll(container, pixels)

    def scroll_to_start(self, key: str) -> None:
        """Back to the first row of a container node."""
        with self.backend.lock:
            if (container := lay_out(self).containers.get(key)) is not None:
                container.entry.scroll[container.name] = 0

    def hide_keyboard(self) -> bool:
        """True when it was shown."""
        shown, self.keyboard_shown = self.keyboard_shown, False
        return shown

    # What follows from it

    def tell(self, kind: str, **detail: Any) -> None:
        """Report something that changed."""
        if self._emit is not None:
            self._emit(kind, **detail)

    def _enabled(self, target: Target) -> bool:
        return target.element is None or bool(target.element.enabled_when(self.scope(item=target.item)))

    def _field(self, key: str) -> m.Element | None:
        """The enabled field of a node key."""
        target = lay_out(self).targets.get(key)
        if target is None or target.element is None or target.element.role not in m.INPUT_ROLES:
            return None
        return target.element if self._enabled(target) else None

    def tap_target(self, target: Target) -> bool:
        """Tap what is drawn there. Returns whether it reacted."""
        if target.entry is None:
            return self.answer(target.answer)
        if target.answer == "back":
            self.keyboard_shown = False
            return self._leave()
        element, row = target.element, target.row
        if row is not None:
            self.keyboard_shown = False
            return do(self, row.on_tap, target) if row.on_tap else False
        if element is None or not self._enabled(target):
            return False
        if element.role in m.INPUT_ROLES:
            self._focus(element.name)
        elif element.role in m.TOGGLE_ROLES:
            self.write(element.bind, not self.read(element.bind))
        elif element.role == "button":
            self.keyboard_shown = False
        do(self, element.on_tap, target)
        return bool(element.on_tap) or element.role in (*m.INPUT_ROLES, *m.TOGGLE_ROLES)

    def _focus(self, name: str) -> None:
        self.focus = name
        self.keyboard_shown = True

    def _scroll(self, container: Container, pixels: int) -> bool:
        entry, name = container.entry, container.name
        before = entry.scroll.get(name, 0)
        after = max(0, min(before + pixels, container.limit))
        entry.scroll[name] = after
        return after != before

    def pop(self) -> bool:
        """To the screen before. False when there is none."""
        if len(self._stack) == 1:
            return False
        beside = self.panes()[0] if len(self.panes()) > 1 else None
        self._stack.pop()
        top = self._stack[-1]
        if top is not beside:
            top.serial = self._next_serial()
        self._leave_screen()
        self.tell("screen", name=top.screen.name)
        return True

    def _leave_screen(self) -> None:
        self.errors.clear()
        self.state.pop("error", None)
        self.focus, self.keyboard_shown = "", False

    def _next_serial(self) -> int:
        self._serial += 1
        return self._serial

    def write(self, path: tuple[str, ...], value: Any) -> None:
        """Write a value to a path such as ("local", "dark_mode")."""
        roots: dict[str, dict[str, Any]] = {
            "backend": self.backend.data, "field": self.fields, "local": self.local, "state": self.state
        }  # fmt: skip
        place = roots[path[0]]
        for part in path[1:-1]:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise ExpressionError(f"cannot set {'.'.join(path)}: {part!r} holds {place!r}, not a mapping")
        place[path[-1]] = value
        if path[0] in ("backend", "local"):
            self.tell(path[0], op="set", path=".".join(path), value=value)

    def go(self, step: m.Go, source: Entry | None) -> None:
        """Show a screen; ``source`` is the one that the tap came from."""
        screen = self.model.screens[step.screen]
        if step.mode == "replace":
            self._stack.clear()
        elif source in self._stack:
            # A tap in the master pane of a tablet replaces what stands beside it.
            del self._stack[self._stack.index(source) + 1 :]
        if (
            self.display.is_tablet
            and screen.master
            and all(e.screen.name != screen.master for e in self._stack)
        ):
            self._stack.append(self._entry(self.model.screens[screen.master]))
        self._stack.append(self._entry(screen))
        del self._stack[1 : max(1, len(self._stack) - MAX_STACK)]
        self._leave_screen()
        scope = self.scope()
        for element in screen.walk():
            if element.role in m.INPUT_ROLES:
                self.fields[element.name] = element.value(scope)
        self.tell("screen", name=screen.name)
        self._redirects += 1
        try:
            if self._redirects > MAX_REDIRECTS:
                raise ExpressionError(
                    f"screen {screen.name!r}: `on_enter` leads from screen to screen without end"
                )
            do_nested(self, screen.on_enter, None)
        finally:
            self._redirects -= 1

    def _entry(self, screen: m.Screen) -> Entry:
        delay_ms = screen.delay_ms(self.scope()) or 0
        if not isinstance(delay_ms, int | float):
            raise ExpressionError(
                f"screen {screen.name!r}: delay_ms is a number, `{screen.delay_ms.source}` gave {delay_ms!r}"
            )
        return Entry(screen, self._next_serial(), self._clock_ms() + delay_ms if delay_ms > 0 else 0.0)

    def show(self, name: str) -> None:
        """Open one of the app's alerts."""
        self.keyboard_shown = False
        alert = self.model.alerts[name]
        self._dialogs.append(alert_dialog(alert, self.model.package, self._next_serial(), self.scope()))
        self.tell("dialog", name=name)

    def ask(self, step: m.Ask) -> None:
        """Ask the user for a permission; the way on is taken when the dialog is answered."""
        self.keyboard_shown = False
        question = self.model.permissions[step.permission]
        self._dialogs.append(permission_dialog(step, question, self._next_serial()))

    def show_toast(self, text: str) -> None:
        """Show a short text for a while."""
        self._toast = (text, self._clock_ms() + TOAST_MS)

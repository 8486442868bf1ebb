"""The model of a virtual app: screens, elements, what a tap does. Records only; `app_loader` reads them.

`runtime` runs an app, `layout` puts its elements on a screen, `backend` keeps what outlives it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pytest_autorl.virtual.expressions import Expression, Template, expression, template

#: Roles an author may use; `screen`, `bar`, `row` and `dialog` are made by the layout.
ROLES = ("button", "checkbox", "field", "group", "image", "list", "password", "progress", "switch", "text")
INPUT_ROLES = ("field", "password")
TOGGLE_ROLES = ("checkbox", "switch")

ALWAYS = expression(True)
NOTHING = template("")


@dataclass(frozen=True)
class Rule:
    """A condition and the text shown when it does not hold."""

    that: Expression
    error: Template


@dataclass(frozen=True)
class Check:
    """Step: stop here and show the text as `state.error` unless the condition holds."""

    rule: Rule


@dataclass(frozen=True)
class Validate:
    """Step: apply the rules of the screen's fields; stop when one fails (texts beside the fields)."""


@dataclass(frozen=True)
class Assign:
    """Step: write values to `state.x`, `local.x`, `field.x` or `backend.document.x`."""

    values: tuple[tuple[tuple[str, ...], Expression], ...]


@dataclass(frozen=True)
class Go:
    """Step: show a screen. `push` keeps the way back, `replace` forgets it."""

    screen: str
    mode: Literal["push", "replace"] = "push"


@dataclass(frozen=True)
class Back:
    """Step: to the screen before."""


@dataclass(frozen=True)
class Show:
    """Step: open one of the app's alerts."""

    alert: str


@dataclass(frozen=True)
class Toast:
    """Step: a short text at the bottom, gone by itself."""

    text: Template


@dataclass(frozen=True)
class ClearFields:
    """Step: empty the fields of all screens."""


@dataclass(frozen=True)
class Ask:
    """Step: have a permission, asking the user if it was never answered; then one of two ways."""

    permission: str
    granted: tuple[Step, ...] = ()
    denied: tuple[Step, ...] = ()


@dataclass(frozen=True)
class If:
    """Step: one of two ways."""

    test: Expression
    then: tuple[Step, ...] = ()
    otherwise: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Add:
    """Step: append a record to a back-end collection (`first`: put it in front)."""

    collection: str
    record: tuple[tuple[str, Expression], ...]
    first: bool = False


@dataclass(frozen=True)
class Change:
    """Step: update the records of a back-end collection for which `where` holds (as `item`)."""

    collection: str
    where: Expression
    values: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True)
class Remove:
    """Step: remove the records of a back-end collection for which `where` holds (as `item`)."""

    collection: str
    where: Expression


Step = Check | Validate | Assign | Go | Back | Show | Toast | ClearFields | Ask | If | Add | Change | Remove
Steps = tuple[Step, ...]


@dataclass(frozen=True)
class Row:
    """How a list shows one record (`item` in its expressions)."""

    name: str
    description: Template
    key: Expression
    elements: tuple[Element, ...]
    on_tap: Steps = ()


@dataclass(frozen=True)
class Element:
    """One element of a screen.

    Attributes:
        name: Unique within its screen; a field's name is unique in the app.
        bind: Where a switch lives (`("local", "dark_mode")`); empty for other roles.
        enter: Name of the button that the Enter key presses while this field has the focus.
        items: The records of a list.
        children: Elements of a group, side by side when `horizontal`.
    """

    role: str
    name: str
    text: Template = NOTHING
    description: Template = NOTHING
    hint: str = ""
    style: str = ""
    value: Template = NOTHING
    visible_when: Expression = ALWAYS
    enabled_when: Expression = ALWAYS
    on_tap: Steps = ()
    on_long_press: Steps = ()
    rules: tuple[Rule, ...] = ()
    bind: tuple[str, ...] = ()
    enter: str = ""
    items: Expression | None = None
    row: Row | None = None
    empty_text: Template = NOTHING
    children: tuple[Element, ...] = ()
    horizontal: bool = False

    def walk(self) -> Iterator[Element]:
        """This element and those of its group, not the rows of a list."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class Screen:
    """One screen.

    Attributes:
        master: On a tablet this screen stands to the right of that one.
        placeholder: What a tablet shows to the right while nothing is chosen; makes it a master.
        delay_ms: How long it shows only a progress indicator.
        on_back: What the back key does instead of going back.
    """

    name: str
    title: Template
    elements: tuple[Element, ...]
    actions: tuple[Element, ...] = ()
    master: str = ""
    placeholder: Template = NOTHING
    delay_ms: Expression = field(default_factory=lambda: expression(0))
    on_enter: Steps = ()
    on_back: Steps = ()

    def walk(self) -> Iterator[Element]:
        """All its elements, groups opened."""
        for element in (*self.actions, *self.elements):
            yield from element.walk()


@dataclass(frozen=True)
class Button:
    """One answer to an alert; `accepts` says which of the two WebDriver alert commands presses it."""

    name: str
    text: str
    accepts: bool
    steps: Steps = ()


@dataclass(frozen=True)
class Alert:
    """A dialog of the app."""

    name: str
    title: Template
    message: Template
    buttons: tuple[Button, ...]


@dataclass(frozen=True)
class AppModel:
    """One app.

    Attributes:
        id: What `app: <id>` in a farm file says.
        backend: Seed of the back-end. Shared by all devices: never changed.
        local: Seed of the data the app keeps on the device.
        options: Knobs that a device may override (`option.x`), such as delays.
        permissions: Name -> question the system asks.
    """

    id: str
    package: str
    activity: str
    title: str
    version: str
    start: str
    screens: Mapping[str, Screen]
    alerts: Mapping[str, Alert] = field(default_factory=dict)
    backend: Mapping[str, Any] = field(default_factory=dict)
    local: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    permissions: Mapping[str, str] = field(default_factory=dict)

"""From a plain dictionary (a parsed YAML or JSON file) to an `AppModel`, or an error that names the place.

Everything that can be wrong is found here, before a device starts: unknown keys, roles, screens, alerts,
permissions, names used twice, expressions outside the grammar.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pytest_autorl.virtual.app import (
    INPUT_ROLES,
    ROLES,
    TOGGLE_ROLES,
    Add,
    Alert,
    AppModel,
    Ask,
    Assign,
    Back,
    Button,
    Change,
    Check,
    ClearFields,
    Element,
    Go,
    If,
    Remove,
    Row,
    Rule,
    Screen,
    Show,
    Step,
    Steps,
    Toast,
    Validate,
)
from pytest_autorl.virtual.expressions import Expression
from pytest_autorl.virtual.place import AppModelError, Place, nearest

_PACKAGE = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+")
_INTERACTIVE = ("button", "checkbox", "field", "list", "password", "switch")
_WRITABLE = ("backend", "field", "local", "state")

_APP_KEYS = [
    "package",
    "activity",
    "title",
    "version",
    "start",
    "screens",
    "alerts",
    "backend",
    "local",
    "options",
    "permissions",
]
_SCREEN_KEYS = ["title", "elements", "actions", "master", "placeholder", "delay_ms", "on_enter", "on_back"]
_ELEMENT_KEYS = [
    "role",
    "name",
    "text",
    "description",
    "hint",
    "style",
    "value",
    "visible_when",
    "enabled_when",
    "on_tap",
    "on_long_press",
    "validate",
    "bind",
    "enter",
    "items",
    "row",
    "empty_text",
    "children",
    "direction",
]
_ROW_KEYS = ["name", "description", "key", "elements", "on_tap"]
_ALERT_KEYS = ["title", "message", "buttons"]
_BUTTON_KEYS = ["name", "text", "accepts", "steps"]


__all__ = ["AppModelError", "load_model"]


class _Loader:
    def __init__(self, app_id: str, data: Mapping[str, Any]) -> None:
        self.root = Place(f"app {app_id!r}")
        self.id = app_id
        self.data = self.root.mapping(data, _APP_KEYS)
        self.screens = self.root.at("screens").mapping(self.data.get("screens") or {})
        self.alerts = self.root.at("alerts").mapping(self.data.get("alerts") or {})
        self.permissions = self.root.at("permissions").mapping(self.data.get("permissions") or {})
        self.field_names: dict[str, str] = {}

    def load(self) -> AppModel:
        root, data = self.root, self.data
        package = data.get("package")
        if not isinstance(package, str) or not _PACKAGE.fullmatch(package):
            root.fail(f"`package` is a dotted name such as com.example.app, got {package!r}")
        if not self.screens:
            root.fail("`screens` is missing or empty")
        start = root.at("start").one_of(data.get("start"), self.screens, "screen")
        backend = dict(root.at("backend").mapping(data.get("backend") or {}))
        for name, value in backend.items():
            if not isinstance(value, list | Mapping):
                root.at(f"backend.{name}").fail(f"expected a list of records or a mapping, got {value!r}")
        return AppModel(
            id=self.id,
            package=package,
            activity=root.at("activity").string(data.get("activity", ".MainActivity")),
            title=root.at("title").string(data.get("title", package)),
            version=str(data.get("version", "1.0")),
            start=start,
            screens={name: self.screen(name, raw) for name, raw in self.screens.items()},
            alerts={name: self.alert(name, raw) for name, raw in self.alerts.items()},
            backend=backend,
            local=dict(root.at("local").mapping(data.get("local") or {})),
            options=dict(root.at("options").mapping(data.get("options") or {})),
            permissions={str(name): str(text) for name, text in self.permissions.items()},
        )

    def screen(self, name: object, raw: object) -> Screen:
        place = self.root.at(f"screen {name!r}")
        data = place.mapping(raw, _SCREEN_KEYS)
        master = data.get("master", "")
        if master:
            place.at("master").one_of(master, self.screens, "screen")
        elements = [self.element(place, each) for each in place.sequence(data.get("elements"))]
        actions = [self.element(place, each) for each in place.sequence(data.get("actions"))]
        reserved = {"back_button", "body", "loading_indicator", "loading_text", "toolbar"}
        seen = reserved | {f"{name}_screen", f"{name}_title"}
        for element in (inner for outer in (*actions, *elements) for inner in outer.walk()):
            if element.name in seen:
                place.fail(f"the name {element.name!r} is taken on this screen", do="give each its own name")
            seen.add(element.name)
        for element in (inner for outer in elements for inner in outer.walk()):
            if element.enter:
                place.at(f"element {element.name!r}, enter").one_of(element.enter, seen, "element")
        return Screen(
            name=place.name(name),
            title=place.at("title").template(data.get("title", name)),
            elements=tuple(elements),
            actions=tuple(actions),
            master=str(master),
            placeholder=place.at("placeholder").template(data.get("placeholder", "")),
            delay_ms=place.at("delay_ms").expression(data.get("delay_ms", 0)),
            on_enter=self.steps(place.at("on_enter"), data.get("on_enter")),
            on_back=self.steps(place.at("on_back"), data.get("on_back")),
        )

    def element(self, outer: Place, raw: object) -> Element:
        named = raw.get("name", "?") if isinstance(raw, Mapping) else "?"
        place = outer.at(f"element {named!r}")
        data = place.mapping(raw, _ELEMENT_KEYS)
        role = place.at("role").one_of(data.get("role"), ROLES, "role")
        name = place.name(data.get("name"))
        if role in INPUT_ROLES:
            if name in self.field_names and self.field_names[name] != outer.path:
                place.fail(
                    f"a field of this name stands in {self.field_names[name]}",
                    do="field names are unique in an app",
                )
            self.field_names[name] = outer.path
        row = data.get("row")
        if role == "list" and (row is None or data.get("items") is None):
            place.fail("a list needs `items` and `row`")
        if role in TOGGLE_ROLES and not data.get("bind"):
            place.fail(f"a {role} needs `bind`, such as local.{name}")
        rules = [self.rule(place.at("validate"), each) for each in place.sequence(data.get("validate"))]
        direction = place.at("direction").one_of(
            data.get("direction", "vertical"), ("horizontal", "vertical"), "direction"
        )
        described = data.get("description", name if role in _INTERACTIVE or data.get("on_tap") else "")
        return Element(
            role=role,
            name=name,
            text=place.at("text").template(data.get("text", "")),
            description=place.at("description").template(described),
            hint=place.at("hint").string(data.get("hint", "")),
            style=place.at("style").string(data.get("style", "")),
            value=place.at("value").template(data.get("value", "")),
            visible_when=place.at("visible_when").expression(data.get("visible_when", True)),
            enabled_when=place.at("enabled_when").expression(data.get("enabled_when", True)),
            on_tap=self.steps(place.at("on_tap"), data.get("on_tap")),
            on_long_press=self.steps(place.at("on_long_press"), data.get("on_long_press")),
            rules=tuple(rules),
            bind=self.path(place.at("bind"), data["bind"]) if data.get("bind") else (),
            enter=str(data.get("enter", "")),
            items=place.at("items").expression(data["items"]) if data.get("items") is not None else None,
            row=self.row(place, row) if row is not None else None,
            empty_text=place.at("empty_text").template(data.get("empty_text", "")),
            children=tuple(self.element(outer, each) for each in place.sequence(data.get("children"))),
            horizontal=direction == "horizontal",
        )

    def row(self, outer: Place, raw: object) -> Row:
        place = outer.at("row")
        data = place.mapping(raw, _ROW_KEYS)
        name = place.name(data.get("name"))
        return Row(
            name=name,
            description=place.at("description").template(data.get("description", name)),
            key=place.at("key").expression(data.get("key", "item.id")),
            elements=tuple(self.element(place, each) for each in place.sequence(data.get("elements"))),
            on_tap=self.steps(place.at("on_tap"), data.get("on_tap")),
        )

    def alert(self, name: object, raw: object) -> Alert:
        place = self.root.at(f"alert {name!r}")
        data = place.mapping(raw, _ALERT_KEYS)
        buttons = []
        for each in place.sequence(data.get("buttons")):
            button = place.mapping(each, _BUTTON_KEYS)
            inner = place.at(f"button {button.get('name')!r}")
            buttons.append(
                Button(
                    name=inner.name(button.get("name")),
                    text=inner.at("text").string(button.get("text")),
                    accepts=bool(button.get("accepts", False)),
                    steps=self.steps(inner.at("steps"), button.get("steps")),
                )
            )
        if not buttons:
            place.fail("an alert needs at least one button")
        return Alert(
            name=place.name(name),
            title=place.at("title").template(data.get("title", "")),
            message=place.at("message").template(data.get("message", "")),
            buttons=tuple(buttons),
        )

    def rule(self, place: Place, raw: object) -> Rule:
        data = place.mapping(raw, ("that", "error"))
        if not {"that", "error"} <= set(data):
            place.fail(f"needs `that` and `error`, got {sorted(data)}")
        return Rule(place.expression(data["that"]), place.template(data["error"]))

    def path(self, place: Place, raw: object) -> tuple[str, ...]:
        parts = tuple(str(raw).split("."))
        if len(parts) < 2 or parts[0] not in _WRITABLE:
            place.fail(
                f"{raw!r} cannot be written", do=f"use {', '.join(f'{each}.name' for each in _WRITABLE)}"
            )
        if parts[0] == "backend" and isinstance((self.data.get("backend") or {}).get(parts[1]), list):
            place.fail(
                f"{parts[1]!r} is a collection, it has no value to set", do="use add, change or remove"
            )
        return parts

    def steps(self, place: Place, raw: object) -> Steps:
        return tuple(
            self.step(place.at(f"step {number}"), each)
            for number, each in enumerate(place.sequence(raw), start=1)
        )

    def step(self, place: Place, raw: object) -> Step:
        if isinstance(raw, str):
            raw = {raw: None}
        data = place.mapping(raw)
        if len(data) != 1:
            place.fail(f"a step has one key, got {sorted(map(str, data))}")
        ((kind, value),) = data.items()
        builder = self._builders().get(kind)
        if builder is None:
            place.fail(f"unknown step {kind!r}{nearest(kind, self._builders())}")
        return builder(place.at(str(kind)), value)

    def _builders(self) -> dict[str, Callable[[Place, Any], Step]]:
        return {
            "add": self._add,
            "ask": self._ask,
            "back": lambda place, value: Back(),
            "change": self._change,
            "check": lambda place, value: Check(self.rule(place, value)),
            "clear_fields": lambda place, value: ClearFields(),
            "go": lambda place, value: Go(place.one_of(value, self.screens, "screen")),
            "if": self._if,
            "remove": self._remove,
            "replace": lambda place, value: Go(place.one_of(value, self.screens, "screen"), "replace"),
            "set": self._set,
            "show": lambda place, value: Show(place.one_of(value, self.alerts, "alert")),
            "toast": lambda place, value: Toast(place.template(value)),
            "validate": lambda place, value: Validate(),
        }

    def _values(self, place: Place, raw: object) -> tuple[tuple[str, Expression], ...]:
        return tuple(
            (str(key), place.at(str(key)).expression(value)) for key, value in place.mapping(raw).items()
        )

    def _set(self, place: Place, raw: object) -> Assign:
        return Assign(
            tuple(
                (self.path(place, key), place.at(str(key)).expression(value))
                for key, value in place.mapping(raw).items()
            )
        )

    def _collection(self, place: Place, value: object) -> str:
        known = [name for name, seed in (self.data.get("backend") or {}).items() if isinstance(seed, list)]
        return place.one_of(value, known, "collection")

    def _add(self, place: Place, raw: object) -> Add:
        data = place.mapping(raw, ("to", "record", "first"))
        return Add(
            self._collection(place.at("to"), data.get("to")),
            self._values(place.at("record"), data.get("record")),
            bool(data.get("first", False)),
        )

    def _change(self, place: Place, raw: object) -> Change:
        data = place.mapping(raw, ("in", "where", "set"))
        return Change(
            self._collection(place.at("in"), data.get("in")),
            place.at("where").expression(data.get("where", True)),
            self._values(place.at("set"), data.get("set")),
        )

    def _remove(self, place: Place, raw: object) -> Remove:
        data = place.mapping(raw, ("from", "where"))
        return Remove(
            self._collection(place.at("from"), data.get("from")),
            place.at("where").expression(data.get("where", True)),
        )

    def _ask(self, place: Place, raw: object) -> Ask:
        data = place.mapping(raw, ("permission", "granted", "denied"))
        return Ask(
            place.at("permission").one_of(data.get("permission"), self.permissions, "permission"),
            self.steps(place.at("granted"), data.get("granted")),
            self.steps(place.at("denied"), data.get("denied")),
        )

    def _if(self, place: Place, raw: object) -> If:
        data = place.mapping(raw, ("test", "then", "else"))
        return If(
            place.at("test").expression(data.get("test")),
            self.steps(place.at("then"), data.get("then")),
            self.steps(place.at("else"), data.get("else")),
        )


def load_model(app_id: str, data: Mapping[str, Any]) -> AppModel:
    """Read an app model.

    Raises:
        AppModelError: naming screen, element, key and the nearest valid name.
    """
    try:
        return _Loader(app_id, data).load()
    except RecursionError:
        raise AppModelError(
            f"app {app_id!r}: steps or elements are nested too deep, or contain themselves"
        ) from None

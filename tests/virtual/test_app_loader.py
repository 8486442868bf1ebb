"""Reading app models: errors name the place and the nearest valid name."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.errors import UsageError
from pytest_autorl.virtual.app_loader import AppModelError, load_model
from pytest_autorl.virtual.library import load_app, shipped_apps

SMALL: dict[str, Any] = {
    "package": "com.example.small",
    "start": "home",
    "backend": {"things": [{"id": "t1"}]},
    "alerts": {"sure": {"title": "Sure?", "buttons": [{"name": "yes", "text": "Yes", "accepts": True}]}},
    "permissions": {"camera": "Camera?"},
    "screens": {
        "home": {
            "elements": [
                {"role": "field", "name": "thing"},
                {"role": "button", "name": "add_button", "on_tap": [{"go": "other"}]},
            ]
        },
        "other": {"elements": [{"role": "text", "name": "hello", "text": "Hello {state.x}"}]},
    },
}


def element(app: dict[str, Any], number: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = app["screens"]["home"]["elements"][number]
    return found


def test_every_shipped_app_can_be_read_and_is_plain_json() -> None:
    for name in shipped_apps():
        data = load_app(name)
        assert json.loads(json.dumps(data)) == data
        assert load_model(name, data).package


def test_every_interactive_element_of_bank_has_a_resource_id_and_an_accessibility_id() -> None:
    model = load_model("bank", load_app("bank"))
    interactive = [
        each
        for screen in model.screens.values()
        for each in screen.walk()
        if each.role in ("button", "checkbox", "field", "list", "password", "switch")
    ]

    assert len(interactive) > 25
    assert all(each.name and each.description.source for each in interactive)


def change(where: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    app = copy.deepcopy(SMALL)
    where(app)
    return app


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda app: app.pop("package"), ["`package`", "None"]),
        (lambda app: app.update(star="home"), ["unknown key 'star'", "nearest valid: 'start'"]),
        (lambda app: app.update(start="hom"), ["start", "unknown screen 'hom'", "'home'"]),
        (lambda app: app.update(screens={}), ["`screens` is missing or empty"]),
        (lambda app: app.update(screens=[]), ["`screens` is missing"]),
        (lambda app: app.update(backend={"n": 3}), ["backend.n", "got 3"]),
        (lambda app: element(app).update(rol="x"), ["screen 'home'", "'add_button'", "unknown key 'rol'", "'role'"]),
        (lambda app: element(app).update(role="buton"), ["unknown role 'buton'", "'button'"]),
        (lambda app: element(app).update(name="Add Button"), ["snake_case", "'Add Button'"]),
        (lambda app: element(app).update(name="thing"), ["'thing' is taken"]),
        (lambda app: element(app).update(name="back_button"), ["'back_button' is taken"]),
        (lambda app: element(app).update(on_tap=[{"goo": "other"}]), ["step 1", "unknown step 'goo'", "'go'"]),
        (lambda app: element(app).update(on_tap=[{"go": "othr"}]), ["unknown screen 'othr'", "'other'"]),
        (lambda app: element(app).update(on_tap=[{"show": "shure"}]), ["unknown alert 'shure'", "'sure'"]),
        (lambda app: element(app).update(on_tap=[{"go": "other", "back": 1}]), ["a step has one key"]),
        (lambda app: element(app).update(on_tap=[{"ask": {"permission": "camra"}}]), ["'camra'", "'camera'"]),
        (lambda app: element(app).update(on_tap=[{"remove": {"from": "thing"}}]), ["collection 'thing'", "'things'"]),
        (lambda app: element(app).update(on_tap=[{"set": {"item.x": 1}}]), ["'item.x' cannot be written"]),
        (lambda app: element(app).update(on_tap=[{"check": {"that": "true"}}]), ["needs `that` and `error`"]),
        (lambda app: element(app).update(visible_when="state.x +"), ["visible_when", "cannot read"]),
        (lambda app: element(app).update(text="{who.x}"), ["text", "unknown name 'who'"]),
        (lambda app: element(app).update(role="list"), ["needs `items` and `row`"]),
        (lambda app: element(app).update(role="switch"), ["needs `bind`"]),
        (lambda app: element(app, 0).update(enter="ad_button"), ["enter", "'ad_button'", "'add_button'"]),
        (lambda app: app["screens"]["other"].update(master="hme"), ["master", "'hme'", "'home'"]),
        (
            lambda app: app["screens"]["other"]["elements"].append({"role": "field", "name": "thing"}),
            ["a field of this name stands in", "unique in an app"],
        ),
        (lambda app: app["alerts"]["sure"].update(buttons=[]), ["alert 'sure'", "at least one button"]),
    ],
)  # fmt: skip
def test_a_wrong_model_is_refused_with_place_and_advice(
    break_it: Callable[[dict[str, Any]], Any], said: list[str]
) -> None:
    with pytest.raises(AppModelError) as caught:
        load_model("small", change(break_it))

    assert all(part in str(caught.value) for part in ["app 'small'", *said]), str(caught.value)


def test_the_unbroken_model_is_fine() -> None:
    assert load_model("small", SMALL).start == "home"


@pytest.mark.parametrize("content", ["- a\n- b\n", "a: [", None])
def test_a_file_that_is_no_model_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "broken.yml"
    if content is not None:
        path.write_text(content, encoding="utf-8")

    with pytest.raises(UsageError, match=r"broken\.yml"):
        load_app(path)


def test_a_collection_of_the_backend_cannot_be_set() -> None:
    app = copy.deepcopy(SMALL)
    element(app)["on_tap"] = [{"set": {"backend.things": "1"}}]
    with pytest.raises(AppModelError, match="'things' is a collection") as caught:
        load_model("small", app)
    assert "use add, change or remove" in str(caught.value)


def test_a_model_that_contains_itself_is_refused() -> None:
    app = copy.deepcopy(SMALL)
    group: dict[str, Any] = {"role": "group", "name": "outer"}
    group["children"] = [group]
    app["screens"]["home"]["elements"].append(group)
    with pytest.raises(AppModelError, match="contain themselves"):
        load_model("small", app)

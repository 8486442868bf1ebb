"""Keys and the focus, in an app made for it."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_autorl.virtual.app_loader import load_model
from pytest_autorl.virtual.backend import Backend
from pytest_autorl.virtual.display import Display
from pytest_autorl.virtual.expressions import ExpressionError
from pytest_autorl.virtual.runtime import AppRun

APP: dict[str, Any] = {
    "package": "com.example.keys",
    "start": "home",
    "screens": {
        "home": {
            "elements": [
                {"role": "field", "name": "one"},
                {"role": "field", "name": "hidden", "visible_when": "state.more"},
                {"role": "field", "name": "closed", "enabled_when": "state.more", "value": "kept"},
                {"role": "field", "name": "last", "enter": "go_button"},
                {"role": "button", "name": "go_button", "on_tap": [{"go": "other"}]},
            ]
        },
        "other": {"elements": [{"role": "text", "name": "hello", "text": "Hello"}]},
    },
}


def start(app: dict[str, Any]) -> AppRun:
    return AppRun(
        load_model("keys", app), backend=Backend({}), local={}, permissions={},
        display=Display(1080, 2400, 2.625, 63, 63), clock_ms=lambda: 0.0,
    )  # fmt: skip


def key_of(run: AppRun, name: str) -> str:
    return next(node.key for node in run.tree().walk() if node.name == name)


def test_tab_passes_over_fields_that_cannot_be_used() -> None:
    run = start(APP)
    assert run.type_text(key_of(run, "one"), "a\ue004b")
    assert (run.fields["one"], run.fields["last"]) == ("a", "b")
    assert (run.fields["hidden"], run.fields["closed"]) == ("", "kept")


def test_what_is_typed_after_enter_left_the_screen_is_lost() -> None:
    run = start(APP)
    assert run.type_text(key_of(run, "last"), "x\ny\ue003\ue004z")
    assert run.screen == "other"
    assert "" not in run.fields
    assert run.fields["last"] == "x"


def test_keys_without_a_focus_say_so() -> None:
    run = start(APP)
    assert not run.type_keys("x")
    assert run.type_keys("")


def test_a_disabled_field_cannot_be_cleared() -> None:
    run = start(APP)
    assert not run.clear(key_of(run, "closed"))
    assert run.fields["closed"] == "kept"
    assert run.clear(key_of(run, "one"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"on_enter": [{"go": "other"}]}, "`on_enter` leads from screen to screen without end"),
        ({"delay_ms": "'soon'"}, "delay_ms is a number, `'soon'` gave 'soon'"),
        (
            {"on_enter": [{"set": {"state.a": "1"}}, {"set": {"state.a.b": "1"}}]},
            "'a' holds 1, not a mapping",
        ),
        ({"on_enter": [{"set": {"state.a": "1 - 'x'"}}]}, "arithmetic needs numbers, got 1 and 'x'"),
    ],
)
def test_a_model_that_fails_while_it_runs_says_where(change: dict[str, Any], said: str) -> None:
    run = start({**APP, "screens": {**APP["screens"], "other": {**APP["screens"]["other"], **change}}})
    with pytest.raises(ExpressionError) as caught:
        run.tap(key_of(run, "go_button"))
    assert said in str(caught.value)

"""Whether the user chose how tests are distributed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_autorl.dispatch.choice import has_changed, has_chosen, note_choice

pytestmark = pytest.mark.unit


def config(**options: Any) -> pytest.Config:
    """As much of a config as is asked."""
    return cast(
        "pytest.Config",
        SimpleNamespace(
            stash=pytest.Stash(), getoption=lambda name, default=None: options.get(name, default)
        ),
    )


@pytest.mark.parametrize(
    ("options", "is_choice"),
    [
        ({}, False),
        ({"dist": "no", "distload": False}, False),
        ({"dist": "load", "distload": False}, True),
        ({"dist": "loadscope", "distload": False}, True),
        ({"dist": "no", "distload": True}, True),
    ],
)
def test_dist_and_d_are_choices(options: dict[str, Any], is_choice: bool) -> None:
    made = config(**options)
    note_choice(made)

    assert has_chosen(made) is is_choice


def test_what_xdist_puts_in_later_is_none() -> None:
    options: dict[str, Any] = {"dist": "no"}
    made = config()
    cast("Any", made).getoption = lambda name, default=None: options.get(name, default)
    note_choice(made)
    options["dist"] = "load"

    assert not has_chosen(made)


def test_before_anybody_has_looked_nothing_was_chosen() -> None:
    assert not has_chosen(config(dist="load"))


@pytest.mark.parametrize(
    ("options", "has"), [({}, False), ({"dist": "load"}, False), ({"dist": "loadfile"}, True)]
)
def test_an_option_that_a_conftest_has_set_is_a_change(options: dict[str, Any], has: bool) -> None:
    assert has_changed(config(**options)) is has

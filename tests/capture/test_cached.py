"""pytest's cache: what plugins keep there between runs is redacted, and comes back as what it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_autorl.capture.cached import guard_cache
from pytest_autorl.capture.guard import Guard

pytestmark = pytest.mark.unit

MAIL = "anna.k" + "@" + "example.com"
GONE = "[REDACTED:EMAIL#1]"


Keep = Callable[..., object]


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Keep:
    """Call it with a value and a mode for what is kept of it."""
    found: dict[str, object] = {}
    monkeypatch.setattr(pytest.Cache, "set", lambda self, key, value: found.update({key: value}))
    plain = pytest.Cache.set

    def keep(value: object, mode: Any = "on") -> object:
        end = guard_cache(Guard(mode))
        pytest.Cache.set(object(), "key", value)  # type: ignore[arg-type]
        end()
        assert pytest.Cache.set is plain
        return found["key"]

    return keep


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([f"a.py::test[{MAIL}]"], [f"a.py::test[{GONE}]"]),
        ({f"a.py::test[{MAIL}]": True}, {f"a.py::test[{GONE}]": True}),
        ({"last": {"by": MAIL, "n": 3, "none": None}}, {"last": {"by": GONE, "n": 3, "none": None}}),
        (MAIL, GONE),
    ],
    ids=["list", "keys", "nested", "text"],
)
def test_values_and_keys_are_redacted(kept: Keep, value: object, expected: object) -> None:
    assert kept(value) == expected


def test_what_holds_nothing_is_passed_on_as_it_is(kept: Keep) -> None:
    value = ["a.py::test[1]"] * 3

    assert kept(value) is value


def test_what_cannot_be_looked_at_as_a_whole_is_looked_at_in_its_parts(kept: Keep) -> None:
    """JSON does not take it, so pytest's cache will say so: but not with the value in it."""
    assert MAIL not in repr(kept({"who": {MAIL, "bob"}}))


def test_off_keeps_values_as_they_are(kept: Keep) -> None:
    assert kept(MAIL, "off") == MAIL


def test_one_that_was_laid_over_ours_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytest.Cache, "set", pytest.Cache.set)
    end = guard_cache(Guard("on"))
    theirs = lambda self, key, value: None  # noqa: E731
    pytest.Cache.set = theirs  # type: ignore[method-assign]

    end()

    assert pytest.Cache.set is theirs


@pytest.mark.integration
def test_what_a_suite_keeps_there_is_redacted(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(request):
            request.config.cache.set("suite/accounts", {"first": "anna.k" + "@" + "example.com"})
            assert request.config.cache.get("suite/accounts", None) == {"first": "[REDACTED:EMAIL#1]"}
        """
    )

    pytester.runpytest_inprocess("-p", "cacheprovider").assert_outcomes(passed=1)

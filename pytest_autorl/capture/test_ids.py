"""Ids of parametrized tests whose parameters must not leave: ``test_mail[REDACTED-EMAIL-1]``.

Named when they are collected, before anything is selected, cached, counted or sent: so the name that is shown is the
one to select by. Numbers count within one test function, and its parameters come in one order everywhere: all workers
and all runs give a test the same name.

Private parts of pytest: see `private_api.id_parts` and `private_api.rename`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_autorl import private_api
from pytest_autorl.capture.guard import Guard

if TYPE_CHECKING:
    from pytest_autorl.privacy.redactor import Redactor


class TestIds:
    """See the module."""

    __test__ = False  # not a test class, whatever its name looks like

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_pycollect_makeitem(self) -> Generator[None, Any, Any]:
        """Around all who make tests of a function."""
        made = yield
        tests = made if isinstance(made, list) else [made]
        self._name([test for test in tests if isinstance(test, pytest.Item) and "[" in test.name])
        return made

    def _name(self, tests: list[pytest.Item]) -> None:
        """The tests of one function."""
        if not tests:
            return
        redactor = self._guard.redactor
        # Each parameter by itself too: joined with the next one a value may look like none.
        texts = {test: "\n".join((test.name, *private_api.id_parts(test))) for test in tests}
        if not redactor.finds("\n".join(texts.values())):
            return
        numbered = redactor.fresh()
        taken = {test.name for test, text in texts.items() if not redactor.finds(text)}
        for test in tests:
            if test.name in taken:
                continue
            name = wanted = _named(test, numbered)
            for count in range(2, len(tests) + 2):
                if name not in taken:
                    break
                name = f"{wanted.removesuffix(']')}-{count}]"  # two spellings of one address
            taken.add(name)
            private_api.rename(test, name)


def _named(test: pytest.Item, redactor: Redactor) -> str:
    """The name with its parameters redacted one by one: joined by dashes, two of them may look like one value."""
    parts = private_api.id_parts(test)
    shown = "-".join(parts)
    if parts and test.name.endswith(f"[{shown}]"):
        start = test.name.removesuffix(f"{shown}]")
        return redactor.name(f"{start}{'-'.join(map(redactor.name, parts))}]")
    return redactor.name(test.name)

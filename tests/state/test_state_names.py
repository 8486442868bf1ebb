"""The public names of `pytest_autorl.state`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_autorl import state


def test_the_public_names_are_exact_and_load_nothing_before_they_are_used() -> None:
    code = (
        "import sys\n"
        "from pytest_autorl import state\n"
        "assert state.__all__ == sorted(state.__all__) == ['JobLocker', 'OfflineQueue']\n"
        "assert {'JobLocker', 'OfflineQueue'} <= set(dir(state))\n"
        "parts = {f'pytest_autorl.state.{name}' for name in ('jobs', 'outbox', 'engine', 'sqlite')}\n"
        "assert not parts & set(sys.modules)\n"
        "assert [getattr(state, name).__name__ for name in state.__all__] == state.__all__\n"
        "print(sorted(parts & set(sys.modules)))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    # The database's part comes with the first database.
    loaded = [f"pytest_autorl.state.{name}" for name in ("engine", "jobs", "outbox")]
    assert (done.stdout, done.stderr) == (f"{loaded}\n", "")


def test_every_public_name_is_the_one_of_its_module() -> None:
    for name in state.__all__:
        assert getattr(state, name).__module__.startswith("pytest_autorl.state.")


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'pytest_autorl.state' has no attribute 'nothing'"):
        _ = state.nothing
    assert {"JobLocker", "OfflineQueue"} <= set(dir(state))

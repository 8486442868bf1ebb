"""Errors say what, where and what to do, and survive the way between processes."""

from __future__ import annotations

import pickle

import pytest

from pytest_autorl import errors
from pytest_autorl.errors import AutorlError, FarmFileError

pytestmark = pytest.mark.unit


def _all(cls: type[AutorlError]) -> list[type[AutorlError]]:
    return [cls, *(found for sub in cls.__subclasses__() for found in _all(sub))]


@pytest.mark.parametrize("cls", _all(AutorlError), ids=lambda cls: cls.__name__)
def test_every_error_can_be_pickled_with_what_it_says(cls: type[AutorlError]) -> None:
    error = cls("it broke", do="mend it")

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is cls
    assert str(copy) == str(error)
    assert "it broke" in str(copy)
    assert "do: mend it" in str(copy)


@pytest.mark.parametrize("cls", _all(AutorlError), ids=lambda cls: cls.__name__)
def test_every_error_of_the_module_stands_in_its_tree(cls: type[AutorlError]) -> None:
    """Parts derive errors of their own; the tree is that of the base ones."""
    assert cls.__module__ != errors.__name__ or cls.__name__ in (errors.__doc__ or "")
    assert cls.blame in ("test", "device", "app", "farm")


def test_the_device_heads_the_message() -> None:
    assert str(AutorlError("gone", device_id="pixel-1")) == "[pixel-1] gone"


def test_a_farm_file_error_points_at_file_line_and_key() -> None:
    error = FarmFileError(
        "unknown key", path="farm.yml", line=3, key="devices[0].tag", do="did you mean tags?"
    )

    assert str(error) == "farm.yml:3: devices[0].tag: unknown key\n  do: did you mean tags?"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)

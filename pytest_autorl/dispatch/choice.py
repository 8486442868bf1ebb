"""Which distribution of tests over xdist's workers the user chose. Imported at every start: nothing heavy here."""

from __future__ import annotations

import pytest

_chosen_key = pytest.StashKey[str]()


def note_choice(config: pytest.Config) -> None:
    """To be called before xdist looks at its options: it puts its default in the place of nothing."""
    is_short = config.getoption("distload", default=False)
    config.stash[_chosen_key] = "load" if is_short else str(config.getoption("dist", default="no"))


def has_chosen(config: pytest.Config) -> bool:
    """Whether ``--dist`` or ``-d`` was given."""
    return config.stash.get(_chosen_key, "no") != "no"


def has_changed(config: pytest.Config) -> bool:
    """Whether a conftest or plugin has set another distribution meanwhile than xdist's for workers without a choice."""
    return str(config.getoption("dist", default="load")) != "load"

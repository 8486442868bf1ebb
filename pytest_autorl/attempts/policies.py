"""What each test's policy of retries is, read from its marker and the options at collection.

A test without one has nothing in its stash: it pays for none of this while it runs. A marker that cannot be understood
makes its test end as an ERROR with the reason, the others run (see `collection`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import pytest

from pytest_autorl.errors import AutorlError
from pytest_autorl.needs import need_key
from pytest_autorl.settings import Settings

# Every run loads this module; what reads policies only those in which there are some.
if TYPE_CHECKING:
    from pytest_autorl.farm.policies import Retry
    from pytest_autorl.resilience.policy import RetryPolicy

#: The policy of a test that may have more than one attempt by it.
policy_key = pytest.StashKey["RetryPolicy"]()
#: Why the policy of a test cannot be understood.
policy_problem_key = pytest.StashKey[AutorlError]()


@dataclass(kw_only=True, slots=True)
class Noted:
    """What was found in a collection.

    Attributes:
        has_any: A test has a policy.
        problems: Node id of each test whose policy cannot be understood, and why.
        aside: How many tests are left to each other plugin that runs failed ones again, by its name.
    """

    has_any: bool = False
    problems: list[tuple[str, str]] = field(default_factory=list)
    aside: Counter[str] = field(default_factory=Counter)


def is_switched_off(settings: Settings) -> bool:
    """Whether nothing runs again, whatever else is said: an explicit 0."""
    return not settings.retries and "retries" in settings.sources


def is_watched(config: pytest.Config) -> bool:
    """Whether somebody debugs: what failed is then looked at, and not done again."""
    return bool(config.getoption("usepdb", False) or config.getoption("trace", False))


@lru_cache(maxsize=4)
def defaults_of(section: Retry | None) -> RetryPolicy:
    """The policy that the farm file's `retry:` states. Raises UsageError."""
    from pytest_autorl.resilience.policy import RetryPolicy

    if section is None:
        return RetryPolicy()
    try:
        return RetryPolicy.from_words((), section.model_dump(), defaults=RetryPolicy())
    except AutorlError as error:
        raise type(error)(f"retry: of the farm file: {error.args[0]}", do=error.do) from None


def policy_of(item: pytest.Item, settings: Settings, section: Retry | None) -> RetryPolicy | None:
    """The test's policy; None for one that has a single attempt.

    The closest `retry` marker as a whole, and what it leaves open from `section`; without one ``--autorl-retries``.
    Raises UsageError for a marker or section that cannot be understood.
    """
    marker = item.get_closest_marker("retry")
    if marker is None and not settings.retries:
        return None
    if is_switched_off(settings) or is_watched(item.config):
        return None
    from pytest_autorl.resilience.policy import MOST_ATTEMPTS, RetryPolicy

    defaults = defaults_of(section)
    if marker is None:
        policy = replace(defaults, max_attempts=min(settings.retries + 1, MOST_ATTEMPTS))
    else:
        policy = RetryPolicy.from_words(marker.args, marker.kwargs, defaults=defaults)
    return policy if policy.max_attempts > 1 else None


def note_policies(items: Sequence[pytest.Item], settings: Settings, section: Retry | None) -> Noted:
    """Write each test's policy, or why it has none, into its stash; returns what was found.

    A test that another plugin runs again has no policy of ours. After `note_needs`.
    """
    noted = Noted()
    may_run_again = bool(items) and not is_switched_off(settings) and not is_watched(items[0].config)
    for item in items:
        try:
            policy = policy_of(item, settings, section)
        except AutorlError as error:
            item.stash[policy_problem_key] = error
            noted.problems.append((item.nodeid, str(error)))
            continue
        is_ours = policy is not None or (may_run_again and need_key in item.stash)
        if is_ours and (rival := _rival(item)):
            noted.aside[rival] += 1
        elif policy is not None:
            item.stash[policy_key] = policy
            noted.has_any = True
    return noted


def _rival(item: pytest.Item) -> str:
    from pytest_autorl.attempts.rivals import who_repeats

    return who_repeats(item)


def aside_lines(aside: Counter[str]) -> list[str]:
    """For people: which tests are left to which plugin."""
    return [
        f"autorl: {count} {'tests are' if count > 1 else 'test is'} left to {name}, which runs failed ones again: "
        "autorl runs them once"
        for name, count in sorted(aside.items())
    ]

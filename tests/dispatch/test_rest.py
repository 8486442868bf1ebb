"""Tests that rest before their next attempt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.dispatch.rest import Rest

pytestmark = pytest.mark.unit


def test_nobody_rests_at_first() -> None:
    """There is nothing to wait for."""
    rest = Rest()

    assert rest.next_due_s is None
    assert rest.due(1e9) == []
    assert len(rest) == 0


def test_what_is_due_is_taken_once() -> None:
    """At its time, not before; those that stay together come together."""
    rest = Rest()
    rest.put([4, 5], 2.0)
    rest.put([1], 1.0)

    assert rest.next_due_s == 1.0
    assert rest.due(0.999) == []
    assert rest.due(1.0) == [(1,)]
    assert rest.next_due_s == 2.0
    assert rest.due(2.5) == [(4, 5)]
    assert rest.due(9.0) == []


def test_who_is_due_at_once_comes_in_turn() -> None:
    """Whatever its number."""
    rest = Rest()
    for index in (7, 2, 5):
        rest.put([index], 1.0)

    assert rest.due(1.0) == [(7,), (2,), (5,)]


def test_clear_forgets_them() -> None:
    """None of them comes any more."""
    rest = Rest()
    rest.put([1], 1.0)

    rest.clear()

    assert rest.next_due_s is None
    assert rest.due(2.0) == []


@given(
    puts=st.lists(st.tuples(st.floats(0.0, 100.0), st.integers(0, 9)), max_size=20),
    looks=st.lists(st.floats(0.0, 100.0), max_size=10),
)
def test_none_is_forgotten_and_none_comes_early(puts: list[tuple[float, int]], looks: list[float]) -> None:
    """Each comes at the first look at or after its time, the earliest first."""
    rest = Rest()
    for due_s, index in puts:
        rest.put([index], due_s)
    left = sorted(puts, key=lambda put: put[0])
    for now_s in [*sorted(looks), 100.0]:
        expected = [index for due_s, index in left if due_s <= now_s]
        left = [put for put in left if put[0] > now_s]

        assert [index for (index,) in rest.due(now_s)] == expected
        assert rest.next_due_s == (left[0][0] if left else None)
        assert len(rest) == len(left)

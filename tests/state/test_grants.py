"""Who gets which device: the decision alone, over plain data."""

from __future__ import annotations

import doctest
from collections.abc import Collection, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.state import grants
from pytest_autorl.state.engine import Phase, TicketRow

KEYS = ("a", "b", "c", "d", "e")
FREE = Phase(DeviceStatus.AVAILABLE, False, False)
HELD = Phase(DeviceStatus.BUSY, True, False)
YIELDING = Phase(DeviceStatus.BUSY, True, True)
RECOVERING = Phase(DeviceStatus.MAINTENANCE, True, False)
OUT = Phase(DeviceStatus.OFFLINE, False, False)

Tickets = Sequence[TicketRow]
Phases = Mapping[str, Phase]


def ticket(number: int, candidates: str, wants: int = 1) -> TicketRow:
    """`candidates`: one letter a device, the preferred one first."""
    return TicketRow(number, f"h{number}", "", "", "", tuple(candidates), wants, 0.0, 0.0, "")


@st.composite
def lines(draw: st.DrawFn) -> list[TicketRow]:
    """Some who wait, first come first; some name a device that nobody knows (any more)."""
    found = []
    for number in range(1, draw(st.integers(0, 6)) + 1):
        candidates = draw(st.lists(st.sampled_from((*KEYS, "x")), min_size=1, max_size=5, unique=True))
        found.append(ticket(number, "".join(candidates), draw(st.integers(1, len(candidates)))))
    return found


phases = st.fixed_dictionaries(
    {key: st.sampled_from((FREE, HELD, YIELDING, RECOVERING, OUT)) for key in KEYS}
)


def served(tickets: Tickets, states: Phases) -> dict[int, tuple[str, ...]]:
    return {each.number: keys for each, keys in grants.decide(tickets, states)}


def can_wait(each: TicketRow, states: Phases) -> bool:
    """As many of its candidates as it wants are free or held by somebody."""
    back = [key for key in each.candidates if key in states and (states[key] == FREE or states[key].is_held)]
    return len(back) >= each.wants


def free_keys(states: Phases) -> set[str]:
    return {key for key, phase in states.items() if phase == FREE}


def with_phase(states: Phases, keys: Collection[str], phase: Phase) -> dict[str, Phase]:
    return {**states, **dict.fromkeys(keys, phase)}


# -- decide: properties --------------------------------------------------------------------------------------


@given(lines(), phases)
def test_a_ticket_gets_all_that_it_wants_or_nothing(tickets: Tickets, states: Phases) -> None:
    by_number = {each.number: each for each in tickets}

    for number, keys in served(tickets, states).items():
        assert len(keys) == len(set(keys)) == by_number[number].wants
        assert set(keys) <= set(by_number[number].candidates) & free_keys(states)


@given(lines(), phases)
def test_no_device_is_given_twice_and_no_ticket_is_served_twice(tickets: Tickets, states: Phases) -> None:
    decided = grants.decide(tickets, states)

    given_keys = [key for _, keys in decided for key in keys]
    assert len(given_keys) == len(set(given_keys))
    assert [each.number for each, _ in decided] == sorted({each.number for each, _ in decided})


@given(lines(), phases)
def test_nobody_overtakes_an_earlier_ticket_that_can_use_the_same_device(
    tickets: Tickets, states: Phases
) -> None:
    """Whoever waits, and is not served now, sees none of its candidates go to somebody who came later."""
    decided = served(tickets, states)

    for each in tickets:
        if each.number not in decided and can_wait(each, states):
            later = {key for number, keys in decided.items() if number > each.number for key in keys}
            assert later.isdisjoint(each.candidates)


@given(lines(), phases)
def test_what_nobody_earlier_can_use_is_not_kept_from_anybody(tickets: Tickets, states: Phases) -> None:
    """The other side of it: a ticket stays unserved only for want of devices, never for order's sake alone."""
    decided = served(tickets, states)

    kept = set[str]()
    for each in tickets:
        if each.number in decided:
            kept |= set(decided[each.number])
            continue
        assert len((set(each.candidates) & free_keys(states)) - kept) < each.wants
        if can_wait(each, states):
            kept |= set(each.candidates)


@given(lines(), phases)
def test_a_ticket_that_waiting_cannot_serve_keeps_nothing_from_anybody(
    tickets: Tickets, states: Phases
) -> None:
    """Too many of its candidates are out of service: the others are served as if it was not there."""
    hopeful = [each for each in tickets if can_wait(each, states)]

    assert served(tickets, states) == served(hopeful, states)


@given(lines(), phases)
def test_devices_are_taken_in_the_ticket_s_order_of_preference(tickets: Tickets, states: Phases) -> None:
    taken = set[str]()
    for each, keys in grants.decide(tickets, states):
        places = [each.candidates.index(key) for key in keys]
        assert places == sorted(places)
        if each is tickets[0]:  # nobody before it has narrowed the choice
            mine = [key for key in each.candidates if key in free_keys(states)]
            assert list(keys) == mine[: each.wants]
        taken |= set(keys)


@given(
    st.sampled_from([(2, 2), (3, 2), (3, 3), (4, 2), (4, 4)]),
    st.lists(st.tuples(st.sets(st.sampled_from(KEYS)), st.sampled_from(KEYS)), max_size=12),
)
def test_a_need_for_several_is_served_once_so_many_of_its_candidates_were_given_back(
    size: tuple[int, int], rounds: list[tuple[set[str], str]]
) -> None:
    """However many ask for one device meanwhile: that is what a gang starves of where it can be overtaken.

    Every round some devices are given back, and one more ticket for a single device comes.
    """
    count, wants = size
    keys = KEYS[:count]
    states = dict.fromkeys(keys, HELD)
    line, back = [ticket(1, "".join(keys), wants)], set[str]()

    for number, (freed, wish) in enumerate(rounds, start=2):
        back |= freed & set(keys)
        states = with_phase(states, back, FREE)
        line.append(ticket(number, wish))
        decided = served(line, states)

        assert (1 in decided) == (len(back) >= wants)
        if 1 in decided:
            return
        assert decided == {}


# -- is_wanted: properties -----------------------------------------------------------------------------------


def settled(tickets: Tickets, states: Phases) -> tuple[list[TicketRow], dict[str, Phase]]:
    """As the ledger leaves it: whoever can be served is, and what they got is held."""
    decided = served(tickets, states)
    taken = {key for keys in decided.values() for key in keys}
    return [each for each in tickets if each.number not in decided], with_phase(states, taken, HELD)


def recall(tickets: Tickets, states: Phases, order: Sequence[str]) -> tuple[list[str], dict[str, Phase]]:
    """Ask the holders in turn whether giving up helps, until nobody is told so; who is agrees."""
    recalled = list[str]()
    current = dict(states)
    while True:
        held = [key for key in order if current[key] == HELD]
        wanted = next((key for key in held if grants.is_wanted(tickets, current, key)), None)
        if wanted is None:
            return recalled, current
        recalled.append(wanted)
        current[wanted] = YIELDING


@given(lines(), phases, st.permutations(KEYS))
def test_no_more_devices_are_recalled_than_are_missing(
    tickets: Tickets, states: Phases, order: Sequence[str]
) -> None:
    """A recalled device loses its session, which took long to start: no worker may give one up for nothing.

    For one who waits. Among several, whoever comes to prefer what was recalled for another one takes it.
    """
    waiting, states = settled(tickets[:1], states)
    coming = {key for key, phase in states.items() if phase == FREE or phase.is_yielding}
    missing = 0
    for each in waiting:
        mine = [key for key in each.candidates if key in coming][: each.wants]
        if can_wait(each, states):
            missing += each.wants - len(mine)
            coming -= set(mine)

    recalled, _ = recall(waiting, states, order)

    assert len(recalled) <= missing
    assert all(any(key in each.candidates for each in waiting) for key in recalled)


@given(lines(), phases, st.permutations(KEYS))
def test_when_all_agree_and_give_back_nobody_misses_what_is_still_held(
    tickets: Tickets, states: Phases, order: Sequence[str]
) -> None:
    """Enough is recalled: who then still waits does so for a device that is being recovered, or for its turn."""
    waiting, states = settled(tickets, states)

    _, agreed = recall(waiting, states, order)
    back = {key: FREE if phase.is_yielding else phase for key, phase in agreed.items()}
    decided = served(waiting, back)

    for each in waiting:
        if each.number not in decided and can_wait(each, back):
            assert all(back.get(key) != HELD for key in each.candidates)


@given(lines(), phases)
def test_nothing_is_wanted_for_tickets_that_cannot_wait(tickets: Tickets, states: Phases) -> None:
    hopeless = [each for each in tickets if not can_wait(each, states)]

    assert not any(grants.is_wanted(hopeless, states, key) for key in KEYS)


# -- examples ------------------------------------------------------------------------------------------------


def test_a_later_ticket_gets_what_no_earlier_one_can_use() -> None:
    line = [ticket(1, "ab", 2), ticket(2, "ac")]

    assert served(line, {"a": FREE, "b": HELD, "c": FREE}) == {2: ("c",)}


def test_a_need_for_several_keeps_what_is_free_of_its_candidates() -> None:
    line = [ticket(1, "ab", 2), ticket(2, "a")]

    assert served(line, {"a": FREE, "b": HELD}) == {}


def test_a_device_out_of_service_makes_the_rest_free_for_others() -> None:
    """The pair waits for `b`, which only a person can bring back: that can take days."""
    line = [ticket(1, "ab", 2), ticket(2, "a")]

    assert served(line, {"a": FREE, "b": OUT}) == {2: ("a",)}


def test_a_device_that_is_being_recovered_is_waited_for() -> None:
    line = [ticket(1, "ab", 2), ticket(2, "a")]

    assert served(line, {"a": FREE, "b": RECOVERING}) == {}


def test_of_two_parked_devices_only_the_missing_one_is_recalled() -> None:
    line = [ticket(1, "ab")]
    states = {"a": HELD, "b": HELD}

    assert grants.is_wanted(line, states, "b")
    assert not grants.is_wanted(line, with_phase(states, "b", YIELDING), "a")


def test_a_device_is_not_recalled_while_a_free_one_does() -> None:
    line = [ticket(1, "ab")]

    assert not grants.is_wanted(line, {"a": HELD, "b": FREE}, "a")


def test_a_device_that_is_given_up_already_is_not_recalled_again() -> None:
    line = [ticket(1, "ab", 2)]

    assert not grants.is_wanted(line, {"a": YIELDING, "b": HELD}, "a")


def test_a_device_that_nobody_asks_for_is_not_wanted() -> None:
    assert not grants.is_wanted([ticket(1, "a")], {"a": HELD, "b": HELD}, "b")
    assert not grants.is_wanted([], {"a": HELD}, "a")


# -- ports ---------------------------------------------------------------------------------------------------

ALL_BLOCKS = range(grants.FIRST_PORT, grants.LAST_PORT + 1, grants.BLOCK_SIZE)


@given(st.sets(st.sampled_from(ALL_BLOCKS)))
def test_a_block_of_ports_is_the_lowest_that_nobody_has(in_use: set[int]) -> None:
    port = grants.free_block(in_use)

    assert port in ALL_BLOCKS
    assert port not in in_use
    assert set(range(grants.FIRST_PORT, port, grants.BLOCK_SIZE)) <= in_use


def test_without_a_free_block_there_is_none() -> None:
    assert grants.free_block(ALL_BLOCKS) == 0


def test_all_blocks_lie_within_the_bounds() -> None:
    """Above the last one Linux hands out ports by itself."""
    last = max(port for port in ALL_BLOCKS if grants.free_block(set(ALL_BLOCKS) - {port}))

    assert last + grants.BLOCK_SIZE - 1 <= grants.LAST_PORT < 32_768


@pytest.mark.parametrize(
    ("phase", "is_free", "comes_back"),
    [
        (FREE, True, True),
        (HELD, False, True),
        (RECOVERING, False, True),
        (OUT, False, False),
        (Phase(DeviceStatus.UNHEALTHY, False, False), False, False),
        (Phase(DeviceStatus.MAINTENANCE, False, False), False, False),
    ],
)
def test_what_is_free_and_what_comes_back_by_itself(phase: Phase, is_free: bool, comes_back: bool) -> None:
    assert grants.is_free(phase) is is_free
    assert grants.comes_back(phase) is comes_back


def test_the_example_in_the_documentation_of_the_decision_is_true() -> None:
    assert doctest.testmod(grants).failed == 0

"""The words of the `retry` marker: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

import pickle
import re
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.errors import AutorlError, UsageError
from pytest_autorl.farm.policies import Retry
from pytest_autorl.resilience.backoff import Backoff
from pytest_autorl.resilience.info import ErrorCategory, ErrorDomain, ErrorInfo, ErrorSeverity, Strategy
from pytest_autorl.resilience.policy import KEYWORDS, WORDS, RetryPolicy

pytestmark = pytest.mark.unit

DEFAULTS = RetryPolicy()


def policy(**words: Any) -> RetryPolicy:
    return RetryPolicy.from_words((), words, defaults=DEFAULTS)


def info(category: str = "permanent", domain: str = "test") -> ErrorInfo:
    return ErrorInfo(
        error="Error",
        category=ErrorCategory(category),
        severity=ErrorSeverity.MEDIUM,
        domain=ErrorDomain(domain),
        strategy=Strategy.RETRY,
    )


def test_without_words_it_is_the_defaults() -> None:
    assert policy() == DEFAULTS
    assert policy(max_attempts=None, on=None) == DEFAULTS


def test_the_defaults_are_those_of_the_farm_file() -> None:
    section = Retry()

    assert sorted(KEYWORDS) == sorted(Retry.model_fields)
    assert policy(**section.model_dump()) == DEFAULTS


def test_all_words_are_read() -> None:
    made = policy(
        max_attempts=5,
        on=["transient", ErrorDomain.APP, ValueError],
        elsewhere=False,
        initial_delay=0,
        max_delay=4,
        backoff_multiplier=3,
        jitter=False,
    )

    assert made == RetryPolicy(
        max_attempts=5,
        on=("transient", "app", ValueError),
        elsewhere=False,
        backoff=Backoff(initial_delay=0.0, max_delay=4.0, multiplier=3.0, jitter=False),
    )


def test_what_is_not_stated_comes_from_the_defaults() -> None:
    base = RetryPolicy(
        max_attempts=7, on=("device",), elsewhere=False, backoff=Backoff(initial_delay=5.0, max_delay=9.0)
    )

    made = RetryPolicy.from_words((), {"max_attempts": 2, "jitter": False}, defaults=base)

    assert made == RetryPolicy(
        max_attempts=2,
        on=("device",),
        elsewhere=False,
        backoff=Backoff(initial_delay=5.0, max_delay=9.0, jitter=False),
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            {"max_atempts": 3},
            "retry(max_atempts=...): unknown keyword\n  do: did you mean max_attempts? keywords: ",
        ),
        ({"colour": 3}, "retry(colour=...): unknown keyword\n  do: keywords: max_attempts, on, "),
        ({"max_attempts": 0}, "retry(max_attempts=0): must be a whole number from 1 to 100"),
        ({"max_attempts": 101}, "retry(max_attempts=101): must be"),
        ({"max_attempts": True}, "retry(max_attempts=True): must be"),
        ({"max_attempts": "3"}, "retry(max_attempts='3'): must be"),
        ({"max_attempts": 2.0}, "retry(max_attempts=2.0): must be"),
        ({"initial_delay": -1}, "retry(initial_delay=-1): must be a number of seconds from 0 to 1e+07"),
        ({"max_delay": float("nan")}, "retry(max_delay=nan): must be a number of seconds"),
        ({"max_delay": float("inf")}, "retry(max_delay=inf): must be a number of seconds"),
        ({"max_delay": "soon"}, "retry(max_delay='soon'): must be a number of seconds"),
        ({"initial_delay": 60}, "retry(initial_delay=60): max_delay is 30 and must not be below it"),
        ({"backoff_multiplier": 0.5}, "retry(backoff_multiplier=0.5): must be a number from 1 to 100"),
        ({"jitter": 1}, "retry(jitter=1): must be True or False"),
        ({"elsewhere": "no"}, "retry(elsewhere='no'): must be True or False"),
        (
            {"on": "transiant"},
            "retry(on='transiant'): unknown word\n  do: did you mean transient? it may hold",
        ),
        ({"on": ("device", "moon")}, "retry(on='moon'): unknown word"),
        ({"on": ()}, "retry(on=()): names nothing"),
        ({"on": 3}, "retry(on=3): neither a word nor a class of exceptions"),
        ({"on": int}, "retry(on=int): neither a word nor a class of exceptions"),
        ({"on": ValueError("x")}, "retry(on=ValueError('x')): neither a word nor a class"),
        ({"on": "x" * 500}, "retry(on='" + "x" * 56 + "...): unknown word"),
    ],
)
def test_a_word_that_means_nothing_is_named_with_the_way_out(words: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=re.escape(text)) as caught:
        policy(**words)

    assert caught.value.do
    assert str(pickle.loads(pickle.dumps(caught.value))).startswith(str(caught.value.args[0]))


def test_a_word_without_a_name_is_refused() -> None:
    with pytest.raises(AutorlError, match=re.escape("retry(3): the marker takes keywords only")):
        RetryPolicy.from_words((3,), {}, defaults=DEFAULTS)


@pytest.mark.parametrize("word", WORDS)
def test_a_word_matches_what_was_classified_so(word: str) -> None:
    alike = [
        (category.value, domain.value)
        for category in ErrorCategory
        for domain in ErrorDomain
        if policy(on=word).wants(None, info(category.value, domain.value))
    ]

    assert alike
    assert all(word in pair for pair in alike)
    assert len(alike) == (5 if word in ("transient", "permanent") else 2)


def test_a_class_matches_the_error_and_what_is_behind_it() -> None:
    raised: dict[str, BaseException] = {}
    for name, cause in (("from", KeyError("k")), ("cut", None)):
        try:
            try:
                raise KeyError("k")
            except KeyError:
                raise ValueError(name) from cause
        except ValueError as error:
            raised[name] = error
    try:
        try:
            raise KeyError("k")
        except KeyError:
            raise ValueError("while handling it")  # noqa: B904 - as suites do
    except ValueError as error:
        raised["while"] = error

    wants = {name: policy(on=KeyError).wants(error, info()) for name, error in raised.items()}

    assert wants == {"from": True, "while": True, "cut": False}
    assert policy(on=LookupError).wants(raised["from"], info())
    assert policy(on=(OSError, ValueError)).wants(raised["cut"], info())
    assert not policy(on=OSError).wants(raised["from"], info())
    assert not policy(on=OSError).wants(None, info())


def test_a_class_matches_a_member_of_a_group() -> None:
    class GroupError(Exception):  # as Python's from 3.11 on, and as the stand-in for 3.10
        exceptions = (ValueError("a"), Exception("b"))

    GroupError.__module__, GroupError.__qualname__ = "exceptiongroup", "BaseExceptionGroup"
    assert policy(on=ValueError).wants(GroupError(), info())
    assert not policy(on=OSError).wants(GroupError(), info())


def test_a_chain_in_a_circle_ends() -> None:
    first, second = ValueError("1"), KeyError("2")
    first.__cause__, second.__cause__ = second, first

    assert policy(on=KeyError).wants(first, info())
    assert not policy(on=OSError).wants(first, info())


def test_a_chain_without_an_end_is_not_followed_for_ever() -> None:
    first = error = ValueError("0")
    for number in range(2000):
        error.__cause__ = ValueError(str(number))
        error = error.__cause__
    error.__cause__ = OSError("deep down")

    assert not policy(on=OSError).wants(first, info())


class _AskedError(type):
    """A class that breaks when it is asked for its instances."""

    def __instancecheck__(cls, instance: object) -> bool:
        raise RuntimeError


class UnaskableError(Exception, metaclass=_AskedError):
    """See its class."""


@pytest.mark.parametrize(
    "name", ["__cause__", "__context__", "__suppress_context__", "exceptions", "__bool__"]
)
def test_an_exception_that_breaks_when_it_is_looked_at_is_looked_at_all_the_same(name: str) -> None:
    def breaks(self: object) -> NoReturn:
        raise RuntimeError

    broken: type[BaseException] = type(
        "BaseExceptionGroup",
        (Exception,),
        {"__module__": "exceptiongroup", name: breaks if name == "__bool__" else property(breaks)},
    )
    outer = KeyError("k")
    outer.__cause__ = broken()

    assert policy(on=broken).wants(outer, info())
    assert not policy(on=OSError).wants(outer, info())
    assert not policy(on=UnaskableError).wants(outer, info())
    assert policy(on=(UnaskableError, "test")).wants(outer, info())


def test_a_person_who_interrupts_is_heard() -> None:
    class Interrupting(type):
        def __instancecheck__(cls, instance: object) -> bool:
            raise KeyboardInterrupt

    class SlowError(Exception, metaclass=Interrupting):
        pass

    with pytest.raises(KeyboardInterrupt):
        policy(on=SlowError).wants(KeyError(), info())


@given(
    words=st.dictionaries(
        st.sampled_from([*KEYWORDS, "attempts"]),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(-2, 200),
            st.floats(),
            st.text(max_size=3),
            st.sampled_from([*WORDS, ValueError, int]),
            st.lists(st.sampled_from([*WORDS, OSError]), max_size=2),
        ),
    )
)
def test_any_words_are_a_policy_or_a_usage_error(words: dict[str, Any]) -> None:
    try:
        made = policy(**words)
    except UsageError:
        return  # in whose words is another test's matter
    assert 1 <= made.max_attempts <= 100
    assert made.on
    assert made.backoff.max_delay >= made.backoff.initial_delay
    assert made.backoff.delay_s(made.max_attempts, 1.0) <= made.backoff.max_delay

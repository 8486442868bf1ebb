"""When, how often and where a failed test is run again: what the `retry` marker says.

A policy is made of words by `RetryPolicy.from_words`, which explains each mistake, and asked by `decide.decide`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Final

from pytest_autorl.errors import UsageError
from pytest_autorl.resilience.backoff import Backoff
from pytest_autorl.resilience.info import ErrorCategory, ErrorDomain, ErrorInfo
from pytest_autorl.resilience.symptoms import lineage

#: Words that `on` may hold, besides classes of exceptions.
WORDS: Final = (*(each.value for each in ErrorCategory), *(each.value for each in ErrorDomain))
#: Keywords of the `retry` marker.
KEYWORDS: Final = (
    "max_attempts",
    "on",
    "elsewhere",
    "initial_delay",
    "max_delay",
    "backoff_multiplier",
    "jitter",
)
#: Most attempts that a test may have.
MOST_ATTEMPTS: Final = 100

_MOST_DELAY_S: Final = 10_000_000
_MOST_MULTIPLIER: Final = 100
_ON_USAGE: Final = f"words ({', '.join(WORDS)}), classes of exceptions, or a tuple of them"

Cause = str | type[BaseException]


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """What follows the failure of a test.

    Attributes:
        max_attempts: The first one counts.
        on: What is worth another attempt: categories, domains, classes of exceptions; any of them is enough.
        elsewhere: On another device of the class, where there is one.
        backoff: How long to wait before.
    """

    max_attempts: int = 3
    on: tuple[Cause, ...] = ("transient",)
    elsewhere: bool = True
    backoff: Backoff = field(default_factory=Backoff)

    @classmethod
    def from_words(
        cls, args: Sequence[object], kwargs: Mapping[str, object], *, defaults: RetryPolicy
    ) -> RetryPolicy:
        """The policy that ``@pytest.mark.retry(*args, **kwargs)`` states; the rest is that of `defaults`.

        None stands for "not stated", so that parametrised markers can leave a keyword out.
        Raises: UsageError that names the word, its value and the way out.
        """
        if args:
            raise _refused(
                f"retry({_short(args[0])})", "the marker takes keywords only", "e.g. retry(max_attempts=3)"
            )
        stated = {name: value for name, value in kwargs.items() if value is not None}
        for name in stated:
            if name not in KEYWORDS:
                hint = _hint(name, KEYWORDS)
                raise _refused(
                    f"retry({name}=...)", "unknown keyword", f"{hint}keywords: {', '.join(KEYWORDS)}"
                )
        read = {name: _READERS[name](name, value) for name, value in stated.items()}
        delays = {_BACKOFF.get(name, name): value for name, value in read.items() if name in _BACKOFF}
        backoff = replace(defaults.backoff, **delays)
        if backoff.max_delay < backoff.initial_delay:
            raise _refused(
                f"retry(initial_delay={backoff.initial_delay:g})",
                f"max_delay is {backoff.max_delay:g} and must not be below it",
                "raise max_delay, or lower initial_delay",
            )
        rest = {name: value for name, value in read.items() if name not in _BACKOFF}
        return replace(defaults, backoff=backoff, **rest)

    def wants(self, error: BaseException | None, info: ErrorInfo) -> bool:
        """Whether this failure is worth another attempt, as far as the policy goes.

        A word matches how the failure was classified; a class the exception, one that it was raised from or while
        handling, or one of a group. Without an exception no class matches. Raises nothing, whatever the exception does
        when it is looked at.
        """
        if info.category.value in self.on or info.domain.value in self.on:
            return True
        classes = tuple(each for each in self.on if isinstance(each, type))
        if error is None or not classes:
            return False
        return any(_is_one(each, classes) for each in lineage(error))


def _is_one(error: BaseException, classes: tuple[type[BaseException], ...]) -> bool:
    """`isinstance`, where a class that breaks when it is asked matches nothing."""
    try:
        return isinstance(error, classes)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return False


# -- words -------------------------------------------------------------------------------------------------------


def _refused(word: str, what: str, do: str) -> UsageError:
    return UsageError(f"{word}: {what}", do=do)


def _hint(word: str, known: Sequence[str]) -> str:
    import difflib  # only where there is a mistake: every run would pay for it

    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}? " if near else ""


def _short(value: object) -> str:
    text = value.__name__ if isinstance(value, type) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _attempts(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_ATTEMPTS:
        raise _refused(
            f"retry({name}={_short(value)})",
            f"must be a whole number from 1 to {MOST_ATTEMPTS}",
            "the first attempt counts: 3 is two retries, 1 is none",
        )
    return value


def _switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _refused(f"retry({name}={_short(value)})", "must be True or False", f"e.g. {name}=False")
    return value


def _number(name: str, value: object, least: float, most: float, what: str) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not isfinite(value) or not least <= value <= most:  # type: ignore[arg-type, operator]
        raise _refused(
            f"retry({name}={_short(value)})", f"must be {what} from {least:g} to {most:g}", f"e.g. {name}=2"
        )
    return float(value)  # type: ignore[arg-type]


def _delay(name: str, value: object) -> float:
    return _number(name, value, 0, _MOST_DELAY_S, "a number of seconds")


def _multiplier(name: str, value: object) -> float:
    return _number(name, value, 1, _MOST_MULTIPLIER, "a number")


def _on(name: str, value: object) -> tuple[Cause, ...]:
    many = tuple(value) if isinstance(value, (tuple, list, set, frozenset)) else (value,)
    if not many:
        raise _refused(
            f"retry({name}={_short(value)})",
            "names nothing, so nothing would be retried",
            "leave it out, or write max_attempts=1",
        )
    return tuple(dict.fromkeys(_cause(name, each) for each in many))


def _cause(name: str, value: object) -> Cause:
    if isinstance(value, type) and issubclass(value, BaseException):
        return value
    if isinstance(value, str):
        # The members of our enumerations are texts, too.
        word = str(getattr(value, "value", value)).strip().lower()
        if word in WORDS:
            return word
        do = f"{_hint(word, WORDS)}it may hold {_ON_USAGE}"
        raise _refused(f"retry({name}={_short(value)})", "unknown word", do)
    raise _refused(
        f"retry({name}={_short(value)})",
        "neither a word nor a class of exceptions",
        f"it may hold {_ON_USAGE}",
    )


_READERS: Final[Mapping[str, Any]] = {
    "max_attempts": _attempts,
    "on": _on,
    "elsewhere": _switch,
    "initial_delay": _delay,
    "max_delay": _delay,
    "backoff_multiplier": _multiplier,
    "jitter": _switch,
}
#: Keyword of the marker to field of `Backoff`.
_BACKOFF: Final = {
    "initial_delay": "initial_delay",
    "max_delay": "max_delay",
    "backoff_multiplier": "multiplier",
    "jitter": "jitter",
}

"""What a failure means: one exception, with all that it came from, in; one `ErrorInfo` out.

Which of several exceptions decides:

1. A CRITICAL one: what comes after it cannot be trusted. A damaged or full state counts wherever it stands; any other
   if it is the newest, or what the newest was raised ``from``, or a member of a group of these. One that was merely
   handled was dealt with by whoever handled it.
2. Else the newest that is infrastructure's, if it is older than the assertions of the chain: then it is the cause of
   whatever was raised over it. One that came by itself after the oldest assertion, in a clean-up or while the
   assertion was handled (``__context__``), made nothing fail: the assertion decides. One that was raised ``from`` an
   assertion does count, since its author says so.
3. Else the newest of all. An assertion that was raised while another error was handled is an assertion: its author
   knew of the other one and judged. Only one that says no more than that something went wrong (`Rule.is_vague`: a
   class of the suite's own, a ValueError) gives way to what it was raised ``from``.
4. Of a group the worst member, by these rules; permanent is worse than transient, as a retry must mend all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Final

from pytest_autorl.resilience.info import (
    ERROR_TYPES,
    FAMILIES,
    ErrorCategory,
    ErrorDomain,
    ErrorInfo,
    ErrorSeverity,
    Family,
    Strategy,
)
from pytest_autorl.resilience.rule import Rule
from pytest_autorl.resilience.rules import RULES, rule_for
from pytest_autorl.resilience.symptoms import (
    MOST_EXCEPTIONS,
    Symptoms,
    came_from,
    lineage,
    members,
    named_lineage,
    raised_from,
)

_SEVERITIES = tuple(ErrorSeverity)
_LAST = RULES[-1]
_ASSERTION: Final = "assertion"
#: Fields of `ErrorInfo` that are texts, members of enumerations among them.
_WORDS: Final = tuple(each.name for each in fields(ErrorInfo) if each.name != "context")
_NOTHING: Final[Mapping[str, str | int]] = {}
#: Name of the rule of what `hook` has said and not named itself.
BY_HOOK: Final = "pytest_autorl_classify_error"


class ErrorClassifier:
    """Says what exceptions mean.

    Args:
        hook: Is asked first, once for each failure; None, or anything but an ErrorInfo, leaves it to the table, and so
            does an exception. What it says is not weighed against the table. See `checked`.
    """

    def __init__(self, hook: Callable[[BaseException], ErrorInfo | None] | None = None) -> None:
        self._hook = hook

    def classify(self, error: BaseException) -> ErrorInfo:
        """What the failure means. Raises nothing, whatever the exception does when it is looked at."""
        return self._asked(error) or classify_error(error)

    def _asked(self, error: BaseException) -> ErrorInfo | None:
        """What the hook says, in the terms of `ErrorInfo`."""
        if self._hook is None:
            return None
        try:
            found = self._hook(error)
            return None if found is None else checked(found)
        except KeyboardInterrupt:
            raise
        except BaseException:
            return None


def checked(found: object) -> ErrorInfo:
    """What a hook has said, in the terms of `ErrorInfo`: words for the members of an enumeration will do.

    Every field is looked at, since the answer is sent from worker to controller, which takes plain values only.

    Raises:
        TypeError: It is no ErrorInfo, or a field holds another type than it should.
        ValueError: It says what no such field can say.
    """
    if not isinstance(found, ErrorInfo):
        raise TypeError(f"{type(found).__name__}, not an ErrorInfo")
    words = {name: _word(name, getattr(found, name)) for name in _WORDS}
    family = next((each for each in FAMILIES if each == words["family"]), None)
    if family is None:
        raise ValueError(f"{words['family']!r} is not a valid family")
    return ErrorInfo(
        error=words["error"],
        category=ErrorCategory(words["category"]),
        severity=ErrorSeverity(words["severity"]),
        domain=ErrorDomain(words["domain"]),
        strategy=Strategy(words["strategy"]),
        error_type=words["error_type"] if words["error_type"] in ERROR_TYPES else "other",
        family=family,
        rule=words["rule"] or BY_HOOK,
        device=words["device"],
        reason=words["reason"],
        context=_plain(found.context),
    )


def _word(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} that is of type {type(value).__name__}, not str")
    return _sendable(value)


def _sendable(text: str) -> str:
    """Of the class `str` itself, and without what cannot be written as UTF-8: xdist can send no other."""
    return str.encode(text, "utf-8", "replace").decode("utf-8")


def _plain(context: object) -> dict[str, str | int]:
    """Raises TypeError for what is no mapping of names to texts and numbers."""
    if not isinstance(context, Mapping):
        raise TypeError(f"context that is of type {type(context).__name__}, not a mapping")
    found: dict[str, str | int] = {}
    for name, value in context.items():
        if not isinstance(name, str):
            raise TypeError(f"context with a name of type {type(name).__name__}, not str")
        if isinstance(value, str):
            found[_sendable(name)] = _sendable(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            found[_sendable(name)] = int(value)
        else:
            raise TypeError(f"context with a value of type {type(value).__name__}, neither str nor int")
    return found


def classify_error(error: BaseException) -> ErrorInfo:
    """What the failure means by the table alone. Raises nothing."""
    try:
        return _Tree(error).verdict()
    except KeyboardInterrupt:
        raise
    except BaseException:
        # Only a class that is made to break gets here, by its metaclass.
        return _told(_LAST, "unreadable exception", family=_LAST.verdict.family)


class _Tree:
    """An exception with all that it came from and stands for; each is classified once."""

    def __init__(self, error: BaseException) -> None:
        self._error = error
        self._found: dict[int, tuple[Rule, ErrorInfo]] = {}
        self._on_the_way: set[int] = set()
        self._origins: dict[int, ErrorInfo | None] = {}

    def verdict(self) -> ErrorInfo:
        infos = [self._own(each)[1] for each in lineage(self._error)]
        critical = self._critical(infos)
        if critical is not None:
            return critical
        if any(info.is_infrastructure for info in infos):
            return self._origin(self._error) or infos[0]
        return self._newest(self._error) or infos[0]

    def _critical(self, infos: Sequence[ErrorInfo]) -> ErrorInfo | None:
        """The newest critical error that counts; None when there is none."""
        if not any(info.is_critical for info in infos):
            return None
        named = [self._own(each)[1] for each in named_lineage(self._error)]
        ours = [info for info in infos if info.family == "autorl"]
        return next((info for info in (*named, *ours) if info.is_critical), None)

    def _origin(self, error: BaseException) -> ErrorInfo | None:
        """The infrastructure's failure that decides for an error and what it came from, or the assertion that does.

        None when there is neither, or the error was seen already.
        """
        if id(error) in self._origins or len(self._origins) == MOST_EXCEPTIONS:
            return self._origins.get(id(error))
        self._origins[id(error)] = None
        parts = [self._origin(each) for each in members(error, MOST_EXCEPTIONS)]
        behind = came_from(error)
        parts.append(self._origin(behind) if behind is not None else None)
        known = [part for part in parts if part is not None]
        older = next((part for part in known if part.is_infrastructure), known[0] if known else None)
        own = self._own(error)[1]
        if own.is_infrastructure:
            came_later = older is not None and not older.is_infrastructure and raised_from(error) is None
            found = older if came_later else own
        elif own.error_type == _ASSERTION:
            found = older if older is not None and older.is_infrastructure else own
        else:
            found = older
        self._origins[id(error)] = found
        return found

    def _newest(self, error: BaseException) -> ErrorInfo | None:
        """What decides when neither a critical nor an infrastructure error is there; None: seen already."""
        if id(error) in self._on_the_way or len(self._on_the_way) == MOST_EXCEPTIONS:
            return None
        self._on_the_way.add(id(error))
        rule, info = self._own(error)
        if not rule.is_vague:
            return info
        parts = (self._newest(each) for each in members(error, MOST_EXCEPTIONS))
        worst = _worst(part for part in parts if part is not None)
        if worst is not None:
            return worst
        cause = raised_from(error)
        return (self._newest(cause) if cause is not None else None) or info

    def _own(self, error: BaseException) -> tuple[Rule, ErrorInfo]:
        """By itself, whatever it came from."""
        if id(error) not in self._found:
            symptoms = Symptoms(error)
            rule = rule_for(symptoms)
            self._found[id(error)] = (rule, _info(symptoms, rule))
        return self._found[id(error)]


def _worst(infos: Iterable[ErrorInfo]) -> ErrorInfo | None:
    """The first of the worst; None of none."""
    return max(
        infos, key=lambda info: (not info.is_transient, _SEVERITIES.index(info.severity)), default=None
    )


def _info(symptoms: Symptoms, rule: Rule) -> ErrorInfo:
    context: dict[str, str | int] = {}
    if symptoms.w3c:
        context["w3c_error"] = symptoms.w3c
    if symptoms.errno is not None:
        context["errno"] = symptoms.errno
    # Of others it means something else, if they have one.
    if rule.verdict.error_type == "network" and symptoms.status is not None:
        context["http_status"] = symptoms.status
    return _told(
        rule,
        symptoms.name,
        family="autorl" if symptoms.is_ours else rule.verdict.family,
        device=symptoms.device,
        reason=symptoms.reason,
        context=context,
    )


def _told(
    rule: Rule,
    error: str,
    *,
    family: Family,
    device: str = "",
    reason: str = "",
    context: Mapping[str, str | int] = _NOTHING,
) -> ErrorInfo:
    verdict = rule.verdict
    return ErrorInfo(
        error=error,
        category=verdict.category,
        severity=verdict.severity,
        domain=verdict.domain,
        strategy=verdict.strategy,
        error_type=verdict.error_type,
        family=family,
        rule=rule.name,
        device=device,
        reason=reason,
        context=dict(context),
    )

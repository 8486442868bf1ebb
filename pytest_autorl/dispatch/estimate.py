"""How long tests, sessions and fixtures take: from earlier runs, and learned while this one goes on.

Pure bookkeeping: no clock, no file. History holds the work of a test on a device of factor 1: its own seconds,
without what a session or fixtures of a wider scope took. Only attempts that passed are ever told.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

#: Work of a test while nothing at all is known, seconds.
UNKNOWN_S = 1.0
#: What one observation may say about a device: the rest is the test's own luck.
_LEAST_RATIO, _MOST_RATIO = 0.5, 4.0
#: Weight of a new observation of a device, once there are many.
_LEAST_WEIGHT = 0.08
#: How many tests of average length a module's mean starts with.
_PRIOR_TESTS = 2
#: Share of tests that are not new above which a new one is taken for a long one.
_MOSTLY = 0.5


class Estimates:
    """Expected seconds, by test, device and module.

    Args:
        history: Test to its seconds of work in earlier runs, as `state.history` keeps them.
        ran: Tests that ran in earlier runs, whether they passed or not: they are not new. Those without history
            (failed or skipped each time) are expected to be like the others of their module.
        modules: Test to module, as `know` tells them one by one.
        prior_session_s: Seconds of a new session while none has been seen.
        prior_fixture_s: The same for the fixtures of a module.
    Raises: ValueError for seconds that are negative or not finite, here and in each `learn`.
    """

    def __init__(
        self,
        history: Mapping[str, float] | None = None,
        *,
        ran: Collection[str] = frozenset(),
        modules: Mapping[str, str] | None = None,
        prior_session_s: float = 0.0,
        prior_fixture_s: float = 0.0,
    ) -> None:
        self._history = {test: _seconds(test, work_s) for test, work_s in (history or {}).items()}
        self._ran = frozenset(ran).union(self._history)
        self._learned: dict[str, _Mean] = {}
        self._modules: dict[str, str] = {}
        self._by_module: dict[str, _Mean] = {}
        self._all = _Mean()
        for work_s in self._history.values():
            self._all.add(work_s)
        self._not_new = 0
        self._lessons = 0
        self._factors: dict[str, _Factor] = {}
        self._sessions = _Means(prior_s=_seconds("prior_session_s", prior_session_s))
        self._fixtures = _Means(prior_s=_seconds("prior_fixture_s", prior_fixture_s))
        self._quantile: tuple[int, float] | None = None
        for test, module in (modules or {}).items():
            self.know(test, module)

    def know(self, test: str, module: str) -> None:
        """Say that this run has a test, and its module. A test that is known already stays as it is."""
        if test in self._modules:
            return
        self._modules[test] = module
        self._not_new += test in self._ran
        if test in self._history:
            self._module_mean(module).add(self._history[test])

    def work_s(self, test: str) -> float:
        """Expected work: from history, else as seen in this run, else the module's mean, drawn to that of all.

        The last is ``(2 * mean of all + sum of the module) / (2 + tests of the module)``: a module of which little
        is known looks like the others.
        """
        if (known_s := self._history.get(test)) is not None:
            return known_s
        if (seen := self._learned.get(test)) is not None:
            return seen.mean
        if not self._all.count:
            return UNKNOWN_S
        module = self._by_module.get(self._modules.get(test, ""), _NOTHING)
        return (_PRIOR_TESTS * self._all.mean + module.total) / (_PRIOR_TESTS + module.count)

    def rank_s(self, test: str) -> float:
        """The length by which a test is put in order, seconds.

        Where most tests ran before, a new one may be among the longest (the 99 % quantile), and starting it last would
        be the dearest mistake. One that never passes would be first in each run, so it ranks as it is expected.
        """
        work_s = self.work_s(test)
        if test in self._ran or self._not_new <= _MOSTLY * len(self._modules):
            return work_s
        return max(work_s, self.quantile_99())

    def has_history(self, test: str) -> bool:
        """Whether earlier runs say how long it takes."""
        return test in self._history

    def is_known(self, test: str) -> bool:
        """Whether earlier runs or this one say how long it takes."""
        return test in self._history or test in self._learned

    @property
    def lessons(self) -> int:
        """How many attempts of tests without history were learned from: other tests' estimates moved with each."""
        return self._lessons

    def quantile_99(self) -> float:
        """Seconds that 99 % of the tests with known work do not pass; 0.0 while none is known."""
        stamp = self._all.count
        if self._quantile is None or self._quantile[0] != stamp:
            known = sorted([*self._history.values(), *(seen.mean for seen in self._learned.values())])
            place = math.ceil(0.99 * len(known)) - 1
            self._quantile = (stamp, known[place] if known else 0.0)
        return self._quantile[1]

    def factor(self, device: str) -> float:
        """How many times longer than elsewhere tests take on a device; 1.0 until learned."""
        known = self._factors.get(device)
        return known.value if known else 1.0

    def session_s(self, device: str) -> float:
        """Mean seconds of a new session on a device; of all devices while it has had none."""
        return self._sessions.of(device)

    def fixture_s(self, module: str) -> float:
        """Mean seconds of a module's fixtures; of all modules while they are not known; 0.0 without a module."""
        return self._fixtures.of(module) if module else 0.0

    @property
    def mean_session_s(self) -> float:
        """Mean seconds of the sessions that were opened in this run, on any device; 0.0 before the first."""
        return self._sessions.mean

    @property
    def mean_fixture_s(self) -> float:
        """Mean seconds of the fixtures of a module, as often as they were set up in this run; 0.0 before that."""
        return self._fixtures.mean

    def learn(self, test: str, devices: Sequence[str], work_s: float) -> None:
        """A passed attempt: its end minus its start minus its set-up, in seconds.

        Of several devices nobody can tell which one was slow: such an attempt says nothing about them.
        """
        _seconds(test, work_s)
        known_s = self._history.get(test)
        if known_s is None:
            slowest = max((self.factor(device) for device in devices), default=1.0)
            own_s = work_s / slowest
            self._learned.setdefault(test, _Mean()).add(own_s)
            self._module_mean(self._modules.get(test, "")).add(own_s)
            self._all.add(own_s)
            self._lessons += 1
        elif known_s > 0 and len(devices) == 1:
            self._factors.setdefault(devices[0], _Factor()).add(work_s / known_s)

    def learn_session(self, device: str, seconds: float) -> None:
        """A new session on a device took so long."""
        self._sessions.add(device, _seconds(device, seconds))

    def learn_fixture(self, module: str, seconds: float) -> None:
        """The fixtures of a module took so long."""
        self._fixtures.add(module, _seconds(module, seconds))

    def _module_mean(self, module: str) -> _Mean:
        return self._by_module.setdefault(module, _Mean())


class _Mean:
    """A mean that grows."""

    __slots__ = ("count", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value

    @property
    def mean(self) -> float:
        return self.total / self.count


_NOTHING = _Mean()


class _Means:
    """Means by key; a key of which nothing is known has that of all keys."""

    def __init__(self, *, prior_s: float) -> None:
        self._prior_s = prior_s
        self._by_key: dict[str, _Mean] = {}
        self._all = _Mean()

    def add(self, key: str, seconds: float) -> None:
        self._by_key.setdefault(key, _Mean()).add(seconds)
        self._all.add(seconds)

    def of(self, key: str) -> float:
        if (known := self._by_key.get(key)) is not None:
            return known.mean
        return self._all.mean if self._all.count else self._prior_s

    @property
    def mean(self) -> float:
        """Of all that was added; 0.0 before the first."""
        return self._all.mean if self._all.count else 0.0


class _Factor:
    """How slow a device is: the exponentially weighted geometric mean of observed through expected."""

    __slots__ = ("_count", "_log", "value")

    def __init__(self) -> None:
        self._count = 0
        self._log = 0.0
        self.value = 1.0

    def add(self, ratio: float) -> None:
        clamped = min(max(ratio, _LEAST_RATIO), _MOST_RATIO)
        self._log += max(_LEAST_WEIGHT, 1 / (self._count + 3)) * (math.log(clamped) - self._log)
        self._count += 1
        self.value = math.exp(self._log)


def _seconds(of: str, value: float) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"seconds of {of} must be finite and not negative, got {value}")
    return float(value)

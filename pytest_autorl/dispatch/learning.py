"""What a run learns from its own attempts, for the planner: how long tests, sessions and fixtures take."""

from __future__ import annotations

from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.trace import Attempt


class Learning:
    """Tells `Estimates` what attempts say. Only those that passed: others end early, or late."""

    def __init__(self, estimates: Estimates) -> None:
        self._estimates = estimates
        #: The module that a worker's last test was of, and what fixtures took where it did not change.
        self._module: dict[str, str] = {}
        self._own_s: dict[str, float] = {}

    def note(self, attempt: Attempt, *, is_warm: bool) -> None:
        """An attempt has ended.

        Args:
            is_warm: Its worker had the devices before.
        """
        before, self._module[attempt.worker] = self._module.get(attempt.worker), attempt.module
        if attempt.outcome != "passed":
            return
        work_s = attempt.end_s - attempt.start_s - attempt.setup_s
        self._estimates.learn(attempt.test, attempt.devices, max(0.0, work_s))
        # Tests without a driver open none, on new devices too: their nothing is not what a session takes.
        if attempt.sessions and (session_s := (attempt.setup_s - attempt.fixture_s) / attempt.sessions) > 0:
            for device in attempt.devices:
                self._estimates.learn_session(device, session_s)
        if is_warm and before == attempt.module:
            self._own_s[attempt.module] = attempt.fixture_s
        elif before != attempt.module:
            # What a test's own fixtures take, it takes anywhere.
            own_s = self._own_s.get(attempt.module, attempt.fixture_s)
            self._estimates.learn_fixture(attempt.module, max(0.0, attempt.fixture_s - own_s))

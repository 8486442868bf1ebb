"""The redactor of a process: which one it is, and for which test it numbers what it takes out.

Everything that leaves a pytest process passes one guard. It is there before the first conftest is loaded, so that
nothing is printed around it, and knows all that is to be taken out once the farm is.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pytest_autorl.errors import UsageError

if TYPE_CHECKING:
    from pytest_autorl.privacy.redactor import Redactor

Mode = Literal["on", "strict", "off"]

#: Holds the key of everything that is encrypted or given a pseudonym.
ENCRYPTION_KEY = "AUTORL_ENCRYPTION_KEY"
#: What a text becomes that could not be looked at: fails closed.
UNSCANNABLE = "[REDACTED:UNSCANNABLE]"


class Guard:
    """See the module.

    Args:
        mode: As in the option `--autorl-redact`.
        patterns, fields: The user's, beside what is always looked for.
    """

    def __init__(self, mode: Mode, *, patterns: Sequence[str] = (), fields: Sequence[str] = ()) -> None:
        self.mode: Mode = mode
        self._patterns, self._fields = tuple(patterns), tuple(fields)
        self._public: tuple[str, ...] = ()
        self._secrets: tuple[str, ...] = ()
        self._redactor: Redactor | None = None
        #: Id of the test that runs now, or ran last; "" before the first.
        self.test = ""
        self._numbered = ""
        self._outputs_of: tuple[Redactor, int] | None = None
        self._known_outputs: dict[str, str] = {}
        self._of_test: Redactor | None = None
        #: Digests of images that we have masked ourselves, the newest last.
        self._vouched: deque[bytes] = deque(maxlen=100)

    @property
    def is_off(self) -> bool:
        return self.mode == "off"

    @property
    def is_strict(self) -> bool:
        return self.mode == "strict"

    @property
    def redactor(self) -> Redactor:
        """The one for what belongs to no test. Before `learn` it lacks what the user has named and cannot be used."""
        if self._redactor is None:
            try:
                self._redactor = self._made()
            except UsageError:  # told by `learn`, which the run does not survive; its text leaves by this one
                self._patterns = self._fields = ()
                self._redactor = self._made()
        return self._redactor

    def _made(self) -> Redactor:
        from pytest_autorl.privacy.redactor import Redactor

        return Redactor(patterns=self._patterns, fields=self._fields, public=self._public)

    def of_test(self, nodeid: str) -> Redactor:
        """The one for a test: it numbers what it takes out from 1, so that every worker and run gives the same text."""
        if self._of_test is None or nodeid != self._numbered:
            self._numbered, self._of_test = nodeid, self.redactor.fresh()
        return self._of_test

    def of_now(self) -> Redactor:
        """The one for the test that runs now, or ran last."""
        return self.of_test(self.test) if self.test else self.redactor

    def learn(
        self,
        mode: Mode,
        *,
        patterns: Sequence[str] = (),
        fields: Sequence[str] = (),
        public: Iterable[str] = (),
        secrets: Iterable[str] = (),
    ) -> None:
        """All settings are known.

        Args:
            public: What stays though it looks like something else.
            secrets: Values of settings and of the farm file.
        Raises: UsageError for a pattern or the name of a field that cannot be used.
        """
        self.mode = mode
        if self.is_off:
            return
        self._secrets = tuple(secrets)
        for value in self._secrets:
            from pytest_autorl.privacy.registry import default_registry

            default_registry().add(value)
        known = self._patterns, self._fields, self._public
        self._patterns, self._fields, self._public = tuple(patterns), tuple(fields), tuple(public)
        if known != (self._patterns, self._fields, self._public):
            self._redactor = self._of_test = None
        if (self._patterns or self._fields) and self._redactor is None:
            self._redactor = self._made()  # whether they can be used is told at once

    def plain(self) -> dict[str, Any]:
        """What a process that we start is to know, for `learn` there. It holds secrets: it goes through a pipe."""
        return {
            "mode": self.mode,
            "patterns": self._patterns,
            "fields": self._fields,
            "public": self._public,
            "secrets": self._secrets,
        }

    def clean(self, report: Any) -> None:
        """Redact a report of pytest in place, before it leaves the process or is told to anybody."""
        from pytest_autorl.capture.report_text import is_bare, redact_report

        if not self.is_off and not is_bare(report):
            redactor = self.of_test(report.nodeid)
            redact_report(report, redactor, self._outputs(redactor))

    def _outputs(self, redactor: Redactor) -> dict[str, str]:
        """Output of the test that was redacted already, as long as no more secrets are known than then."""
        from pytest_autorl.privacy.registry import default_registry

        state = redactor, default_registry().version
        if state != self._outputs_of:
            self._outputs_of, self._known_outputs = state, {}
        return self._known_outputs

    @cached_property
    def pseudonym_key(self) -> bytes | None:
        """For ids that are to mean nothing to others; None where no encryption key is set. Raises UsageError."""
        if not os.environ.get(ENCRYPTION_KEY):
            return None
        from pytest_autorl.privacy.keyring import PSEUDONYM, Keyring

        return Keyring.from_environment(os.environ).subkey(PSEUDONYM)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many values of each kind this process has taken out."""
        return self._redactor.counts if self._redactor is not None else {}

    def vouch(self, body: bytes) -> None:
        """This image shows nothing that must not leave."""
        self._vouched.append(_digest(body))

    def is_vouched(self, body: bytes) -> bool:
        """Whether somebody has said so of exactly this one, lately."""
        return bool(self._vouched) and _digest(body) in self._vouched

    def redact(self, text: str) -> str:
        """See `Redactor.redact`; the text itself where redaction is off."""
        return text if self.is_off else self.redactor.redact(text)

    def finds(self, text: str) -> bool:
        """See `Redactor.finds`; never where redaction is off."""
        return not self.is_off and self.redactor.finds(text)

    def redact_data(self, value: Any) -> Any:
        """See `Redactor.redact_data`; the value itself where redaction is off."""
        return value if self.is_off else self.redactor.redact_data(value)


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()


MODES: Mapping[str, Mode] = {"on": "on", "strict": "strict", "off": "off"}

"""What allure-pytest writes: redacted on its way into its folder, attachments too.

allure-pytest makes its results of exceptions and parameters themselves, not of pytest's reports, and hands them to a
writer of files that it has registered as a plugin of allure. Ours takes that one's place while the run lasts.

Private parts of allure_commons: ``logger.AllureFileLogger`` with ``_report_dir`` and ``_report_item``, and the hooks
``report_result``, ``report_container``, ``report_globals``, ``report_attached_data`` and ``report_attached_file``.
Fall-back: where they are not as known, allure-pytest's own writer is taken out and nothing is written by it, which the
run says; `tests/capture/test_allure_writer.py` fails then.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_autorl.capture.guard import Guard
from pytest_autorl.errors import UsageError

if TYPE_CHECKING:
    from pytest_autorl.privacy.redactor import Redactor

#: Fields that hold no foreign text.
_OURS = frozenset(
    {"uuid", "historyId", "testCaseId", "start", "stop", "status", "stage", "source", "children"}
)
_OURS_TOO = frozenset({"mode", "excluded", "type", "timestamp", "known", "flaky", "id"})
#: Added to the name of an attachment that could not be looked into.
_NOT_REDACTED = " (not redacted)"
#: A parameter that the suite itself wants out of sight: allure-pytest writes its value all the same.
_HIDDEN = frozenset({"masked", "hidden"})


def guard_allure(config: pytest.Config, guard: Guard) -> None:
    """Put our writer in the place of allure-pytest's, until the configuration ends. Raises UsageError if it cannot."""
    if guard.is_off or not config.pluginmanager.has_plugin("allure_listener"):
        return
    import allure_commons
    from allure_commons.logger import AllureFileLogger

    manager = allure_commons.plugin_manager
    for writer in [each for each in manager.get_plugins() if type(each) is AllureFileLogger]:
        if not hasattr(writer, "_report_dir") or not hasattr(writer, "_report_item"):
            raise UsageError(
                "this allure-pytest writes its results in a way that is not known here: they could not be redacted",
                do="take another version of it, or say --autorl-redact off",
            )
        ours, name = _writer(writer, guard), manager.get_name(writer)
        manager.unregister(plugin=writer)
        manager.register(ours)

        def give_back(ours: Any = ours, writer: Any = writer, name: str | None = name) -> None:
            manager.unregister(plugin=ours)
            manager.register(writer, name=name)  # its own end looks for it

        config.add_cleanup(give_back)


def history_id(guard: Guard, raw: str, nodeid: str) -> str:
    """The id by which Allure finds earlier results of a test whose parameters must not leave.

    allure-pytest takes a plain hash of the parameters, which can be found out by trying. With an encryption key it is
    an HMAC of that; without one a hash of the test's redacted id, which is the same in every run.
    """
    key = guard.pseudonym_key
    if key is None:
        return hashlib.sha256(f"redacted\0{nodeid}".encode()).hexdigest()[:32]
    return hmac.new(key, raw.encode(), hashlib.sha256).hexdigest()[:32]


def clean_identity(guard: Guard, known: Mapping[str, Any]) -> dict[str, Any]:
    """What `allure.identity` says of a test, as the writer would write it."""
    if guard.is_off or not known:
        return dict(known)
    redactor, made = guard.of_test(known["test"]), dict(known)
    made["parameters"] = [_clean_parameter(each, redactor) for each in known["parameters"]]
    if made["parameters"] != known["parameters"]:
        made["historyId"] = history_id(guard, known["historyId"], known["test"])
    for name in ("name", "fullName"):
        made[name] = redactor.redact(made[name])
    for name in ("labels", "titlePath"):
        made[name] = redactor.redact_data(made[name])
    return made


def _clean_parameter(parameter: Mapping[str, Any], redactor: Redactor) -> dict[str, Any]:
    made = dict(parameter)
    pair = redactor.redact_data({"name": parameter["name"], "value": parameter["value"]})
    made["name"], made["value"] = pair["name"], pair["value"]
    if str(parameter.get("mode") or "").rpartition(".")[2].lower() in _HIDDEN:
        made["value"] = "[REDACTED:FIELD]"
    return made


def _writer(theirs: Any, guard: Guard) -> Any:
    """A writer like theirs, into the same folder."""
    import allure_commons
    from allure_commons.logger import AllureFileLogger

    class GuardedWriter(AllureFileLogger):
        """Redacts what it is given."""

        def __init__(self) -> None:
            self._report_dir = theirs._report_dir
            #: File names of attachments that were not written, or not looked into.
            self._dropped: set[str] = set()
            self._unscanned: set[str] = set()

        @allure_commons.hookimpl
        def report_result(self, result: Any) -> None:
            """A test's result."""
            redactor = guard.of_now()
            if _clean(result, redactor) and result.historyId:
                result.historyId = history_id(guard, result.historyId, guard.test or result.fullName)
            self._write(result)

        @allure_commons.hookimpl
        def report_container(self, container: Any) -> None:
            """Fixtures."""
            _clean(container, guard.of_now())
            self._write(container)

        @allure_commons.hookimpl
        def report_globals(self, globals_item: Any) -> None:
            """What belongs to no test."""
            _clean(globals_item, guard.redactor)
            self._write(globals_item)

        @allure_commons.hookimpl
        def report_attached_data(self, body: Any, file_name: str) -> None:
            """An attachment's content."""
            name = _file_name(guard, file_name)
            data = body.encode("utf-8", "surrogateescape") if isinstance(body, str) else bytes(body)
            clean = self._scanned(data, name)
            if clean is not None:
                super().report_attached_data(clean, name)  # type: ignore[no-untyped-call]

        @allure_commons.hookimpl
        def report_attached_file(self, source: Any, file_name: str) -> None:
            """An attached file."""
            self.report_attached_data(Path(source).read_bytes(), file_name)

        def _scanned(self, data: bytes, file_name: str) -> bytes | None:
            """What is to be written of it; None for nothing."""
            if guard.is_vouched(data):
                return data
            redacted = guard.of_now().redact_bytes(data)
            if redacted is not None:
                return redacted
            if guard.is_strict or _holds_secret(data):
                self._dropped.add(file_name)
                return None
            self._unscanned.add(file_name)
            return data

        def _write(self, item: Any) -> None:
            for holder in _holders(item):
                for one in holder.attachments:
                    one.source = _file_name(guard, one.source)
                holder.attachments[:] = [one for one in holder.attachments if one.source not in self._dropped]
                for one in holder.attachments:
                    if one.source in self._unscanned:
                        one.name = f"{one.name}{_NOT_REDACTED}"
                        self._unscanned.discard(one.source)
            self._report_item(item)  # type: ignore[no-untyped-call]

    return GuardedWriter()


def _file_name(guard: Guard, name: str) -> str:
    """A file's name, whose ending the suite has a say in; the same wherever it stands."""
    return guard.redactor.fresh().name(name) if name else name


def _holds_secret(data: bytes) -> bool:
    """Whether a registered value stands in bytes that are no text."""
    from pytest_autorl.privacy.registry import default_registry

    return bool(default_registry().spans(data.decode("latin-1")))


def _holders(item: Any) -> Iterator[Any]:
    """The parts of a result that have attachments."""
    if isinstance(getattr(item, "attachments", None), list):
        yield item
    for name in ("steps", "befores", "afters"):
        for part in getattr(item, name, None) or ():
            yield from _holders(part)


def _clean(item: Any, redactor: Redactor) -> bool:
    """Redact a result in place; whether its own parameters have changed."""
    has_changed = False
    for parameter in getattr(item, "parameters", None) or ():
        before = {"name": parameter.name, "value": parameter.value, "mode": parameter.mode}
        after = _clean_parameter(before, redactor)
        has_changed = has_changed or after != before
        parameter.name, parameter.value = after["name"], after["value"]
    for name, value in list(vars(item).items()):
        if name in _OURS or name in _OURS_TOO or name == "parameters":
            continue
        if isinstance(value, str):
            setattr(item, name, redactor.redact(value))
        elif isinstance(value, list):
            setattr(item, name, [_cleaned(each, redactor) for each in value])
        elif value is not None:
            _cleaned(value, redactor)
    return has_changed


def _cleaned(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, str):
        return redactor.redact(value)
    if hasattr(value, "__dict__"):
        _clean(value, redactor)
        return value
    return redactor.redact_data(value)

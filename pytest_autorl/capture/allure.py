"""Allure: the device of a test, its artefacts, its attempts, and what fails after its result was written.

Uses the public module `allure`, and of `allure_commons`, for plugins, ``plugin_manager`` and the result model.
They are imported when the first thing is given to it, and only in runs in which allure-pytest writes results.

Private parts of allure-pytest, 2.14 and later:

- ``allure_logger`` of its listener, and ``get_test(None)`` of that: the result of the test that runs now. Fall-back:
  nothing is written on it.
- of ``allure_pytest.utils``: ``allure_name``, ``allure_full_name``, ``allure_labels``, ``pytest_markers``,
  ``allure_suite_labels``, ``allure_package``, ``get_history_id``, and of later versions ``allure_title_path`` and
  ``ParsedPytestNodeId``; of
  ``allure_commons.utils``: ``md5``, ``represent``, ``host_tag``, ``thread_tag``, ``platform_label``: what a result
  says of whose it is. Fall-back: an attempt whose worker died has no result.

`tests/capture/test_allure_attempts.py` fails when a new version changes them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pytest_autorl.capture.sink import Kind

if TYPE_CHECKING:
    import pytest

    from pytest_autorl.attempts.earlier import Earlier
    from pytest_autorl.resilience.info import ErrorInfo

#: Allure's words for how bad an error is.
_SEVERITIES = {"low": "minor", "medium": "normal", "high": "critical", "critical": "blocker"}


def attach(name: str, body: str | bytes, kind: Kind) -> None:
    """Attach an artefact to the test that runs now."""
    import allure

    types = allure.attachment_type
    kinds = {"png": types.PNG, "xml": types.XML, "text": types.TEXT, "html": types.HTML, "json": types.JSON}
    allure.attach(body, name=name, attachment_type=kinds[kind])


def note_devices(new_ids: Sequence[str], all_ids: Sequence[str]) -> None:
    """Write devices on the test that runs now: a label for each new one, one parameter with all.

    The parameter is excluded from the history id: else a test would lose its history whenever it ran on
    another device.
    """
    import allure

    for device_id in new_ids:
        allure.dynamic.label("device", device_id)  # type: ignore[no-untyped-call]
    allure.dynamic.parameter("device", ", ".join(all_ids), excluded=True)


def note_teardown(nodeid: str, name: str, *, message: str, trace: str, start_s: float, stop_s: float) -> None:
    """Write a result of its own for a teardown that failed when its test's result was written already.

    Its history is its own too: with the test's it would count as another attempt of the test.

    Args:
        name: Of the test.
        start_s, stop_s: Seconds since the epoch.
    """
    import hashlib

    from allure_commons import plugin_manager
    from allure_commons.model2 import Label, Status, StatusDetails, TestResult

    full_name = f"{nodeid} teardown of what it shares"
    history = hashlib.md5(full_name.encode(), usedforsecurity=False).hexdigest()
    result = TestResult(
        name=f"{name}: teardown of what it shares",
        uuid=str(uuid.uuid4()),
        fullName=full_name,
        historyId=history,
        testCaseId=history,
        status=Status.BROKEN,
        statusDetails=StatusDetails(message=message, trace=trace),
        start=round(start_s * 1000),
        stop=round(stop_s * 1000),
    )
    labels = {"suite": nodeid.partition("::")[0], "framework": "pytest", "language": "python"}
    result.labels.extend(Label(name=key, value=value) for key, value in labels.items())
    plugin_manager.hook.report_result(result=result)


def mark_flaky() -> None:
    """The test that runs now has failed before, and has passed: say so on its result. After its teardown."""
    from allure_commons.model2 import StatusDetails

    result = _running()
    if result is None:
        return
    if result.statusDetails is None:
        result.statusDetails = StatusDetails()
    result.statusDetails.flaky = True


def note_severity(info: ErrorInfo) -> None:
    """Give the result of the test that runs now the severity of its error, unless it has one.

    After its teardown: allure-pytest writes the labels of the test's markers there.
    """
    from allure_commons.model2 import Label

    result = _running()
    if result is not None and all(label.name != "severity" for label in result.labels):
        result.labels.append(Label(name="severity", value=_SEVERITIES[info.severity.value]))


def identity(item: pytest.Item) -> dict[str, Any]:
    """What a result of this test says of whose it is, as plain data; {} where this allure-pytest is another one.

    Called in the test, or after it: parameters that its fixtures have added count. One that its body adds later, as
    in ``allure.dynamic.parameter``, takes part in the history that allure-pytest writes, and not here.
    """
    try:
        return _identity(item)
    except Exception:  # whatever it has become, a run does not end for it
        return {}


def identity_of(nodeid: str) -> dict[str, Any]:
    """`identity` of a test of which no more than its id is known; {} where that is not enough.

    With parameters it never is; nor in classes before allure-pytest 2.15, which looks at their kind.
    """
    if "::" not in nodeid or "[" in nodeid:
        return {}
    known = _Nameless(nodeid)
    try:
        if known.is_in_class and not hasattr(_helpers()[1], "ParsedPytestNodeId"):
            return {}
        return _identity(known)
    except Exception:  # as in `identity`
        return {}


def note_crash(known: Mapping[str, Any], attempt: Earlier, why: str) -> None:
    """Write a result, as broken, for an attempt whose worker died: it could not do so itself.

    With the history of the test's other attempts, among which Allure takes the one that began last for the final one.
    Called in xdist's controller, whose allure-pytest writes into the same folder. Raises OSError.

    Args:
        known: See `identity`; {}: nothing is written.
        why: What the result says.
    """
    if not known:
        return
    try:
        result = _crashed(known, attempt, why)
    except Exception:  # as in `identity`
        return
    from allure_commons import plugin_manager

    plugin_manager.hook.report_result(result=result)


def _running() -> Any:
    """The result of the test that runs now; None when there is none, or it cannot be had."""
    from allure_commons import plugin_manager

    for plugin in plugin_manager.get_plugins():
        get_test: Callable[[None], Any] | None = getattr(
            getattr(plugin, "allure_logger", None), "get_test", None
        )
        if get_test is not None:
            result = get_test(None)
            return result if hasattr(result, "statusDetails") and hasattr(result, "labels") else None
    return None


def _helpers() -> tuple[Any, Any]:
    """The modules by which allure-pytest makes its results."""
    return import_module("allure_commons.utils"), import_module("allure_pytest.utils")


def _identity(item: Any) -> dict[str, Any]:
    commons, utils = _helpers()
    callspec = getattr(item, "callspec", None)
    params = callspec.params if callspec is not None else {}
    full_name = utils.allure_full_name(item)
    result = _running()
    if result is not None and result.fullName == full_name:
        parameters, name = result.parameters, result.name
        given = [(label.name, label.value) for label in result.labels if label.name != "device"]
    else:
        from allure_commons.model2 import Parameter

        parameters = [Parameter(name=key, value=commons.represent(value)) for key, value in params.items()]
        name = utils.allure_name(item, params, callspec.id if callspec is not None else None)
        given = []
    labels = [*given, *utils.allure_labels(item), *(("tag", tag) for tag in utils.pytest_markers(item))]
    taken = {key for key, _ in labels}
    labels += [(key, value) for key, value in utils.allure_suite_labels(item) if key not in taken]
    labels += _origin(utils.allure_package(item))
    title_path = getattr(utils, "allure_title_path", None)
    return {
        "test": item.nodeid,
        "name": str(name),
        "fullName": full_name,
        "titlePath": list(title_path(item)) if title_path is not None else [],
        "testCaseId": commons.md5(full_name),
        "historyId": utils.get_history_id(full_name, parameters, original_values=params),
        "labels": [[str(key), str(value)] for key, value in dict.fromkeys(labels)],
        "parameters": [
            {"name": str(one.name), "value": str(one.value), "excluded": one.excluded, "mode": one.mode}
            for one in parameters
        ],
    }


def _origin(package: str) -> list[tuple[str, str]]:
    """The labels that allure-pytest gives every result of this process."""
    commons, _ = _helpers()
    return [
        ("host", commons.host_tag()),
        ("thread", commons.thread_tag()),
        ("framework", "pytest"),
        ("language", commons.platform_label()),
        ("package", package),
    ]


def _crashed(known: Mapping[str, Any], attempt: Earlier, why: str) -> Any:
    """The result of `note_crash`."""
    from allure_commons.model2 import Label, Parameter, Status, StatusDetails, TestResult

    devices, start_s = attempt.devices, attempt.start_s or attempt.stop_s
    # The devices that the worker has told of stand among the parameters too.
    parameters = [
        Parameter(**each) for each in known["parameters"] if each["name"] != "device" or not devices
    ]
    labels = [Label(name=name, value=value) for name, value in known["labels"]]
    if devices:
        parameters.append(Parameter(name="device", value=repr(", ".join(devices)), excluded=True))
        labels += [Label(name="device", value=device) for device in devices]
    result = TestResult(
        name=known["name"],
        uuid=str(uuid.uuid4()),
        fullName=known["fullName"],
        historyId=known["historyId"],
        testCaseId=known["testCaseId"],
        status=Status.BROKEN,
        statusDetails=StatusDetails(message=why),
        parameters=parameters,
        labels=labels,
        start=round(start_s * 1000),
        stop=round(max(start_s, attempt.stop_s) * 1000),
    )
    if known.get("titlePath"):
        result.titlePath = list(known["titlePath"])
    return result


class _Nameless:
    """As much of a test as its id tells: in a test's place for those who make results."""

    def __init__(self, nodeid: str) -> None:
        self.nodeid = nodeid
        self.stash: dict[Any, Any] = {}
        self.funcargs: dict[str, Any] = {}
        self.keywords: dict[str, Any] = {}
        self.parent = None
        *outer, self.name = nodeid.split("::")
        self.is_in_class = len(outer) > 1

    def iter_markers(self, name: str | None = None) -> tuple[()]:
        """None is known."""
        return ()

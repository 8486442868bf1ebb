"""What is known of a failure: what follows from it, and that it survives the way between processes."""

from __future__ import annotations

import json
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.resilience.info import (
    ERROR_TYPES,
    ErrorCategory,
    ErrorDomain,
    ErrorInfo,
    ErrorSeverity,
    Family,
    Strategy,
)

pytestmark = pytest.mark.unit

infos = st.builds(
    ErrorInfo,
    error=st.text(max_size=20),
    category=st.sampled_from(ErrorCategory),
    severity=st.sampled_from(ErrorSeverity),
    domain=st.sampled_from(ErrorDomain),
    strategy=st.sampled_from(Strategy),
    error_type=st.sampled_from(ERROR_TYPES),
    family=st.sampled_from(["autorl", "webdriver", "transport", "python", "test"]),
    rule=st.text(max_size=20),
    device=st.text(max_size=20),
    reason=st.text(max_size=20),
    context=st.dictionaries(st.text(max_size=9), st.one_of(st.integers(), st.text(max_size=9)), max_size=3),
)


def info(
    domain: ErrorDomain = ErrorDomain.TEST,
    family: Family = "test",
    severity: ErrorSeverity = ErrorSeverity.MEDIUM,
) -> ErrorInfo:
    return ErrorInfo(
        error="ServerDownError",
        category=ErrorCategory.TRANSIENT,
        severity=severity,
        domain=domain,
        strategy=Strategy.RETRY,
        family=family,
    )


@given(infos)
def test_it_comes_back_from_plain_data(given_info: ErrorInfo) -> None:
    row = given_info.to_dict()
    assert ErrorInfo.from_dict(row) == given_info
    assert ErrorInfo.from_dict(json.loads(json.dumps(row))) == given_info
    assert all(type(row[name]) is str for name in ("category", "severity", "domain", "strategy"))


def test_its_plain_data_is_no_part_of_it() -> None:
    one = info()
    one.to_dict()["context"]["errno"] = 5
    assert one.context == {}


def test_a_context_that_cannot_be_changed_will_do() -> None:
    found = ErrorInfo.from_dict({**info().to_dict(), "context": MappingProxyType({"errno": 5})})
    assert found.to_dict()["context"] == {"errno": 5}
    assert hash(found) == hash(info())


@pytest.mark.parametrize("domain", ErrorDomain)
@pytest.mark.parametrize("family", ["autorl", "webdriver", "transport", "python", "test"])
def test_the_infrastructure_is_that_of_the_devices_not_the_suites_own_connections(
    domain: ErrorDomain, family: Family
) -> None:
    one = info(domain, family)
    expected = domain.value in ("device", "server", "farm") and family in ("autorl", "webdriver", "test")
    assert one.is_infrastructure is expected


@pytest.mark.parametrize(
    ("domain", "family", "blame"),
    [
        (ErrorDomain.DEVICE, "autorl", "device"),
        (ErrorDomain.SERVER, "webdriver", "farm"),
        (ErrorDomain.FARM, "autorl", "farm"),
        (ErrorDomain.SERVER, "transport", "test"),
        (ErrorDomain.DEVICE, "python", "test"),
        (ErrorDomain.APP, "webdriver", "app"),
        (ErrorDomain.APP, "transport", "app"),
        (ErrorDomain.TEST, "test", "test"),
    ],
)
def test_the_blame_follows_from_the_domain(domain: ErrorDomain, family: Family, blame: str) -> None:
    assert info(domain, family).blame == blame


def test_it_says_in_a_few_words_what_it_is() -> None:
    assert info(ErrorDomain.SERVER, "autorl").text == "ServerDownError (server, transient)"
    assert info().is_transient
    assert not info().is_critical
    assert info(severity=ErrorSeverity.CRITICAL).is_critical

"""What a suite's own conftest writes, prints and logs, at each time at which it may."""

from __future__ import annotations

import logging
import os
import sys
import warnings

import pytest
from planted import key, mail, secret, text

sys.stdout.write(text("conftest_import_stdout") + "\n")
logging.getLogger("conftest").warning("import %s", text("conftest_import_log"))
warnings.warn(text("conftest_warning"), stacklevel=1)


def pytest_configure(config):
    config.addinivalue_line("markers", "note(text): a mark with a text")
    config.issue_config_time_warning(UserWarning(text("config_time_warning")), stacklevel=2)


def pytest_report_header():
    return [text("header"), f"token: {key('header_second_line')}"]


def pytest_report_collectionfinish():
    return text("collection_finish_line")


def pytest_sessionstart(session):
    print(text("sessionstart_stdout"))
    logging.getLogger("conftest").error("start %s", text("sessionstart_log"))
    session.config.cache.set("lab/account", {"who": text("cache_value"), mail("cache_key"): 1})


def pytest_collection_modifyitems(items):
    warnings.warn(text("collection_warning"), stacklevel=1)
    for item in items:
        if item.name == "test_marked_by_hook":
            item.add_marker(pytest.mark.skip(reason=text("skip_by_hook")))
        item.user_properties.append(
            ("origin", text("user_properties"))
        ) if item.name == "test_output" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" and item.name == "test_output":
        report.sections.append(("Page", text("report_section")))
        report.sections.append((f"Log of {mail('report_section_title')}", "quiet"))
    return report


def pytest_assertrepr_compare(op, left, right):
    if type(left).__name__ == "Account":
        return ["accounts differ:", text("assertrepr_compare")]
    return None


def pytest_runtest_logstart(nodeid):
    if nodeid.endswith("test_output"):
        print(text("logstart_stdout"))


def pytest_exception_interact(node):
    if node.name == "test_exception":
        print(text("exception_interact_stdout"))


def pytest_terminal_summary(terminalreporter):
    terminalreporter.section(f"accounts {mail('summary_title')}")
    terminalreporter.write_line(text("summary_line"))
    terminalreporter.write_sep("-", secret("summary_separator"))
    terminalreporter.write(text("summary_write")[:60])
    terminalreporter.write(text("summary_write")[60:] + "\n")


def pytest_sessionfinish():
    print(text("sessionfinish_stdout"))


def pytest_unconfigure():
    print(text("unconfigure_stdout"), file=sys.stderr)


@pytest.fixture(scope="session")
def session_account():
    print(text("session_setup_stdout"))
    yield
    print(text("session_teardown_stdout"))


@pytest.fixture(scope="module")
def module_account():
    print(text("module_setup_stdout"), file=sys.stderr)
    yield
    logging.getLogger("conftest").info(text("module_teardown_log"))


@pytest.fixture
def account():
    print(text("fixture_setup_stdout"))
    yield os.getpid()
    print(text("fixture_teardown_stdout"))


@pytest.fixture
def broken_setup():
    raise RuntimeError(text("setup_error"))


@pytest.fixture
def broken_teardown():
    yield
    raise RuntimeError(text("teardown_error"))

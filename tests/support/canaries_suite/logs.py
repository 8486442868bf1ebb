"""Records of all levels and loggers."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import pytest
from planted import mail, secret, text, wide

log = logging.getLogger("lab.accounts")


def test_levels():
    log.debug("debug %s", text("log_debug"))
    log.info("info %s", text("log_info"))
    log.warning(f"warning {text('log_warning')}")
    log.error("error %(who)s", {"who": text("log_error")})
    log.critical("critical %r", {"who": text("log_critical")})
    raise AssertionError("ends")


def test_split_message():
    value = secret("log_split")
    log.warning("token %s%s", value[:9], value[9:])


def test_root():
    logging.warning("root %s", text("log_root"))
    logging.getLogger("urllib3.connectionpool").debug("GET /users/%s", text("log_of_third_party"))
    logging.getLogger(f"lab.{secret('log_name')}").error("named")
    log.warning(wide("log_wide"))


def test_exception():
    try:
        raise ValueError(text("log_exc_info"))
    except ValueError:
        log.exception("failed for %s", text("log_exception"))
    raise AssertionError("ends")


def test_stack():
    def inner(password):
        log.error("stack", stack_info=True)
        return password

    inner(text("log_stack"))
    log.warning("stack of %s", text("log_stack"), stack_info=True)


def test_extra():
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s %(account)s"))
    log.addHandler(handler)
    try:
        log.error("extra", extra={"account": text("log_extra")})
    finally:
        log.removeHandler(handler)


def test_adapter():
    class Adapter(logging.LoggerAdapter):
        def process(self, msg, kwargs):
            return f"{text('log_adapter')} {msg}", kwargs

    Adapter(log, {}).error("adapted")


def test_object_as_message():
    class Event:
        def __str__(self):
            return text("log_object")

    log.error(Event())


def test_own_handler():
    handler = logging.FileHandler(Path("own.log"), encoding="utf-8")
    log.addHandler(handler)
    try:
        log.error("own %s", text("log_own_file"))
    finally:
        log.removeHandler(handler)
        handler.close()


def test_caplog(caplog):
    log.warning(text("caplog"))
    print(caplog.text)
    print(caplog.messages, caplog.record_tuples)
    raise AssertionError(caplog.text)


def test_warnings_as_records():
    logging.captureWarnings(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.getLogger("py.warnings").warning(text("log_captured_warning"))
    finally:
        logging.captureWarnings(False)


def test_fault_in_a_record(capsys):
    log.error("two %s %s", text("log_fault"))


def test_warning():
    warnings.warn(text("warning"), stacklevel=1)
    warnings.warn(DeprecationWarning(text("warning_deprecation")), stacklevel=1)


@pytest.mark.filterwarnings("error")
def test_warning_as_error():
    warnings.warn(text("warning_as_error"), stacklevel=1)


def test_warning_missed():
    with pytest.warns(UserWarning, match=mail("warns_match")):
        warnings.warn(text("warns_other"), stacklevel=1)

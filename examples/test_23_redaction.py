"""Nothing secret leaves a run: what tests print, log, show and are named is redacted before anybody gets to see it.

Nothing has to be switched on. `pytest examples/test_23_redaction.py -rP` shows what these tests print, as everybody
else sees it; `docs/redaction.md` says what is found, and what is not. Tests themselves see their values as they are.
"""

from __future__ import annotations

import base64
import logging
import secrets

import pytest
from PIL import Image

from examples.pages import SignInPage
from pytest_autorl import DeviceHandle, secret
from pytest_autorl.privacy import Redactor

#: Looks like nothing, so it has to be registered; afterwards it is found wherever it stands. In a suite of your own it
#: comes from where you keep secrets. Values of variables such as LAB_PASSWORD or LAB_TOKEN are known without this.
LAB_KEY = secret(secrets.token_urlsafe(24))

MAIL = "dana@example.com"


def test_what_is_printed_is_redacted() -> None:
    """`mail to [REDACTED:EMAIL#1] with [REDACTED:SECRET#1]`: equal values have equal numbers within a test."""
    print(f"mail to {MAIL} with {LAB_KEY}")
    print(f"once more to {MAIL}, then to robin@example.com")


def test_a_test_sees_what_its_code_has_logged(caplog: pytest.LogCaptureFixture) -> None:
    """No outcome changes: `caplog` and `capsys` are the test's. In the report, and in log files, it is redacted."""
    logging.getLogger("shop").warning("mail to %s", MAIL)
    assert MAIL in caplog.text


@pytest.mark.parametrize("mail", [MAIL, "robin@example.com"])
def test_names_of_tests_hold_no_addresses(mail: str, request: pytest.FixtureRequest) -> None:
    """The name that is shown is the one to select by: `pytest -k REDACTED-EMAIL-2`."""
    number = 1 if mail == MAIL else 2
    assert request.node.name == f"test_names_of_tests_hold_no_addresses[REDACTED-EMAIL-{number}]"


def test_a_registered_value_is_found_in_every_spelling(redactor: Redactor) -> None:
    """`redactor` finds what the run finds, for files and messages that the suite writes by itself."""
    encoded = base64.b64encode(LAB_KEY.encode()).decode()
    for spelling in (LAB_KEY, encoded, LAB_KEY.encode().hex()):
        assert spelling not in redactor.redact(f"token: {spelling}")


def test_data_is_redacted_by_the_names_in_it(redactor: Redactor) -> None:
    """A new value comes back, `form` stays as it is."""
    form = {"user": "dana", "password": "violet sky", "contact": {"mail": MAIL}}
    assert redactor.redact_data(form) == {
        "user": "dana",
        "password": "[REDACTED:PASSWORD#1]",
        "contact": {"mail": "[REDACTED:EMAIL#1]"},
    }


@pytest.mark.device(platform="android")
def test_a_screenshot_shows_no_address(sign_in_page: SignInPage, device: DeviceHandle) -> None:
    """Passwords, and elements whose text holds something, are black in it. So it is after a failure, too."""
    sign_in_page.fill("username", MAIL)
    field = sign_in_page.control("username").rect
    picture, source, *_ = device.capture("filled in")
    with Image.open(picture) as shot:
        middle = (field["x"] + field["width"] // 2, field["y"] + field["height"] // 2)
        assert shot.convert("RGB").getpixel(middle) == (0, 0, 0)
    assert MAIL not in source.read_text(encoding="utf-8")

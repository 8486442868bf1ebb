"""The guard of a process: which redactor it hands out, what it is taught, what it says of itself."""

from __future__ import annotations

import base64
import os
import pickle
from typing import Any

import pytest

from pytest_autorl.capture.guard import ENCRYPTION_KEY, Guard
from pytest_autorl.errors import UsageError

pytestmark = pytest.mark.unit

MAIL, OTHER = "anna.k" + "@" + "example.com", "bob.r" + "@" + "example.org"


def test_each_test_numbers_its_values_anew_and_equal_values_have_equal_numbers() -> None:
    guard = Guard("on")

    first = guard.of_test("a").redact(f"{MAIL} {OTHER} {MAIL}")
    second = guard.of_test("b").redact(OTHER)
    same = guard.of_test("b").redact(f"{MAIL} {OTHER}")

    assert first == "[REDACTED:EMAIL#1] [REDACTED:EMAIL#2] [REDACTED:EMAIL#1]"
    assert second == "[REDACTED:EMAIL#1]"
    assert same == "[REDACTED:EMAIL#2] [REDACTED:EMAIL#1]"


def test_the_test_of_now_is_the_one_that_runs_though_another_was_asked_for() -> None:
    guard = Guard("on")
    assert guard.of_now() is guard.redactor

    guard.test = "a"
    numbered = guard.of_test("a")
    numbered.redact(MAIL)

    assert guard.of_now() is numbered
    guard.of_test("b").redact(OTHER)
    assert guard.of_now().redact(OTHER) == "[REDACTED:EMAIL#1]"


def test_one_that_is_off_changes_nothing_and_finds_nothing() -> None:
    guard = Guard("off")
    data = {"to": MAIL}

    assert (guard.redact(MAIL), guard.finds(MAIL)) == (MAIL, False)
    assert guard.redact_data(data) is data
    assert guard.counts == {}
    assert (guard.is_off, guard.is_strict) == (True, False)


def test_what_is_learnt_is_found_and_what_is_public_stays() -> None:
    guard = Guard("on")
    secret = "corvid-" + os.urandom(6).hex()
    assert guard.redact("at 10.1.2.3") != "at 10.1.2.3"

    guard.learn(
        "strict", patterns=(r"ACC-\d{4}",), fields=("mothers_name",), public=("10.1.2.3",), secrets=(secret,)
    )

    assert guard.is_strict
    assert guard.redact("at 10.1.2.3") == "at 10.1.2.3"
    assert secret not in guard.redact(f"with {secret}")
    assert "ACC-1234" not in guard.redact("of ACC-1234")
    assert "Jane" not in str(guard.redact_data({"mothers_name": "Jane", "n": 1}))
    assert guard.finds("ACC-1234")
    assert not guard.finds("ACC")


def test_a_guard_of_a_process_that_we_start_finds_the_same() -> None:
    guard, secret = Guard("on"), "corvid-" + os.urandom(6).hex()
    guard.learn(
        "on", patterns=(r"ACC-\d{4}",), fields=("mothers_name",), public=("10.1.2.3",), secrets=(secret,)
    )

    other = Guard("on")
    other.learn(**pickle.loads(pickle.dumps(guard.plain())))

    text = f"ACC-1234 at 10.1.2.3 with {secret} for {MAIL}"
    assert other.redact(text) == guard.redact(text)
    assert other.plain() == guard.plain()


@pytest.mark.parametrize(
    ("key", "value"), [("patterns", "((("), ("fields", "---")], ids=["a pattern", "the name of a field"]
)
@pytest.mark.parametrize("is_known_early", [True, False], ids=["known early", "known late"])
@pytest.mark.parametrize("is_used_before", [True, False], ids=["used before", "not used"])
def test_what_cannot_be_used_is_told_when_all_is_known_and_redacts_nothing_before(
    is_known_early: bool, is_used_before: bool, key: str, value: str
) -> None:
    """What is printed until then, and the error itself, leave by a guard that works."""
    named: dict[str, Any] = {key: (value,)}
    guard = Guard("on", **(named if is_known_early else {}))
    if is_used_before:
        assert guard.redact(MAIL) == "[REDACTED:EMAIL#1]"

    with pytest.raises(UsageError, match=f"autorl_redact_{key}"):
        guard.learn("on", **named)

    assert guard.redact(f"to {OTHER}").startswith("to [REDACTED:EMAIL#")


def test_learning_nothing_new_keeps_the_numbers() -> None:
    guard = Guard("on", fields=("a_field",))
    before = guard.redactor

    guard.learn("on", fields=("a_field",))

    assert guard.redactor is before
    assert guard.counts is not None


def test_values_are_counted_over_all_tests() -> None:
    guard = Guard("on")
    assert guard.counts == {}

    guard.of_test("a").redact(f"{MAIL} {OTHER}")
    guard.of_test("b").redact(MAIL)

    assert dict(guard.counts) == {"EMAIL": 3}


def test_only_the_image_that_was_vouched_for_is_vouched_and_only_lately() -> None:
    guard = Guard("strict")
    assert not guard.is_vouched(b"image")

    guard.vouch(b"image")

    assert guard.is_vouched(b"image")
    assert not guard.is_vouched(b"image 2")
    for number in range(100):
        guard.vouch(b"%d" % number)
    assert not guard.is_vouched(b"image")


def test_pseudonyms_have_a_key_where_there_is_an_encryption_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENCRYPTION_KEY, raising=False)
    assert Guard("on").pseudonym_key is None

    pytest.importorskip("cryptography", reason="the extra `crypto` is not installed")
    keys = []
    for _ in range(2):
        monkeypatch.setenv(ENCRYPTION_KEY, base64.urlsafe_b64encode(os.urandom(32)).decode())
        guard = Guard("on")
        keys.append(guard.pseudonym_key)
        assert guard.pseudonym_key == Guard("on").pseudonym_key
    assert keys[0] != keys[1]
    assert all(key and len(key) >= 32 for key in keys)


def test_a_report_is_cleaned_unless_redaction_is_off() -> None:
    def report() -> pytest.TestReport:
        return pytest.TestReport("a", ("a.py", 1, "a"), {}, "failed", f"for {MAIL}", "call")

    raw, cleaned = report(), report()
    Guard("off").clean(raw)
    Guard("on").clean(cleaned)

    assert raw.longrepr == f"for {MAIL}"
    assert cleaned.longrepr == "for [REDACTED:EMAIL#1]"

"""Values in what failures, errors and skips say."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest
from planted import key, mail, secret, text


@dataclass
class Account:
    name: str


@dataclass
class User:
    name: str
    password: str


class Device:
    def __init__(self, sink):
        self.sink = sink

    def __repr__(self):
        return f"Device({text(self.sink)})"


def test_exception():
    raise RuntimeError(text("exception"))


def test_exception_of_many_lines():
    raise RuntimeError(
        "first\n" + text("exception_second_line") + "\nthird\n" + secret("exception_last_line")
    )


def test_message():
    assert False, text("assert_message")  # noqa: B011, PT015


def test_equal():
    assert text("assert_equal_left") == text("assert_equal_right")


def test_equal_dicts():
    assert {"who": text("assert_dict"), "n": 1} == {"who": "x", "n": 1}


def test_equal_lists():
    assert [1, text("assert_list")] == [1, "x", key("assert_list_right")]


def test_equal_sets():
    assert {mail("assert_set")} == {"x"}


def test_equal_records():
    assert User("a", secret("assert_record")) == User("a", "x")


def test_equal_long():
    assert "\n".join(["same"] * 20 + [text("assert_long")]) == "\n".join(["same"] * 20 + ["x"])


def test_contains():
    assert "absent" in text("assert_in")


def test_not_contains():
    assert secret("assert_not_in") not in f"-- {secret('assert_not_in')} --"


def test_bytes():
    assert secret("assert_bytes").encode() == b"x"


def test_custom_compare():
    assert Account("a") == Account("b")


def test_repr():
    assert Device("assert_repr") is None


def test_call():
    assert text("assert_call").startswith("absent")


def test_locals():
    password = secret("locals")
    account = {"mail": mail("locals_dict"), "keys": [key("locals_dict")]}
    device = Device("locals_repr")
    long = "x" * 150 + " " + secret("locals_cut") + " " + "y" * 150
    raise AssertionError("ends")
    return password, account, device, long


def login(user, password, device):
    raise RuntimeError("refused")


def test_arguments():
    login(mail("arguments"), secret("arguments"), Device("arguments_repr"))


def test_cause():
    try:
        raise ValueError(text("cause"))
    except ValueError as error:
        raise RuntimeError(text("exception_with_cause")) from error


def test_context():
    try:
        raise ValueError(text("context"))
    except ValueError:
        raise RuntimeError("second")  # noqa: B904


if sys.version_info >= (3, 11):

    def test_group():
        raise ExceptionGroup(  # noqa: F821
            text("group"),
            [
                ValueError(text("group_member")),
                ExceptionGroup("in", [OSError(text("group_deep"))]),  # noqa: F821
            ],
        )

    def test_notes():
        error = RuntimeError("noted")
        error.add_note(text("note"))
        raise error


def test_key_error():
    {}[text("key_error")]


def test_os_error():
    open(f"/nowhere/{mail('os_error')}")  # noqa: SIM115


def test_attribute_error():
    getattr(object(), key("attribute_error"))


def test_exit():
    raise SystemExit(text("system_exit"))


def test_syntax_error():
    compile(f"x = = {mail('syntax_error')!r}", f"{mail('syntax_error_file')}.py", "exec")


def test_decode_error():
    try:
        (secret("decode_error").encode() + b"\xff").decode("ascii")
    except UnicodeDecodeError as error:
        raise RuntimeError(repr(error)) from None


def test_recursion():
    def dive(password):
        return dive(password)

    dive(secret("recursion"))


def test_pytest_fail():
    pytest.fail(text("fail"))


def test_pytest_fail_without_trace():
    pytest.fail(text("fail_without_trace"), pytrace=False)


def test_raises_other_text():
    with pytest.raises(ValueError, match=mail("raises_match")):
        raise ValueError(text("raises"))


def test_does_not_raise():
    with pytest.raises(ValueError, match="x"):
        print(text("raises_nothing"))


def test_skip():
    pytest.skip(text("skip"))


@pytest.mark.skip(reason=text("skip_mark"))
def test_skip_mark():
    pass


@pytest.mark.skipif(True, reason=text("skipif"))
def test_skipif():
    pass


@pytest.mark.skipif(f"bool({secret('skipif_condition')!r})")
def test_skipif_condition():
    pass


@pytest.mark.skipif(key("skipif_broken"), reason="condition")
def test_skipif_broken():
    pass


def test_marked_by_hook():
    pass


@pytest.mark.xfail(reason=text("xfail"))
def test_xfail():
    raise AssertionError(text("xfail_message"))


@pytest.mark.xfail(reason=text("xpass"))
def test_xpass():
    pass


@pytest.mark.xfail(reason=text("xpass_strict"), strict=True)
def test_xpass_strict():
    pass


def test_xfail_call():
    pytest.xfail(text("xfail_call"))


def test_import_or_skip():
    pytest.importorskip("nowhere", reason=text("importorskip"))


def test_setup_error(broken_setup):
    pass


def test_teardown_error(broken_teardown):
    pass


def test_both_fail(broken_teardown):
    raise RuntimeError(text("exception_before_teardown_error"))


def test_missing_fixture(request):
    request.getfixturevalue(key("missing_fixture"))


@pytest.mark.note(text("mark"))
def test_mark(request):
    raise AssertionError(str(request.node.get_closest_marker("note")))


def test_approx():
    assert {mail("approx"): 1.0} == pytest.approx({mail("approx"): 2.0})


def test_hidden_frame():
    __tracebackhide__ = True
    raise RuntimeError(text("hidden_frame"))


def test_code_as_text():
    exec(f"def inner():\n    token = {secret('code')!r}\n    raise RuntimeError(token)\ninner()")


def test_current_test(monkeypatch):
    import os

    print("PYTEST_CURRENT_TEST", os.environ["PYTEST_CURRENT_TEST"], text("current_test"))


class Broken:
    def __repr__(self):
        raise RuntimeError(text("broken_repr"))


def test_broken_repr():
    assert Broken() == 1


def test_doctest_is_elsewhere():
    """The module `documented` holds it."""


if hasattr(pytest, "Subtests"):

    def test_subtests(subtests):
        for number in range(2):
            with subtests.test(text("subtest_message"), who=text("subtest_parameter"), number=number):
                print(text("subtest_stdout"))
                assert number, text("subtest_failure")
        with subtests.test("skips"):
            pytest.skip(text("subtest_skip"))

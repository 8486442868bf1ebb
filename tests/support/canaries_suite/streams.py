"""Text that tests print, in all the ways that there are."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import unittest

import pytest
from planted import key, mail, secret, text, wide


def test_output(account, module_account, session_account):
    print(text("stdout"))
    print(text("stderr"), file=sys.stderr)


def test_output_of_a_failure():
    print(text("stdout_of_failure"))
    print(wide("stdout_wide"))
    raise AssertionError("ends")


def test_thread():
    thread = threading.Thread(target=print, args=(text("stdout_of_thread"),))
    thread.start()
    thread.join()


def test_original_streams():
    sys.__stdout__.write(text("original_stdout") + "\n")
    sys.__stderr__.write(text("original_stderr") + "\n")


def test_split_over_writes():
    for character in secret("split_by_character"):
        sys.stdout.write(character)
    sys.stdout.write("\n")
    value = secret("split_with_flush")
    sys.stdout.write("token " + value[:9])
    sys.stdout.flush()
    sys.stdout.write(value[9:] + "\n")
    address = mail("split_mail")
    print("to", address[:5], sep=" ", end="")
    print(address[5:])
    sys.stdout.writelines(["key ", key("split_key")[:20], key("split_key")[20:], "\n"])


def test_bytes():
    sys.stdout.buffer.write(text("stdout_buffer").encode() + b"\n")
    sys.stdout.buffer.flush()


def test_private_key():
    body = mail("pem_split").split("@")[0].replace(".", "") * 8
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    print("-----BEGIN RSA " + "PRIVATE KEY-----")
    for line in lines:
        print(line)
    print("-----END RSA " + "PRIVATE KEY-----")


def test_capture_switched_off(capsys):
    with capsys.disabled():
        print(text("capsys_disabled"))
        print(text("capsys_disabled_stderr"), file=sys.stderr)


def test_captured_by_the_test_itself(capsys):
    print(text("capsys_read"))
    print("again", capsys.readouterr().out)


def test_captured_descriptor(capfd):
    os.write(1, text("capfd_left").encode())


def test_child(request):
    if request.config.getoption("capture") != "fd":
        pytest.skip("what a child writes by itself is out of reach")
    subprocess.run([sys.executable, "-c", f"print({text('stdout_of_child')!r})"], check=True)
    os.write(1, text("descriptor").encode() + b"\n")


def test_environment():
    print({name: value for name, value in os.environ.items() if value == secret("environ")})


def test_own_file(tmp_path_factory, request):
    print(request.node.nodeid, text("stdout_after_id"))


class TestUnittest(unittest.TestCase):
    def test_output(self):
        print(text("unittest_stdout"))

    def test_failure(self):
        self.assertEqual(text("unittest_equal"), "x", text("unittest_message"))  # noqa: PT009

    def test_skip(self):
        self.skipTest(text("unittest_skip"))

    @unittest.expectedFailure
    def test_expected(self):
        raise AssertionError(text("unittest_expected_failure"))

    def test_subtests(self):
        for number in range(2):
            with self.subTest(text("unittest_subtest_message"), who=text("unittest_subtest_parameter")):
                self.assertEqual(number, 5, text("unittest_subtest_failure"))  # noqa: PT009


class TestSetup:
    def setup_method(self):
        print(text("setup_method_stdout"))

    def teardown_method(self):
        print(text("teardown_method_stdout"))

    @classmethod
    def setup_class(cls):
        print(text("setup_class_stdout"))

    @classmethod
    def teardown_class(cls):
        print(text("teardown_class_stdout"))

    def test_output(self):
        raise AssertionError("ends")

"""Values that become part of a test's id."""

from __future__ import annotations

import pytest
from planted import key, mail, secret


@pytest.mark.parametrize("who", [mail("id_of_value")])
def test_value(who):
    raise AssertionError("ends")


@pytest.mark.parametrize("who", [secret("id_of_secret")])
def test_secret(who):
    raise AssertionError("ends")


@pytest.mark.parametrize("who", [key("id_of_bytes").encode()])
def test_bytes(who):
    raise AssertionError("ends")


@pytest.mark.parametrize("who", [1, 2], ids=[mail("id_listed"), key("id_listed")])
def test_listed(who):
    raise AssertionError("ends")


@pytest.mark.parametrize("who", [mail("id_called")], ids=lambda value: f"<{value}>")
def test_called(who):
    raise AssertionError("ends")


@pytest.mark.parametrize("who", [pytest.param(1, id=mail("id_of_param"))])
def test_param(who):
    raise AssertionError("ends")


@pytest.fixture
def login(request):
    print(request.param)
    return request.param


@pytest.mark.parametrize("login", [mail("id_indirect")], indirect=True)
def test_indirect(login):
    raise AssertionError("ends")


@pytest.fixture(params=[mail("id_of_fixture")])
def signed_in(request):
    return request.param


def test_fixture(signed_in):
    raise AssertionError("ends")


@pytest.fixture(params=[1], ids=[key("id_of_fixture_listed")])
def signed_in_by_key(request):
    return request.param


def test_fixture_listed(signed_in_by_key):
    pass


@pytest.mark.parametrize("who", [mail("id_of_class")])
class TestClass:
    def test_in_class(self, who):
        raise AssertionError("ends")

    def test_passes(self, who):
        pass


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("who", [mail("id_crossed"), key("id_crossed")])
def test_crossed(who, n):
    raise AssertionError("ends")


@pytest.mark.parametrize(
    "who", [mail("id_crossed_behind"), key("id_crossed_behind"), secret("id_crossed_behind")]
)
@pytest.mark.parametrize("n", ["one", "two"])
def test_crossed_behind(who, n):
    raise AssertionError("ends")


@pytest.mark.parametrize("who", [mail("id_of_error")])
def test_error(who, broken_setup):
    pass


@pytest.mark.parametrize("who", [mail("id_of_skip")])
def test_skip(who):
    pytest.skip("no")


def pytest_generate_tests(metafunc):
    if "made" in metafunc.fixturenames:
        metafunc.parametrize("made", [secret("id_generated")], ids=[secret("id_generated")])


def test_generated(made):
    raise AssertionError("ends")

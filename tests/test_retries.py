"""Tests that run again: in one process and by order of the controller, to one verdict each."""

from __future__ import annotations

import os

import pytest

from attempts import run_books

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX"),
]
pytest.importorskip("xdist", reason="pytest-xdist is not installed")
pytest.importorskip("allure", reason="allure-pytest is not installed")

#: In one process, by order, and by xdist's own distribution.
WAYS = pytest.mark.parametrize(
    ("workers", "options"),
    [(0, ()), (2, ()), (2, ("--dist", "load"))],
    ids=["alone", "ordered", "stock"],
)


@WAYS
def test_a_flaky_test_passes_with_its_second_attempt_on_another_device(
    pytester: pytest.Pytester, workers: int, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from counting import attempt

        @pytest.mark.retry(on=AssertionError, initial_delay=0)
        def test_it(device):
            assert attempt("it") == 2
        """
    )

    books = run_books(pytester, *options, workers=workers)

    books.result.assert_outcomes(passed=1)
    assert books.result.ret == 0
    assert books.attempts("test_it") == [(1, "failed", "test"), (2, "passed", None)]
    first, second = books.devices("test_it")
    assert first != second
    (case,) = books.cases["test_it"]
    assert case.outcome == "passed"
    assert "AssertionError" in case.properties["autorl_attempt_1"]
    earlier, last = books.results["test_it"]
    assert (earlier["status"], last["status"]) == ("failed", "passed")
    assert earlier["historyId"] == last["historyId"]
    assert last["statusDetails"]["flaky"] is True
    assert "1 retried" in books.result.stdout.str()


@WAYS
def test_a_test_that_keeps_failing_has_one_verdict(
    pytester: pytest.Pytester, workers: int, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.retry(max_attempts=3, on="permanent", initial_delay=0)
        def test_it(device):
            assert 0, "always"
        def test_other(device): pass
        """
    )

    books = run_books(pytester, *options, workers=workers)

    books.result.assert_outcomes(passed=1, failed=1)
    assert books.result.ret == 1
    assert [row[:2] for row in books.attempts("test_it")] == [(1, "failed"), (2, "failed"), (3, "failed")]
    assert len(set(books.devices("test_it"))) == 3
    (case,) = books.cases["test_it"]
    assert case.outcome == "failure"
    assert {"autorl_attempt_1", "autorl_attempt_2"} <= case.properties.keys()
    assert [row["status"] for row in books.results["test_it"]] == ["failed"] * 3


@WAYS
def test_what_a_device_does_is_tried_elsewhere_without_a_marker(
    pytester: pytest.Pytester, workers: int, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        """
        from pytest_autorl.errors import DeviceTimeoutError
        from counting import attempt

        def test_it(device):
            if attempt("it") == 1:
                raise DeviceTimeoutError("it hangs", device_id=device.id)
        """
    )

    books = run_books(pytester, *options, workers=workers)

    books.result.assert_outcomes(passed=1)
    assert books.attempts("test_it") == [(1, "lost", "device"), (2, "passed", None)]
    first, second = books.devices("test_it")
    assert first != second
    assert len(books.cases["test_it"]) == 1
    assert [row["status"] for row in books.results["test_it"]] == ["broken", "passed"]
    assert not books.results["test_it"][1].get("statusDetails", {}).get("flaky")


@pytest.mark.parametrize("workers", [0, 2], ids=["alone", "ordered"])
def test_a_module_fixture_that_failed_is_set_up_anew(pytester: pytest.Pytester, workers: int) -> None:
    pytester.makepyfile(
        """
        import pytest
        from counting import attempt

        @pytest.fixture(scope="module")
        def shared(module_device):
            assert attempt("shared") > 1
            return module_device

        @pytest.mark.retry(on=AssertionError, initial_delay=0)
        def test_it(shared): pass

        def test_then(shared): pass
        """
    )

    books = run_books(pytester, workers=workers)

    books.result.assert_outcomes(passed=2)
    assert books.attempts("test_it") == [(1, "failed", "test"), (2, "passed", None)]
    first, second = books.devices("test_it")
    assert first != second


@WAYS
def test_subtests_of_an_attempt_that_is_not_the_last_are_not_told(
    pytester: pytest.Pytester, workers: int, options: tuple[str, ...]
) -> None:
    pytest.importorskip("_pytest.subtests", reason="subtests are part of pytest since 9")
    pytester.makepyfile(
        """
        import pytest
        from counting import attempt

        @pytest.mark.retry(on=AssertionError, initial_delay=0)
        def test_it(device, subtests):
            number = attempt("it")
            for part in range(3):
                with subtests.test(part=part):
                    assert part < 2 or number == 2
        """
    )

    books = run_books(pytester, *options, workers=workers)

    books.result.assert_outcomes(passed=1)
    assert books.result.ret == 0
    assert books.attempts("test_it") == [(1, "failed", "test"), (2, "passed", None)]


ALONE_AND_ORDERED = pytest.mark.parametrize("workers", [0, 1], ids=["alone", "ordered"])


@ALONE_AND_ORDERED
def test_what_others_have_made_of_a_test_holds_for_its_next_attempt(
    pytester: pytest.Pytester, workers: int
) -> None:
    pytester.makeconftest(
        """
        import functools

        def pytest_collection_modifyitems(items):
            for item in items:
                if "wrapped" in item.name:
                    item.obj = checked(item.obj)

        def checked(function):
            @functools.wraps(function)
            def check(*args, **kwargs):
                function(*args, **kwargs)
                assert 0, "the check that is put around it"
            return check
        """
    )
    pytester.makepyfile(
        test_wrapped="""
        import pytest
        pytestmark = pytest.mark.retry(on=AssertionError, initial_delay=0)

        def test_wrapped(): pass

        class TestIt:
            def test_wrapped_method(self): pass
        """,
        test_late="""
        import pytest
        from counting import attempt

        @pytest.mark.retry(on=AssertionError, initial_delay=0)
        def test_asks_in_the_middle(request):
            if attempt("late") == 1:
                assert not request.getfixturevalue("autorl_device")
        """,
        test_sick="""
        import pytest
        from pytest_autorl.errors import DeviceTimeoutError
        from counting import attempt

        @pytest.mark.retry(initial_delay=0)
        def test_meets_three_sick_devices(device):
            if attempt("sick") < 4:
                raise DeviceTimeoutError("hangs", device_id=device.id)
        """,
    )

    books = run_books(pytester, workers=workers, farm="virtual:4")

    books.result.assert_outcomes(passed=2, failed=2)
    assert books.attempts("test_asks_in_the_middle") == [(1, "failed", "test")]
    assert len(books.attempts("test_meets_three_sick_devices")) == 4
    flaky = books.result.stdout.str().partition("1 test flaky")[2].partition("failed after")[0]
    assert "test_asks_in_the_middle" in flaky
    assert "test_meets_three_sick_devices" not in flaky


def test_in_one_process_shared_fixtures_stay_until_the_last_attempt_of_the_last_test(
    pytester: pytest.Pytester,
) -> None:
    """And what goes wrong in their teardown is an error of that test, once."""
    pytester.makepyfile(
        """
        import pytest
        from counting import attempt

        @pytest.fixture(scope="session")
        def for_all():
            yield attempt("session")

        @pytest.fixture(scope="module")
        def shared(for_all):
            number = attempt("module")
            yield number
            assert 0, "torn with the module"

        @pytest.mark.retry(on=AssertionError, initial_delay=0)
        def test_last_of_its_module(shared, for_all):
            assert (shared, for_all) == (1, 1)
            assert attempt("it") == 3
        """
    )

    books = run_books(pytester, farm=None)

    books.result.assert_outcomes(passed=1, errors=1)
    books.result.stdout.fnmatch_lines(["*torn with the module*"])
    (case,) = books.cases["test_last_of_its_module"]
    assert case.outcome == "error"
    assert [row["status"] for row in books.results["test_last_of_its_module"]] == [
        "failed",
        "failed",
        "passed",
    ]
    (torn,) = books.results["test_last_of_its_module: teardown of what it shares"]
    assert torn["status"] == "broken"


@ALONE_AND_ORDERED
def test_what_goes_wrong_between_two_attempts_belongs_to_the_one_that_leaves_it(
    pytester: pytest.Pytester, workers: int
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from counting import attempt

        @pytest.fixture(scope="module")
        def shared(request):
            def tear(): assert 0, "torn"
            if (number := attempt("shared")) < 3:
                request.addfinalizer(tear)
            assert number == 3

        @pytest.mark.retry(max_attempts=4, on=AssertionError, initial_delay=0)
        def test_it(shared, device): pass

        def test_other(device): pass
        """
    )

    books = run_books(pytester, workers=workers)

    books.result.assert_outcomes(passed=2)
    assert books.result.ret == 0
    assert books.attempts("test_it") == [(3, "passed", None)]  # the fixture comes before the device
    (case,) = books.cases["test_it"]
    assert case.outcome == "passed"
    assert {"autorl_attempt_1", "autorl_attempt_2"} <= case.properties.keys()

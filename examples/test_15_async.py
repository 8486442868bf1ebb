"""Coroutines: `async_driver` is the same driver, its commands are awaited.

It is a plain fixture and needs no plugin. With pytest-asyncio (`pip install 'pytest-autorl[asyncio]'`) the test
itself may be a coroutine; without it such a test is skipped here, the others run.
"""

from __future__ import annotations

import asyncio
from importlib.util import find_spec

import pytest

from examples.pages import PASSWORD, USER, SignInPage
from pytest_autorl import AsyncDriver

coroutine_test = (
    pytest.mark.asyncio if find_spec("pytest_asyncio") else pytest.mark.skip("needs pytest-asyncio")
)


async def sign_in(driver: AsyncDriver) -> str:
    for field, text in (("username", USER), ("password", PASSWORD)):
        await (await driver.find_element("accessibility id", field)).send_keys(text)
    await (await driver.find_element("accessibility id", "sign_in_button")).click()
    return str(await (await driver.find_element("id", "greeting_text")).text)


def test_with_asyncio_alone(async_driver: AsyncDriver) -> None:
    assert asyncio.run(sign_in(async_driver)) == "Hello Dana Demo"


@coroutine_test
async def test_with_pytest_asyncio(async_driver: AsyncDriver) -> None:
    assert await sign_in(async_driver) == "Hello Dana Demo"


def test_the_loop_is_free_while_the_device_works(async_driver: AsyncDriver) -> None:
    """A command waits in a thread of its session, and other coroutines go on meanwhile."""
    steps: list[str] = []

    async def device_side() -> None:
        await async_driver.find_element("id", "sign_in_title")
        steps.append("device")

    async def other_side() -> None:
        steps.append("other")

    async def both() -> None:
        await asyncio.gather(device_side(), other_side())

    asyncio.run(both())
    assert steps == ["other", "device"]


def test_page_objects_work_from_coroutines(async_driver: AsyncDriver) -> None:
    """`run` takes any code that was written for the plain driver."""

    async def balance() -> str:
        return await async_driver.run(lambda driver: SignInPage(driver).sign_in().balance_of("savings"))

    assert asyncio.run(balance()) == "12,000.50"

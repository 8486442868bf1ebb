"""The WebDriver for coroutines: the same client, every command awaitable.

The client is synchronous. Each session gets one thread of its own, so that commands of one session keep their
order and commands of several overlap. Nothing here belongs to a loop: the wrapper works with pytest-asyncio,
with anyio on asyncio, and with a plain ``asyncio.run``.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

T = TypeVar("T")

#: Attributes that only name things on the client's side: plain values, not awaitables.
_PLAIN = frozenset({"session_id", "capabilities", "id", "caps", "w3c"})


class AsyncDriver:
    """An Appium driver whose methods and properties are awaited.

        field = await async_driver.find_element("id", "user")
        await field.send_keys("demo")
        xml = await async_driver.page_source

    Elements that commands return are wrapped alike. `sync` is the driver underneath.
    """

    def __init__(self, driver: WebDriver) -> None:
        name = f"autorl-{str(driver.session_id)[:8]}"
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self.sync = driver

    def __getattr__(self, name: str) -> Any:
        return _attribute(self.sync, name, self._threads)

    def __setattr__(self, name: str, value: Any) -> None:
        # `driver.orientation = ...` is a command: an assignment cannot be awaited and would be lost.
        if name not in ("sync", "_threads"):
            raise AttributeError(
                f"{name} cannot be set on an AsyncDriver: write "
                f"`await async_driver.run(lambda driver: setattr(driver, {name!r}, ...))`"
            )
        super().__setattr__(name, value)

    async def run(self, action: Callable[[WebDriver], T]) -> T:
        """Run any synchronous code with the driver, in order with its commands."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, action, self.sync)

    def close(self) -> None:
        """End the thread, after what it still does. The session is not this object's to end."""
        self._threads.shutdown(wait=True, cancel_futures=True)


class AsyncElement:
    """An element of an `AsyncDriver`; `sync` is the element underneath."""

    def __init__(self, element: Any, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self.sync = element

    def __getattr__(self, name: str) -> Any:
        return _attribute(self.sync, name, self._threads)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncElement) and bool(self.sync == other.sync)

    def __hash__(self) -> int:
        return hash(self.sync)


def _attribute(target: Any, name: str, threads: ThreadPoolExecutor) -> Any:
    if name.startswith("__") or name in _PLAIN:
        return getattr(target, name)
    if isinstance(getattr(type(target), name, None), property):
        return _in_thread(threads, getattr, target, name)
    found = getattr(target, name)
    if not callable(found):
        return found

    @functools.wraps(found)
    def call(*args: Any, **kwargs: Any) -> Awaitable[Any]:
        return _in_thread(threads, functools.partial(found, *_plain(args), **_plain(kwargs)))

    return call


def _plain(value: Any) -> Any:
    """The value with the client's own elements in it, however deep they stand."""
    if isinstance(value, AsyncElement):
        return value.sync
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value


async def _in_thread(threads: ThreadPoolExecutor, work: Callable[..., Any], *args: Any) -> Any:
    return _wrapped(await asyncio.get_running_loop().run_in_executor(threads, work, *args), threads)


def _wrapped(value: Any, threads: ThreadPoolExecutor) -> Any:
    from selenium.webdriver.remote.webelement import WebElement

    if isinstance(value, WebElement):
        return AsyncElement(value, threads)
    if isinstance(value, list):
        return [_wrapped(one, threads) for one in value]
    return value

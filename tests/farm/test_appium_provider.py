"""Devices behind a running Appium server: addresses, hub tokens, capabilities."""

from __future__ import annotations

import pytest

from pytest_autorl.errors import UsageError
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.providers.appium import AppiumProvider, server_url
from pytest_autorl.state.leases import Lease

pytestmark = pytest.mark.unit

DEVICE = Device(id="d1", provider="lab", platform="android")
LEASE = Lease(device_id="d1", owner="me", token=3, since_s=0.0)


def provider(url: str, *, app: str = "", hub: tuple[str, str] = ("", "")) -> AppiumProvider:
    return AppiumProvider(
        "lab", url=url, capabilities={"appium:newCommandTimeout": 9}, app=app, reset_policy="app", hub=hub
    )


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("localhost:4723", "http://localhost:4723"),
        ("http://127.0.0.1:4723/", "http://127.0.0.1:4723"),
        ("https://hub.example/wd/hub", "https://hub.example/wd/hub"),
        (" [::1]:4723 ", "http://[::1]:4723"),
    ],
)
def test_an_address_may_come_with_or_without_a_scheme(text: str, url: str) -> None:
    assert server_url(text) == url


@pytest.mark.parametrize("text", ["", "ftp://host", "http://", "http://host:port", "http://host:99999999"])
def test_what_is_no_address_is_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match="is no address of an Appium server"):
        server_url(text)


def test_user_info_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="AUTORL_FARM_TOKEN") as caught:
        server_url("http://user:canary@host:4723")

    assert "canary" not in str(caught.value)


def test_the_hubs_token_goes_to_the_hub_and_nowhere_else() -> None:
    hub = ("https://hub.example", "canary")

    at_hub = provider("https://hub.example:443/wd/hub", hub=hub).endpoint(DEVICE, LEASE)
    elsewhere = provider("http://hub.example", hub=hub).endpoint(DEVICE, LEASE)

    assert at_hub.headers == {"Authorization": "Bearer canary"}
    assert elsewhere.headers == {}
    assert "canary" not in repr(at_hub)


def test_capabilities_are_those_of_the_block_the_platform_and_the_build() -> None:
    endpoint = provider("h:1", app="/builds/bank.apk").endpoint(DEVICE, LEASE)

    assert endpoint.capabilities == {
        "platformName": "android",
        "appium:newCommandTimeout": 9,
        "appium:app": "/builds/bank.apk",
    }

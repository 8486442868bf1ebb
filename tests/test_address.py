"""Addresses as people write them."""

from __future__ import annotations

import pytest

from pytest_autorl.address import origin, server_url, split_user_info

pytestmark = pytest.mark.unit


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


@pytest.mark.parametrize(
    "text",
    ["", "ftp://u:canary@host", "http://", "http://host:port", "http://host:99999999", "http://a b", "[::1"],
)
def test_what_is_no_address_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="is no address of a server") as caught:
        server_url(text)

    assert "canary" not in str(caught.value)


def test_user_info_is_taken_out_and_decoded() -> None:
    assert split_user_info("http://host:1/x") == ("http://host:1/x", "")
    assert split_user_info("http://a%40b:c%3Ad@host:1/x") == ("http://host:1/x", "Basic YUBiOmM6ZA==")


def test_an_origin_knows_the_default_ports() -> None:
    assert origin("https://hub/wd") == origin("https://hub:443") != origin("http://hub")

"""Addresses of servers as people write them, and what of them may be shown."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import unquote, urlsplit, urlunsplit


def server_url(text: str) -> str:
    """The URL of a server, with a scheme and without a slash at the end.

    >>> server_url("localhost:4723")
    'http://localhost:4723'

    Raises: ValueError that says what was expected and does not repeat the text: it may hold a password.
    """
    url = text.strip() if "://" in text else f"http://{text.strip()}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port beyond 65535, or half an IPv6 address
        usable = False
    if not usable or any(c.isspace() or not c.isprintable() for c in url):
        raise ValueError("is no address of a server: write http://host:port or host:port")
    return url.rstrip("/")


def split_user_info(url: str) -> tuple[str, str]:
    """The URL without user info, which may be shown, and the value of an Authorization header for it, or "".

    >>> split_user_info("https://me:pw@hub:443/wd")
    ('https://hub:443/wd', 'Basic bWU6cHc=')
    """
    parts = urlsplit(url)
    user_info, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, ""
    user, _, password = user_info.partition(":")
    coded = b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode("ascii")
    return urlunsplit(parts._replace(netloc=host)), f"Basic {coded}"


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL that `server_url` made: what may get the same credentials."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

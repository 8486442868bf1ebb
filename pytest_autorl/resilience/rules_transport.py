"""How broken connections are classified: urllib3 and the HTTP clients that suites use, sockets, TLS, errno.

Those of a session of ours have become errors of ours before (`farm.session`). What is left is the suite's own: its
calls to the app's backend, or a session that it has opened by itself. No device is blamed for it.
"""

from __future__ import annotations

import errno
from typing import Final

from pytest_autorl.resilience.info import ErrorCategory, ErrorDomain, ErrorSeverity, Strategy
from pytest_autorl.resilience.rule import Rule, Verdict, words

_TRANSIENT, _PERMANENT = ErrorCategory.TRANSIENT, ErrorCategory.PERMANENT
_LOW, _MEDIUM, _CRITICAL = ErrorSeverity.LOW, ErrorSeverity.MEDIUM, ErrorSeverity.CRITICAL
_TEST, _APP, _SERVER = ErrorDomain.TEST, ErrorDomain.APP, ErrorDomain.SERVER
#: HTTP statuses that ask for another try: time-out, too early, too many requests; and failures of the server.
_UNLUCKY_STATUSES = (408, 425, 429, *range(500, 600))

_NETWORK = Verdict(_TRANSIENT, _MEDIUM, _SERVER, Strategy.RETRY, "network", "transport")
_TIMEOUT = Verdict(_TRANSIENT, _MEDIUM, _SERVER, Strategy.RETRY, "timeout", "transport")
_UNLUCKY = Verdict(_TRANSIENT, _MEDIUM, _APP, Strategy.RETRY, "network", "transport")
_REFUSED = Verdict(_PERMANENT, _MEDIUM, _APP, Strategy.FAIL, "network", "transport")
_CERTIFICATE = Verdict(_PERMANENT, _MEDIUM, _SERVER, Strategy.FAIL, "network", "transport")
_USAGE = Verdict(_PERMANENT, _MEDIUM, _TEST, Strategy.FAIL, "usage", "transport")


def _of(package: str, *classes: str) -> tuple[str, ...]:
    return tuple(f"{package}.{name}" for name in classes)


def _numbers(*names: str) -> tuple[int, ...]:
    """The errnos of these names; not every system has all of them."""
    return tuple(number for name in names if (number := getattr(errno, name, None)) is not None)


#: By number, of an OSError of any class; one without a number that tells is left to `rules_python`.
_BY_NUMBER = (
    Rule(
        name="os: disk full",
        types=("builtins.OSError",),
        errnos=_numbers("ENOSPC"),
        has_filename=True,
        verdict=Verdict(_PERMANENT, _CRITICAL, _TEST, Strategy.FAIL, "other", "python"),
        why="reports, artefacts and state of what comes after are lost as well; without a file it may be another "
        "limit, such as that of inotify's watches",
    ),
    Rule(
        name="os: disk quota used up",
        types=("builtins.OSError",),
        errnos=_numbers("EDQUOT"),
        verdict=Verdict(_PERMANENT, _CRITICAL, _TEST, Strategy.FAIL, "other", "python"),
        why="as on a full disk",
    ),
    Rule(
        name="os: memory or file table exhausted",
        types=("builtins.OSError",),
        errnos=_numbers("ENOMEM", "ENFILE"),
        verdict=Verdict(_PERMANENT, _CRITICAL, _TEST, Strategy.FAIL, "other", "python"),
        why="of the whole machine",
    ),
    Rule(
        name="os: too many open files",
        types=("builtins.OSError",),
        errnos=_numbers("EMFILE"),
        verdict=Verdict(_TRANSIENT, ErrorSeverity.HIGH, _TEST, Strategy.ELSEWHERE, "other", "python"),
        why="of this process alone: another worker has not leaked them",
    ),
    Rule(
        name="os: network",
        types=("builtins.OSError",),
        errnos=_numbers(
            "EADDRINUSE",
            "EADDRNOTAVAIL",
            "ECONNABORTED",
            "ECONNREFUSED",
            "ECONNRESET",
            "EHOSTDOWN",
            "EHOSTUNREACH",
            "ENETDOWN",
            "ENETRESET",
            "ENETUNREACH",
            "ENOBUFS",
            "ENOTCONN",
            "EPIPE",
            "ESHUTDOWN",
        ),
        verdict=_NETWORK,
    ),
    Rule(
        name="os: network timeout",
        types=("builtins.OSError",),
        errnos=_numbers("ETIMEDOUT"),
        verdict=_TIMEOUT,
    ),
    Rule(
        name="os: try again",
        types=("builtins.OSError",),
        errnos=_numbers("EAGAIN", "EBUSY", "EDEADLK", "EINPROGRESS", "EINTR", "ETXTBSY"),
        verdict=Verdict(_TRANSIENT, _LOW, _TEST, Strategy.RETRY, "other", "python"),
    ),
)

RULES: Final = (
    Rule(
        name="urllib3: wrong address or header",
        types=_of(
            "urllib3",
            "InvalidHeader",
            "LocationParseError",
            "LocationValueError",
            "ProxySchemeUnknown",
            "ProxySchemeUnsupported",
            "URLSchemeUnknown",
        ),
        verdict=_USAGE,
    ),
    Rule(
        name="urllib3: usage",
        types=_of(
            "urllib3",
            "BodyNotHttplibCompatible",
            "ClosedPoolError",
            "EmptyPoolError",
            "FullPoolError",
            "HostChangedError",
            "ResponseNotChunked",
            "TimeoutStateError",
            "UnrewindableBodyError",
        ),
        verdict=_USAGE,
        why="of a pool or a response by the code that has it",
    ),
    Rule(
        name="urllib3: warning",
        types=_of(
            "urllib3",
            "DependencyWarning",
            "HTTPWarning",
            "InsecurePlatformWarning",
            "InsecureRequestWarning",
            "NotOpenSSLWarning",
            "SecurityWarning",
            "SystemTimeWarning",
        ),
        verdict=_USAGE,
        why="raised only where the suite makes errors of warnings",
    ),
    Rule(
        name="tls: certificate",
        types=(
            "aiohttp.ClientConnectorCertificateError",
            "ssl.SSLCertVerificationError",
            "urllib3.CertificateError",
        ),
        verdict=_CERTIFICATE,
    ),
    Rule(
        name="urllib3: certificate refused",
        types=("urllib3.SSLError",),
        message=words(r"certificate|hostname"),
        verdict=_CERTIFICATE,
        why="urllib3 tells it in words only",
    ),
    Rule(
        name="urllib3: connection",
        types=_of("urllib3", "NewConnectionError", "NameResolutionError", "ProxyError", "SSLError"),
        verdict=_NETWORK,
        why="a refused connection is a kind of time-out in urllib3's tree: it is none",
    ),
    Rule(
        name="urllib3: timeout",
        types=_of("urllib3", "ConnectTimeoutError", "ReadTimeoutError", "TimeoutError"),
        verdict=_TIMEOUT,
    ),
    Rule(
        name="urllib3: tries used up",
        types=("urllib3.MaxRetryError",),
        verdict=_NETWORK,
        is_vague=True,
        why="what the last try came to is its cause",
    ),
    Rule(
        name="urllib3: broken answer",
        types=_of(
            "urllib3",
            "DecodeError",
            "HeaderParsingError",
            "IncompleteRead",
            "InvalidChunkLength",
            "PoolError",
            "ProtocolError",
            "RequestError",
            "ResponseError",
        ),
        verdict=_NETWORK,
    ),
    Rule(name="urllib3: other", types=("urllib3.HTTPError",), verdict=_NETWORK, is_last=True),
    Rule(
        name="http: to be repeated",
        types=(
            "urllib.HTTPError",
            "requests.HTTPError",
            "httpx.HTTPStatusError",
            "aiohttp.ClientResponseError",
        ),
        statuses=_UNLUCKY_STATUSES,
        verdict=_UNLUCKY,
    ),
    Rule(
        name="http: refused",
        types=(
            "urllib.HTTPError",
            "requests.HTTPError",
            "httpx.HTTPStatusError",
            "aiohttp.ClientResponseError",
        ),
        verdict=_REFUSED,
        why="the backend has understood the request and says no",
    ),
    Rule(
        name="http: wrong address",
        types=(
            *_of("requests", "InvalidHeader", "InvalidSchema", "InvalidURL", "MissingSchema"),
            *_of("httpx", "InvalidURL", "UnsupportedProtocol"),
            "aiohttp.InvalidURL",
        ),
        verdict=_USAGE,
    ),
    Rule(
        name="http: certificate refused",
        types=("requests.SSLError", "httpx.ConnectError", "urllib.URLError"),
        message=words(r"certificate[_ ]verify[_ ]failed|hostname mismatch|hostname '.{0,200}' doesn't match"),
        verdict=_CERTIFICATE,
        why="they tell it in words only; an address may hold any single word of these",
    ),
    Rule(
        name="http: timeout",
        types=("requests.Timeout", "httpx.TimeoutException", "aiohttp.ServerTimeoutError"),
        verdict=_TIMEOUT,
    ),
    Rule(
        name="http: connection",
        types=(
            "aiohttp.ClientError",
            "httpx.TransportError",
            "requests.ChunkedEncodingError",
            "requests.ConnectionError",
            "urllib.URLError",
        ),
        verdict=_NETWORK,
    ),
    Rule(
        name="http.client: usage",
        types=_of("http", "ImproperConnectionState", "InvalidURL", "NotConnected", "UnknownTransferEncoding"),
        verdict=_USAGE,
        why="a connection used in the wrong order, or an address that is none",
    ),
    Rule(
        name="http.client: broken answer",
        types=("http.HTTPException",),
        verdict=_NETWORK,
    ),
    # Before what goes by number: theirs are of another numbering.
    Rule(name="tls: broken", types=("ssl.SSLError",), verdict=_NETWORK),
    Rule(
        name="dns: name not resolved",
        types=_of("socket", "gaierror", "herror"),
        verdict=_NETWORK,
        why="a name server that does not answer says the same as one that knows no such name",
    ),
    *_BY_NUMBER,
    Rule(
        name="connection: broken",
        types=("builtins.ConnectionError", "asyncio.IncompleteReadError"),
        verdict=_NETWORK,
    ),
)

"""Sessions that were left alive on a server: ended by their id, without a client.

For devices that an Appium server reaches. Such a server knows no fencing token, so a device is only given on when the
sessions that were recorded for it are known to be gone: a command that comes late then meets "invalid session id".
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_autorl.address import origin
from pytest_autorl.farm.session import IDEMPOTENCY_HEADER
from pytest_autorl.state.leases import Session

#: Longest wait for one answer, seconds.
DEADLINE_S = 10.0
#: So long a server that breaks off is asked again, seconds: one that ends does so for a moment.
_BREAKS_S = 3.0
_PAUSE_S = 0.2
#: 404 is "invalid session id". The others Appium never says to the end of a session.
_NO_SUCH_SESSION = (404, 405, 501)
#: What is said by something in front of a server: behind it the session may live.
_IN_FRONT = (401, 403, 407, 408, 429, 502, 503, 504)


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What came back.

    Attributes:
        status: Of HTTP; 0 when there was none.
        value: Of a WebDriver answer; of all others what is wrong with it, as text.
        is_alien: It is no WebDriver answer.
        is_broken: The connection was there, and broke.
    """

    status: int
    value: Any
    is_alien: bool = False
    is_broken: bool = False

    @property
    def denies_sessions(self) -> bool:
        """Whoever said it has no such session, or is no Appium server: then what was one has ended."""
        is_foreign = self.is_alien and self.status not in _IN_FRONT
        return self.status in _NO_SUCH_SESSION or is_foreign


def end_sessions(
    url: str,
    sessions: Sequence[Session],
    *,
    headers: Mapping[str, str],
    others: Mapping[str, Mapping[str, str]] | None = None,
    deadline_s: float = DEADLINE_S,
) -> str:
    """End sessions on their servers; returns what could not be done, "" when nothing is left.

    Args:
        url: Base URL of the server that is to reach the device from now on; "" when it is yet to be started.
        sessions: What was recorded, each on the server where it was opened.
        headers: For `url` only: they may hold secrets.
        others: Further servers of ours: base URL -> headers. Servers that are none of ours get no headers.
    """
    ours = {**(others or {}), url: headers}
    troubles = []
    for session in sessions:
        trouble = _end(session, ours.get(session.url, {}), deadline_s, may_be_gone=session.url != url)
        if trouble:
            troubles.append(trouble)
    if url:
        answer = _ask("GET", f"{url}/status", headers, deadline_s)
        if answer.status != 200 or answer.is_alien:
            troubles.append(f"{url} does not answer: {answer.value}")
    return "; ".join(troubles)


def _end(session: Session, headers: Mapping[str, str], deadline_s: float, *, may_be_gone: bool) -> str:
    """End one session; returns why it may still be alive, or "".

    Args:
        may_be_gone: The device is reached through another server now, so where nobody listens any more the session
            went with its server: no command can reach the device by it. Of the only server that is not said: a hub
            comes back with the sessions that it had.
    """
    session_id, trouble = (session.id, "") if session.id else _unseen(session, headers, deadline_s)
    if session_id:
        answer = _ask("DELETE", f"{session.url}/session/{session_id}", headers, deadline_s)
        if answer.status != 200 and not answer.denies_sessions:
            trouble = f"session {session_id} on {session.url} could not be ended: {answer.value}"
    if trouble and may_be_gone and _is_refused(session.url, deadline_s):
        return ""
    return trouble


def _is_refused(url: str, deadline_s: float) -> bool:
    """Whether the host of a server is there, and says that nobody listens."""
    _, host, port = origin(url)
    try:
        with socket.create_connection((host, port), timeout=deadline_s):
            return False
    except ConnectionRefusedError:
        return True
    except OSError:
        return False


def _unseen(session: Session, headers: Mapping[str, str], deadline_s: float) -> tuple[str, str]:
    """Id of a session whose creator never heard of it, "" when there is none; and why that is not known, or "".

    The server answers a known idempotency key with what it answered before, or is about to. To a key that never
    reached it, it refuses a session, since none is asked for. What Appium created for a client that had hung up by
    then it does not remember: such a session ends by its newCommandTimeout, or when the next one begins.
    """
    if not session.key:
        return "", ""
    asked = {**headers, IDEMPOTENCY_HEADER: session.key, "Content-Type": "application/json"}
    answer = _ask("POST", f"{session.url}/session", asked, deadline_s, body=b'{"capabilities": {}}')
    is_unheard = answer.status in (0, *_IN_FRONT) and not answer.denies_sessions
    if is_unheard:  # it may still be creating it
        return "", f"whether {session.url} has begun a session is unknown: {answer.value}"
    has_begun = answer.status == 200 and isinstance(answer.value, dict)
    return (str(answer.value.get("sessionId", "")) if has_begun else ""), ""


def _ask(
    method: str, url: str, headers: Mapping[str, str], deadline_s: float, *, body: bytes | None = None
) -> _Answer:
    """What a server says; one that breaks off is asked again for a moment."""
    ends_s = time.monotonic() + _BREAKS_S
    while True:
        answer = _call(method, url, headers, deadline_s, body=body)
        if not answer.is_broken or time.monotonic() > ends_s:
            return answer
        time.sleep(_PAUSE_S)


def _call(
    method: str, url: str, headers: Mapping[str, str], deadline_s: float, *, body: bytes | None
) -> _Answer:
    from urllib3 import PoolManager, Retry
    from urllib3.exceptions import HTTPError, MaxRetryError

    with PoolManager() as pool:
        try:
            answer = pool.request(
                method, url, headers=dict(headers), body=body, timeout=deadline_s, retries=Retry(0)
            )
            value = json.loads(answer.data or b"{}").get("value")
        except HTTPError as error:
            return _failed(error.reason if isinstance(error, MaxRetryError) and error.reason else error)
        except (ValueError, AttributeError):
            said = f"status {answer.status}, not a WebDriver answer"
            return _Answer(status=answer.status, value=said, is_alien=True)
    if isinstance(value, dict) and "error" in value:
        return _Answer(status=answer.status, value=value["error"])
    return _Answer(status=answer.status, value=value)


def _failed(cause: Exception) -> _Answer:
    """No answer of HTTP: none at all, half of one, or one of another protocol."""
    from urllib3.exceptions import ProtocolError

    name = type(cause).__name__
    if not isinstance(cause, ProtocolError):
        return _Answer(status=0, value=name)
    # Who hangs up without a word is told by a subclass of BadStatusLine.
    reasons = [one for one in (*cause.args, cause.__cause__, cause.__context__) if isinstance(one, Exception)]
    is_other = any(
        isinstance(one, http.client.BadStatusLine) and not isinstance(one, ConnectionError) for one in reasons
    )
    if is_other:
        return _Answer(status=0, value="not a WebDriver answer", is_alien=True)
    return _Answer(status=0, value=name, is_broken=True)

"""Sessions that were left alive on a server: ended by their id, without a client.

For devices that an Appium server reaches. Such a server knows no fencing token, so a device is only given on when the
sessions that were recorded for it are known to be gone: a command that comes late then meets "invalid session id".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_autorl.farm.session import IDEMPOTENCY_HEADER
from pytest_autorl.state.leases import Session

#: Longest wait for one answer, seconds.
DEADLINE_S = 10.0


def end_sessions(
    url: str,
    sessions: Sequence[Session],
    *,
    headers: Mapping[str, str],
    deadline_s: float = DEADLINE_S,
) -> str:
    """End sessions on a server; returns what could not be done, "" when nothing is left.

    Args:
        url: Base URL of the device's server.
        sessions: What was recorded. Those on other servers are tried there, without `headers`.
        headers: For `url` only: they may hold secrets.
    """
    troubles = []
    for session in sessions:
        own = headers if session.url == url else {}
        session_id, trouble = (session.id, "") if session.id else _unseen(session, own, deadline_s)
        if trouble:
            troubles.append(trouble)
        if session_id:
            status, answer = _call("DELETE", f"{session.url}/session/{session_id}", own, deadline_s)
            # 404 is "invalid session id": gone already.
            if status not in (200, 404):
                troubles.append(f"session {session_id} on {session.url} could not be ended: {answer}")
    status, answer = _call("GET", f"{url}/status", headers, deadline_s)
    if status != 200:
        troubles.append(f"{url} does not answer: {answer}")
    return "; ".join(troubles)


def _unseen(session: Session, headers: Mapping[str, str], deadline_s: float) -> tuple[str, str]:
    """Id of a session whose creator never heard of it, "" when there is none; and why that is not known, or "".

    The server answers a known idempotency key with what it answered before, or is about to. To a key that never
    reached it, it refuses a session, since none is asked for. What Appium created for a client that had hung up by
    then it does not remember: such a session ends by its newCommandTimeout, or when the next one begins.
    """
    if not session.key:
        return "", ""
    asked = {**headers, IDEMPOTENCY_HEADER: session.key, "Content-Type": "application/json"}
    status, answer = _call("POST", f"{session.url}/session", asked, deadline_s, body=b'{"capabilities": {}}')
    if not status:  # it may still be creating it
        return "", f"whether {session.url} has begun a session is unknown: {answer}"
    return (str(answer.get("sessionId", "")) if status == 200 and isinstance(answer, dict) else ""), ""


def _call(
    method: str, url: str, headers: Mapping[str, str], deadline_s: float, *, body: bytes | None = None
) -> tuple[int, Any]:
    """Status and value of an answer; status 0 and the reason when there was none."""
    from urllib3 import PoolManager, Retry
    from urllib3.exceptions import HTTPError, MaxRetryError

    with PoolManager() as http:
        try:
            answer = http.request(
                method, url, headers=dict(headers), body=body, timeout=deadline_s, retries=Retry(0)
            )
            value = json.loads(answer.data or b"{}").get("value")
        except HTTPError as error:
            cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
            return 0, type(cause).__name__
        except (ValueError, AttributeError):
            return answer.status, f"status {answer.status}, not a WebDriver answer"
    if isinstance(value, dict) and "error" in value:
        return answer.status, value["error"]
    return answer.status, value

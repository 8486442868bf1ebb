"""Our virtual server answers as the real Appium server does: one set of tests, run against both.

The expectations below were read off Appium 3.8 with its fake driver and stand here as literals, so each
case proves both sides: the real run that the expectation is true, ours that we agree with it. Where the
fake driver's own answer is not protocol (it says so in `fake_driver`), only ours is checked, against the
W3C specification or the shared base of Appium's real drivers.

Status, `error` code and shape are compared; of messages only what clients or people rely on.
"""

from __future__ import annotations

import base64
import http.client
import json
import struct
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pytest_autorl.virtual.library import load_app
from pytest_autorl.virtual.process import VirtualServer

W3C_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
JSON = "application/json; charset=utf-8"
#: A server that hangs must fail a test, not stop the suite.
ANSWER_TIMEOUT_S = 20.0
ABSENT = object()


@dataclass(frozen=True)
class Answer:
    """What came back, parsed."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def value(self) -> Any:
        return self.body["value"]

    @property
    def code(self) -> tuple[int, str]:
        """(HTTP status, error code); the code is empty when it is no error."""
        value = self.value
        return self.status, str(value["error"]) if isinstance(value, dict) and "error" in value else ""


class Wire:
    """Plain HTTP to one server over one connection: nothing between the test and the answer."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = http.client.HTTPConnection(
            urlsplit(url).hostname or "", urlsplit(url).port, timeout=ANSWER_TIMEOUT_S
        )

    def __call__(
        self,
        method: str,
        path: str,
        body: object = ABSENT,
        *,
        raw: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        content = raw if body is ABSENT else json.dumps(body)
        sent = {"Content-Type": JSON} if content is not None else {}
        self._connection.request(method, path, content, {**sent, **(headers or {})})
        response = self._connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), json.loads(response.read()))

    def close(self) -> None:
        """Drop the connection; the next request opens a new one."""
        self._connection.close()


@dataclass
class Server:
    """A server under test, and how a session on its little app is asked for."""

    wire: Wire
    capabilities: dict[str, Any]
    sessions: list[str] = field(default_factory=list)

    def create(self, headers: Mapping[str, str] | None = None) -> Answer:
        wanted = {"capabilities": {"alwaysMatch": self.capabilities, "firstMatch": [{}]}}
        answer = self.wire("POST", "/session", wanted, headers=headers)
        if answer.status == 200 and answer.value["sessionId"] not in self.sessions:
            self.sessions.append(answer.value["sessionId"])
        return answer

    def open(self) -> str:
        """Path of a fresh session (`/session/<id>`)."""
        created = self.create()
        assert created.status == 200, created
        return f"/session/{created.value['sessionId']}"

    def element(self, session: str, name: str) -> str:
        found = self.wire("POST", f"{session}/element", {"using": "id", "value": name})
        assert found.status == 200, found
        return str(found.value[W3C_ELEMENT])

    def close(self) -> None:
        for session in self.sessions:
            self.wire("DELETE", f"/session/{session}")  # 404 when the test has deleted it
        self.wire.close()


@pytest.fixture(scope="module")
def virtual_url() -> Iterator[str]:
    """Our server with two Android phones."""
    devices = [{"id": f"phone-{number}", "app": "protocol"} for number in (1, 2)]
    app = load_app(Path(__file__).with_name("protocol_app.yml"))
    server = VirtualServer.start(devices, {"protocol": app})
    try:
        yield server.url
    finally:
        server.stop()


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The server that the test's parameter names: `real` or `virtual`."""
    if request.param == "real":
        real = request.getfixturevalue("appium_server")
        capabilities = {
            "platformName": "Fake",
            "appium:automationName": "Fake",
            "appium:deviceName": "any",
            "appium:app": str(Path(__file__).with_name("protocol_app.xml")),
        }
        found = Server(Wire(real.url), capabilities)
    else:
        capabilities = {
            "platformName": "Android",
            "appium:automationName": "UiAutomator2",
        }
        found = Server(Wire(request.getfixturevalue("virtual_url")), capabilities)
    yield found
    found.close()


@pytest.fixture
def session(server: Server) -> str:
    """Path of a fresh session."""
    return server.open()


real_mark = pytest.mark.real
#: Most tests: against both.
both = pytest.mark.parametrize("server", [pytest.param("real", marks=real_mark), "virtual"], indirect=True)


@dataclass(frozen=True)
class Case:
    """One refused request.

    `path` may hold ``{s}`` (path of a live session) and ``{ok}``/``{name_field}`` (element ids).
    """

    title: str
    method: str
    path: str
    body: object = ABSENT
    raw: str | None = None
    code: tuple[int, str] = (0, "")
    mentions: str = ""  #: what the message must contain
    fake_driver: str = ""  #: why only ours is checked


UNKNOWN_COMMAND = (404, "unknown command")
BAD_ARGUMENT = (400, "invalid argument")
NO_SESSION = (404, "invalid session id")
NO_ELEMENT = (404, "no such element")
NO_ALERT = (404, "no such alert")
NOT_CREATED = (500, "session not created")

CASES = [
    # Paths and methods. Appium answers a wrong method as an unknown command (404), not as W3C's 405.
    Case("an unknown path", "GET", "/nope", code=UNKNOWN_COMMAND),
    Case("an unknown command of a session", "GET", "{s}/nope", code=UNKNOWN_COMMAND),
    Case("an unknown command with a body", "POST", "{s}/nope", {}, code=UNKNOWN_COMMAND),
    Case("an unknown command of an unknown session", "GET", "/session/nope/nope", code=UNKNOWN_COMMAND),
    Case("PUT where GET is known", "PUT", "/status", {}, code=UNKNOWN_COMMAND),
    Case("POST where GET is known", "POST", "/status", {}, code=UNKNOWN_COMMAND),
    Case("DELETE where GET is known", "DELETE", "/status", code=UNKNOWN_COMMAND),
    Case("GET where POST is known", "GET", "{s}/element", code=UNKNOWN_COMMAND),
    Case("PATCH", "PATCH", "{s}/element", {"using": "id", "value": "ok"}, code=UNKNOWN_COMMAND),
    Case("POST to the page source", "POST", "{s}/source", {}, code=UNKNOWN_COMMAND),
    Case("the list of sessions, gone since Appium 3", "GET", "/sessions", code=UNKNOWN_COMMAND),
    Case("GET of all sessions", "GET", "/session", code=UNKNOWN_COMMAND),
    Case("the base path of Appium 1", "GET", "/wd/hub/status", code=UNKNOWN_COMMAND),
    Case("the log path without its prefix", "GET", "{s}/log/types", code=UNKNOWN_COMMAND),
    Case("the execute path of old", "POST", "{s}/execute", {"script": "x", "args": []}, code=UNKNOWN_COMMAND),
    # What W3C knows and no driver here implements is told from what nobody knows.
    Case(
        "asynchronous scripts",
        "POST",
        "{s}/execute/async",
        {"script": "x", "args": []},
        code=(405, "unknown method"),
    ),
    Case("the cookies of a native app", "GET", "{s}/cookie", code=(405, "unknown method")),
    Case("resizing the window", "POST", "{s}/window/rect", {"width": 1}, code=(405, "unknown method")),
    # Sessions
    Case("an unknown session", "GET", "/session/nope/source", code=NO_SESSION),
    Case("facts of an unknown session", "GET", "/session/nope", code=NO_SESSION),
    Case("the end of an unknown session", "DELETE", "/session/nope", code=NO_SESSION),
    Case("an unknown session counts first", "POST", "/session/nope/element", {}, code=NO_SESSION),
    Case("a session without a body", "POST", "/session", code=NOT_CREATED),
    Case("a session without capabilities", "POST", "/session", {}, code=NOT_CREATED),
    Case("null capabilities", "POST", "/session", {"capabilities": None}, code=NOT_CREATED),
    Case("capabilities that are a text", "POST", "/session", {"capabilities": "x"}, code=NOT_CREATED),
    Case("capabilities that are a list", "POST", "/session", {"capabilities": []}, code=NOT_CREATED),
    Case("capabilities with nothing in them", "POST", "/session", {"capabilities": {}}, code=NOT_CREATED),
    Case("alwaysMatch as text", "POST", "/session", {"capabilities": {"alwaysMatch": "x"}}, code=NOT_CREATED),
    Case("capabilities of old", "POST", "/session", {"desiredCapabilities": {}}, code=NOT_CREATED),
    # Bodies
    Case("broken JSON", "POST", "{s}/element", raw="{bad", code=BAD_ARGUMENT),
    Case("broken JSON for a session", "POST", "/session", raw="{bad", code=BAD_ARGUMENT),
    Case("a JSON text", "POST", "{s}/element", raw='"x"', code=BAD_ARGUMENT),
    Case("a JSON number", "POST", "{s}/element", raw="5", code=BAD_ARGUMENT),
    Case("a JSON list", "POST", "{s}/element", raw="[]", code=BAD_ARGUMENT),
    Case("an empty body", "POST", "{s}/element", raw="", code=BAD_ARGUMENT),
    Case("nothing to find", "POST", "{s}/element", {}, code=BAD_ARGUMENT, mentions="using"),
    Case("no value to find", "POST", "{s}/element", {"using": "id"}, code=BAD_ARGUMENT, mentions="value"),
    Case("no strategy", "POST", "{s}/elements", {"value": "x"}, code=BAD_ARGUMENT, mentions="using"),
    Case(
        "keys without text", "POST", "{s}/element/{name_field}/value", {}, code=BAD_ARGUMENT, mentions="text"
    ),
    Case("keys as of old", "POST", "{s}/element/{name_field}/value", {"value": ["a"]}, code=BAD_ARGUMENT),
    Case("orientation of nothing", "POST", "{s}/orientation", {}, code=BAD_ARGUMENT, mentions="orientation"),
    Case("context of nothing", "POST", "{s}/context", {}, code=BAD_ARGUMENT, mentions="name"),
    Case("actions of nothing", "POST", "{s}/actions", {}, code=BAD_ARGUMENT, mentions="actions"),
    Case("a log of no type", "POST", "{s}/se/log", {}, code=BAD_ARGUMENT, mentions="type"),
    Case("an event of nobody", "POST", "{s}/appium/log_event", {}, code=BAD_ARGUMENT, mentions="vendor"),
    Case("settings of nothing", "POST", "{s}/appium/settings", {}, code=BAD_ARGUMENT, mentions="settings"),
    Case("settings that are a number", "POST", "{s}/appium/settings", {"settings": 5}, code=BAD_ARGUMENT),
    Case("settings that are null", "POST", "{s}/appium/settings", {"settings": None}, code=BAD_ARGUMENT),
    # Timeouts
    Case("no timeout", "POST", "{s}/timeouts", {}, code=BAD_ARGUMENT),
    Case("an unknown timeout", "POST", "{s}/timeouts", {"foo": 1}, code=BAD_ARGUMENT),
    Case("a negative timeout", "POST", "{s}/timeouts", {"implicit": -1}, code=BAD_ARGUMENT),
    Case("a timeout in words", "POST", "{s}/timeouts", {"implicit": "soon"}, code=BAD_ARGUMENT),
    Case("a timeout of null", "POST", "{s}/timeouts", {"implicit": None}, code=BAD_ARGUMENT),
    Case("a timeout of true", "POST", "{s}/timeouts", {"implicit": True}, code=BAD_ARGUMENT),
    # Elements
    Case("no such id", "POST", "{s}/element", {"using": "id", "value": "none"}, code=NO_ELEMENT),
    Case("no such xpath", "POST", "{s}/element", {"using": "xpath", "value": "//none"}, code=NO_ELEMENT),
    Case(
        "no such child", "POST", "{s}/element/{ok}/element", {"using": "id", "value": "none"}, code=NO_ELEMENT
    ),
    Case(
        "an unknown strategy",
        "POST",
        "{s}/element",
        {"using": "magic", "value": "x"},
        code=(400, "invalid selector"),
        fake_driver="answers 404 unknown command; the base class of real drivers checks the strategy",
    ),
    Case(
        "an empty strategy",
        "POST",
        "{s}/elements",
        {"using": "", "value": "x"},
        code=(400, "invalid selector"),
        fake_driver="as above",
    ),
    Case(
        "a broken xpath",
        "POST",
        "{s}/element",
        {"using": "xpath", "value": "//["},
        code=(400, "invalid selector"),
        fake_driver="lets its XPath library's error through as 500 unknown error",
    ),
    Case(
        "keys into something that takes none",
        "POST",
        "{s}/element/{ok}/value",
        {"text": "x"},
        code=(400, "invalid element state"),
    ),
    Case("clearing a button", "POST", "{s}/element/{ok}/clear", {}, code=(400, "invalid element state")),
    # Alerts
    Case("text of no alert", "GET", "{s}/alert/text", code=NO_ALERT),
    Case("yes to no alert", "POST", "{s}/alert/accept", {}, code=NO_ALERT),
    Case("no to no alert", "POST", "{s}/alert/dismiss", {}, code=NO_ALERT),
    Case("keys to no alert", "POST", "{s}/alert/text", {"text": "x"}, code=NO_ALERT),
    Case("an alert's text of nothing", "POST", "{s}/alert/text", {}, code=BAD_ARGUMENT, mentions="text"),
    # Scripts
    Case(
        "an unknown mobile: script",
        "POST",
        "{s}/execute/sync",
        {"script": "mobile: nope", "args": []},
        code=(500, "unsupported operation"),
        mentions="mobile: nope",
    ),
    Case("a script without its name", "POST", "{s}/execute/sync", {"args": []}, code=BAD_ARGUMENT),
    Case("a script without arguments", "POST", "{s}/execute/sync", {"script": "x"}, code=BAD_ARGUMENT),
    # Contexts: the client tells this error by its message alone.
    Case(
        "an unknown context",
        "POST",
        "{s}/context",
        {"name": "WEBVIEW_9"},
        code=(500, "unknown error"),
        mentions="No such context found.",
    ),
]


def on_its_servers(case: Case) -> list[Any]:
    """The case as parameters: against both servers, or only ours."""
    name = case.title.replace(" ", "-")
    ours = pytest.param("virtual", case, id=f"virtual-{name}")
    if case.fake_driver:
        return [ours]
    return [pytest.param("real", case, marks=real_mark, id=f"real-{name}"), ours]


@pytest.mark.parametrize(
    ("server", "case"), [each for case in CASES for each in on_its_servers(case)], indirect=["server"]
)
def test_a_wrong_request_is_refused_with_the_same_status_and_code(server: Server, case: Case) -> None:
    """Clients choose their exception by the code, proxies and dashboards by the status."""
    path = case.path
    if "{s}" in path:
        session = server.open()
        names = [name for name in ("ok", "name_field") if f"{{{name}}}" in path]
        path = path.format(s=session, **{name: server.element(session, name) for name in names})

    answer = server.wire(case.method, path, case.body, raw=case.raw)

    assert answer.code == case.code, answer.value
    assert set(answer.body) == {"value"}
    assert set(answer.value) == {"error", "message", "stacktrace"}
    assert answer.value["message"]
    assert case.mentions in answer.value["message"]
    assert answer.headers["Content-Type"] == JSON


@both
def test_capabilities_that_cannot_be_used_are_refused(server: Server) -> None:
    """Each of these is a mistake that people make in their options."""
    good = server.capabilities

    def refuse(always: dict[str, Any], first: list[dict[str, Any]] | None = None) -> tuple[int, str]:
        wanted = {"alwaysMatch": always, **({} if first is None else {"firstMatch": first})}
        return server.wire("POST", "/session", {"capabilities": wanted}).code

    without_platform = {key: value for key, value in good.items() if key != "platformName"}
    without_automation = {key: value for key, value in good.items() if key != "appium:automationName"}
    assert refuse(good, []) == NOT_CREATED
    assert refuse(good, [{"platformName": good["platformName"]}]) == BAD_ARGUMENT
    assert refuse(without_platform) == BAD_ARGUMENT
    assert refuse(without_automation) == BAD_ARGUMENT
    assert refuse({**good, "deviceName": "no vendor prefix"}) == BAD_ARGUMENT
    assert refuse({**good, "appium:automationName": "Nope"}) == (500, "unknown error")
    assert refuse({**good, "appium:newCommandTimeout": "soon"}) == NOT_CREATED


@both
def test_status_says_ready_and_names_a_build(server: Server) -> None:
    """Monitors and wait loops read exactly these keys."""
    answer = server.wire("GET", "/status")

    assert answer.status == 200
    assert answer.headers["Content-Type"] == JSON
    assert set(answer.body) == {"value"}
    assert answer.value["ready"] is True
    assert isinstance(answer.value["message"], str)
    assert isinstance(answer.value["build"]["version"], str)


@both
def test_a_new_session_comes_with_its_id_and_capabilities_without_prefix(server: Server) -> None:
    """Appium sends the capabilities back without `appium:`; client code reads them by these names."""
    created = server.create()

    assert created.status == 200
    assert set(created.body) == {"value"}
    assert set(created.value) == {"sessionId", "capabilities"}
    session = f"/session/{created.value['sessionId']}"
    facts = server.wire("GET", session).value
    held = server.wire("GET", f"{session}/appium/capabilities").value["capabilities"]
    for capabilities in (created.value["capabilities"], facts, held):
        assert capabilities["platformName"].lower() == server.capabilities["platformName"].lower()
        assert capabilities["automationName"] == server.capabilities["appium:automationName"]


@both
def test_a_session_ends_once(server: Server) -> None:
    """A second quit, and any later command, meet the code that tells a client the session is gone."""
    session = server.open()

    ended = server.wire("DELETE", session)

    assert (ended.status, ended.body) == (200, {"value": None})
    assert server.wire("DELETE", session).code == NO_SESSION
    assert server.wire("GET", f"{session}/source").code == NO_SESSION
    assert server.wire("POST", f"{session}/element", {"using": "id", "value": "ok"}).code == NO_SESSION


@both
def test_a_repeated_request_for_a_session_gives_the_same_session(server: Server) -> None:
    """The client repeats POST /session with its X-Idempotency-Key when the line breaks."""
    key = str(uuid.uuid4())

    first = server.create({"X-Idempotency-Key": key})
    second = server.create({"X-Idempotency-Key": key})
    # Appium 3.8 writes the repeated answer past its HTTP layer; nothing more is answered on that connection.
    server.wire.close()
    other = server.create({"X-Idempotency-Key": str(uuid.uuid4())})

    assert first.status == second.status == 200
    assert first.value["sessionId"] == second.value["sessionId"] != other.value["sessionId"]
    assert server.wire("GET", f"/session/{first.value['sessionId']}/source").status == 200


@both
def test_an_element_travels_under_the_key_of_w3c(server: Server, session: str) -> None:
    found = server.wire("POST", f"{session}/element", {"using": "id", "value": "ok"})
    several = server.wire("POST", f"{session}/elements", {"using": "id", "value": "ok"})
    none = server.wire("POST", f"{session}/elements", {"using": "id", "value": "none"})

    assert isinstance(found.value[W3C_ELEMENT], str)
    assert [each[W3C_ELEMENT] for each in several.value] == [found.value[W3C_ELEMENT]]
    assert (none.status, none.value) == (200, [])


@both
@pytest.mark.parametrize(
    ("method", "command", "body"),
    [
        ("GET", "text", ABSENT),
        ("GET", "rect", ABSENT),
        ("GET", "displayed", ABSENT),
        ("GET", "enabled", ABSENT),
        ("GET", "selected", ABSENT),
        ("GET", "attribute/x", ABSENT),
        ("POST", "click", {}),
        ("POST", "clear", {}),
        ("POST", "value", {"text": "x"}),
        ("POST", "element", {"using": "id", "value": "ok"}),
    ],
)
def test_an_unknown_element_is_stale_or_not_there(
    server: Server, session: str, method: str, command: str, body: object
) -> None:
    """Appium says stale of an id that it never gave out, W3C says no such element: clients retry on both."""
    answer = server.wire(method, f"{session}/element/never-given-out/{command}", body)

    assert answer.code in {(404, "stale element reference"), NO_ELEMENT}


@both
def test_an_element_has_the_shapes_that_the_client_unpacks(server: Server, session: str) -> None:
    element = f"{session}/element/{server.element(session, 'ok')}"

    rect = server.wire("GET", f"{element}/rect").value
    flags = [server.wire("GET", f"{element}/{name}").value for name in ("displayed", "enabled", "selected")]

    assert set(rect) == {"x", "y", "width", "height"}
    assert all(isinstance(number, int) for number in rect.values())
    assert flags == [True, True, False]
    assert isinstance(server.wire("GET", f"{element}/text").value, str)
    clicked = server.wire("POST", f"{element}/click", raw="")
    assert (clicked.status, clicked.body) == (200, {"value": None})


@both
def test_a_field_keeps_what_is_typed_until_it_is_cleared(server: Server, session: str) -> None:
    """`text` and the list `value` arrive together from the client; only `text` counts."""
    element = f"{session}/element/{server.element(session, 'name_field')}"

    typed = server.wire("POST", f"{element}/value", {"text": "Ada", "value": ["A", "d", "a"]})

    assert (typed.status, typed.body) == (200, {"value": None})
    assert server.wire("GET", f"{element}/text").value == "Ada"
    assert server.wire("POST", f"{element}/clear", {}).body == {"value": None}
    assert server.wire("GET", f"{element}/text").value == ""


@both
def test_the_implicit_wait_is_kept(server: Server, session: str) -> None:
    before = server.wire("GET", f"{session}/timeouts")
    changed = server.wire("POST", f"{session}/timeouts", {"implicit": 1500})

    assert (before.status, before.value["implicit"]) == (200, 0)
    assert (changed.status, changed.body) == (200, {"value": None})
    assert server.wire("GET", f"{session}/timeouts").value["implicit"] == 1500


@both
def test_the_orientation_turns_only_to_one_that_exists(server: Server, session: str) -> None:
    """The code for a wrong word differs between drivers, that it is refused does not."""
    start = server.wire("GET", f"{session}/orientation").value
    turned = server.wire("POST", f"{session}/orientation", {"orientation": "LANDSCAPE"})
    wrong = server.wire("POST", f"{session}/orientation", {"orientation": "SIDEWAYS"})

    assert start == "PORTRAIT"
    assert turned.status == 200
    assert wrong.status >= 400
    assert wrong.code[1]
    assert server.wire("GET", f"{session}/orientation").value == "LANDSCAPE"


@both
def test_settings_add_up(server: Server, session: str) -> None:
    path = f"{session}/appium/settings"

    changed = server.wire("POST", path, {"settings": {"ignoreUnimportantViews": True}})
    empty = server.wire("POST", path, {"settings": {}})

    assert (changed.status, changed.body) == (200, {"value": None})
    assert empty.status == 200
    assert server.wire("GET", path).value["ignoreUnimportantViews"] is True


@both
def test_events_of_a_session_can_be_logged_and_read(server: Server, session: str) -> None:
    """`driver.log_event` and `driver.get_events` of the client."""
    logged = server.wire("POST", f"{session}/appium/log_event", {"vendor": "bank", "event": "paid"})
    events = server.wire("POST", f"{session}/appium/events", {})

    assert (logged.status, logged.body) == (200, {"value": None})
    assert events.status == 200
    assert len(events.value["bank:paid"]) == 1
    assert isinstance(events.value["commands"], list)


@both
def test_a_screenshot_is_a_png_in_base64(server: Server, session: str) -> None:
    picture = base64.b64decode(server.wire("GET", f"{session}/screenshot").value, validate=True)

    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    assert width > 0
    assert height > 0


@both
def test_the_window_has_a_rect_and_the_source_is_text(server: Server, session: str) -> None:
    rect = server.wire("GET", f"{session}/window/rect").value
    source = server.wire("GET", f"{session}/source").value

    assert (rect["x"], rect["y"]) == (0, 0)
    assert rect["width"] > 0
    assert rect["height"] > 0
    assert source.lstrip().startswith("<")


@both
def test_an_app_without_web_views_has_the_native_context(server: Server, session: str) -> None:
    contexts = server.wire("GET", f"{session}/contexts").value
    switched = server.wire("POST", f"{session}/context", {"name": "NATIVE_APP"})

    assert contexts[0] == "NATIVE_APP"
    assert server.wire("GET", f"{session}/context").value == "NATIVE_APP"
    assert (switched.status, switched.body) == (200, {"value": None})


@both
def test_a_tap_of_w3c_pointer_actions_is_accepted_and_can_be_released(server: Server, session: str) -> None:
    finger = {
        "type": "pointer",
        "id": "finger",
        "parameters": {"pointerType": "touch"},
        "actions": [
            {"type": "pointerMove", "duration": 0, "x": 1, "y": 1},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ],
    }

    tapped = server.wire("POST", f"{session}/actions", {"actions": [finger]})

    assert (tapped.status, tapped.body) == (200, {"value": None})
    assert server.wire("DELETE", f"{session}/actions").body == {"value": None}


@both
def test_an_alert_is_there_until_it_is_answered(server: Server, session: str) -> None:
    server.wire("POST", f"{session}/element/{server.element(session, 'ask')}/click", {})

    text = server.wire("GET", f"{session}/alert/text")
    accepted = server.wire("POST", f"{session}/alert/accept", {})

    assert text.status == 200
    assert isinstance(text.value, str)
    assert (accepted.status, accepted.body) == (200, {"value": None})
    assert server.wire("GET", f"{session}/alert/text").code == NO_ALERT


@both
def test_many_requests_share_one_connection(server: Server, session: str) -> None:
    """HTTP/1.1 keep-alive: a server that closes after each answer costs every client a handshake."""
    answers = [server.wire("GET", f"{session}/orientation") for _ in range(5)]
    answers.append(server.wire("GET", f"{session}/nope"))

    assert all("Content-Length" in answer.headers for answer in answers)
    assert all(answer.headers.get("Connection", "keep-alive").lower() == "keep-alive" for answer in answers)


@both
def test_the_client_raises_the_same_exceptions(server: Server) -> None:
    """What a test author sees through the unmodified client, which maps codes to classes."""
    from appium import webdriver
    from appium.options.common import AppiumOptions
    from appium.webdriver.client_config import AppiumClientConfig
    from selenium.common import exceptions

    options = AppiumOptions().load_capabilities(server.capabilities)
    config = AppiumClientConfig(remote_server_addr=server.wire.url, timeout=ANSWER_TIMEOUT_S)
    driver = webdriver.Remote(options=options, client_config=config)
    try:
        with pytest.raises(exceptions.NoSuchElementException):
            driver.find_element("id", "none")
        with pytest.raises(exceptions.NoAlertPresentException):
            _ = driver.switch_to.alert.text
        with pytest.raises(exceptions.InvalidElementStateException):
            driver.find_element("id", "ok").clear()
        with pytest.raises(exceptions.InvalidArgumentException):
            driver.implicitly_wait(-1)
        field = driver.find_element("id", "name_field")
        field.send_keys("Ada")
        assert field.text == "Ada"
    finally:
        driver.quit()
    with pytest.raises(exceptions.InvalidSessionIdException):
        driver.find_element("id", "ok")

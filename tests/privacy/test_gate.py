"""The gate lets nothing through that a detector or a literal would find, and costs little."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.errors import UsageError
from pytest_autorl.privacy import gate as module
from pytest_autorl.privacy.detectors import DETECTORS
from pytest_autorl.privacy.gate import Gate, new_gate
from pytest_autorl.privacy.span import Span

ENGINES = ["re2", "re"]
MADE: dict[str, Gate] = {}


def gate_of(engine: str) -> Gate:
    if engine == "re2":
        pytest.importorskip("re2")
    if engine not in MADE:
        MADE[engine] = new_gate(DETECTORS, engine=engine)  # type: ignore[arg-type]
    return MADE[engine]


#: Pieces that detectors look for, put together in ways nobody has thought of.
PIECES = st.sampled_from(
    [
        "password",
        "Pass",
        "token",
        "api_key",
        "KEY",
        "secret",
        "auth",
        "sig",
        "pin",
        "otp",
        "ssn",
        "tin",
        "card",
        "phone",
        "tel",
        "call",
        "mac",
        "cookie",
        "authorization",
        "bearer ",
        "basic ",
        "x-api-key",
        "curl -u ",
        "mysql -p",
        "--",
        "ENV ",
        'text="',
        "is your ",
        "=",
        ": ",
        ":",
        " ",
        "\n",
        '"',
        "'",
        "\\",
        '\\"',
        "<",
        ">",
        "</",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ";",
        "@",
        "/",
        "://",
        "%40",
        "&",
        "?",
        "+",
        "-",
        ".",
        "joe",
        "a.b",
        "Ab1!x9Zq",
        "hunter2",
        "null",
        "true",
        "none1",
        "4711",
        "12",
        "0",
        "00",
        "123-45-6789",
        "4111111111111111",
        "1111 ",
        "2026-11-27",
        "10.1.2.3",
        "1.2.",
        "::",
        "fe80:",
        "aa:bb:",
        "0f",
        "DE89",
        "GB82WEST",
        "eyJhbGci",
        "ghp" + "_",
        "sk" + "_live_",
        "0a1b2c3d4e5f60718",
        "Ab0_" * 9,
        "is",
        "was",
        "into",
        "==",
        "number",
        "value",
        "name",
        "key",
        "é",
        "日",
        "K",
        "İ",
        "ß",
        "\xa0",
        "‑",
        "heroku",
        "datadog",
        "us1",
        "T3BlbkFJ",
    ]
)
TEXTS = st.one_of(st.lists(PIECES, max_size=14).map("".join), st.text(max_size=60))


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_no_gate_loses_what_a_detector_finds(text: str) -> None:
    finding = {index for index, detector in enumerate(DETECTORS) if any(True for _ in detector.find(text))}

    for engine in ENGINES:
        assert finding <= set(gate_of(engine).hits(text)), engine


#: Where a gate once was blind: quotations that go on, line breaks before a number, separators in odd places.
ODD = {
    "fields": (
        "token: <pass" + "word>=",
        'jdbc:x://h/?user=a&password=é"=',
        'pass&password=@"version ',
        'token="Ab1' + 'x9Zq!"',
        "ENV APP_PASSWORD ti1111 r",
        "send_keys('+5key1581') into mobile number field",
        "dial authorization='>--sk-GB29" + "NWBK60161331926819",
        "api_key = \"sk','ve_RfepBVOx33" + 'lNDGUydtlWl6d4"',
        '"body": "{\\"password\\":\\" ab96785\\"}"',
        "browserstack.access@_key: 316da8d2a995" + "ed77a650059beaae92eb",
        "x<password>]'<contact",
        "assert password == ': EZ~4F3=P8A'",
        "set_password('@2\nI8sQ#1Fj')",
        "pass--word iw#qG$rpr3*D_RK",
        "<pwd\n>tiger18460</wd>",
        '<string name="keystore_passwordE  tel   assert \'344040369204">falcon8864</string>',
        '<node password="true]" bounds="[109,93]"/>',
        'os.environ[\'ADMIN_PASSWORD\'] =r": 8021830538132024, "sku": 74',
        'jwt \\"lab96785\\"',
        '"password": \'   "wer615phone60"text=\'',
        '{"name":"password","v\talue6347?"}',
        'mailgun_api_key => \'d5652rd", "value": EGNSyI"',
        '<node text="Your password" password="true b1ounds="[13,564]"/>',
    ),
    "email": ("<256.1.1.1%40[::1]%22", "pinbssid%40[::1]pager no "),
    "phone": (
        "00 800 1234 5678",
        "00 800123-45-6789 x",
        "HU60 7554 2964 36=00 3 7004 1033",
        "003782 822463 10005-(-us1",
        "(843)197.71.138.194<",
        "redialing \n3782 822463 10005",
        "x:030 1234567 y",
        "\xdftel::123-45-6789{",
        "Mobile>123-45-6789",
        "please call caller:1234567",
        "x 01.23-45 67 89 y",
        "800-555 1234, 800.555-1234, 0123-456 789",
        "(030)1234567 is my Phone",
        '<node text="1234567" id="phone"/>',
    ),
    "ipv6": ('"expires_in":d03f:964b:ac77:b9a:870:da1f:3952:517d{',),
    "iban": ("IBAN BG11 R-ZBB 0743 57NJ VBP2 G2; BIC",),
    "mac": ("macaabbccddeeff=[7z",),
    "ssn": ("\xdftin 123-45-6789", "TIN:123456789", "tax id 123456789"),
    "card": ("pay 3782 822463 10005", "4111-1111-1111-1111", "x=4111111111111111"),
    "codes": (
        "\xdfpin: 4711",
        "One-Time Code: 471147",
        "one time pin=4711",
        "myPinCode=4711",
        "CVViS 123",
        "2fa_code 4711",
        "security code: 4711",
        "4711 is your login code",
    ),
    "commands": (
        "curl (-u joe:hunter22)",
        "7z a -phunter22 x",
        "openssl x-passin pass:hunter22",
        "htpasswd -1b file joe hunter22",
        "xfreerdp /p:hunter22",
    ),
    "headers": ("X-My-Session: hunter22", "set-cookie2: a=hunter22", "xAuthorization: Basic am9lOnB3"),
    "keys": (
        "\xabsk" + "_live_4eC39HqLyjWDarjtT1zdp7dc\xbb",
        "\\nsk" + "_live_4eC39HqLyjWDarjtT1zdp7dc",
        "t1." + "Ab0=" * 12,
        "ATATT3" + "xF0-" * 40 + "=1",
        "0a1b2c3d" * 4 + "-us12",
    ),
    "service_keys": ("branch_key: 0a1B2c3D4e5F6g7H", "Auth0=0a1B2c3D4e5F6g7H", "datadog('0a1B2c3D4e5F6g7H')"),
    "links": ("db=joe:hunter22@tcp(h)", "x://a:b@c@d", '"joe:hun@host"', "smbclient -U joe%hunter22"),
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in ODD.items() for text in texts])
def test_no_gate_is_blind_to_odd_texts(name: str, text: str) -> None:
    finding = {index for index, detector in enumerate(DETECTORS) if any(True for _ in detector.find(text))}

    for engine in ENGINES:
        assert finding <= set(gate_of(engine).hits(text)), engine


def test_few_ordinary_texts_are_hinted_at() -> None:
    pytest.importorskip("re2")
    lines = (Path(__file__).parent / "ordinary_texts.txt").read_text("utf-8").splitlines()

    hit = [line for line in lines if line and gate_of("re2").hits(line)]

    assert len(hit) < len(lines) / 4


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_spans_lie_in_the_text_and_hold_something(text: str) -> None:
    spans = [span for detector in DETECTORS for span in detector.find(text)]

    assert all(isinstance(span, Span) and 0 <= span.start < span.end <= len(text) for span in spans)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(st.text(min_size=1, max_size=24), min_size=1, max_size=30),
    before=st.text(max_size=20),
    after=st.text(max_size=20),
)
def test_a_literal_is_never_overlooked(engine: str, words: list[str], before: str, after: str) -> None:
    if engine == "re2":
        pytest.importorskip("re2")
    gate = new_gate((), words, engine)  # type: ignore[arg-type]

    assert all(gate.literal in gate.hits(before + word + after) for word in words)
    assert all(gate.may_hold_literal(before + word + after) for word in words)


@pytest.mark.parametrize("engine", ENGINES)
def test_hundreds_of_literals_let_few_other_texts_through(engine: str) -> None:
    if engine == "re2":
        pytest.importorskip("re2")
    luck = random.Random(3)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    words = ["".join(luck.choices(letters, k=luck.randrange(8, 40))) for _ in range(400)]
    lines = [
        f"{at} INFO {' '.join(''.join(luck.choices('etaoinshrdlu', k=6)) for _ in range(20))}"
        for at in range(500)
    ]
    gate = new_gate(DETECTORS, words, engine)  # type: ignore[arg-type]

    assert all(gate.may_hold_literal(f"x{word}y") for word in words)
    assert sum(gate.may_hold_literal(line) for line in lines) <= 5


def test_nothing_is_compiled_before_the_first_text(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("re2")
    made: list[str] = []
    monkeypatch.setattr(Gate, "_automaton", lambda self: made.append("re2") or (lambda text: ()))
    monkeypatch.setattr(Gate, "_shapes", lambda self: made.append("re") or (lambda text: ()))

    gates = [new_gate(DETECTORS, engine="re2"), new_gate(DETECTORS, engine="re")]
    assert made == []
    for gate in gates:
        gate.hits("a")
        gate.hits("b")

    assert made == ["re2", "re"]


def test_importing_the_detectors_imports_nothing_heavy() -> None:
    script = (
        "import sys, pytest_autorl.privacy.detectors, pytest_autorl.privacy.gate;"
        "print([name for name in ('re2', 'cryptography', 'PIL', 'structlog', 'phonenumbers', 'ctypes') if"
        " name in sys.modules])"
    )

    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert told.strip() == "[]"


def test_without_re2_the_other_engine_is_taken_unless_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "has_re2", lambda: False)

    assert new_gate(DETECTORS).engine == "re"
    with pytest.raises(UsageError, match="re2 is not installed"):
        new_gate(DETECTORS, engine="re2")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_whole_document_is_one_call(engine: str) -> None:
    page = "<node index='0' text='ready' bounds='[0,0][10,10]'/>\n" * 5000

    assert list(gate_of(engine).hits(page)) == []
    assert list(gate_of(engine).hits(page + "joe@example.com")) != []


@pytest.mark.skipif(not module.has_re2(), reason="google-re2 is not installed")
def test_the_automata_are_made_when_there_is_enough_to_read() -> None:
    gate = new_gate(DETECTORS, ("swordfish-in-the-sea",))
    mail = next(index for index, each in enumerate(DETECTORS) if each.name == "email")

    def sees() -> bool:
        return mail in gate.hits("mail bob@acme-corp.io now") and gate.may_hold_literal(
            "swordfish-in-the-sea"
        )

    assert sees()
    first = gate.hits
    while gate.hits is first:
        gate.hits("nothing " * 500)
    assert sees()


@pytest.mark.parametrize("_again", range(3))
def test_threads_that_meet_while_the_automata_are_made_have_their_answers(_again: int) -> None:
    pytest.importorskip("re2")
    gate = new_gate(DETECTORS)
    texts = [f"line {number} of bob@acme-corp.io " + "x" * 4000 for number in range(40)]
    mail = [detector.name for detector in DETECTORS].index("email")
    kept, start = gate.hits, threading.Barrier(4)
    answers: list[bool] = []

    def ask() -> None:
        start.wait(60)
        answers.extend([mail in kept(text) for text in texts])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert answers == [True] * 160

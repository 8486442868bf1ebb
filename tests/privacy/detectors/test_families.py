"""What each family of detectors finds, and what it must leave alone."""

from __future__ import annotations

import base64
import json
import secrets

import pytest

from pytest_autorl.privacy.detectors import DETECTORS
from pytest_autorl.privacy.detectors.iban import LENGTHS
from pytest_autorl.privacy.detectors.keys import VENDORS
from pytest_autorl.privacy.gate import new_gate
from pytest_autorl.privacy.redactor import Redactor

GATES = [new_gate(DETECTORS, engine="re")]


def found(text: str) -> set[tuple[str, str]]:
    """What is found through the gate without RE2, as kind and text."""
    return {
        (span.kind, text[span.start : span.end])
        for index in GATES[0].hits(text)
        for span in DETECTORS[index].find(text)
    }


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("mail to o'neil.joe+x@mail.example.co.uk.", "EMAIL", "o'neil.joe+x@mail.example.co.uk"),
        ("user=jürgen@müller.example.de;", "EMAIL", "jürgen@müller.example.de"),
        ("/reset?mail=joe%40example.com&x=1", "EMAIL", "joe%40example.com"),
        ("at joe@[192.0.2.1] now", "EMAIL", "joe@[192.0.2.1]"),
        ("ssn 123-45-6789.", "SSN", "123-45-6789"),
        ("social security number: 123456789", "SSN", "123456789"),
        ("SSN: 123 45 6789", "SSN", "123 45 6789"),
        ("card 4111 1111 1111 1111 ok", "CREDIT_CARD", "4111 1111 1111 1111"),
        ("card 4111111111111111 12/27", "CREDIT_CARD", "4111111111111111"),
        ("test_pay[4111111111111111-1]", "CREDIT_CARD", "4111111111111111"),
        ("amex 3782-822463-10005", "CREDIT_CARD", "3782-822463-10005"),
        ('"pan": "5555555555554444"', "CREDIT_CARD", "5555555555554444"),
        ("to DE89 3704 0044 0532 0130 00.", "IBAN", "DE89 3704 0044 0532 0130 00"),
        ("iban=gb82west12345698765432;", "IBAN", "gb82west12345698765432"),
        ("up at 192.168.1.20:5555", "IP", "192.168.1.20"),
        ("router/10.1.2.3:8080", "IP", "10.1.2.3"),
        ("net 10.20.0.0/16 up", "IP", "10.20.0.0"),
        ("from fe80::1ff:fe23:4567:890a%wlan0", "IP", "fe80::1ff:fe23:4567:890a"),
        ("[2001:db8::8a2e:370:7334]:443", "IP", "2001:db8::8a2e:370:7334"),
        ("mapped ::ffff:192.0.2.128 here", "IP", "::ffff:192.0.2.128"),
        ("bssid aa:bb:cc:dd:ee:0f,", "MAC", "aa:bb:cc:dd:ee:0f"),
        ("AA-BB-CC-00-11-22", "MAC", "AA-BB-CC-00-11-22"),
        ("cisco aabb.cc00.1122 up", "MAC", "aabb.cc00.1122"),
        ("mac=aabbcc001122", "MAC", "aabbcc001122"),
        ("call +49 30 901820", "PHONE", "+49 30 901820"),
        ("(201) 555-0123 rang", "PHONE", "(201) 555-0123"),
        ("ring 201-555-0123.", "PHONE", "201-555-0123"),
        ('"phoneNumber": "98765432"', "PHONE", "98765432"),
        ("reach us at 22 12 45 88", "PHONE", "22 12 45 88"),
        ("01 23 45 67 89", "PHONE", "01 23 45 67 89"),
        ('text="22 12 45 88" content-desc="phone number"', "PHONE", "22 12 45 88"),
        ("test_x[a.b@c.com-1]", "EMAIL", "a.b@c.com"),
        ("shots/joe@example.com_2.png", "EMAIL", "joe@example.com"),
        ("joe@xn--bcher-kva.xn--p1ai-2 is new", "EMAIL", "joe@xn--bcher-kva.xn--p1ai-2"),
    ],
)
def test_personal_values_are_found_whole(text: str, kind: str, value: str) -> None:
    assert (kind, value) in found(text)


WORD = "Tr0ub4dor" + "&3x"


@pytest.mark.parametrize(
    "text",
    [
        "password={}",
        "password: {}",
        'password = "{}"',
        "'password': '{}'",
        '{{\\"password\\": \\"{}\\"}}',
        "<password>{}</password>",
        '<user name="x" passwd="{}"/>',
        '<string name="db_password">{}</string>',
        '<property name="password" value="{}"/>',
        '{{"name": "password", "value": "{}"}}',
        "<key>password</key>\n  <string>{}</string>",
        "db:\n  password:\n    {}\n",
        "ENV DB_PASSWORD {}",
        "machine lab login joe password {}",
        "--password {} --x",
        "--db-password='{}'",
        "set_password('{}')",
        "if '{}' == password:",
        "typed '{}' into the password field",
        "The password is '{}'",
        "Password is now {}",
        "password: str = '{}'",
        "password = SecretStr('{}')",
        "ALTER ROLE app PASSWORD '{}'",
        "postgresql+psycopg://app:{}@db/x",
        "redis://:{}@cache:6379/0",
        "jdbc:oracle:thin:scott/{}@//db:1521/x",
        '"app:{}@db.internal:5432/app"',
        "app:{}@tcp(db:3306)/app",
        "jdbc:sqlserver://db;user=sa;password={};encrypt=true",
        "curl -u joe:{} http://x",
        "curl --user 'joe:{}' http://x",
        "mysql -h db -u root -p'{}' app",
        "sshpass -p {} ssh lab",
        "redis-cli -h cache -a {} ping",
        "openssl rsa -passin pass:{} -in key",
        "User(name=joe, password={}, id=3)",
        "a=1&password={}&b=2",
        "motdepasse={}",
    ],
)
def test_a_password_is_found_however_it_is_written(text: str) -> None:
    """Its value only: what stands around it is needed to understand a log."""
    text = text.replace("{}", WORD).replace("{{", "{").replace("}}", "}")

    values = {value for kind, value in found(text) if kind in ("PASSWORD", "API_KEY")}

    assert values == {WORD}


@pytest.mark.parametrize(
    "value",
    [
        "[REDACTED:PASSWORD#1]",
        "[REDACTED]",
        "****",
        "null",
        "None",
        "true",
        "false",
        "${DB_PASSWORD}",
        "$DB_PASSWORD",
        "<password>",
        "{{ password }}",
        "%(password)s",
        "getPassword()",
        "os.environ['X']",
        "self.password",
        "str",
    ],
)
@pytest.mark.parametrize("frame", ["password={}", "password: {}", '"token": {}', "client_secret = {}"])
def test_what_stands_for_a_value_is_none(frame: str, value: str) -> None:
    assert found(frame.replace("{}", value)) == set()


@pytest.mark.parametrize(
    "text",
    [
        "localhost 127.0.0.1, 0.0.0.0, ::1 and :: are nobody's",
        "ff:ff:ff:ff:ff:ff 00:00:00:00:00:00 02:00:00:00:00:00",
        "version 1.2.3.4, Chrome/120.0.6099.129, v2.3.4.5, lib==1.2.3.4, build 10.0.0.7",
        "package@1.2.3-beta, icon@2x.png, git@github.com:org/repo, Foo@1a2b3c.toString()",
        "000-12-3456 666-12-3456 912-34-5678 123-00-4567 123-45-0000",
        "at 1732600000 and 1732600000123, 1732600000123456 us, 1732600000123456789 ns",
        "eventTime=376543210987654 frame 4111111111111111 ns",
        "4111 1111 1111 1112",
        "id 550e8400-e29b-41d4-a716-446655440000",
        "2026-11-27 06:03:49,123 11-27 06:03:49.049 12345 12390 D Tag: x",
        "token=Token{3fa2b1c ActivityRecord{5b u0 com.example/.Main t12}}",
        "mToken=android.os.BinderProxy@3fa2b1c lease token 41 tokens: 1523",
        "password field visible, passwordLength=12, show_password=false, passed: 12",
        "Forgot password? Enter your password. Password must contain a digit",
        "secretKeyRef: name: db-credentials key: password",
        "keyguardSecureSettings=default KEY_SECRET_MODE=standard KEYCODE_ENTER",
        "std::vector dead::beef tests/test_a.py::test_b 12:34:56",
        "docker run -u 1000:1000 -p 8080:80 image",
        "call took 1234567 ms, phone: 40 %, text 12345678 bytes",
        "PWD=/root/work OLDPWD=/tmp",
        "DE12 3456 7890 1234 5678 90",
        "assert os.path.isabs(*('/etc/passwd', 'absolute'))",
        '("/etc/passwd", "absolute")',
        '{"file": "/var/lib/password", "mode": "0600"}',
        "secretKeyRef:\n  name: farm-db-credentials\n  key: password\n",
        "tests/test_auth.py::test_token_refresh PASSED [ 41%]",
        "tests/test_auth.py:41: in test_token_refresh",
        'File "/work/auth/token.py", line 41, in refresh_token',
        "token=3.14159265 token=41 token: 1523 secret=1.2.3 key=2026-11-27T06:03:49.123Z",
        "token sha256:" + "26bd042c21826ef2e55678c2f798ae6f71f1" * 2,
    ],
)
def test_harmless_texts_are_left_alone(text: str) -> None:
    assert found(text) == set()


def jwt(*parts: dict[str, object], signature: str = "s1gn4ture" * 4) -> str:
    def part(data: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()

    return ".".join((*map(part, parts), signature))


def test_a_token_of_the_web_is_found_signed_unsigned_and_in_base64() -> None:
    signed = jwt({"alg": "HS256", "typ": "JWT"}, {"sub": "1234567890"})
    bare = jwt({"alg": "none"}, {"sub": "1234567890"}, signature="")
    twice = base64.b64encode(signed.encode()).decode()

    assert ("JWT", signed) in found(f"got {signed}, fine")
    assert any(kind == "JWT" and value.startswith(bare[:-1]) for kind, value in found(f"got {bare} fine"))
    assert ("JWT", twice) in found(f"twice {twice} fine")


EDGE = "-" * 5
BODY = "\n".join("Ab0+/xyZ" * 8 for _ in range(12))
PEM = f"{EDGE}BEGIN RSA PRIVATE KEY{EDGE}\n{BODY}\n{EDGE}END RSA PRIVATE KEY{EDGE}"


@pytest.mark.parametrize(
    "written",
    [
        PEM,
        PEM.replace("\n", "\nE       "),
        json.dumps(PEM)[1:-1],
        PEM.replace("RSA ", "OPENSSH "),
        PEM.replace("\n", "\\\\n"),
    ],
)
def test_a_private_key_is_found_whole_whatever_stands_before_its_lines(written: str) -> None:
    assert ("PRIVATE_KEY", written) in found(f"before {written} after")


def test_a_private_key_without_an_end_reaches_to_the_end_or_32_kilobytes() -> None:
    begin = PEM.partition("\n")[0]

    (short,) = found(f"x {begin}\n{BODY}")
    (long,) = found(begin + "A1b2" * 20_000)

    assert short == ("PRIVATE_KEY", f"{begin}\n{BODY}")
    assert len(long[1]) == 32 << 10


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.prefix)
def test_keys_of_each_vendor_are_found(vendor) -> None:  # type: ignore[no-untyped-def]
    """Whatever their tails may hold: one of each is built from the published alphabet."""
    letters = [char for char in "3fA0b9D1c7E5a2HkQzWmNpXuRgTy" if char in alphabet(vendor.tail)]
    key = vendor.prefix + "".join(letters[at % len(letters)] for at in range(vendor.least))

    assert any(value.startswith(key) for kind, value in found(f'x = "{key}";') if kind == "API_KEY")


def alphabet(tail: str) -> str:
    if "\\w" in tail:
        return "abcdefABCDEFHkQzWmNpXuRgTy0123456789"
    return "".join(
        letters
        for name, letters in (
            ("0-9", "0123456789"),
            ("a-f", "abcdef"),
            ("a-z", "abcdefghijklmnopqrstuvwxyz"),
            ("A-Z", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            ("A-F", "ABCDEF"),
        )
        if name in tail
    )


def test_there_are_at_least_thirty_vendors() -> None:
    assert len({vendor.prefix for vendor in VENDORS}) >= 30


def test_addresses_that_are_joined_leave_nothing_of_the_first() -> None:
    """Numbers of parameters, and other parameters, follow a hyphen in the names of tests."""
    text = "test_x[a@x.com-b@x.com]"
    spans = [span for index in GATES[0].hits(text) for span in DETECTORS[index].find(text)]

    covered = {at for span in spans for at in range(span.start, span.end)}

    assert covered == set(range(text.index("[") + 1, len(text) - 1))


VENDOR_KEYS = (
    "ghp" + "_" + "A1b2C3d4E5" * 4,
    "sk" + "_live_" + "A1b2C3d4E5" * 3,
    "AK" + "IA" + "Q3EGRIDVJ7KX2LMN",
)


@pytest.mark.parametrize("key", VENDOR_KEYS)
@pytest.mark.parametrize(
    "text", ["test_it[1-{}]", "attachment.{}", "absent_{}", "x-{}", "a/{}", "a:{}", "{}-2", "a.{}.txt"]
)
def test_a_key_is_found_behind_what_joins_it_to_a_word(text: str, key: str) -> None:
    assert any(kind == "API_KEY" and key in value for kind, value in found(text.format(key)))


@pytest.mark.parametrize("key", VENDOR_KEYS)
@pytest.mark.parametrize("before", ["a", "Z", "7"])
def test_a_letter_or_a_digit_before_it_makes_a_key_part_of_a_word(before: str, key: str) -> None:
    assert found(f"{before}{key}") == set()


@pytest.mark.parametrize(
    "text",
    ["service-api-{}", "core_re_entrant_lock_acquired_by_main_2", "mobile.sdk-{} started", "auto-mob-{}"],
)
def test_names_that_hold_an_ordinary_prefix_are_no_keys(text: str) -> None:
    assert found(text.format("550e8400-e29b-41d4-a716-446655440000")) == set()


@pytest.mark.parametrize("text", ["'keys': ['{}']", 'tokens: ["{}"]', '"keys": [ "{}" ]', "api_keys=[u'{}']"])
def test_the_first_value_of_a_list_is_found_without_its_bracket(text: str) -> None:
    key = "0a1b2c3d" + "4e5f60718293"

    assert {value for _, value in found(text.format(key))} == {key}


def test_each_value_of_a_list_is_found() -> None:
    keys = [f"Zx8{number}Kq0pLm29" + "Vb47Nc" for number in range(5)]

    for text in (f"tokens = {keys}", json.dumps({"tokens": keys}), json.dumps(json.dumps({"tokens": keys}))):
        assert {value for _, value in found(text)} == set(keys)


def test_the_next_key_is_not_the_value_of_a_name() -> None:
    """JSON stays JSON, and what is the value of no secret stays."""
    assert found('{"name": "password", "status": "passed"}') == set()
    assert found(json.dumps(json.dumps({"name": "password", "status": "passed"}))) == set()
    assert found('{"name": "password", "value": "hunter2x"}') == {("PASSWORD", "hunter2x")}


@pytest.mark.parametrize("key", ["0a1b2c3d4e5f60718293a4b5c6d7e8f9", "Zx81Kq0pLm29Vb47Nc56"])
@pytest.mark.parametrize(
    "text",
    [
        "datadog_api = '{}'",
        "TWILIO_AUTH={}",
        "heroku: {}",
        "browserstack.accessKey={}",
        "secret_access_key={}",
        "X-Api-Key: {}",
        "Authorization: Bearer {}",
        "?key={}&x=1",
        "sauce_key, {}",
        "Cookie: sid={}; x=1",
        "using token {}",
    ],
)
def test_a_key_without_prefix_is_found_by_what_stands_beside_it(text: str, key: str) -> None:
    assert key in {value for _, value in found(text.replace("{}", key))}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("pin=4711", "4711"),
        ("Your verification code is 493021", "493021"),
        ("otp: 778812", "778812"),
        ('"cvv": "123"', "123"),
        ("493021 is your login code", "493021"),
        ("PIN code: 99887", "99887"),
    ],
)
def test_short_codes_are_found_beside_their_names(text: str, value: str) -> None:
    assert ("PASSWORD", value) in found(text)


@pytest.mark.parametrize(
    "text", ["mapping=4711", "spin=1234", "error code 1234", "pinned: 12345", "exit code: 137"]
)
def test_numbers_with_similar_names_are_no_codes(text: str) -> None:
    assert found(text) == set()


def test_our_lengths_of_account_numbers_are_those_of_another_source() -> None:
    registry = pytest.importorskip("schwifty.registry")
    theirs = {country: registry.get_iban_spec(country).iban_length for country in registry.get_countries()}

    assert {country: LENGTHS[country] for country in theirs} == theirs


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('assert ip == "10.1.0.1"', "10.1.0.1"),
        ("x == 10.2.0.4", "10.2.0.4"),
        ("nothing_172.16.99.23", "172.16.99.23"),
        ("E     + 212-555-0123", "212-555-0123"),
        ("+ 212-555-0123", "212-555-0123"),
    ],
)
def test_what_an_assertion_compares_is_found_and_nothing_beside_it(text: str, value: str) -> None:
    assert {text[span.start : span.end] for span in Redactor().spans(text)} == {value}


@pytest.mark.parametrize("text", ["requests==1.2.3.4", "pkg_1.2.3.4.apk", "^1.2.3.4", "version == 1.2.3.4"])
def test_versions_behind_operators_and_underscores_stay(text: str) -> None:
    assert Redactor().spans(text) == []


@pytest.mark.parametrize("digits", [17, 18, 19])
@pytest.mark.parametrize("engine", ["re2", "re"])
def test_a_bots_token_begins_with_the_number_of_its_account(digits: int, engine: str) -> None:
    if engine == "re2":
        pytest.importorskip("re2")
    redactor = Redactor(engine=engine)  # type: ignore[arg-type]
    account = base64.urlsafe_b64encode(
        str(secrets.randbelow(9 * 10 ** (digits - 1)) + 10 ** (digits - 1)).encode()
    )
    token = f"{account.decode().rstrip('=')}.{secrets.token_urlsafe(5)[:6]}.{secrets.token_urlsafe(28)}"

    assert redactor.redact(f"the bot has {token}") == "the bot has [REDACTED:API_KEY#1]"


@pytest.mark.parametrize(
    "text",
    [
        "session be68b6e6-c46d-4a52-be68-b6e6b446c194",
        "a43c2ff8-ad48-45e8-af46-412e28d7c2bd",
        "call 76ddb84b-0839-4794-8388-f30313199da0 from",
        "phone: 00977148-9606-4290-aa77-c4f93c89ab72",
        "EE63A78C-D14E-4864-9F4F-AC3DE756A52D",
    ],
)
def test_nothing_is_found_in_a_uuid(text: str) -> None:
    assert not Redactor().finds(text)

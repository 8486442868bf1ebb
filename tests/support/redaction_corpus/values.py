"""Values of each kind, from sources that know nothing of the detectors, and what fills clean fields."""

from __future__ import annotations

import base64
import json
import random
import re
import string
import uuid
from collections.abc import Callable, Iterator

ALNUM = string.ascii_letters + string.digits
B64 = ALNUM + "-_"
HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits


def faker_of(luck: random.Random, *locales: str):  # type: ignore[no-untyped-def]
    from faker import Faker

    fake = Faker(list(locales) or ["en_US"])
    fake.seed_instance(luck.randrange(1 << 30))
    return fake


def run(luck: random.Random, alphabet: str, length: int) -> str:
    return "".join(luck.choice(alphabet) for _ in range(length))


def ssns(luck: random.Random) -> Iterator[str]:
    fake = faker_of(luck)
    while True:
        yield fake.ssn()


def ips(luck: random.Random) -> Iterator[str]:
    fake = faker_of(luck)
    while True:
        yield luck.choice((fake.ipv4_public, fake.ipv4_private, fake.ipv4_public, fake.ipv6))()


def ibans(luck: random.Random) -> Iterator[str]:
    import schwifty

    while True:
        number = schwifty.IBAN.random(random=luck)
        yield luck.choice((number.compact, number.formatted))


def macs(luck: random.Random) -> Iterator[str]:
    fake = faker_of(luck)
    while True:
        plain = fake.mac_address()
        flat = plain.replace(":", "")
        yield luck.choice(
            (
                plain,
                plain,
                plain.upper(),
                plain.upper().replace(":", "-"),
                f"{flat[:4]}.{flat[4:8]}.{flat[8:]}",
            )
        )


def emails(luck: random.Random) -> Iterator[str]:
    fake = faker_of(luck, "en_US", "de_DE", "fr_FR", "es_ES", "pl_PL")
    while True:
        plain = luck.choice((fake.email, fake.company_email, fake.free_email, fake.safe_email))()
        yield luck.choice(
            (plain, plain, plain, plain.replace("@", f"+{fake.word().replace(' ', '')}@", 1), plain.upper())
        )


def cards(luck: random.Random) -> Iterator[str]:
    """Of 14 to 19 digits: those of 12 and 13 are left out on purpose, which the documentation says."""
    fake = faker_of(luck)
    while True:
        digits = fake.credit_card_number()
        if len(digits) < 14:
            continue
        cut = (4, 10) if len(digits) in (14, 15) else (4, 8, 12, 16)
        pieces = [digits[a:b] for a, b in zip((0, *cut), (*cut, len(digits)), strict=True)]
        joint = luck.choice(("", " ", "-"))
        yield joint.join(piece for piece in pieces if piece)


def phones(luck: random.Random) -> Iterator[str]:
    import phonenumbers as lib

    formats = (
        lib.PhoneNumberFormat.E164,
        lib.PhoneNumberFormat.INTERNATIONAL,
        lib.PhoneNumberFormat.NATIONAL,
    )
    regions = sorted(lib.SUPPORTED_REGIONS)
    types = (lib.PhoneNumberType.FIXED_LINE, lib.PhoneNumberType.MOBILE)
    while True:
        example = lib.example_number_for_type(luck.choice(regions), luck.choice(types))
        if example is None:
            continue
        # The last digits vary, so that there are more than one a region; the plan must allow the number.
        shift = 10 ** luck.randrange(2, 5)
        number = lib.PhoneNumber(
            country_code=example.country_code,
            national_number=example.national_number // shift * shift + luck.randrange(shift),
            italian_leading_zero=example.italian_leading_zero,
        )
        if lib.is_valid_number(number):
            yield lib.format_number(number, luck.choice(formats))


def jwts(luck: random.Random) -> Iterator[str]:
    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    while True:
        alg = luck.choice(("HS256", "RS256", "ES256", "none"))
        head = (
            {"alg": alg, "typ": "JWT"}
            if luck.random() < 0.7
            else {"typ": "JWT", "kid": run(luck, HEX, 8), "alg": alg}
        )
        body = {
            "sub": run(luck, string.digits, 8),
            "iat": luck.randrange(1_600_000_000, 1_900_000_000),
            "scope": "app",
        }
        size = {"HS256": 32, "RS256": 256, "ES256": 64, "none": 0}[alg]
        separators = luck.choice(((",", ":"), (", ", ": ")))
        yield (
            ".".join(
                (
                    part(json.dumps(head, separators=separators).encode()),
                    part(json.dumps(body, separators=separators).encode()),
                    part(luck.randbytes(size)),
                )
            )
            if size
            else ".".join(
                (part(json.dumps(head, separators=(",", ":")).encode()), part(json.dumps(body).encode()), "")
            )
        )


def private_keys(luck: random.Random) -> Iterator[str]:
    while True:
        label = luck.choice(("RSA ", "EC ", "", "OPENSSH ", "ENCRYPTED ", "DSA "))
        body = base64.b64encode(luck.randbytes(luck.choice((120, 600, 1200)))).decode()
        lines = [body[at : at + 64] for at in range(0, len(body), 64)]
        edge = "-" * 5
        if luck.random() < 0.15:
            label, tail = "PGP ", " BLOCK"
            lines = ["", *lines, "=" + run(luck, ALNUM, 4)]
        else:
            tail = ""
        yield "\n".join(
            (
                f"{edge}BEGIN {label}PRIVATE KEY{tail}{edge}",
                *lines,
                f"{edge}END {label}PRIVATE KEY{tail}{edge}",
            )
        )


#: Published formats: fixed text, then runs of an alphabet.
KEY_FORMATS: tuple[tuple[tuple[str, int] | str, ...], ...] = (
    ("AK" + "IA", (UPPER, 16)),
    ("AS" + "IA", (UPPER, 16)),
    ("gh" + "p_", (ALNUM, 36)),
    ("gh" + "s_", (ALNUM, 36)),
    ("github" + "_pat_", (ALNUM, 22), "_", (ALNUM, 59)),
    ("gl" + "pat-", (B64, 20)),
    ("xo" + "xb-", (string.digits, 12), "-", (string.digits, 12), "-", (ALNUM, 24)),
    ("xa" + "pp-1-", (UPPER, 11), "-", (string.digits, 13), "-", (HEX, 64)),
    ("AI" + "za", (B64, 35)),
    ("ya" + "29.", (B64, 120)),
    ("GOC" + "SPX-", (B64, 28)),
    ("sk" + "_live_", (ALNUM, 24)),
    ("rk" + "_test_", (ALNUM, 99)),
    ("S" + "G.", (B64, 22), ".", (B64, 43)),
    ("npm" + "_", (ALNUM, 36)),
    ("pypi" + "-AgEIcHlwaS5vcmc", (B64, 120)),
    ("dop" + "_v1_", (HEX, 64)),
    ("shp" + "at_", (HEX, 32)),
    ("hf" + "_", (string.ascii_letters, 34)),
    ("sk" + "-ant-api03-", (B64, 93), "AA"),
    ("sk" + "-proj-", (B64, 60)),
    ("dck" + "r_pat_", (B64, 27)),
    ("lin" + "_api_", (ALNUM, 40)),
    ("gl" + "sa_", (ALNUM, 32), "_", (HEX, 8)),
    ("hv" + "s.", (B64, 92)),
    ("NR" + "AK-", (UPPER, 27)),
    ("PM" + "AK-", (HEX, 24), "-", (HEX, 34)),
    ("rubygems" + "_", (HEX, 48)),
    ("da" + "pi", (HEX, 32)),
    ("AC", (HEX, 32)),
    ((string.digits[1:], 9), ":AA", (B64, 33)),
    ("key" + "-", (HEX, 32)),
    ((HEX, 32), "-us", (string.digits, 1)),
    ("sq0" + "atp-", (B64, 22)),
    ("ATAT" + "T3xFfGF0", (B64, 160), "=", (UPPER, 8)),
)


def prefixed_keys(luck: random.Random) -> Iterator[str]:
    while True:
        yield "".join(
            piece if isinstance(piece, str) else run(luck, *piece) for piece in luck.choice(KEY_FORMATS)
        )


def plain_keys(luck: random.Random) -> Iterator[str]:
    """Those that only their surroundings tell."""
    while True:
        yield luck.choice(
            (
                lambda: run(luck, HEX, 32),
                lambda: run(luck, HEX, 40),
                lambda: run(luck, ALNUM, 20),
                lambda: run(luck, ALNUM, 32),
                lambda: run(luck, B64, 43),
                lambda: base64.b64encode(luck.randbytes(30)).decode(),
                lambda: str(uuid.UUID(int=luck.getrandbits(128), version=4)),
            )
        )()


def api_keys(luck: random.Random) -> Iterator[str]:
    """Half of them with a prefix; frames that begin with a name of a service or a field fit both."""
    both = (prefixed_keys(luck), plain_keys(luck))
    while True:
        yield next(both[luck.random() < 0.6])


WORDS = (
    "summer",
    "hunter",
    "dragon",
    "tiger",
    "monkey",
    "lab",
    "device",
    "falcon",
    "orange",
    "winter",
    "phoenix",
    "matrix",
)


def passwords(luck: random.Random) -> Iterator[str]:
    fake = faker_of(luck)
    while True:
        yield luck.choice(
            (
                lambda: fake.password(length=luck.randrange(8, 20)),
                lambda: fake.password(length=luck.randrange(8, 14), special_chars=False),
                lambda: (
                    luck.choice(WORDS).capitalize()
                    + str(luck.randrange(10, 9999))
                    + luck.choice(("!", "$", "", "?"))
                ),
                lambda: (
                    luck.choice(WORDS) + luck.choice("-_.") + luck.choice(WORDS) + str(luck.randrange(99))
                ),
                lambda: luck.choice(WORDS) + str(luck.randrange(99999)),
                lambda: "".join(
                    luck.choice(ALNUM + "()[]{},!@#$%^*+=?~|.") for _ in range(luck.randrange(10, 18))
                ),
            )
        )()


SOURCES: dict[str, Callable[[random.Random], Iterator[str]]] = {
    "SSN": ssns,
    "IP": ips,
    "IBAN": ibans,
    "MAC": macs,
    "EMAIL": emails,
    "CREDIT_CARD": cards,
    "PHONE": phones,
    "API_KEY": api_keys,
    "PASSWORD": passwords,
    "JWT": jwts,
    "PRIVATE_KEY": private_keys,
}

# ---- harmless fields: <name> in a frame

_CLASSES = (
    "ActivityManager",
    "WindowManager",
    "InputDispatcher",
    "PackageManager",
    "BatteryService",
    "Choreographer",
    "SurfaceFlinger",
)
_PACKAGES = (
    "com.example.bank",
    "org.acme.shop.debug",
    "com.android.systemui",
    "io.appium.settings",
    "com.google.android.gms",
)
_NAMES = (
    "login_button",
    "usernameField",
    "btn_ok",
    "toolbar",
    "list_item_3",
    "password_field",
    "submit",
    "keyPadView",
)
_TESTS = (
    "test_login",
    "test_checkout_twice",
    "test_token_refresh",
    "test_reset_password",
    "test_scroll",
    "test_phone_call_banner",
)


def fields(luck: random.Random) -> dict[str, Callable[[], str]]:
    n = luck.randrange
    return {
        "date": lambda: f"{n(2019, 2030)}-{n(1, 13):02}-{n(1, 29):02}",
        "md": lambda: f"{n(1, 13):02}-{n(1, 29):02}",
        "clock": lambda: f"{n(24):02}:{n(60):02}:{n(60):02}.{n(1000):03}",
        "hms": lambda: f"{n(24):02}:{n(60):02}:{n(60):02}",
        "micros": lambda: f"{n(24):02}:{n(60):02}:{n(60):02},{n(1000000):06}",
        "pid": lambda: str(n(1, 32768)),
        "pidw": lambda: f"{n(1, 32768):5}",
        "n": lambda: str(n(1000)),
        "big": lambda: str(n(10**5, 10**9)),
        "ms": lambda: str(n(1, 60000)),
        "ns": lambda: str(n(10**12, 10**15)),
        "epoch": lambda: str(n(1_500_000_000, 1_900_000_000)),
        "epoch_ms": lambda: str(n(1_500_000_000_000, 1_900_000_000_000)),
        "epoch_us": lambda: str(n(1_500_000_000_000_000, 1_900_000_000_000_000)),
        "epoch_ns": lambda: str(n(15 * 10**17, 19 * 10**17)),
        "id9": lambda: str(n(10**8, 10**9)),
        "id10": lambda: str(n(10**9, 10**10)),
        "id12": lambda: str(n(10**11, 10**12)),
        "id16": lambda: str(n(10**15, 10**16)),
        "id18": lambda: str(n(10**17, 10**18)),
        "uuid": lambda: str(uuid.UUID(int=luck.getrandbits(128), version=4)),
        "hex6": lambda: run(luck, HEX, 6),
        "hex7": lambda: run(luck, HEX, 7),
        "hex8": lambda: run(luck, HEX, 8),
        "hex12": lambda: run(luck, HEX, 12),
        "hex16": lambda: run(luck, HEX, 16),
        "hex32": lambda: run(luck, HEX, 32),
        "hex40": lambda: run(luck, HEX, 40),
        "hex64": lambda: run(luck, HEX, 64),
        "v3": lambda: f"{n(1, 30)}.{n(30)}.{n(30)}",
        "v4": lambda: f"{n(1, 130)}.{n(10)}.{n(7000)}.{n(250)}",
        "v4s": lambda: f"{n(1, 30)}.{n(30)}.{n(30)}.{n(250)}",
        "float": lambda: f"{n(1000)}.{n(100):02}",
        "pct": lambda: str(n(101)),
        "cls": lambda: luck.choice(_CLASSES),
        "pkg": lambda: luck.choice(_PACKAGES),
        "name": lambda: luck.choice(_NAMES),
        "test": lambda: luck.choice(_TESTS),
        "w": lambda: str(luck.choice((720, 1080, 1170, 1440))),
        "h": lambda: str(luck.choice((1600, 2400, 2532, 3120))),
        "bounds": lambda: f"[{n(500)},{n(900)}][{n(500, 1080)},{n(900, 2400)}]",
        "serial": lambda: run(luck, UPPER, 11),
        "word": lambda: luck.choice(
            ("alpha", "retry", "status", "ready", "queue", "render", "cache", "layout", "network")
        ),
        "bool": lambda: luck.choice(("true", "false")),
    }


FIELD = re.compile(r"<([a-z0-9_]+)>")


def around(frame: str, luck: random.Random) -> str:
    """The frame with its harmless fields filled."""
    if "<" not in frame:
        return frame
    known = fields(luck)
    return FIELD.sub(
        lambda match: known[match.group(1)]() if match.group(1) in known else match.group(), frame
    )

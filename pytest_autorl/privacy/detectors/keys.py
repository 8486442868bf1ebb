"""API keys by the prefixes that vendors publish, and values that look random beside the name of a service."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from pytest_autorl.privacy.detector import Detector
from pytest_autorl.privacy.detectors.lazy import Lazy, Octets, lowered, places
from pytest_autorl.privacy.detectors.looks import entropy, is_random, is_value
from pytest_autorl.privacy.detectors.vendors import VENDORS, Vendor
from pytest_autorl.privacy.latin import blurred
from pytest_autorl.privacy.span import Span
from pytest_autorl.privacy.vocabulary import Figures, Words

#: A letter or a digit before a key would make it the middle of a longer word; these may join it to one.
_JOINTS = frozenset("_-.")
#: Prefixes that are parts of ordinary names as well: joined to a word, they need a body that is one long run.
_ORDINARY_WORDS = (
    "api- sdk- mob- key- pubkey- re_ t1. sl. sl.u. fw_ ico- xai- jina_ gsk_ r8_ r8m_ y0_ ls__ pul- api_org_"
)
_ORDINARY = frozenset(_ORDINARY_WORDS.split())
UNBROKEN = Lazy(r"[0-9A-Za-z]{16}")
_TAILS: dict[Vendor, Lazy] = {}

#: Formats without a prefix.
TELEGRAM = Lazy(r"\d(?<![0-9A-Za-z]\d)\d{7,9}:AA[\w\-]{32,34}(?![\w\-])")
#: It begins with the number of an account in base64; of three digits, each character is one of a few.
_THREE = "[MNO][DTjz][AEIMQUYcgk][w-z0-5]"
DISCORD = Lazy(
    rf"[MNO](?<![0-9A-Za-z]\S){_THREE[5:]}(?:{_THREE}){{4}}[\w\-]{{3,8}}\.[\w\-]{{6}}\.[\w\-]{{27,40}}(?![\w\-])"
)
AZURE = Lazy(r"\w{3}\dQ~[\w.~\-]{31,34}")
TERRAFORM = Lazy(r"[0-9A-Za-z]{14}\.atlasv1\.[\w=\-]{60,70}")
AIRTABLE = Lazy(r"pat[0-9A-Za-z]{14}\.[0-9a-f]{64}")
MAILCHIMP = Lazy(r"[0-9a-f](?<![0-9A-Za-z]\S)[0-9a-f]{31}-us\d{1,2}(?!\w)")
#: The end of an escape, as JSON and URLs have them, is no part of the word that follows.
ESCAPED = Lazy(r"(?:\\[nrtbf]|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2})$")
OPENAI = Lazy(r"sk-[\w\-]{20,74}T3BlbkFJ[\w\-]{20,74}")
QUERY = Lazy(r"[?&](?:sig|key|api|appid|apikey|k)=([\w%+/=.\-]{16,160})")

#: Next to one of them stands a key that has no prefix.
_SERVICES_WORDS = (
    "adafruit airtable algolia amplitude appcenter appsflyer asana atlassian beamer bitbucket bitrise "
    "bittrex branch_key browserstack bugsnag circleci cloudflare cloudinary codecov codemagic coinbase "
    "confluent contentful coveralls datadog discord droneci dropbox dynatrace etsy facebook fastly "
    "finicity finnhub firebase flickr freshbooks freshdesk gitter grafana headspin heroku hockeyapp "
    "hubspot instabug intercom jfrog artifactory kobiton kraken kucoin lambdatest launchdarkly linkedin "
    "looker mailchimp mailgun mapbox mattermost messagebird mixpanel netlify newrelic new_relic nytimes "
    "okta onesignal opsgenie pagerduty paypal perfecto plaid pusher rapidapi rollbar saucelabs sauce_ "
    "segment_ sendbird sendgrid sentry shodan snyk sonar splunk squarespace statuspage sumologic telegram "
    "testobject trello travis twilio twitch twitter vonage nexmo weatherapi openweather webex yandex "
    "zendesk zoom_ zapier alchemy infura etherscan stripe slack gitlab github openai aws_ azure "
    "digitalocean linode vultr cohere anthropic pinecone testrail testmo percy applitools gemini doppler "
    "clickup notion auth0 flutterwave razorpay braintree adyen checkout maps_api"
)
SERVICES = tuple(_SERVICES_WORDS.split())
BESIDE = Lazy(
    r"[\w.\-]{0,40}[\"'\])]{0,2}[ \t]{0,8}(?:=>|:=|->|==|=|:|,|\||\((?=[\"']))[ \t]{0,8}(?:\r?\n["
    r" \t]{0,20})?[\"'`]{0,2}([\w\-=+/.~]{16,128})(?![\w])"
)
NOT_A_KEY = Lazy(
    r"(?:id|ids|hash|sha|sha1|sha256|md5|commit|digest|checksum|version|url|uri|path|name|file|host"
    r"|trace|span|event|request|"
    r"session|region|bucket|build|ref|branch|tag|etag|revision|arn|endpoint|dsn|channel|message|msg"
    r"|time|date|image|project|zone|image_id)"
    r"[\"'\])]{0,2}[ \t]{0,8}(?:=>|:=|->|==|=|:|,|\|)",
    re.ASCII | re.IGNORECASE,
)


def _by_start() -> dict[str, tuple[Vendor, ...]]:
    """The vendors by the first three characters of their keys."""
    grouped: dict[str, tuple[Vendor, ...]] = {}
    for vendor in VENDORS:
        # The two shortest prefixes are followed by a hexadecimal digit.
        ends = ("",) if len(vendor.prefix) > 2 else "0123456789abcdef"
        for end in ends:
            start = vendor.prefix[:3] + end
            grouped[start] = (*grouped.get(start, ()), vendor)
    return grouped


_BY_START = _by_start()
#: Where a word begins, or a part of one.
START = Lazy(r"(?<![0-9A-Za-z])(?=([0-9A-Za-z][\w\-./]{2}))")
#: What stands in all that a pattern matches, cheap to ask for.
_FORMS = (
    (":AA", TELEGRAM),
    ("Q~", AZURE),
    (".atlasv1.", TERRAFORM),
    ("-us", MAILCHIMP),
    ("T3BlbkFJ", OPENAI),
)


def find(text: str) -> Iterator[Span]:
    if "\\" in text or "%" in text:
        # A key may follow an escape, whose end looks like the beginning of its word.
        starts: Iterable[str] = _BY_START
    else:
        starts = _BY_START.keys() & set(START.findall(text))
    for start in starts:
        at = text.find(start)
        while at >= 0:
            for vendor in _BY_START[start]:
                if text.startswith(vendor.prefix, at):
                    end = end_of_key(text, at, vendor)
                    if end is not None:
                        yield Span(at, end, "API_KEY")
            at = text.find(start, at + 1)
    for sign, pattern in _FORMS:
        if sign in text:
            for match in pattern.finditer(text):
                yield Span(*match.span(), "API_KEY")
    if "." in text:
        for pattern in (DISCORD, AIRTABLE) if has_parts(text) else (AIRTABLE,):
            for match in pattern.finditer(text):
                yield Span(*match.span(), "API_KEY")
    if "=" in text and ("?" in text or "&" in text):
        for match in QUERY.finditer(text):
            if is_random(match.group(1), 16):
                yield Span(*match.span(1), "API_KEY")


def has_parts(text: str) -> bool:
    """Whether two dots stand as far apart as those of a key that `DISCORD` matches."""
    return any(text[at + 7 : at + 8] == "." for at in places(text, "."))


def end_of_key(text: str, at: int, vendor: Vendor) -> int | None:
    before = text[at - 1 : at]
    if before.isalnum() and not ESCAPED.search(text[max(0, at - 6) : at]):
        return None
    tail = _TAILS.get(vendor)
    if tail is None:
        tail = _TAILS[vendor] = Lazy(
            f"[{vendor.tail}]{{{vendor.least},{vendor.most}}}(?![{vendor.tail.replace('=', '').replace('.', '')}])"
        )
    start = at + len(vendor.prefix)
    match = tail.match(text, start)
    if match is None:
        return None
    body = match.group()
    # Words joined by hyphens and underscores are the name of something.
    if not any(char.isdigit() for char in body) and entropy(body) < 3.5:
        return None
    if entropy(body) < 1.5:
        return None
    if vendor.prefix in _ORDINARY and before in _JOINTS and text[at - 2 : at - 1].isalpha():
        # ``service-api-550e8400-e29b-...`` is the name of something.
        return match.end() if UNBROKEN.search(body) else None
    return match.end()


def find_services(text: str) -> Iterator[Span]:
    low = lowered(text)
    for service in SERVICES:
        at = low.find(service)
        while at >= 0:
            match = BESIDE.match(text, at + len(service))
            if match is not None:
                value = match.group(1).rstrip(".")
                lead = text[at : match.start(1)]
                if (
                    is_value(value)
                    and is_random(value, 16)
                    and not NOT_A_KEY.search(lead)
                    and "/" not in value[:2]
                ):
                    yield Span(match.start(1), match.start(1) + len(value), "API_KEY")
            at = low.find(service, at + len(service))


#: What a prefix begins with, up to the first digit or sign: the whole word, unless the rest goes on with letters.
_HEADS = frozenset(head.group() for vendor in VENDORS if (head := re.match("[A-Za-z]{2,}|t", vendor.prefix)))
_OPEN_HEADS = tuple(sorted({vendor.prefix for vendor in VENDORS if vendor.prefix.isalpha()}))
_OPEN_BYTES = tuple(head.encode() for head in _OPEN_HEADS)
_NO_LETTERS = bytes(code if chr(code).isalpha() else 32 for code in range(256))
_KEY_STEMS = (
    *(head.lower() for head in _HEADS),
    *(head.lower() + letter for head in _OPEN_HEADS if len(head) < 3 for letter in "abcdef"),
    *("atlasv", "pat"),
)
_FORMATS = (
    r"0:AA[\w\-]{32}|[MNO][\w\-]{22,27}\.[\w\-]{6}\.[\w\-]{27}|-us0"
    r"|0Q~[\w.~\-]{31}|[?&](?:sig|key|api|appid|apikey|k)=[\w%+/=.\-]{16}"
    r"|A0-[A-Z0\-]{32}|y0_[\w\-]{39}|r0m?_[\w\-]{20}|0//0[\w\-]{30}"
)


def _drawn(vendors: Iterable[Vendor], head: str = "", *, in_figure: bool = False) -> str:
    """Prefixes, without their head, with what must follow them, as they are drawn; an equals sign ends a figure."""
    groups: dict[tuple[str, int], set[str]] = {}
    for vendor in vendors:
        prefix = re.escape(re.sub(r"\d", "0", vendor.prefix.removeprefix(head)))
        groups.setdefault((vendor.tail, vendor.least), set()).add(prefix)
    return "|".join(
        f"(?:{'|'.join(sorted(prefixes))})"
        f"(?:[{tail}]{{{least}}}{f'|[{tail}]{{0,{least}}}$' if in_figure and '=' in tail else ''})"
        for (tail, least), prefixes in groups.items()
    )


@lru_cache(maxsize=1)
def _by_head() -> dict[bytes, Octets]:
    """The keys whose prefix begins with a word of letters, by that word: a search for one is quick."""
    vendors: dict[str, list[Vendor]] = {}
    for vendor in VENDORS:
        head = re.match("[A-Za-z]+", vendor.prefix)
        if head is not None:
            vendors.setdefault(head.group(), []).append(vendor)
    return {
        head.encode(): Octets(f"{head}(?:{_drawn(some, head, in_figure=True)})")
        for head, some in vendors.items()
    }


@lru_cache(maxsize=1)
def _open() -> Octets:
    return Octets(_drawn((vendor for vendor in VENDORS if vendor.prefix.isalpha()), in_figure=True))


@lru_cache(maxsize=1)
def _escaped() -> Octets:
    """The same behind an escape, where no look back is needed."""
    return Octets(rf"(?:\\[nrtbf]|\\u[0-9A-Fa-f]{{4}}|%[0-9A-Fa-f]{{2}})(?:{_drawn(VENDORS)})")


_OTHERS = Octets(_FORMATS)
#: Formats without letters at their head, and whatever stands behind an escape.
_FIGURES = (
    (":", r"0:aa[a0_\-]{32}"),
    (".", r"\.(?<=[a0_\-]{23}\.)[a0_\-]{6}\.[a0_\-]{27}"),
    (".", r"\.(?<=aaa[a0]{14}\.)[a0]{8}"),
    ("~", "~(?<=0a~)"),
    ("-", r"-(?:(?<=[a0]{32}-)aa0|(?<=a0-)[a0\-]{32})"),
    ("_", r"_(?:(?<=a0_)|(?<=a0a_))[a0_\-]{20}"),
    ("/", "0//0"),
    ("?&", "[?&]a"),
    ("\\%", r"(?:\\a|\\a0{0,4}[a0]{0,4}|%[a0]{2})[a0_\-.]{10}"),
)


def begins_key(word: str) -> bool:
    return word in _HEADS or word.startswith((*_OPEN_HEADS, "atlasv"))


def may_hold(low: bytes, drawn: bytes) -> bool:
    if _OTHERS.search(drawn):
        return True
    return (b"\\" in drawn or b"%" in drawn) and _escaped().search(drawn) is not None


def holds_key(figure: bytes) -> bool:
    """Whether a word in this figure begins a key that goes on in it."""
    words = set(figure.translate(_NO_LETTERS).split())
    searches = _by_head()
    if any(searches[head].search(figure) for head in searches.keys() & words):
        return True
    if any(map(figure.__contains__, _OPEN_BYTES)) and _open().search(figure):
        return True
    return b".atlasv0." in figure


def _gate() -> str:
    groups: dict[tuple[str, int], list[str]] = {}
    for vendor in VENDORS:
        groups.setdefault((vendor.tail, min(vendor.least, 10)), []).append(
            re.escape(vendor.prefix).replace("/", "/")
        )
    parts = [
        f"(?:{'|'.join(sorted(set(prefixes)))})[{tail}]{{{least}}}"
        for (tail, least), prefixes in groups.items()
    ]
    vendors = r"(?:^|[^0-9A-Za-z]|\\[nrtbf]|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2})(?:" + "|".join(parts) + ")"
    return vendors + (
        rf"|(?:{_THREE}){{5}}"
        r"|\d:AA[\w\-]{20}|\dQ~[\w.~\-]{8}|\.atlasv1\.|pat[0-9A-Za-z]{14}\.[0-9a-f]{8}"
        r"|[0-9a-f]{8}-us\d|T3BlbkFJ|[?&](?:sig|key|api|appid|apikey|k)=[\w%+/=.\-]{8}"
    )


def _gate_hint() -> str:
    """The first characters of keys; of few classes, since each one is states of its own."""
    groups: dict[str, set[str]] = {}
    for vendor in VENDORS:
        tail = vendor.tail if vendor.tail in ("A-Z0-9", "0-9a-f") else r"\w+/=\-.%"
        groups.setdefault(tail, set()).add(blurred(re.escape(vendor.prefix)))
    parts = "|".join(f"(?:{'|'.join(sorted(prefixes))})[{tail}]{{5}}" for tail, prefixes in groups.items())
    return (
        rf"(?:^|[^0-9A-Za-z]|\\[nrtbf]|\\u[0-9A-Fa-f]{{4}}|%[0-9A-Fa-f]{{2}})(?:{parts})"
        r"|(?:[MNO][DTjz][AEIMQUYcgk][w-z01]){5}"
        r"|\d:AA[\w\-]{4}|\dQ~[\w.~\-]{4}|\.atlasv1\.|pat[0-9A-Za-z]{14}\."
        r"|[0-9a-f]{4}-us\d|T1BlbkFJ|[?&](?:sig|key|api|appid|apikey|k)=[\w%+/=.\-]{3}"
    )


KEYS = Detector(
    name="keys",
    gate=_gate,
    hint=_gate_hint,
    words=(Words(stems=_KEY_STEMS, accepts=begins_key, within=holds_key),),
    figures=[Figures(signs=signs, pattern=pattern, confirms=may_hold) for signs, pattern in _FIGURES],
    find=find,
)

#: Of a name with a digit or a sign, its longest word, which ends there.
_SERVICE_STEMS = {service: max(re.findall("[a-z]+", service), key=len) for service in SERVICES}
_WHOLE_STEMS = tuple(stem for service, stem in _SERVICE_STEMS.items() if stem == service)
_ENDINGS = tuple(stem for service, stem in _SERVICE_STEMS.items() if stem != service)
_VALUE = Octets(r"[=:|,(>][ \t\r\n\"'`(]{0,32}[\w\-=+/.~]{16}")


def _services() -> str:
    """The names by their first letters, to which a search jumps."""
    firsts: dict[str, list[str]] = {}
    for service in SERVICES:
        firsts.setdefault(service[0], []).append(service[1:])
    return "|".join(f"{char}(?:{'|'.join(rest)})" for char, rest in sorted(firsts.items()))


_SERVICE_BYTES = tuple(re.sub(r"\d", "0", service).encode() for service in SERVICES)
_NAMED = Octets(rf"(?:{_services()})[\w.\-]{{0,40}}[\"'\])]{{0,2}}[ \t]{{0,8}}[=:|,(\-]")


def is_service(word: str) -> bool:
    low = word.lower()
    return low.endswith(_ENDINGS) or any(stem in low for stem in _WHOLE_STEMS)


def holds_service(figure: bytes) -> bool:
    low = figure.lower()
    return any(map(low.__contains__, _SERVICE_BYTES))


def has_value(low: bytes, drawn: bytes) -> bool:
    return _VALUE.search(low) is not None and _NAMED.search(low) is not None


SERVICE_KEYS = Detector(
    name="service_keys",
    gate="(?i:"
    + "|".join(SERVICES)
    + r")[\w.\-]*[\"'\])]*[ \t]*(?:[=:,|(]|->)[=>]?[ \t]*\r?\n?[ \t]*[\"'`]*[\w\-=+/.~]{16}",
    hint="(?i:" + blurred("|".join(SERVICES)) + ")",
    words=(
        Words(
            stems=tuple(_SERVICE_STEMS.values()), accepts=is_service, within=holds_service, confirms=has_value
        ),
    ),
    find=find_services,
)

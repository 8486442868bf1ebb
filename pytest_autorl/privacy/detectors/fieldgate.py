"""When a text is worth a search for fields: what RE2 is asked, and what the engine without it tests instead.

Both let through whatever `fields.find` finds.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_autorl.privacy.detectors.keywords import KEY_BEFORE, STEMS
from pytest_autorl.privacy.detectors.lazy import Octets

#: A quotation mark that ends nothing.
_GOES_ON = r"[\"'`<>][^\s,;:)\]}>]"


def _no_word(words: Sequence[str]) -> str:
    """A pattern for the beginning of what is none of these words; RE2 looks nowhere ahead."""
    firsts = "".join(sorted({word[0] for word in words}))
    parts = [rf"[^\s\"'{firsts}{firsts.upper()}*][^\s\"'<]", r"\*[^\s*]", rf"[^\s\"'<>]{{1,5}}{_GOES_ON}"]
    parts += [r"\"[^\s\"]{0,5}['`<>][^\s]", r"'[^\s']{0,5}[\"`<>][^\s]"]
    # In quotes it may be a word that goes on behind a space or a bracket.
    parts.append(
        r"[rbfuRBFU]*[\"'](?:[^\s\"']\s+[^\s\"'<]|\s+[\"'][^\s\"'<>,;:]"
        rf"|(?i:{'|'.join(words)})(?:\s+[^\s\"'<]|[^\w\s\"'<>\\&]))"
    )
    stems: dict[str, set[str]] = {}
    for word in words:
        for length in range(1, len(word)):
            stems.setdefault(word[:length], set()).add(word[length])
        stems.setdefault(word, set())
    for stem, following in sorted(stems.items()):
        same = "".join(f"[{char}{char.upper()}]" for char in stem)
        others = "".join(sorted(following | {char.upper() for char in following}))
        if stem in words:
            parts.append(rf"{same}[^\s\"'\\,;.<>)\]}}&{others}]")
        else:
            parts.append(rf"{same}[^\s\"'{others}]" if len(stem) == 1 else rf"{same}(?:[^{others}]|$)")
    return "(?:" + "|".join(parts) + ")"


#: Keys, and what must follow one so that a value can: the same in the gate and, over bytes, in the shape.
_STRONG = (
    r"(?i:pass(?:word|wd|wrd|phrase|code|wort|[ _.\-]+(?:word|phrase|code))s?|pswd|pwd|kennwort|motdepasse|mdp|"
    r"contrase|senha|parola|wachtwoord|salasana|haslo|heslo|losenord|l\xf6senord|(?:user|db|store|key"
    r"|ssh|smtp|ftp)pass)[\w.\-]*"
)
_MEDIUM = (
    r"(?:(?i:secrets?|tokens?|jwt|bearer|passkeys?|cred(?:ential)?s?)[\w.\-]*"
    r"|(?:(?i:pass|auth(?:orization)?|sig(?:nature)?|csrf|xsrf)|(?:^|[^A-Za-z])keys|Keys|KEYS)(?:[_.\-0-9A-Z][\w.\-]*)?"
    r"|(?i:"
    + "|".join(sorted(KEY_BEFORE, key=len, reverse=True))
    + r")[_. \-@]*(?i:keys?)(?:[_.\-0-9A-Z][\w.\-]*)?)"
)
_MARK = r"(?:\\*[\"'`]|&quot;|&\#3[49];|&apos;|%22|\\u0022)"
#: What may stand before the first character of a value.
_OPEN = rf"(?:[\s\\|>(\[]|\+|-|!\w+[ ]|\\[nr]|[\w. ]+\(b?[\"'])*(?:[rbfuRBFU]*{_MARK})*[ \t]*"
_LAX = _no_word(("true", "false", "null", "none"))
_FIRM = (
    r"(?:\w{8}|\w{0,5}[^\s\w{\[(\"'<>][^\s]{2}|\w{6,7}[^\s\w{\[(\"'<>]|[{\[(<>][^\s]{7}"
    rf"|\w{{1,7}}{_GOES_ON}|\"\w{{0,7}}['`<>][^\s]|'\w{{0,7}}[\"`<>][^\s])"
)


def _then(value: str, least: int) -> str:
    """What follows a key up to a value of this kind; one that only a space parts from it has so many characters."""
    return (
        rf"(?:{_MARK}?\]?\)?[ \t]*(?::[ ]?(?:str|String|string|bytes|SecretStr|Optional\[str\])[ ]?="
        rf"|[:=]+>?|->|!=|\?=|\+=|%3[aA]){_OPEN}{value}"
        rf"|{_MARK}[ \t]?,?\s*(?:\w+=\"[^\"<>]*\"\s+)*{_MARK}?(?i:value|val|content|text|data|secret"
        rf"|string){_MARK}?\s*[=:]{_OPEN}{value}"
        rf"|[\"']\s?,\s*[rbfu]?(?:[\"']+{value}|[\"'][^\s\"']\s+[^\s\"'<])"
        rf"|</key>\s*<\w+>\s*{value}|(?:[\"'][^<>]*)?(?:\s[^<>]*)?>\s*(?:<!\[CDATA\[)?\s*(?:[\"']*{value}[^<>]*(?:\]\]>)?|[^\s<>][^<>]|[^\s<>]\s[^<>]+)<"
        r"|\(\s*(?:[\w.]+,\s*)?[rbfu]?[\"'][^\n]{2}"
        rf"|[\"'`)\]]?\s+(?i:is|was|were|as|set to|changed to|reset to|to|of|will be|used|entered|typed"
        rf"|equals)?:?\s*\\*[\"'`]{value}"
        rf"|\s+(?i:is|was|set to|changed to|reset to|will be|equals)(?i: now)?:?\s+{value}"
        rf"|[ ]{{1,2}}[^\s\-|&<>=:;][^\s]{{{least - 1}}})"
    )


#: A flag, or a word that sets what follows; and the value first, compared or typed.
_SPACED = (
    r"(?:(?:^|[^\w.\-@])-|/|(?:ENV|set|SET|setx|export|login [^\s]+|putenv|ARG|property|IDENTIFIED BY)\s+)"
    r"[\w.\-@]*"
)
_COMPARED = r"[\"']\s*(?:[!=]==?|<>|\.equals\(|eq\s|is\s|(?i:in|into|to|as|for)\s)\s*[\w.\[\]()\"' @\-:=\n]*"


_STRONG_BYTES = tuple(
    stem.encode("latin-1")
    for stem in STEMS
    if stem not in ("secret", "token", "key", "auth", "cred", "sig", "jwt", "bearer", "pass", "sasl")
)
_MEDIUM_BYTES = (b"secret", b"token", b"key", b"auth", b"cred", b"sig", b"jwt", b"bearer", b"csrf", b"xsrf")
#: From a stem on, in lower case; what RE2 is asked in one piece, and a little less strict.
_AFTER_KEY = (
    r"[\w.\-\[\]]{0,48}(?:[ \t]{0,20}[:=%\-!?+\"'`\\&<>()\],]VALUE|[ \t\n]{1,4}(?:is|was|set to"
    r"|changed to|reset to|will be|equals)(?: now)?:?\s"
    r"|[ \t\n]{1,4}[a-z ]{0,12}:?[ \t]{0,4}[\"'`]|[ ]{1,2}[^\s]{8})"
)
_FOLLOWED = Octets(_AFTER_KEY.replace("VALUE", ""))
_FOLLOWED_FIRMLY = Octets(_AFTER_KEY.replace("VALUE", r"[^\n]{0,48}?[\n]?[^\n]{0,24}?[^\s]{8}"))
#: In a tag, whose value stands behind its other attributes.
_IN_TAG = Octets(r"[\w.\-]{0,48}\s[^<>]{0,240}>[^<>]{0,400}<")
_LED = Octets(
    r"(?:-[\w.\-]{0,40}|/|(?:env|set|setx|export|login [^\s]{1,64}|putenv|arg|property)\s{1,4})[\w.\-]{0,48}$"
    r"|[\"']\s{0,4}(?:[!=]==?|<>|\.equals\(|eq\s|is\s|(?:in|into|to|as|for)\s)\s{0,4}[^\n<>]{0,90}$"
)


def may_hold(low: bytes, drawn: bytes) -> bool:
    if b"pass" in low and any_key(low, b"pass", _FOLLOWED):
        return True
    for stem in _STRONG_BYTES:
        if stem in low and any_key(low, stem, _FOLLOWED):
            return True
    return any(stem in low and any_key(low, stem, _FOLLOWED_FIRMLY) for stem in _MEDIUM_BYTES)


def any_key(low: bytes, stem: bytes, followed: Octets) -> bool:
    at, has_tags = low.find(stem), b">" in low
    while at >= 0:
        if (
            followed.match(low, at)
            or (has_tags and _IN_TAG.match(low, at))
            or _LED.search(low, max(0, at - 120), at)
        ):
            return True
        at = low.find(stem, at + 1)
    return False


HINT = (
    r"(?i:passw|passp|passc|passk|pass[ _\-](?:word|phrase|code)|pswd|pwd|mdp|kennwort|contrase|senha|parola|wachtwoord"
    r"|salasana|haslo|heslo|losenord|l\xf6senord|motdepasse|secret|token|jwt|bearer|cred)"
    r"|(?:[Pp]ass|[Aa]uth(?:orization)?|[Ss]ig(?:nature)?|(?i:csrf|xsrf|keys?))(?:[^a-z]|$)"
    r"|(?:PASS|AUTH(?:ORIZATION)?|SIG(?:NATURE)?)(?:[^A-Za-z]|[A-Z][a-z]|$)"
)


GATE = (
    rf"{_STRONG}{_then(_LAX, 8)}|{_MEDIUM}{_then(_FIRM, 16)}|{_SPACED}(?:{_STRONG}|{_MEDIUM})[ \t]"
    rf"|{_COMPARED}(?:{_STRONG}|{_MEDIUM}(?:[^a-z]|$))"
)

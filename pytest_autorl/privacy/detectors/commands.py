"""Passwords on command lines whose flags do not say so: ``curl -u user:password``, ``mysql -ppassword``."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_autorl.privacy.detector import Detector
from pytest_autorl.privacy.detectors.lazy import Lazy, Octets, lowered, places
from pytest_autorl.privacy.detectors.looks import is_value
from pytest_autorl.privacy.span import Span
from pytest_autorl.privacy.vocabulary import Figures

_VALUE = r"(?:'([^'\n]{1,128})'|\"([^\"\n]{1,128})\"|([^\s'\"\-][^\s'\"]{0,127}))"
#: ``-u name:password``; two numbers are a user and a group.
ACCOUNT = Lazy(
    r"(?:-u|--user|--proxy-user|-U|--auth|--credentials|--basic-auth|-a)(?:[ ]{1,4}"
    r"|=)(?:'([^'\s:]{1,64}):([^'\n]{1,128})'|\"([^\"\s:]{1,64}):([^\"\n]{1,128})\""
    r"|([^\s'\":/]{1,64}):([^\s'\"]{1,128}))(?=$|[\s\"'),;\]])"
)
#: Two that stand in names of files and in encoded words much more often: what they must stand between.
_ALONE = {"7z": (r"(?<![0-9A-Za-z])", r"(?=(?:[arz]|\.exe)?[ ])"), "zip": (r"(?<!\.)", r"(?=(?:\.exe)?[ ])")}
#: Program, then the flag that takes the password.
PROGRAMS: dict[str, Lazy] = {
    program: Lazy(
        program.join(_ALONE.get(program, ("", ""))) + rf"[\w\-.]{{0,12}}\b[^\n|;]{{0,200}}?[ ]{flag}{_VALUE}"
    )
    for program, flag in {
        "mysql": "-p",
        "mariadb": "-p",
        "sshpass": r"-p[ ]{0,2}",
        "mongo": "-p[ ]{1,2}",
        "docker": "-p[ ]{1,2}",
        "podman": "-p[ ]{1,2}",
        "redis-cli": "-a[ ]{1,2}",
        "ldap": "-w[ ]{1,2}",
        "7z": "-p",
        "zip": "-P[ ]{1,2}",
        "sqlcmd": "-P[ ]{0,2}",
        "bcp": "-P[ ]{0,2}",
        "mosquitto": "-P[ ]{1,2}",
        "helm": "-p[ ]{1,2}",
        "skopeo": "-p[ ]{1,2}",
        "influx": "-p[ ]{1,2}",
        "snmp": "-A[ ]{1,2}",
        "vncviewer": "-p[ ]{1,2}",
        "rabbitmqadmin": "-p[ ]{1,2}",
        "plink": "-pw[ ]{1,2}",
        "putty": "-pw[ ]{1,2}",
        "pscp": "-pw[ ]{1,2}",
        "xfreerdp": "/p:",
        "ipmitool": "-P[ ]{1,2}",
        "lftp": "-u[ ]{1,2}[^\\s,]{1,64},",
        "az login": "-p[ ]{1,2}",
        "oc login": "-p[ ]{1,2}",
        "cf login": "-p[ ]{1,2}",
    }.items()
}
OPENSSL = Lazy(r"(?:-pass(?:in|out)?|-passin)[ ]{1,2}[\"']?pass:([^\s\"']{1,128})")
HTPASSWD = Lazy(r"htpasswd[ ]{1,2}-\w{0,6}b\w{0,6}[ ][^\s]{1,128}[ ][^\s]{1,64}[ ]" + _VALUE)


def find(text: str) -> Iterator[Span]:
    for match in ACCOUNT.finditer(text):
        last = match.lastindex or 0
        name, word = match.group(last - 1), match.group(last)
        if (
            not text[match.start() - 1 : match.start()].strip(" \t\"'[,(")
            and not (name.isdigit() and word.isdigit())
            and is_value(word)
            and not word.startswith("//")
            and len(word) > 2
        ):
            yield Span(*match.span(last), "PASSWORD")
    low = lowered(text)
    for program, pattern in PROGRAMS.items():
        for at in places(low, program):
            given = pattern.match(text, at)
            if given is not None:
                group = given.lastindex or 0
                word = given.group(group)
                if (
                    is_value(word)
                    and not (word.isdigit() and len(word) < 4)
                    and not is_mapping(program, word)
                ):
                    yield Span(*given.span(group), "PASSWORD")
    for match in OPENSSL.finditer(text):
        yield Span(*match.span(1), "PASSWORD")
    if "htpasswd" in low:
        for match in HTPASSWD.finditer(text):
            group = match.lastindex or 0
            yield Span(*match.span(group), "PASSWORD")


def is_mapping(program: str, word: str) -> bool:
    """A port of a container (``docker run -p 8080:80``), or a folder."""
    return (program in ("docker", "podman") and (":" in word or word.isdigit())) or word.startswith(
        ("/", "./")
    )


#: Every way to give a password has a flag in front, which is a figure of its own, or the beginning of one.
_FLAG = Octets(r"(?:^|\()--?(?:[PUAWpuaw]|credentials|basic)|^-\w{0,6}b|-pass|/p:")
_FLAGGED = Octets(r"-(?:u|user|auth|credentials|a)(?:[ ]{1,4}|=)['\"]?[^\s:]{1,64}:[^\n]")
_PASSED = Octets(r"-pass(?:in|out)?[ ]{1,2}[\"']?pass:")
_TAKING = Octets("[ ]-[pawu]")
_NAMES = tuple(program.encode() for program in PROGRAMS)
_PROGRAM = Octets("(?:" + "|".join(PROGRAMS) + r")[^\n|;]{0,256}?(?:[ ]-[pawu]|[ ]?/p:)")


def is_flag(figure: bytes) -> bool:
    return _FLAG.search(figure) is not None


def is_given(low: bytes, drawn: bytes) -> bool:
    if _FLAGGED.search(low) or b"htpasswd " in low or _PASSED.search(low):
        return True
    if not any(map(low.__contains__, _NAMES)) or not (b"/p:" in low or _TAKING.search(low)):
        return False
    return _PROGRAM.search(low) is not None


COMMANDS = Detector(
    name="commands",
    gate=r"(?:-u|--user|--proxy-user|-U|--auth|--credentials|--basic-auth|-a)(?:[ ]+|=)(?:'[^'\s:]+:[^'\n]"
    r"|\"[^\"\s:]+:[^\"\n]|[^\s'\":/]+:[^\s'\"])"
    r"|(?:"
    + "|".join(PROGRAMS)
    + r")[^\n|;]*(?:[ ]-[pPaAwu]|/p:)|-pass(?:in|out)?[ ]+[\"']?pass:|htpasswd[ ]",
    hint=r"(?:-u|--user|--proxy-user|-U|--auth|--credentials|--basic-auth|-a)(?:[ ]+|=)[^\s:]+:|-pass|htpasswd"
    r"|(?:^|[^.])zip(?:\.exe)?[ ]|(?:^|[^0-9A-Za-z])1z(?:[arz]|\.exe)?[ ]|"
    + "|".join(program for program in PROGRAMS if program not in _ALONE),
    figures=(
        Figures(signs="-", pattern=r"(?:^|\()--?[a0_]|-a{4,7}$", within=is_flag, confirms=is_given),
        Figures(signs="/", pattern="/a:", within=is_flag, confirms=is_given),
    ),
    find=find,
)

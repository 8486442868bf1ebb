"""adb, and which of the farm's devices it sees."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping

from pytest_autorl.cli.checks import Finding, Need, lack
from pytest_autorl.cli.checks.command import run
from pytest_autorl.farm.providers import adbserver

#: Longest time that the program has to say its version, seconds.
LIMIT_S = 3.0
#: What adb's server says of itself is known sooner, seconds.
_QUICK_S = 1.0


def adb(
    wanted: Mapping[str, tuple[str, int]],
    need: Need,
    *,
    path: str | None = None,
    limit_s: float = LIMIT_S,
) -> Iterator[Finding]:
    """The program, and what its server sees of the devices that are reached through it; neither started nor ended.

    Args:
        wanted: As `wants.over_adb` gives it.
        path: Search path; default: that of the process.
    """
    need = need if wanted else "none"
    program = shutil.which("adb", path=path)
    if program is None:
        idle = "not found; only Android devices at this machine need it"
        detail = (
            idle if need == "none" else f"not found, and {_named(list(wanted))} cannot be reached without"
        )
        yield lack("adb", detail, "install Android's platform-tools and put adb on the path", need)
        return
    try:
        said = run([program, "version"], deadline_s=limit_s).text  # asks no server
    except OSError as error:
        yield lack("adb", f"{program}: {_why(error, limit_s)}", "install Android's platform-tools anew", need)
        return
    release = re.search(r"^Version (\S+)", said, re.MULTILINE)
    yield Finding(name="adb", status="ok", detail=program + (f", {release[1]}" if release else ""))
    own = re.search(r"^Android Debug Bridge version 1\.0\.([0-9]{1,5})$", said, re.MULTILINE)
    named = {id: each for id, each in wanted.items() if each[0]}
    for port in sorted({port for _, port in named.values()}):
        udids = {id: udid for id, (udid, at) in named.items() if at == port}
        yield from _server(port, udids, program, int(own[1]) if own else None)


def _server(port: int, udids: Mapping[str, str], program: str, own: int | None) -> Iterator[Finding]:
    """What one server of adb sees of these devices (id -> udid), and whether the program gets on with it.

    Args:
        own: The version of the protocol that the program speaks.
    """
    ending = "" if port == adbserver.DEFAULT_PORT else f" {port}"
    try:
        seen = adbserver.states(port, limit_s=_QUICK_S)
        version = adbserver.version(port, limit_s=_QUICK_S)
    except (OSError, adbserver.RefusalError):
        detail = (
            f"no server of adb answers on port {port}: whether {_named(list(udids))} are there is not known"
        )
        do = f"`adb -P {port} start-server`, look again"
        yield Finding(name=f"adb devices{ending}", status="warn", detail=detail, do=do)
        return
    if own is not None and version != own:
        detail = f"the server on port {port} is of version {version}, {program} of {own}: each call of that ends it"
        do = "let one version serve all: with ANDROID_HOME and the path at the same platform-tools"
        yield Finding(name=f"adb server{ending}", status="warn", detail=detail, do=do)
    yield _seen(f"adb devices{ending}", udids, seen)


def _seen(name: str, udids: Mapping[str, str], states: Mapping[str, str]) -> Finding:
    found = {id: states.get(udid, "not seen") for id, udid in udids.items()}
    troubles = [f"{id} {state}" for id, state in found.items() if state != "device"]
    detail = f"{len(found) - len(troubles)} of {len(found)} are ready"
    detail += f": {_named(troubles)}" if troubles else ""
    others = len(states.keys() - set(udids.values()))
    detail += f"; {others} more that the farm does not name" if others else ""
    if not troubles:
        return Finding(name=name, status="ok", detail=detail)
    do = "plug in or `adb connect` what is not seen, allow USB debugging where unauthorized, `adb reconnect offline`"
    return Finding(name=name, status="warn", detail=detail, do=do)


def _why(error: OSError, limit_s: float) -> str:
    return f"no answer in {limit_s:g} s" if isinstance(error, TimeoutError) else str(error.strerror)


def _named(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")

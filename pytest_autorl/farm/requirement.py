"""Requirements: what a test needs of its device(s), and which devices of a farm fit.

All functions here are pure. Equal needs, however they are written, are equal requirements with one hash and
one `key`: tests of equal needs are interchangeable for the planner. Only static facts decide a match.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pytest_autorl.errors import RequirementError
from pytest_autorl.farm import where as where_language
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.versions import VersionSpec, parse_spec
from pytest_autorl.privacy.names import is_secret_name

#: Keywords of the `device` marker.
KEYWORDS = ("capabilities", "count", "form_factor", "model", "os_version", "platform", "tags", "where")
#: Most devices that one test can hold.
MAX_COUNT = 100

#: What a tag may look like, here and in the farm file: a word without spaces and commas.
TAG = re.compile(r"[^\s,]{1,100}\Z")

_USAGE = "e.g. @pytest.mark.device(platform='android', os_version='>=13', tags=['nfc'])"


@dataclass(frozen=True, kw_only=True, eq=False)
class Requirement:
    """What a test needs, normalised when it is made. The default one is any device.

    Takes what the `device` marker takes: ``tags`` a word or any list of words, ``os_version`` a text or a
    whole number, ``where`` a text. Raises: RequirementError that names the keyword, the value, the way out.

    Attributes:
        platform: Lower case; "" = any. So are the other words.
        os_version: Canonical specifier (see `versions`), "" = any.
        tags: Sorted, none twice; a device needs all of them.
        count: How many devices at once.
        capabilities: A device that states one of these must state the same value; where it is silent, the
            session asks for it. So capabilities never exclude a device that says nothing about them.
        where: Further predicates over static attributes.
    """

    platform: str = ""
    os_version: str = ""
    form_factor: str = ""
    model: str = ""
    tags: tuple[str, ...] = ()
    count: int = 1
    # Not in the repr: a marker may hand over what it read from the environment.
    capabilities: Mapping[str, Any] = field(default_factory=dict, repr=False)
    where: where_language.Expression | None = None

    def __post_init__(self) -> None:
        made = {
            "platform": _word("platform", self.platform).lower(),
            "os_version": _version(self.os_version),
            "form_factor": _word("form_factor", self.form_factor).lower(),
            "model": _word("model", self.model),
            "tags": _tags(self.tags),
            "count": _count(self.count),
            "capabilities": _capabilities(self.capabilities),
            "where": _where(self.where),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_marker(
        cls, args: Sequence[object] = (), kwargs: Mapping[str, object] | None = None
    ) -> Requirement:
        """The requirement that ``@pytest.mark.device(*args, **kwargs)`` states.

        None stands for "not stated", so that parametrised markers can leave a keyword out.
        Raises: RequirementError that names the keyword, the value and the way out.
        """
        kwargs = {name: value for name, value in (kwargs or {}).items() if value is not None}
        if args:
            raise RequirementError(
                f"device({_short(args[0])}): the marker takes keywords only",
                do=f"name what is meant; {_USAGE}",
            )
        for name in kwargs:
            if name not in KEYWORDS:
                near = difflib.get_close_matches(name, KEYWORDS, n=1)
                hint = f"did you mean {near[0]}? " if near else ""
                raise RequirementError(
                    f"device({_short(name, quote=False)}=...): unknown keyword",
                    do=f"{hint}keywords: {', '.join(KEYWORDS)}; other facts go into where='...'",
                )
        return cls(**kwargs)  # type: ignore[arg-type]  # __post_init__ checks the types

    def keywords(self) -> dict[str, Any]:
        """Plain data (text, numbers, lists, dicts) from which `from_marker` makes an equal requirement.

        What travels between processes. Only what is stated.
        """
        found: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("platform", "os_version", "form_factor", "model")
            if getattr(self, name)
        }
        if self.tags:
            found["tags"] = list(self.tags)
        if self.count != 1:
            found["count"] = self.count
        if self.capabilities:
            found["capabilities"] = dict(self.capabilities)
        if self.where is not None:
            found["where"] = str(self.where)
        return found

    @cached_property
    def _identity(self) -> str:
        return json.dumps(self.keywords() | {"model": self.model.casefold()}, sort_keys=True)

    def __eq__(self, other: object) -> bool:
        return self._identity == other._identity if isinstance(other, Requirement) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity)

    @cached_property
    def key(self) -> str:
        """Short, stable name of this class of needs, for people and the trace: ``android>=13+nfc``, ``any``.

        Holds no value of a capability with a secret's name.
        """
        text = (self.platform or "any") + self.os_version
        if self.form_factor:
            text += f"/{self.form_factor}"
        if self.model:
            text += f"/{self.model.casefold()}"
        text += "".join(f"+{tag}" for tag in self.tags)
        if self.where is not None:
            text += f"[{_abbreviated(str(self.where))}]"
        if self.capabilities:
            stated = sorted(
                name if is_secret_name(name) else f"{name}={_canonical(value)}"
                for name, value in self.capabilities.items()
            )
            text += "{" + _abbreviated(", ".join(stated)) + "}"
        return text if self.count == 1 else f"{text} x{self.count}"

    def __str__(self) -> str:
        words = [
            f"{name} {getattr(self, name)}"
            for name in ("platform", "os_version", "form_factor", "model")
            if getattr(self, name)
        ]
        words += [f"tag {tag}" for tag in self.tags]
        if self.where is not None:
            words.append(f"where {self.where}")
        if self.capabilities:
            words.append(f"capabilities {', '.join(sorted(self.capabilities))}")
        what = "any device" if self.count == 1 else f"any {self.count} devices"
        if not words:
            return what
        return ("" if self.count == 1 else f"{self.count} devices with ") + ", ".join(words)


@dataclass(frozen=True)
class Match:
    """Whether a device fits: ``ok`` exactly when nothing is in ``failed``.

    Attributes:
        failed: The predicates that do not hold, in words with the device's values.
    """

    ok: bool
    failed: tuple[str, ...] = ()


def match(device: Device, requirement: Requirement) -> Match:
    """Whether one device fits the need (its ``count`` is not looked at), and why not."""
    failed: list[str] = []
    for name in ("platform", "form_factor", "model"):
        wanted, found = getattr(requirement, name), getattr(device, name)
        if wanted and wanted.casefold() != found.casefold():
            failed.append(f"{name} is {found or 'unknown'}, needs {wanted}")
    if requirement.os_version and not VersionSpec(requirement.os_version).accepts(device.os_version):
        failed.append(f"os_version is {device.os_version or 'unknown'}, needs {requirement.os_version}")
    held = ", ".join(sorted(device.tags)) or "none"
    failed += [f"tags are {held}, needs {tag}" for tag in requirement.tags if tag not in device.tags]
    if requirement.capabilities:
        failed += _capabilities_failed(device, requirement.capabilities)
    if requirement.where is not None:
        failed += where_language.explain(requirement.where, device)
    return Match(not failed, tuple(failed))


def eligible(devices: Iterable[Device], requirement: Requirement) -> tuple[Device, ...]:
    """The devices that fit, in the farm's order."""
    return tuple(device for device in devices if match(device, requirement).ok)


def is_satisfiable(devices: Iterable[Device], requirement: Requirement) -> bool:
    """Whether the farm has as many fitting devices as the need counts, be they busy or sick now."""
    return len(eligible(devices, requirement)) >= requirement.count


def nearest(
    devices: Iterable[Device], requirement: Requirement, n: int = 3
) -> list[tuple[Device, tuple[str, ...]]]:
    """The devices closest to the need: fewest failing predicates first, then the farm's order.

    Devices that fit are among them with nothing failed: a need for two is not met by one that fits.
    """
    found = [(device, match(device, requirement).failed) for device in devices]
    return sorted(found, key=lambda pair: len(pair[1]))[:n]


# --- reading the marker ---------------------------------------------------------------------------------


def _wrong(name: str, value: object, expected: str, do: str = "") -> RequirementError:
    return RequirementError(f"device({name}={_short(value)}): {expected}", do=do or _USAGE)


def _word(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(name, value, f"expected a text, got {type(value).__name__}")
    if value and (not value.strip() or len(value) > 200 or not value.isprintable()):
        raise _wrong(name, value, "expected one line of text")
    return value.strip()


def _version(value: object) -> str:
    if isinstance(value, float):
        raise _wrong(
            "os_version", value, "a float loses digits (14.10 is 14.1)", f"write os_version={str(value)!r}"
        )
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < 1_000_000:
            raise _wrong("os_version", value, "no system has this version")
        value = str(value)
    if not isinstance(value, str):
        raise _wrong("os_version", value, f"expected a text, got {type(value).__name__}")
    if not value:
        return ""
    try:
        return parse_spec(value.strip()).text
    except ValueError as error:
        raise _wrong("os_version", value, str(error)) from None


def _tags(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = (value,)
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise _wrong("tags", value, f"expected a list of words, got {type(value).__name__}")
    for tag in value:
        if not isinstance(tag, str) or not TAG.match(tag):
            raise _wrong(
                "tags", tag, "a tag is one word without spaces and commas", "write tags=['nfc', 'camera']"
            )
    return tuple(sorted(set(value)))


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong("count", value, f"expected a whole number, got {type(value).__name__}")
    if not 1 <= value <= MAX_COUNT:
        raise _wrong("count", value, f"expected 1 to {MAX_COUNT} devices")
    return value


def _capabilities(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong("capabilities", value, f"expected a dict, got {type(value).__name__}")
    try:
        # Through JSON: what cannot be sent to a server is found here, and the copy is ours alone.
        copied: dict[str, Any] = json.loads(json.dumps(dict(value), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        keys = ", ".join(_short(key) for key in value)
        raise RequirementError(
            f"device(capabilities=...) with the keys {keys}: {error}",
            do="use text as keys, and text, numbers, true, false, None, lists and dicts as values",
        ) from None
    if any(not isinstance(key, str) for key in value):
        raise RequirementError("device(capabilities=...): a key is not a text", do=_USAGE)
    return copied


def _where(value: object) -> where_language.Expression | None:
    if value is None or isinstance(value, where_language.Expression):
        return value
    if not isinstance(value, str):
        raise _wrong("where", value, f"expected a text, got {type(value).__name__}")
    return where_language.parse(value)


def _capabilities_failed(device: Device, wanted: Mapping[str, Any]) -> list[str]:
    # The Appium client adds the vendor prefix itself, so both spellings mean one capability.
    stated = {name.removeprefix("appium:"): value for name, value in device.capabilities.items()}
    failed = []
    for name, value in sorted(wanted.items()):
        short = name.removeprefix("appium:")
        if short not in stated or _canonical(stated[short]) == _canonical(value):
            continue
        facts = "differs from the device's own (values not shown)"
        if not is_secret_name(name):
            facts = f"is {_canonical(stated[short])}, needs {_canonical(value)}"
        failed.append(f"capability {name} {facts}")
    return failed


def _canonical(value: object) -> str:
    """One text per JSON value; unlike Python's ``==`` it tells 1 from True."""
    return json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)


def _abbreviated(text: str) -> str:
    """At most 40 characters; a longer text keeps its start and gets a hash, so that names stay apart."""
    if len(text) <= 40:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[:31]}~{digest[:8]}"


def _short(value: object, *, quote: bool = True) -> str:
    try:
        text = repr(value) if quote else str(value)
    except Exception:  # a foreign __repr__: the error must still be about the marker
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else text[:77] + "..."

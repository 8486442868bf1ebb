"""What the environment sets."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from pytest_autorl.cli.checks import Finding
from pytest_autorl.errors import AutorlError
from pytest_autorl.options import OPTIONS
from pytest_autorl.settings import Settings, given, resolve

#: Settings that may hold a secret: their value is never shown, only that they are set.
_HIDDEN = frozenset({"farm_token", "farm_url", "metrics_push", "trace_endpoint"})
#: Settings that also go by unprefixed names.
_SHARED = tuple(option.name for option in OPTIONS if option.fallback_env)
#: Variables of this project that are no settings.
_OTHER_VARIABLES = frozenset({"AUTORL_ADMIN_KEY", "AUTORL_REQUIRE_REAL"})


def environment(env: Mapping[str, str]) -> Iterator[Finding]:
    """Which settings come from the environment, and whether they can be used."""
    try:
        settings = resolve(env=env)
    except AutorlError as error:
        yield Finding(name="environment", status="fail", detail=str(error.args[0]), do=error.do)
        settings = Settings()
    set_by = {option.name: found[1] for option in OPTIONS if (found := given(option, {}, env, {}))}
    names = [f"{name} set (hidden)" if key in _HIDDEN else name for key, name in set_by.items()]
    yield Finding(name="from environment", status="ok", detail=", ".join(names) or "nothing")
    values = (f"{name}={_plain(getattr(settings, name))} ({set_by.get(name, 'default')})" for name in _SHARED)
    yield Finding(name="shared settings", status="ok", detail=", ".join(values))
    known = {option.env_name for option in OPTIONS} | _OTHER_VARIABLES
    for name in sorted(name for name in env if name.startswith("AUTORL_") and name not in known):
        near = difflib.get_close_matches(name, known, n=1)
        do = f"did you mean {near[0]}?" if near else "unset it"
        yield Finding(name="environment", status="warn", detail=f"{name} is no setting", do=do)


def _plain(value: object) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value) or "-"

"""Whether the servers behind a farm's devices can be reached, asked side by side."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_autorl.cli.checks import Finding
from pytest_autorl.errors import AutorlError

if TYPE_CHECKING:
    from pytest_autorl.farm.config import FarmConfig
    from pytest_autorl.settings import Settings

#: Longest wait for the answers of all servers, seconds.
LIMIT_S = 2.0
#: More of an answer is never read, bytes: a status is small.
_ANSWER_BYTES = 100_000


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the hub's token to another server."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """None: the 3xx answer is an error."""


def providers(farm: FarmConfig, settings: Settings, *, limit_s: float = LIMIT_S) -> Iterator[Finding]:
    """One finding for each provider that the farm's devices name."""
    from pytest_autorl.farm.providers.appium import AppiumProvider
    from pytest_autorl.observe.health import HealthChecker

    found: dict[str, Finding] = {}
    asks: dict[str, Callable[[], object]] = {}
    for name in dict.fromkeys(device.provider for device in farm.devices):
        block = farm.providers[name]
        if block.type == "virtual":
            found[name] = _virtual(name, block.app)
            continue
        try:
            provider = AppiumProvider(
                name,
                url=block.url,
                capabilities={},
                app="",
                reset_policy=block.reset,
                hub=(settings.farm_url, settings.farm_token),
            )
        except AutorlError as error:
            found[name] = Finding(
                name=f"provider {name}", status="fail", detail=str(error.args[0]), do=error.do
            )
            continue
        asks[name] = partial(_note, found, name, provider.url, _headers(farm, name, provider))
    HealthChecker(asks, deadline_s=limit_s).results()
    for name in dict.fromkeys(device.provider for device in farm.devices):
        late = Finding(
            name=f"provider {name}",
            status="fail",
            detail=f"no answer in {limit_s:g} s",
            do="start or free the server",
        )
        yield found.get(name, late)


def _virtual(name: str, app: str) -> Finding:
    from pytest_autorl.virtual.app_loader import load_model
    from pytest_autorl.virtual.library import load_app

    try:
        load_model(app, load_app(app))
    except AutorlError as error:
        return Finding(name=f"provider {name}", status="fail", detail=str(error.args[0]), do=error.do)
    return Finding(name=f"provider {name}", status="ok", detail=f"simulated devices with the app {app}")


def _headers(farm: FarmConfig, name: str, provider: Any) -> Mapping[str, str]:
    """What the provider sends with a session: for the hub alone that is its token."""
    from pytest_autorl.state.leases import Lease

    device = next(device for device in farm.devices if device.provider == name)
    headers: Mapping[str, str] = provider.endpoint(
        device, Lease(device_id=device.id, owner="doctor", token=0, since_s=0.0)
    ).headers
    return headers


def _note(found: dict[str, Finding], name: str, url: str, headers: Mapping[str, str]) -> None:
    found[name] = status_of(f"provider {name}", url, headers)


def status_of(name: str, url: str, headers: Mapping[str, str], *, limit_s: float = LIMIT_S) -> Finding:
    """Ask an Appium server for its status."""
    request = urllib.request.Request(f"{url}/status", headers=dict(headers))
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=limit_s) as answer:
            value = json.loads(answer.read(_ANSWER_BYTES))["value"]
            version, is_ready = value.get("build", {}).get("version", "unknown"), value.get("ready", True)
    except urllib.error.HTTPError as error:
        error.close()
        do = "check AUTORL_FARM_URL and AUTORL_FARM_TOKEN" if error.code in (401, 403) else "check the url"
        return Finding(name=name, status="fail", detail=f"{url} answers HTTP {error.code} to /status", do=do)
    except OSError as error:
        why = getattr(error, "reason", error)
        do = "start it, or correct `url:` in the farm file"
        return Finding(name=name, status="fail", detail=f"{url} cannot be reached: {why}", do=do)
    except (ValueError, KeyError, TypeError, AttributeError):
        do = "check the url: something else listens there"
        return Finding(name=name, status="fail", detail=f"{url} answers, but not as an Appium server", do=do)
    if not is_ready:
        return Finding(
            name=name, status="fail", detail=f"{url} is not ready", do="wait, or free its sessions"
        )
    return Finding(name=name, status="ok", detail=f"{url}: Appium {version}")

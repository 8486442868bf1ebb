"""Python, the operating system, pytest, this plugin, and what it works with."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Iterator

from pytest_autorl.cli.checks import Finding

#: Libraries whose versions tell most when something is odd.
_LIBRARIES = ("selenium", "pydantic", "PyYAML", "Pillow", "urllib3")


def program() -> Iterator[Finding]:
    """Python, the operating system, pytest, this plugin, and what it works with."""
    yield Finding(name="python", status="ok", detail=f"{platform.python_version()} ({sys.executable})")
    system = platform.system()
    if system == "Windows":
        do = "use WSL2 for tests on devices; everything else works"
        yield Finding(name="system", status="fail", detail="Windows: a device farm is refused", do=do)
    else:
        yield Finding(name="system", status="ok", detail=f"{system} {platform.release()}")
    version = _version("pytest")
    yield Finding(name="pytest", status="ok", detail=version)
    yield _plugin()
    client = _version("Appium-Python-Client")
    yield Finding(name="appium client", status="ok", detail=client)
    for name, extra in (("pytest-xdist", "xdist"), ("allure-pytest", "allure")):
        version = _version(name)
        do = "" if version else f"pip install pytest-autorl[{extra}]"
        detail = version or "not installed: " + (
            "one device at a time" if extra == "xdist" else "no Allure report"
        )
        yield Finding(name=name, status="ok" if version else "warn", detail=detail, do=do)
    versions = ", ".join(f"{name} {version}" for name in _LIBRARIES if (version := _version(name)))
    yield Finding(name="libraries", status="ok", detail=versions)


def _plugin() -> Finding:
    from pytest_autorl import __version__

    entries = importlib.metadata.entry_points(group="pytest11")
    if any(entry.value == "pytest_autorl.plugin" for entry in entries):
        return Finding(name="plugin", status="ok", detail=f"pytest-autorl {__version__}")
    detail = f"pytest-autorl {__version__} is not installed where pytest looks for plugins"
    return Finding(
        name="plugin", status="fail", detail=detail, do=f"{sys.executable} -m pip install pytest-autorl"
    )


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""

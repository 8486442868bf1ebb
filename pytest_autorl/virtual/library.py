"""App models shipped with the package, and those in files: read on the client's side only.

The server gets a plain dictionary; YAML is not known there.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from pytest_autorl.errors import UsageError

_SHIPPED = Path(__file__).parent / "apps"


def shipped_apps() -> list[str]:
    """Names of the shipped apps."""
    return sorted(path.stem for path in _SHIPPED.glob("*.yml"))


def load_app(path_or_name: str | Path) -> dict[str, Any]:
    """The plain dictionary of a shipped app (by name) or of a YAML file (by path).

    Raises:
        UsageError: no such app or file, or not a YAML mapping.
    """
    import yaml

    name = str(path_or_name)
    path = _SHIPPED / f"{name}.yml" if name in shipped_apps() else Path(path_or_name)
    try:
        data = _parsed(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise UsageError(
            f"app {name!r} is neither shipped nor a readable file: {exc.strerror}",
            do=f"name a YAML file, or one of: {', '.join(shipped_apps())}",
        ) from exc
    except yaml.YAMLError as exc:
        raise UsageError(f"app file {name} is not YAML: {exc}", do="correct the file") from exc
    if not isinstance(data, dict):
        raise UsageError(f"app file {name} holds no mapping but {type(data).__name__}", do="correct the file")
    return data


def _parsed(text: str) -> Any:
    """The text as plain data. Raises yaml.YAMLError."""
    import yaml

    fast = getattr(yaml, "CSafeLoader", None)  # ten times as fast; only where PyYAML was built with libyaml
    if fast is not None:
        with contextlib.suppress(yaml.YAMLError):  # the other says better what is wrong
            return yaml.load(text, Loader=fast)
    return yaml.safe_load(text)

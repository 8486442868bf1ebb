"""Opening a state by its path, for the public classes whose first argument names one."""

from __future__ import annotations

import os
from pathlib import Path

from pytest_autorl.errors import UsageError
from pytest_autorl.state.engine import Engine
from pytest_autorl.state.place import file_system, is_remote


def engine_at(place: str | os.PathLike[str] | Engine, *, mounts: str | None = None) -> tuple[Engine, bool]:
    """What a path argument of a public class names, opened; an engine is taken as it is.

    Args:
        mounts: See `file_system` in `place.py`.
    Returns: the engine, and whether it was opened here and is to be closed by the caller.
    Raises: UsageError for a place that cannot hold a state; StateError when it cannot be opened.
    """
    if not isinstance(place, (str, os.PathLike)):
        return place, False
    from pytest_autorl.state.sqlite import SqliteEngine  # comes with the first database

    if "://" in os.fspath(place):
        raise UsageError(
            f"{place}: a database URL is not part of this version", do="name a path on a local disk"
        )
    path = Path(place)
    kind = file_system(path.parent, mounts)
    if is_remote(kind):
        raise UsageError(
            f"{path} is on a network file system ({kind}), where locks do not hold between hosts",
            do="name a path on a local disk",
        )
    return SqliteEngine(path), True

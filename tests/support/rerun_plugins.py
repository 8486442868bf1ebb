"""Other plugins that run failed tests again, for tests of living beside them.

They are not in the environment, where every inner pytest would load them, but in a folder of their own:
`make rerun-plugins` puts them there.
"""

from __future__ import annotations

import os

import pytest

from real_parts import TOOLS
from real_servers import require_real

FOLDER = TOOLS / "reruns"
#: Name of the entry point to what lies in the folder.
NAMES = {"rerunfailures": "pytest_rerunfailures.py", "flaky": "flaky", "pytest-retry": "pytest_retry"}


def install(monkeypatch: pytest.MonkeyPatch, *names: str) -> list[str]:
    """Make these known to processes that are started from now on; returns the options that leave the others out.

    Skips the test when one is missing; fails it with AUTORL_REQUIRE_REAL=1.
    """
    for name in names:
        if not (FOLDER / NAMES[name]).exists():
            require_real(name, f"not in {TOOLS.name}/{FOLDER.name}/; run `make rerun-plugins`")
    known = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(FOLDER), *([known] if known else [])]))
    return [part for other in NAMES if other not in names for part in ("-p", f"no:{other}")]

"""What the tests of managed servers share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.clear()

"""A worker that dies in the middle of a test with a telling id."""

from __future__ import annotations

import os

import pytest
from planted import mail


@pytest.mark.parametrize("who", [mail("crash_id")])
def test_crash(who, request):
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("only a worker may die")
    os._exit(3)

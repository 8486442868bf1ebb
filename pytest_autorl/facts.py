"""What a test's reports carry for us, as plain data that xdist takes along: put there, and read."""

from __future__ import annotations

from typing import Any

import pytest


def tell(report: pytest.TestReport, **facts: Any) -> None:
    """Put plain data for the controller on a report; xdist carries its attributes along."""
    report.__dict__.setdefault("autorl", {}).update(facts)


def told(report: Any) -> dict[str, Any]:
    """What `tell` put there, each where it applies.

    ``error`` of a failure (see `ErrorInfo.to_dict`), ``was_told`` (this attempt was told of
    before), ``not_retried`` (why no attempt follows that its policy would
    have), ``earlier`` (attempts before this one, with what their reports carried),
    ``attempt`` at its end and ``begun`` after set-up (see `Attempt.to_wire`), ``losses`` (see `lost.to_wire`),
    ``classes`` (which devices fit a class of needs, and how many it takes), ``refused`` for a test that got no device
    (what the health gate decided), ``problem``, ``gave_up``, ``artefacts_full``.
    """
    facts = report.__dict__.get("autorl")
    return facts if isinstance(facts, dict) else {}

"""What all processes of a run agree on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_autorl.settings import Settings


@dataclass(frozen=True, kw_only=True)
class RunIdentity:
    """What all processes of a run agree on. Plain data: it travels to the workers.

    Attributes:
        run_id: Name of the run.
        seed: Of every random choice.
        begun_s: When it began; seconds since the epoch.
        state: Path of the run's state.
        providers: Block name -> what its `start` returned.
    """

    run_id: str
    seed: int
    begun_s: float = 0.0
    state: str = ""
    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def new_identity(settings: Settings) -> RunIdentity:
    """Name and seed of a new run."""
    import secrets

    stamp = time.strftime("%Y%m%d-%H%M%S")
    return RunIdentity(
        run_id=settings.run_id or f"{stamp}-{secrets.token_hex(2)}",
        seed=settings.seed if settings.seed is not None else secrets.randbelow(2**31),
        begun_s=time.time(),
    )

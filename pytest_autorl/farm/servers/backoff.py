"""How long a server that ended is left alone before it is started again."""

from __future__ import annotations


def count(failures: int, up_s: float, *, quiet_s: float) -> int:
    """How often a server has failed in a row, now that it has ended once more.

    Args:
        failures: In a row so far.
        up_s: How long it was up this time, seconds; 0 when it never came up.
        quiet_s: So long up, and what was before does not count any more.

    >>> count(5, 90.0, quiet_s=60.0), count(5, 3.0, quiet_s=60.0)
    (1, 6)
    """
    return 1 if up_s >= quiet_s else failures + 1


def delay_s(failures: int, *, first_s: float, most_s: float) -> float:
    """Seconds until the next start after so many failures in a row (at least one): doubling, up to a limit.

    >>> [delay_s(n, first_s=1.0, most_s=30.0) for n in (1, 2, 3, 4, 5, 6, 7)]
    [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    """
    # The exponent is bounded as well: 2.0 ** 1024 does not fit into a float.
    return float(min(most_s, first_s * 2.0 ** min(failures - 1, 60)))

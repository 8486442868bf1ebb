"""The ids that every line of the log carries: which run, test, device, worker and session it belongs to.

They come from four layers, the later one wins:

1. the log's own (`setup_logging(context=...)`): run and worker, what is true for as long as the log is up;
2. the process's (`bind(everywhere=True)`): seen by every thread. A pytest process runs one test at a time, so its
   test and device are the right ones for a thread that the test has started, too;
3. the context's (`bind`), a `contextvars` variable: each asyncio task has its own, copied from the task or thread
   that has made it. A new *thread* starts without any: Python hands the context on only where
   ``sys.flags.thread_inherit_context`` is set, which is 3.14's free-threaded build. `inheriting` hands it on;
4. the logger's own (`ActionLogger.bind`).

Beside them stands the active OpenTelemetry span. The package is asked only if the program has imported it.
"""

from __future__ import annotations

import contextlib
import contextvars
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")

_bound: ContextVar[Mapping[str, Any] | None] = ContextVar("autorl_log_ids", default=None)
#: The process's ids. Replaced, never changed, so that readers need no lock.
_everywhere: Mapping[str, Any] = {}
_writing = threading.Lock()


def bind(*, everywhere: bool = False, **ids: Any) -> None:
    """Let the records that follow carry ids; one that is None is taken off.

    Args:
        everywhere: For every thread of the process; else for this thread or task, and tasks it makes from now on.
        ids: By name, e.g. ``nodeid``, ``device``, ``session``. The values must be safe to share, they are kept.
    """
    _change(everywhere, ids)


def unbind(*names: str, everywhere: bool = False) -> None:
    """Take ids off again; names that are not bound are passed over. See `bind`."""
    _change(everywhere, dict.fromkeys(names))


@contextlib.contextmanager
def bound(*, everywhere: bool = False, **ids: Any) -> Iterator[None]:
    """Bind ids for a block. At its end these names are as before it, others stay as the block has left them."""
    layer = _everywhere if everywhere else _bound.get() or {}
    before = {name: layer.get(name) for name in ids}
    bind(everywhere=everywhere, **ids)
    try:
        yield
    finally:
        bind(everywhere=everywhere, **before)


def inheriting(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function with the ids bound here and now, for a thread: ``Thread(target=inheriting(work))``.

    May be called several times and by several threads at once; what it binds itself ends with each call.
    """
    ids = _bound.get()

    def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        context = contextvars.copy_context()
        context.run(_bound.set, ids)
        return context.run(function, *args, **kwargs)

    return run


def bound_ids() -> dict[str, Any]:
    """What a record made here and now carries: the process's ids, the context's, the span's."""
    return {**_everywhere, **(_bound.get() or {}), **_span_ids()}


def without_none(ids: Mapping[str, Any]) -> dict[str, Any]:
    """The ids that are there."""
    return {name: value for name, value in ids.items() if value is not None}


def _change(everywhere: bool, ids: Mapping[str, Any]) -> None:
    global _everywhere
    if everywhere:
        with _writing:
            _everywhere = without_none({**_everywhere, **ids})
    else:
        _bound.set(without_none({**(_bound.get() or {}), **ids}))


def _span_ids() -> dict[str, str]:
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return {}
    try:
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return {}
        return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
    except Exception:  # half imported, or another's implementation: a log line must not fail over it
        return {}

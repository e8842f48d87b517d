"""One question to a source, counted and timed, however it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TypeVar

from watcher.core.model import SourceName
from watcher.errors import SourceError
from watcher.service.telemetry import Metrics, log

Answer = TypeVar("Answer")


async def put(metrics: Metrics, source: SourceName, action: str, ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask, and count how it went.

    Args:
        metrics: where it is counted.
        source: whom it is put to.
        action: the request's name, for example "GetJob".
        ask: sends it.

    Raises:
        SourceError: whatever went wrong. A source is a stranger's code: what else it raises is logged and becomes one.
    """
    began, outcome = perf_counter(), "ok"
    try:
        return await ask()
    except SourceError as exc:
        outcome = type(exc).__name__
        raise
    except Exception as exc:
        outcome = type(exc).__name__
        log.exception("source_raised", source=source, action=action)
        raise SourceError(f"{action}: the source raised {outcome}") from exc
    finally:
        metrics.asked(source, action, outcome, perf_counter() - began)

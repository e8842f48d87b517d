"""Questions to a source: the requests that one takes, counted and timed one by one, however it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Final, TypeVar

from watcher.core.model import SourceName
from watcher.errors import SourceError
from watcher.service.telemetry import Metrics, log

Answer = TypeVar("Answer")

OK: Final = "ok"
CANCELLED: Final = "cancelled"


class Requests:
    """The requests of one question, one after the other; what it waits for in between is not their time.

    Args:
        metrics: where they are counted.
        source: whom they are sent to.
        action: their name, for example "GetJob".
    """

    __slots__ = ("_metrics", "_sent_s", "action", "source")

    def __init__(self, metrics: Metrics, source: SourceName, action: str) -> None:
        self._metrics, self.source, self.action = metrics, source, action
        self._sent_s: float | None = None

    def sent(self) -> None:
        """One leaves now."""
        self._sent_s = perf_counter()

    def answered(self, outcome: str = OK) -> None:
        """The one that is on its way, if any, came to this."""
        if self._sent_s is not None:
            self._metrics.asked(self.source, self.action, outcome, perf_counter() - self._sent_s)
            self._sent_s = None


async def put(metrics: Metrics, source: SourceName, action: str, ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask in one request, that leaves at once.

    Args:
        metrics: where it is counted.
        source: whom it is put to.
        action: the request's name, for example "GetJob".
        ask: sends it.

    Raises:
        SourceError: as `put_in`.
    """
    requests = Requests(metrics, source, action)
    requests.sent()
    return await put_in(requests, ask)


async def put_in(requests: Requests, ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask, and count how the last of the requests went; `ask` tells of those before it.

    Raises:
        SourceError: whatever went wrong. A source is a stranger's code: what else it raises is logged and becomes one.
    """
    outcome = CANCELLED
    try:
        answer = await ask()
        outcome = OK
    except SourceError as exc:
        outcome = type(exc).__name__
        raise
    except Exception as exc:
        outcome = type(exc).__name__
        log.exception("source_raised", source=requests.source, action=requests.action)
        raise SourceError(f"{requests.action}: the source raised {outcome}") from exc
    finally:
        requests.answered(outcome)
    return answer

"""One request of a pass, as `Permit` wants it: sent again where it was throttled, for as long as that is permitted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from watcher.errors import Throttled
from watcher.ports.source import Permit

Answer = TypeVar("Answer")


async def permitted(permit: Permit, send: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer.

    Args:
        permit: awaited before the request, and before each repetition of it.
        send: sends it.

    Raises:
        SourceError: whatever went wrong; throttled only when the permit says that it is enough.
    """
    refused: Throttled | None = None
    while True:
        await permit(refused)
        try:
            return await send()
        except Throttled as exc:
            refused = exc

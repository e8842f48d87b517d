"""Waiting for a time or for news, whichever comes first; letting others have a turn while work is long; closing in short time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, TypeVar

import anyio
from anyio.lowlevel import cancel_shielded_checkpoint

from watcher.core.steps import Steps, kept

T = TypeVar("T")

_STEPS: Final = 8
"""Of long work, which together take no more than some milliseconds."""

_CLOSING_S: Final = 2.0


async def sleep_or(sleep: Callable[[timedelta], Awaitable[None]], length: timedelta, *rung: anyio.Event) -> None:
    """Sleep for that long on the given clock, or until one of the events is set."""
    async with anyio.create_task_group() as tasks:

        async def wake(event: anyio.Event) -> None:
            await event.wait()
            tasks.cancel_scope.cancel()

        for event in rung:
            tasks.start_soon(wake, event)
        await sleep(length)
        tasks.cancel_scope.cancel()


async def in_turns(steps: Steps[T]) -> T:
    """The result of long work, with a turn for everybody else now and then. It is not broken off: it belongs to one commit."""
    result: list[T] = []
    for number, _ in enumerate(kept(steps, result), start=1):
        if number % _STEPS == 0:
            await cancel_shielded_checkpoint()
    return result[0]


async def let_go(close: Callable[[], Awaitable[None]]) -> None:
    """Close something, even where all is being cancelled; what does not end soon is left."""
    with anyio.move_on_after(_CLOSING_S, shield=True):
        await close()

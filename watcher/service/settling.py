"""Memory that has settled: what will stay is taken out of the garbage collector's sight, so that it never stops the program long.

A full collection walks over everything that is tracked, and with very many jobs that is a pause one would notice. So while modules
are imported and jobs are loaded there is none: next to nothing of that goes again. Later, what a collection that took long has
left is taken out, too, so that the next one does not walk over it again. What is taken out and later let go is freed all the same,
by its reference count; only cycles in it would stay, and values hold none.

A process has one collector for all that runs in it, so a service leaves it as it found it.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

LONG_S: Final = 0.01
"""CPU time of a collection that shall not be repeated."""
_FULL: Final = 2

FULL_AFTER: Final = 3
"""Collections of the middle generation between two full ones, where Python has ten: what each has to walk over is a third, and as
little of it is walked over twice, they cost no more."""


class LongCollections:
    """Takes out what a long full collection has left. For `gc.callbacks`.

    Args:
        clock: CPU time, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.thread_time) -> None:
        self._clock, self._began_s = clock, 0.0

    def __call__(self, phase: str, info: Mapping[str, Any]) -> None:
        """A collection begins or ends."""
        if info["generation"] < _FULL:
            return
        if phase == "start":
            self._began_s = self._clock()
        elif self._clock() - self._began_s > LONG_S:
            gc.freeze()


_LONG_COLLECTIONS: Final = LongCollections()


@contextlib.contextmanager
def short_collections() -> Iterator[None]:
    """Let no full collection be long twice, and the first ones come early.

    Afterwards what was taken out meanwhile is in the collector's sight again, and the collector is on if it was.
    """
    if _LONG_COLLECTIONS in gc.callbacks:
        yield
        return
    collects, thresholds = gc.isenabled(), gc.get_threshold()
    gc.set_threshold(thresholds[0], thresholds[1], FULL_AFTER)
    gc.callbacks.append(_LONG_COLLECTIONS)
    try:
        yield
    finally:
        gc.callbacks.remove(_LONG_COLLECTIONS)
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        if collects:
            gc.enable()


@contextlib.contextmanager
def settled_memory() -> Iterator[None]:
    """Take what is there, and what is loaded within, out of garbage collection, which is on afterwards.

    To be used within `short_collections`, which brings it back.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

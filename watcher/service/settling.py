"""Memory that has settled: what will stay is taken out of the garbage collector's sight, so that it never stops the program long.

A full collection walks over everything that is tracked, and with very many jobs that is a pause one would notice. So while modules
are imported and jobs are loaded there is none: next to nothing of that goes again. What is taken out and later let go is freed all
the same, by its reference count; only cycles in it would stay, and values hold none.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def settled_memory() -> Iterator[None]:
    """Take what is there, and what is loaded within, out of garbage collection, which is on afterwards."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

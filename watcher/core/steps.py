"""Long work in steps, so that whoever runs it can let others have a turn in between."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Work that pauses now and then, and returns its result in the end."""


def all_at_once(steps: Steps[T]) -> T:
    """The result, with no pause."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result

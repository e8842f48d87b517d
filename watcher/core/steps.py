"""Long work in steps, so that whoever runs it can let others have a turn in between."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Work that pauses now and then, and returns its result in the end."""


def kept(steps: Steps[T], result: list[T]) -> Iterator[None]:
    """The pauses of the work; its result is put into the list."""
    result.append((yield from steps))


def all_at_once(steps: Steps[T]) -> T:
    """The result, with no pause."""
    result: list[T] = []
    for _ in kept(steps, result):
        pass
    return result[0]

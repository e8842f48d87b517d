"""Lengths of time as people write them: `90s`, `30m`, `1h30m`, `2d`; and as people read them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_TERM: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[smhdw])")
PATTERN: Final = r"^\s*(\d+(\.\d+)?\s*(ms|[smhdw])\s*)+$"
"""The same grammar, for JSON Schema."""


def parse_duration(text: str) -> timedelta:
    """Read `1h30m` and the like.

    Raises:
        ValueError: with a sentence that says what is allowed.
    """
    seconds, end = 0.0, 0
    stripped = text.strip()
    for term in _TERM.finditer(stripped):
        if stripped[end : term.start()].strip():
            break
        seconds += float(term[1]) * _UNITS[term[2]]
        end = term.end()
    if not stripped or end != len(stripped):
        raise ValueError(f"{text!r} is not a length of time; write for example 90s, 30m, 1h30m or 2d")
    return timedelta(seconds=seconds)


def spell_duration(length: timedelta) -> str:
    """Two leading units, for people: `3 m 10 s`, `2 h 5 m`, `4 d 1 h`; under a second: `0 s`; negative counts as zero."""
    left = max(0, int(length.total_seconds()))
    words: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        amount, left = divmod(left, size)
        if amount:
            words.append(f"{amount} {unit}")
        elif words:
            break
        if len(words) == 2:  # noqa: PLR2004 - two units are what the docstring promises
            break
    return " ".join(words) or "0 s"

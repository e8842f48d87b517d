"""Python tracebacks in the lines of a log: the last frames and the exception, whatever stands before each line.

Launchers and log shippers put a rank or a time in front of lines (`[rank3]: `, `2026-03-02T08:00:00Z `). What stands before the
word `Traceback` is taken for such a mark, and as much is cut off the lines that follow.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_HEADER: Final = "Traceback (most recent call last):"
_EXCEPTION: Final = re.compile(r"[A-Za-z_][\w.]{0,200}(?::|$)")
_FRAME: Final = re.compile(r"\s+File \"")
_LONGEST: Final = 400
"""Lines of one traceback that are looked through: deep recursion makes thousands."""
_FRAMES: Final = 3


@dataclass(frozen=True, slots=True)
class Traceback:
    """One traceback.

    Attributes:
        end: index of the exception's line.
        exception: that line, without its mark.
        shown: header, last frames and exception, without their marks.
    """

    end: int
    exception: str
    shown: tuple[str, ...]


def tracebacks(lines: Sequence[str]) -> tuple[Traceback, ...]:
    """All whole tracebacks, in order."""
    starts = [(index, column) for index, line in enumerate(lines) if (column := line.find(_HEADER)) >= 0]
    found = []
    for index, column in starts:
        body: list[str] = []
        for at in range(index + 1, min(len(lines), index + _LONGEST)):
            text = lines[at][column:]
            if text[:1].isspace() or not text:
                body.append(text)
                continue
            if body and _EXCEPTION.match(text):
                found.append(Traceback(at, text, (_HEADER, *_last_frames(body), text)))
            break
    return tuple(found)


def _last_frames(body: Sequence[str]) -> Sequence[str]:
    frames = [index for index, line in enumerate(body) if _FRAME.match(line)]
    return body[frames[-_FRAMES] :] if len(frames) > _FRAMES else body[-3 * _FRAMES :]

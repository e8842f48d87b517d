"""Texts from outside, made fit for a message and for the languages of rules: cut, on one line, without what drives a terminal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

TEXT_LENGTH: Final = 4000
"""Longest text a name may hold, in characters: reason messages can carry whole stack traces."""

_BREAKS: Final = re.compile(r"\s+")
_UNSEEN: Final = frozenset({"Cc", "Cs", "Co", "Cn"})
_TURNING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of writing: with them a job's name could show a line backwards."""


def cut(text: str) -> str:
    """At most `TEXT_LENGTH` characters of it, as plain text without lone surrogates (which CEL could not take)."""
    return str(text[:TEXT_LENGTH]).encode("utf-8", "replace").decode("utf-8")


def cut_all(texts: Mapping[str, str]) -> dict[str, str]:
    """Each key and each value, cut."""
    return {cut(key): cut(value) for key, value in texts.items()}


def one_line(text: str, most: int) -> str:
    """The text on one line: white space folded, control characters and turns of direction removed, cut with an ellipsis."""
    folded = _BREAKS.sub(" ", text)
    kept = "".join(
        char for char in folded if char not in _TURNING and unicodedata.category(char) not in _UNSEEN
    ).strip()
    return kept if len(kept) <= most else kept[: most - 1].rstrip() + "…"

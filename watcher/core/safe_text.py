"""Text that comes from a job, made safe to show anywhere: no control or direction marks, cut by characters.

A job's name and reason are written by whoever submitted it. What would break a channel's own markup (`&`, `<`, `[`) is escaped
by the notifier that writes that markup; what is harmful everywhere is removed here.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import urlsplit

ELLIPSIS: Final = "…"

_AHEAD: Final = 8
"""How much more than is shown is looked at, since cleaning takes something away. Megabytes cost no more than a short text."""

# A whole escape sequence goes, not only its first byte: "[31m" left behind would be noise. CSI, OSC (ended by BEL or ST), others.
_ESCAPES: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)?|\x1b[@-Z\\^_]|\x9b[0-?]*[ -/]*[@-~]"
)

# Cc: control characters. Cf: format characters, among them every bidi mark, embedding, override and isolate (Trojan Source),
# zero-width characters and soft hyphens. Zl and Zp: line and paragraph separators. Cs: lone surrogates, not encodable.
_UNWANTED: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})


def clean(text: str) -> str:
    """Without escape sequences, control characters and invisible or direction-changing marks; line breaks and tabs stay."""
    if text.isprintable():
        return text  # nearly always, and then it is quick
    flat = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(mark for mark in flat if mark in "\n\t" or unicodedata.category(mark) not in _UNWANTED)


def one_line(text: str, limit: int) -> str:
    """Cleaned, on one line, at most `limit` characters."""
    return cut(" ".join(clean(text[: _AHEAD * limit]).split()), limit)


def block(text: str, limit: int) -> str:
    """Cleaned, line breaks kept but never more than two together, at most `limit` characters."""
    return cut(re.sub(r"\n{3,}", "\n\n", clean(text[: _AHEAD * limit])).strip("\n"), limit)


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, the last of them an ellipsis when something was cut off."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + ELLIPSIS


def link(url: str) -> str:
    """The address when it is a plain web address that can stand in any markup, else ""."""
    if re.search(r"[\s<>|\"'`\\\x00-\x20\x7f]", url):
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in {"http", "https"} and parts.hostname else ""

"""Texts from outside, made fit for the languages of rules: cut, and nothing in them that CEL could not take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TEXT_LENGTH: Final = 4000
"""Longest text a name may hold, in characters: reason messages can carry whole stack traces."""


def cut(text: str) -> str:
    """At most `TEXT_LENGTH` characters of it, as plain text without lone surrogates (which CEL could not take)."""
    return str(text[:TEXT_LENGTH]).encode("utf-8", "replace").decode("utf-8")


def cut_all(texts: Mapping[str, str]) -> dict[str, str]:
    """Each key and each value, cut."""
    return {cut(key): cut(value) for key, value in texts.items()}

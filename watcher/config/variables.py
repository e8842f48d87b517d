"""`${NAME}` in texts of the configuration: put in from the environment, never read as YAML again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from watcher.config.wording import nearest

_MARK: Final = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>[^{}\s]*)(?P<closed>\})?)")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Substituted:
    """A text with its variables put in.

    Attributes:
        text: the result; a variable that is missing leaves nothing in its place.
        used: the values that were put in. They may be secrets.
        faults: offset in the original text, and a sentence, for each variable that is missing or misspelt.
    """

    text: str
    used: tuple[str, ...] = ()
    faults: tuple[tuple[int, str], ...] = ()


def substitute(text: str, env: Mapping[str, str]) -> Substituted:
    """Put variables in: `${NAME}` becomes its value, `$$` a dollar sign; a lone `$` stays as it is."""
    used: list[str] = []
    faults: list[tuple[int, str]] = []

    def value(mark: re.Match[str]) -> str:
        if mark["escaped"]:
            return "$"
        name = mark["name"]
        if not mark["closed"] or not _NAME.fullmatch(name):
            faults.append(
                (mark.start(), "a variable is written ${NAME}, with letters, digits and _; for a dollar sign write $$")
            )
            return ""
        if name not in env:
            faults.append((mark.start(), f"the environment variable {name} is not set{nearest(name, env)}"))
            return ""
        used.append(env[name])
        return env[name]

    result = _MARK.sub(value, text)
    return Substituted(result, tuple(used), tuple(faults))

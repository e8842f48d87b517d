"""Regular expressions for people to write: linear in time, whole value, refused when the configuration loads.

The engine is RE2, reached through CEL's `matches`, which is here anyway (see `core.expression`): it takes time in proportion to the
value whatever the expression, and bounds the memory an expression may take. What would need backtracking (look-around,
back-references) it refuses, in words. Python's own `re` can be made to run for years by one line of configuration.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from cel_expr_python import cel

LONGEST: Final = 500
"""Most characters an expression may have."""

_ENVIRONMENT: Final = cel.NewEnv(variables={"value": cel.Type.STRING})
_COMPLAINT: Final = re.compile(r"invalid regular expression: (.*?)(?: \[[A-Z_]+\])?$")


@dataclass(frozen=True, slots=True)
class Regex:
    """A compiled expression. Made by `compile_regex`."""

    text: str
    program: Any = field(repr=False, compare=False)

    def matches(self, value: str) -> bool:
        """Whether it describes the whole value."""
        # Texts from outside may hold halves of surrogate pairs, which CEL's strings cannot.
        clean = value.encode("utf-8", "replace").decode("utf-8")
        return self.program.eval(data={"value": clean}).value() is True


@lru_cache(maxsize=1024)
def compile_regex(text: str) -> Regex:
    """Read an expression.

    Raises:
        ValueError: it is too long, or RE2 does not take it; the sentence says why.
    """
    if len(text) > LONGEST:
        raise ValueError(f"a regular expression has at most {LONGEST} characters, this one has {len(text)}")
    _program(text)  # by itself first: wrapped, a stray parenthesis could close ours
    return Regex(text, _program(rf"\A(?:{text})\z"))


def _program(text: str) -> Any:
    if text.encode("utf-8", "replace").decode("utf-8") != text:
        raise ValueError("this is no regular expression: it holds halves of characters (lone surrogates)")
    program = _ENVIRONMENT.compile(f"value.matches({json.dumps(text, ensure_ascii=False)})")
    complaint = _COMPLAINT.search(str(program.eval(data={"value": ""}).value()))
    if complaint:
        raise ValueError(
            f"this is no regular expression of RE2 (linear in time; no look-around, no back-references): {complaint[1]}"
        )
    return program

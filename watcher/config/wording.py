"""Sentences about what is wrong: pydantic's findings in plain words, near names, lists of what is allowed.

No sentence repeats a value, with two exceptions that cannot be secrets: words of a closed set (a severity, a kind) and texts that
a validator of ours put into its own message. What came from the environment, or stands under a key that names a secret, is masked
afterwards as well (see `watcher.config.findings`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Final

from watcher.core.duration import spell_duration


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?` when a known word is near, whatever its case, else ""."""
    lowered = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.6)
    return f'; did you mean "{lowered[near[0]]}"?' if near else ""


def listed(words: Collection[str], nothing: str = "nothing") -> str:
    """`a, b, c`, sorted; at most twenty, so that a message stays a message."""
    names = sorted(words)
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""  # noqa: PLR2004 - what the docstring says
    return ", ".join(names[:20]) + more if names else nothing


def unknown(what: str, word: str, allowed: Collection[str]) -> str:
    """A sentence for a word that is not one of a known set."""
    hint = nearest(word, allowed)
    return f'unknown {what} "{word}"{hint or ";"} allowed are: {listed(allowed)}'


def named_type(value: object) -> str:
    """What a YAML value is, for people."""
    for types, name in _TYPE_NAMES:
        if isinstance(value, types):
            return name
    return "something else"


_TYPE_NAMES: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (type(None), "nothing"),
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "text"),
    (list, "a list"),
    (dict, "a mapping"),
)

Sentence = Callable[[Mapping[str, Any], object], str]
"""From the error's context and the value it is about."""


def _expects(what: str) -> Sentence:
    return lambda _context, value: f"expects {what}, not {named_type(value)}"


def _text(_context: Mapping[str, Any], value: object) -> str:
    quotes = "; put it in quotes" if isinstance(value, bool | int | float) else ""
    return f"expects text, not {named_type(value)}{quotes}"


def _bound(words: str, key: str, unit: str = "") -> Sentence:
    return lambda context, _value: f"must be {words} {spelled(context.get(key))}{unit}"


def spelled(bound: object) -> str:
    """A limit as people write it. pydantic gives a limit on a length of time as the text of its repr."""
    length = re.fullmatch(r"datetime\.timedelta\((.*)\)", str(bound))
    if length is None:
        return str(bound)
    parts = {unit: float(amount) for unit, amount in re.findall(r"(\w+)=([-\d.]+)", length[1])}
    return spell_duration(timedelta(**parts)).replace(" ", "")


def _length(words: str, key: str) -> Sentence:
    def written(context: Mapping[str, Any], value: object) -> str:
        limit = context.get(key)
        noun = "entry" if limit == 1 else "entries"
        return f"must have {words} {limit} {noun if isinstance(value, list | dict) else 'characters'}"

    return written


def _one_of(context: Mapping[str, Any], value: object) -> str:
    allowed = re.findall(r"'([^']*)'", str(context.get("expected", ""))) or [str(context.get("expected", ""))]
    if isinstance(value, str):
        return unknown("value", value, allowed)
    return f"expects one of {listed(allowed)}, not {named_type(value)}"


def _tag(context: Mapping[str, Any], _value: object) -> str:
    allowed = re.findall(r"'([^']*)'", str(context.get("expected_tags", "")))
    return unknown(str(context.get("discriminator", "kind")).strip("'"), str(context.get("tag", "")), allowed)


def _own_words(context: Mapping[str, Any], _value: object) -> str:
    return str(context.get("error", "is not acceptable here"))


_NUMBER = _expects("a number")
_WHOLE = _expects("a whole number")
_LIST = _expects("a list")
_MAPPING = _expects("a mapping of keys and values")
_DURATION = _expects("a length of time such as 90s, 30m or 1h30m")
_URL = _expects("a URL such as https://host/path")

SENTENCES: Final[Mapping[str, Sentence]] = {
    "string_type": _text,
    "string_sub_type": _text,
    "string_unicode": _text,
    "bytes_type": _text,
    "string_pattern_mismatch": lambda context, _: f"does not fit the pattern {context.get('pattern')}",
    "string_too_short": _bound("at least", "min_length", " characters long"),
    "string_too_long": _bound("at most", "max_length", " characters long"),
    "too_short": _length("at least", "min_length"),
    "too_long": _length("at most", "max_length"),
    "greater_than": _bound("greater than", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("less than", "lt"),
    "less_than_equal": _bound("at most", "le"),
    "multiple_of": _bound("a multiple of", "multiple_of"),
    "finite_number": lambda *_: "must be a finite number",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE,
    "int_from_float": lambda *_: "expects a whole number, not a fraction",
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "bool_type": _expects("true or false"),
    "bool_parsing": _expects("true or false"),
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "dict_type": _MAPPING,
    "mapping_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dataclass_type": _MAPPING,
    "path_type": _expects("a path"),
    "time_delta_type": _DURATION,
    "time_delta_parsing": _DURATION,
    "url_type": _URL,
    "url_parsing": _URL,
    "url_syntax_violation": _URL,
    "url_too_long": lambda *_: "is too long for a URL",
    "url_scheme": lambda context, _: f"must be a URL that begins with {context.get('expected_schemes')}",
    "literal_error": _one_of,
    "enum": _one_of,
    "union_tag_invalid": _tag,
    "union_tag_not_found": lambda context, _: (
        f"the key {str(context.get('discriminator', 'kind')).strip(chr(39))!r} is missing"
    ),
    "none_required": _expects("nothing"),
    "value_error": _own_words,
    "assertion_error": _own_words,
}
"""pydantic's error type -> sentence."""


def sentence(error_type: str, context: Mapping[str, Any], value: object) -> str:
    """What one finding of pydantic says, in plain words."""
    written = SENTENCES.get(error_type)
    return written(context, value) if written else f"is not acceptable here ({error_type.replace('_', ' ')})"

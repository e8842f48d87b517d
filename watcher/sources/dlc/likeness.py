"""Whether two GetJob answers say the same, told from their bytes: most polls need no parsing at all.

Theory. Between two polls of a quiet job an answer differs in its RequestId and in the `Duration` of the job, its pods and their
former lives, which only run on; none of these is ever compared (`core.model`). So they are cut out of the bytes, each leaving a
mark that cannot stand in JSON, and the rest is hashed. That alone would not be right: a text search knows no structure,
and would cut a tag or a variable of the same name, too. `recognisable` therefore looks, once for each answer that was parsed
anyway, where its cuts lie. If they are all in the right places, then every other answer with the same digest has its cuts in the
same places of the same JSON, as it has the same bytes around them: what is cut is a whole number or a whole plain text in both. So
a digest that is kept must be of a recognisable answer, and a new one is then compared with it without a look inside.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from typing import Any, Final, NamedTuple

SPACE: Final = rb"[ \t\n\r]*"
"""Between two tokens of JSON."""
_NUMBER: Final = rb"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,17})?(?:[eE][+-]?[0-9]{1,2})?"
# Both begin with a fixed text, which makes the search for it several times quicker.
_DURATION: Final = re.compile(rb'"Duration"' + SPACE + rb":" + SPACE + rb"(" + _NUMBER + rb")")
_REQUEST_ID: Final = re.compile(rb'"RequestId"' + SPACE + rb":" + SPACE + rb'"[0-9A-Za-z-]{0,64}"')
MARK: Final = b"\0"
"""Stands for a duration that was cut. No JSON text holds this byte, not even in a string."""
_REQUEST_MARK: Final = b"\1"
"""The same for a RequestId."""
_DIGEST_BYTES: Final = 16

PLACEHOLDER: Final = f"cut {secrets.token_hex(16)}"
"""Put in place of what is cut, to see where that lies. Nobody can have written it."""
_PLACED: Final = PLACEHOLDER.encode()


class Cut(NamedTuple):
    """An answer without its durations.

    Attributes:
        text: with `MARK` where they were.
        numbers: their texts, in order.
    """

    text: bytes
    numbers: list[bytes]


def cut(body: bytes) -> Cut | None:
    """The answer, cut; None for what is no JSON text anyway."""
    if MARK in body or _REQUEST_MARK in body:
        return None
    pieces = _DURATION.split(body)
    return Cut(MARK.join(pieces[::2]), pieces[1::2])


def digest(body: bytes) -> bytes:
    """Equal for two answers that differ only in what runs on; b"" for what is no JSON text anyway."""
    if MARK in body or _REQUEST_MARK in body:
        return b""
    return digest_of_cut(_DURATION.sub(MARK, body))


def digest_of_cut(text: bytes) -> bytes:
    """The digest of an answer that was cut already."""
    return hashlib.sha256(_REQUEST_ID.sub(_REQUEST_MARK, text)).digest()[:_DIGEST_BYTES]


def recognisable(body: bytes) -> bool:
    """Whether everything that `digest` leaves out of this answer is a RequestId or Duration in its own place."""
    told, durations = marked(body)
    told, ids = _REQUEST_ID.subn(b'"RequestId":"' + _PLACED + b'"', told)
    return _cuts_in_place(told) == durations + ids


def _cuts_in_place(told: bytes) -> int | None:
    """How many of the cuts were made where something may be left out; None for what is no answer at all."""
    try:
        answer = json.loads(told)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    # A member given twice is lost in parsing, and what was cut from the first one is then missing here.
    found = (answer.get("RequestId") == PLACEHOLDER) + _runs_on(answer)
    for pod in _objects(answer.get("Pods")):
        found += _runs_on(pod) + sum(map(_runs_on, _objects(pod.get("HistoryPods"))))
    return found


def item_digest(item: bytes) -> bytes:
    """The same as `digest` for one item of a list, which holds no RequestId: only durations are left out."""
    if MARK in item:
        return b""
    return hashlib.sha256(_DURATION.sub(MARK, item)).digest()[:_DIGEST_BYTES]


def marked(item: bytes) -> tuple[bytes, int]:
    """An item with `PLACEHOLDER` for every duration that is left out, and how many those are."""
    return _DURATION.subn(b'"Duration":"' + _PLACED + b'"', item)


def recognisable_item(item: bytes) -> bool:
    """Whether everything that `item_digest` leaves out of this item is a Duration in its own place."""
    told, cuts = marked(item)
    return _cuts_in_place(told) == cuts


def _runs_on(thing: dict[str, Any]) -> bool:
    return bool(thing.get("Duration") == PLACEHOLDER)


def _objects(members: object) -> list[dict[str, Any]]:
    return [member for member in members if isinstance(member, dict)] if isinstance(members, list) else []

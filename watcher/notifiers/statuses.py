"""What HTTP statuses mean for whoever sends messages. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from watcher.errors import NotifierError
from watcher.notifiers.replies import seconds


@dataclass(frozen=True, slots=True)
class _Meaning:
    permanent: bool = True
    pauses: bool = False
    ambiguous: bool = False
    disables: bool = False
    fix: str = ""


_MOVED: Final = _Meaning(pauses=True, fix="Redirects are not followed: write the address it leads to")
_REFUSED: Final = _Meaning(
    pauses=True, fix="The receiver wants other credentials: check the address and the signing secret on both sides"
)

STATUSES: Final[Mapping[int, _Meaning]] = {
    400: _Meaning(fix="The receiver does not understand the message: see its log"),
    401: _REFUSED,
    403: _REFUSED,
    404: _Meaning(pauses=True, fix="There is nothing at that address: check it"),
    405: _Meaning(pauses=True, fix="The address takes no POST: check it"),
    408: _Meaning(permanent=False, ambiguous=True),
    410: _Meaning(
        pauses=True,
        disables=True,
        fix="The receiver says this address is gone for good: put in a new one, or take the receiver out",
    ),
    413: _Meaning(fix="The receiver finds the message too large"),
    415: _Meaning(fix="The receiver does not take this content type"),
    425: _Meaning(permanent=False),
    429: _Meaning(permanent=False, pauses=True),
    # A gateway that heard nothing from behind it does not know either.
    502: _Meaning(permanent=False, ambiguous=True),
    503: _Meaning(permanent=False, pauses=True),
    504: _Meaning(permanent=False, ambiguous=True),
}
"""What single statuses mean. Of the rest, the hundreds decide: see `classify`."""

_CLASSES: Final[Mapping[int, _Meaning]] = {
    1: _Meaning(permanent=False),
    3: _MOVED,
    4: _Meaning(fix="The receiver refuses the message: see its log"),
    5: _Meaning(permanent=False, ambiguous=True),
}


def classify(
    status: int,
    headers: Mapping[str, str],
    now: datetime,
    *,
    place: str,
    fixes: Mapping[int, str] = MappingProxyType({}),
) -> NotifierError:
    """What an answer other than 2xx means. Pure.

    Args:
        status: the HTTP status.
        headers: of the answer; only Retry-After is read.
        now: for a Retry-After that is a date.
        place: where it was going, for the sentence.
        fixes: what to do about single statuses, where this far side knows better than the table.
    """
    known = STATUSES.get(status) or _CLASSES.get(status // 100) or _Meaning(permanent=False, ambiguous=True)
    return NotifierError(
        f"{place} answered {status}",
        permanent=known.permanent,
        ambiguous=known.ambiguous,
        retry_after=None if known.permanent else seconds(headers, now),
        code=str(status),
        fix=fixes.get(status, known.fix),
        pauses_receiver=known.pauses,
        disables_receiver=known.disables,
    )

"""Who is next where several want the same requests: by shares, so that nobody starves and nothing is left unused.

Theory. Stride scheduling (Waldspurger and Weihl 1995): everybody has a clock that is set on by one over his share with each request
he gets, and the one whose clock is furthest behind is next. Over time everybody who always waits gets requests in proportion to his
share; what one does not want falls to the others. A clock that stood still while its owner wanted nothing is set to the present
first: nobody saves up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Use(StrEnum):
    """What a request is for."""

    FINISHED = "finished"
    """Lists of what ended."""
    BORN = "born"
    """Lists of what was created."""
    STATUS = "status"
    """Lists of rare statuses."""
    SWEEP = "sweep"
    """Lists of live jobs by their ids."""
    PASS = "pass"  # noqa: S105 - a pass over all pages, no password
    """Pages of a full pass over all lists."""
    NEWS = "news"
    """GetJob, because a list showed something, or nothing is known yet."""
    ROUND = "round"
    """GetJob, because its time has come."""
    ASIDE = "aside"
    """Events and logs, to answer an inquiry."""


SHARES: Final[Mapping[Use, float]] = MappingProxyType(
    {
        Use.FINISHED: 0.15,
        Use.BORN: 0.10,
        Use.STATUS: 0.05,
        Use.SWEEP: 0.20,
        Use.PASS: 0.10,
        Use.NEWS: 0.20,
        Use.ROUND: 0.15,
        Use.ASIDE: 0.05,
    }
)
"""What each gets at least while all of them wait. The feeds seldom do: `core.schedule` says how often they ask."""


@dataclass(frozen=True, slots=True)
class Turns:
    """Whose clock shows what.

    Attributes:
        clocks: of everybody who ever got a request.
        now: the clock of whoever got the last one, before it was set on.
    """

    clocks: Mapping[Use, float] = field(default_factory=dict)
    now: float = 0.0


def first(turns: Turns, waiting: Collection[Use]) -> Use:
    """Who of those who wait is next; at least one must."""
    return min(waiting, key=lambda use: (max(turns.clocks.get(use, 0.0), turns.now), -SHARES[use]))


def served(turns: Turns, use: Use) -> Turns:
    """One request was given."""
    at = max(turns.clocks.get(use, 0.0), turns.now)
    return replace(turns, clocks={**turns.clocks, use: at + 1 / SHARES[use]}, now=at)

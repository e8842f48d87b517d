"""When the watcher was away: not running, or blind. What happened meanwhile is told after the fact, and says so.

Theory. DLC's answers carry their own history, so an absence loses nothing; but news of it is old news. It is marked `late`, and
people get one message for a job rather than a volley (`core.message`). What is late is decided by two times that are known for
certain: when everything we asked was last answered, and when each job was last looked at. So the mark is the same however the looks
after the absence fall. It is no part of any id: the same news told late and told in time is one piece of news.

A deadline is a question about the present ("is it still pending?"). One that came due during an absence would be answered from
what was known before it, so it waits until its job was looked at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from watcher.core.events import When

SHORTEST: Final = timedelta(minutes=5)
"""A gap no longer than this is no absence: a restart, a deployment, a hiccup of the network."""

_ROUNDS: Final = 3
"""A gap of so many rounds of questions is no absence either, where questions are rare."""

AnyEvent = TypeVar("AnyEvent", bound=Any)


@dataclass(frozen=True, slots=True)
class Absence:
    """From the last time that we saw to the first time that we saw again."""

    since: datetime
    until: datetime

    def __contains__(self, moment: datetime) -> bool:
        """Whether it lies in the absence, its ends included."""
        return self.since <= moment <= self.until


def absence(seen_at: datetime | None, now: datetime, *, round_of: timedelta) -> Absence | None:
    """The absence that ends now; None when we were here all the time, or hardly gone.

    Args:
        seen_at: when everything we asked was last answered; None when we never were here.
        now: when it is answered again.
        round_of: the usual time between two questions of one sort.
    """
    if seen_at is None or now - seen_at <= max(SHORTEST, _ROUNDS * round_of):
        return None
    return Absence(seen_at, now)


def mark_late(
    events: Sequence[AnyEvent], gap: Absence | None, *, looked_at: datetime | None, born: datetime | None
) -> tuple[AnyEvent, ...]:
    """The events of one look, each `late` when it happened in the absence.

    Only the first look at a job after the absence tells what happened in it; what happened after it ended, by DLC's dates, does not
    become late by being read together with the rest. A job seen for the first time was born in the absence, or is no news of it.

    Args:
        events: what follows from the look.
        gap: our last absence, or None.
        looked_at: when the job was looked at before; None at first sight.
        born: when the job was created, where that is known.
    """
    if gap is None or not (looked_at <= gap.since if looked_at is not None else born is not None and born in gap):
        return tuple(events)
    return tuple(_late(event) if _began_by(event.when, gap.until) else event for event in events)


def _began_by(when: When, until: datetime) -> bool:
    return when.occurred_at is None or when.occurred_at <= until


def _late(event: AnyEvent) -> AnyEvent:
    return replace(event, when=replace(event.when, late=True))


def may_be_judged(*, asked_at: datetime | None, gap: Absence | None, blind: bool) -> bool:
    """Whether enough is known of a job to answer one of its deadlines.

    Args:
        asked_at: when it was last asked about, with an answer or a refusal that concerns it alone, since this program runs.
        gap: our last absence, or None.
        blind: people know that we cannot see this source; nothing better will be known soon.
    """
    return blind or (asked_at is not None and (gap is None or asked_at >= gap.until))

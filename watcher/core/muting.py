"""Mute intervals: the times at which a route holds what it has to tell, in the time zone of those who sleep.

An interval is made of stretches, one for each of its days: from a time of day until a time of day, over midnight where the second
is not after the first. A day is meant by its local date. What the clocks of a zone do is kept in mind: a time that they skip is the
moment at which they jump, and a time that they show twice is the first of the two. Where they jump over a whole stretch, there is
none that day; every other stretch ends at the time that was written.

Time zones come in as values: reading the machine's tables of them is the configuration's part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

LONGEST: Final = timedelta(days=400)
"""Nothing is held for longer than this, whatever is configured."""

_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MuteInterval:
    """One interval as configured.

    Attributes:
        name: what routes call it.
        zone: whose days and hours are meant.
        weekdays: 0 for Monday to 6 for Sunday.
        dates: holidays: days that count whatever weekday they are.
        start: time of day at which a stretch begins.
        end: time of day at which it ends, on the next day where it is not after `start`.
    """

    name: str
    zone: tzinfo
    weekdays: frozenset[int] = frozenset(range(7))
    dates: frozenset[date] = frozenset()
    start: time = time()
    end: time = time()

    def means(self, day: date) -> bool:
        """Whether a stretch begins on this day."""
        return day.weekday() in self.weekdays or day in self.dates

    def stretches(self, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The stretches that could hold a moment: begin and end in UTC."""
        today = moment.astimezone(self.zone).date()
        for day in (today - _DAY, today):
            if self.means(day):
                last = day if self.end > self.start else day + _DAY
                yield first_moment(day, self.start, self.zone), first_moment(last, self.end, self.zone)

    def end_of(self, moment: datetime) -> datetime | None:
        """When the stretch that holds this moment ends; None when none does."""
        return max((end for begin, end in self.stretches(moment) if begin <= moment < end), default=None)


def muted_until(intervals: Iterable[MuteInterval], moment: datetime) -> datetime | None:
    """When all of the intervals together fall silent, seen from a moment; None when none of them holds it.

    Intervals that follow each other without a gap, as a night and a holiday do, are one.
    """
    all_of_them = tuple(intervals)
    end = moment
    while end - moment < LONGEST:
        further = [found for interval in all_of_them if (found := interval.end_of(end)) is not None]
        if not further:
            break
        end = max(further)
    return min(end, moment + LONGEST) if end > moment else None


def first_moment(day: date, at: time, zone: tzinfo) -> datetime:
    """The first moment, in UTC, at which the clocks of a zone show this time of that day, or would have passed it."""
    wall = datetime.combine(day, at)
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first <= second:  # the same, or shown twice
        return first
    # Skipped. The jump lies between the readings by the offsets after it and before it; offsets change at whole seconds.
    before, after = second, first
    while after - before > _SECOND:
        middle = before + ((after - before) // 2 // _SECOND) * _SECOND
        if middle.astimezone(zone).replace(tzinfo=None) < wall:
            before = middle
        else:
            after = middle
    return after

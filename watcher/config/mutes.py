"""`mute_intervals:` as written -> the core's values, and what routes say of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, Field, WithJsonSchema

from watcher.config.document import Place
from watcher.config.findings import Findings, as_mapping
from watcher.config.wording import unknown
from watcher.core.muting import MuteInterval, muted_until
from watcher.core.rule import Severity
from watcher.settings import WEEKDAYS, OneOrMany, Settings, Zone

_START_PATTERN: Final = r"^([01]\d|2[0-3]):[0-5]\d$"
_END_PATTERN: Final = rf"{_START_PATTERN}|^24:00$"
_MOST_DAYS: Final = 400
_GAP_WITHIN: Final = timedelta(days=14)
"""Weekdays and hours come again every week: what has no gap in two of them has none."""


def _start(text: str) -> str:
    if not re.search(_START_PATTERN, text):
        raise ValueError(f'"{text}" is no time of day; write for example 22:00')
    return text


def _end(text: str) -> str:
    if not re.search(_END_PATTERN, text):
        raise ValueError(f'"{text}" is no time of day; write for example 08:00, or 24:00 for the end of the day')
    return text


def _weekday(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        if text not in WEEKDAYS:
            raise ValueError(unknown("weekday", text, WEEKDAYS))
    return texts


def _days(text: str) -> Iterator[date]:
    first, dots, last = text.partition("..")
    try:
        day, end = date.fromisoformat(first), date.fromisoformat(last if dots else first)
    except ValueError:
        raise ValueError(f'"{text}" is no date; write for example 2026-10-01, or 2026-10-01..2026-10-07') from None
    if not timedelta(0) <= end - day < timedelta(days=_MOST_DAYS):
        raise ValueError(f'"{text}" is no row of at most {_MOST_DAYS} days, the first one first')
    while day <= end:
        yield day
        day += timedelta(days=1)


def _dates(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        tuple(_days(text))
    return texts


StartOfDay = Annotated[str, AfterValidator(_start), WithJsonSchema({"type": "string", "pattern": _START_PATTERN})]
EndOfDay = Annotated[str, AfterValidator(_end), WithJsonSchema({"type": "string", "pattern": _END_PATTERN})]


class MuteSettings(Settings):
    """Times at which routes hold what they have to tell. With neither `weekdays` nor `dates`, every day."""

    zone: Zone
    """IANA time zone whose days and hours are meant, for example Asia/Shanghai."""
    weekdays: Annotated[OneOrMany, AfterValidator(_weekday)] = ()
    """mon, tue, wed, thu, fri, sat, sun."""
    dates: Annotated[OneOrMany, AfterValidator(_dates)] = ()
    """Holidays, whatever weekday they are: 2026-10-01, or rows of days such as 2026-10-01..2026-10-07."""
    from_: StartOfDay = Field(default="00:00", alias="from")
    """Time of day at which it begins on each of its days."""
    to: EndOfDay = "24:00"
    """Time of day at which it ends; on the next day where it is not after `from`."""

    def interval(self, name: str) -> MuteInterval:
        """As the core's value."""
        every_day = not self.weekdays and not self.dates
        return MuteInterval(
            name=name,
            zone=self.zone,
            weekdays=frozenset(range(7) if every_day else map(WEEKDAYS.index, self.weekdays)),
            dates=frozenset(day for text in self.dates for day in _days(text)),
            start=time.fromisoformat(self.from_),
            end=time.fromisoformat(self.to.replace("24:00", "00:00")),
        )


def check_mutes(found: Findings, intervals: Mapping[str, MuteInterval]) -> None:
    """What routes say of mute intervals: names that exist, severities that exist, and some time in which something is told.

    Args:
        found: where to tell it.
        intervals: those that are right; wrong ones have been told.
    """
    named = as_mapping(found.document.data.get("mute_intervals"))
    used = set(_check_node(found, found.document.data.get("route"), ("route",), named, intervals))
    for name in named:
        if name not in used:
            place: Place = ("mute_intervals", name)
            told = "no route is muted by this interval"
            found.warnings.append(found.document.problem(told, place, found.document.key_position(place)))


def _check_node(
    found: Findings, node: object, place: Place, named: Collection[str], intervals: Mapping[str, MuteInterval]
) -> Iterator[str]:
    if not isinstance(node, dict):
        return
    mutes = _texts(node.get("mute"), (*place, "mute"))
    yield from mutes.values()
    for spot, name in mutes.items():
        if name not in named:
            found.add(unknown("mute interval", name, named), spot)
    for spot, word in _texts(node.get("mute_except"), (*place, "mute_except")).items():
        if word not in frozenset(Severity):
            found.add(unknown("severity", word, frozenset(Severity)), spot)
    own = [intervals[name] for name in mutes.values() if name in intervals]
    if own and _without_end(own):
        found.add_at_key("this mutes the route at all times, so it would never tell anything", (*place, "mute"))
    children = node.get("routes")
    for index, child in enumerate(children if isinstance(children, list) else ()):
        yield from _check_node(found, child, (*place, "routes", index), named, intervals)


def _without_end(intervals: list[MuteInterval]) -> bool:
    """Whether the weekly part alone leaves no gap; holidays come to an end by themselves."""
    last = max((day for interval in intervals for day in interval.dates), default=date(2026, 1, 1))
    moment = datetime.combine(last, time(), UTC) + timedelta(days=3)
    end = muted_until(intervals, moment)
    return end is not None and end - moment > _GAP_WITHIN


def _texts(written: object, place: Place) -> dict[Place, str]:
    if isinstance(written, str):
        return {place: written}
    listed = enumerate(written) if isinstance(written, list) else ()
    return {(*place, index): word for index, word in listed if isinstance(word, str)}

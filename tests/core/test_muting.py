from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.muting import LONGEST, MuteInterval, first_moment, muted_until

SHANGHAI, NEW_YORK, LORD_HOWE, APIA = (
    ZoneInfo(name) for name in ("Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia")
)
NIGHTS = MuteInterval(name="nights", zone=SHANGHAI, start=time(22), end=time(8))
WEEKENDS = MuteInterval(name="weekends", zone=SHANGHAI, weekdays=frozenset({5, 6}))
HOLIDAY = MuteInterval(name="holiday", zone=SHANGHAI, weekdays=frozenset(), dates=frozenset({date(2026, 10, 1)}))


def local(text: str, zone: ZoneInfo = SHANGHAI, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("intervals", "moment", "until"),
    [
        ([NIGHTS], "2026-03-02T21:59", None),
        ([NIGHTS], "2026-03-02T22:00", "2026-03-03T08:00"),
        ([NIGHTS], "2026-03-03T00:00", "2026-03-03T08:00"),
        ([NIGHTS], "2026-03-03T07:59", "2026-03-03T08:00"),
        ([NIGHTS], "2026-03-03T08:00", None),
        ([WEEKENDS], "2026-03-06T23:59", None),
        ([WEEKENDS], "2026-03-07T00:00", "2026-03-09T00:00"),
        ([WEEKENDS], "2026-03-08T23:59", "2026-03-09T00:00"),
        ([NIGHTS, WEEKENDS], "2026-03-06T23:00", "2026-03-09T08:00"),
        ([HOLIDAY], "2026-10-01T12:00", "2026-10-02T00:00"),
        ([HOLIDAY], "2026-10-02T00:00", None),
        ([NIGHTS, HOLIDAY], "2026-09-30T22:30", "2026-10-02T08:00"),
        ([], "2026-10-02T00:00", None),
    ],
)
def test_a_moment_is_held_to_the_end_of_all_that_mutes_it(
    intervals: list[MuteInterval], moment: str, until: str | None
) -> None:
    assert muted_until(intervals, local(moment)) == (None if until is None else local(until))


def test_a_stretch_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    fridays = MuteInterval(name="f", zone=SHANGHAI, weekdays=frozenset({4}), start=time(22), end=time(8))
    assert muted_until([fridays], local("2026-03-07T03:00")) == local("2026-03-07T08:00")
    assert muted_until([fridays], local("2026-03-06T03:00")) is None


@pytest.mark.parametrize(
    ("day", "at", "zone", "moment"),
    [
        (date(2026, 3, 8), time(2, 30), NEW_YORK, "2026-03-08T07:00:00+00:00"),  # skipped: the jump from 2:00 to 3:00
        (date(2026, 3, 8), time(2), NEW_YORK, "2026-03-08T07:00:00+00:00"),
        (date(2026, 3, 8), time(3), NEW_YORK, "2026-03-08T07:00:00+00:00"),
        (date(2026, 11, 1), time(1, 30), NEW_YORK, "2026-11-01T05:30:00+00:00"),  # shown twice: the first
        (date(2026, 10, 4), time(2, 15), LORD_HOWE, "2026-10-03T15:30:00+00:00"),  # a jump of half an hour
        (date(2011, 12, 30), time(12), APIA, "2011-12-30T10:00:00+00:00"),  # a day that never was
        (date(2026, 3, 8), time(2, 30), SHANGHAI, "2026-03-07T18:30:00+00:00"),
    ],
)
def test_a_time_that_clocks_skip_is_their_jump_and_one_shown_twice_is_its_first(
    day: date, at: time, zone: ZoneInfo, moment: str
) -> None:
    assert first_moment(day, at, zone).isoformat() == moment


def test_a_stretch_that_the_clocks_jump_over_is_not_there_that_day() -> None:
    gone = MuteInterval(name="g", zone=NEW_YORK, start=time(2, 10), end=time(2, 50))
    jump = datetime(2026, 3, 8, 7, tzinfo=UTC)
    assert muted_until([gone], jump) is None
    assert muted_until([gone], jump - timedelta(minutes=1)) is None
    assert muted_until([gone], jump - timedelta(hours=24) + timedelta(minutes=15)) is not None


def test_a_night_is_as_long_as_the_clocks_make_it() -> None:
    nights = MuteInterval(name="n", zone=NEW_YORK, start=time(22), end=time(8))
    for begin, hours in (("2026-03-07T22:00", 9), ("2026-10-31T22:00", 11), ("2026-06-01T22:00", 10)):
        moment = local(begin, NEW_YORK)
        until = muted_until([nights], moment)
        assert until is not None
        assert until - moment == timedelta(hours=hours)
        assert until.astimezone(NEW_YORK).time() == time(8)


def test_nothing_is_held_for_ever() -> None:
    always = MuteInterval(name="a", zone=SHANGHAI)
    moment = local("2026-03-02T12:00")
    assert muted_until([always], moment) == moment + LONGEST


zones = st.sampled_from([SHANGHAI, NEW_YORK, LORD_HOWE, ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")])
times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
days = st.frozensets(st.integers(0, 6), max_size=5)
intervals = st.builds(
    MuteInterval,
    name=st.just("m"),
    zone=zones,
    weekdays=days,
    dates=st.frozensets(st.dates(date(2026, 3, 1), date(2026, 11, 30)), max_size=3),
    start=times,
    end=times,
)
moments = st.builds(
    lambda minutes: datetime(2026, 2, 20, tzinfo=UTC) + timedelta(minutes=minutes), st.integers(0, 400_000)
) | st.builds(
    lambda transition, minutes: transition + timedelta(minutes=minutes),
    st.sampled_from([datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)]),
    st.integers(-600, 600),
)


@given(st.lists(intervals, max_size=3), moments, st.floats(0, 1, exclude_max=True))
def test_what_is_held_is_held_by_all_moments_until_its_end_and_by_none_after(
    many: list[MuteInterval], moment: datetime, part: float
) -> None:
    until = muted_until(many, moment)
    if until is None:
        assert all(interval.end_of(moment) is None for interval in many)
        return
    assert moment < until <= moment + LONGEST
    if until < moment + LONGEST:
        assert muted_until(many, until) is None
        between = moment + (until - moment) * part
        assert muted_until(many, between) == until


@given(intervals, moments)
def test_away_from_the_jumps_the_clock_on_the_wall_decides(interval: MuteInterval, moment: datetime) -> None:
    here = moment.astimezone(interval.zone)
    around = {(moment + timedelta(hours=hours)).astimezone(interval.zone).utcoffset() for hours in range(-26, 3)}
    if len(around) > 1:
        return
    wall = here.replace(tzinfo=None)

    def holds(day: date) -> bool:
        begin = datetime.combine(day, interval.start)
        last = day if interval.end > interval.start else day + timedelta(days=1)
        return interval.means(day) and begin <= wall < datetime.combine(last, interval.end)

    expected = holds(wall.date()) or holds(wall.date() - timedelta(days=1))
    assert (interval.end_of(moment) is not None) is expected


@given(st.dates(date(2026, 1, 1), date(2026, 12, 31)), times, zones)
def test_the_first_moment_of_a_time_shows_it_or_is_the_jump_over_it(day: date, at: time, zone: ZoneInfo) -> None:
    moment = first_moment(day, at, zone)
    wall = datetime.combine(day, at)
    assert moment.astimezone(zone).replace(tzinfo=None) >= wall
    assert (moment - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None) < wall

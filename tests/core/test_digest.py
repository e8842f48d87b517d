from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import NOW, REF, at, job, watch
from tests.core.test_trouble import trouble
from watcher.core.attempts import AttemptEnd
from watcher.core.digest import (
    DIGESTER,
    Digest,
    Period,
    Schedule,
    Share,
    concerns,
    due,
    lines_of,
    rescheduled,
    share,
    told,
)
from watcher.core.language import Language, Locale, spoken
from watcher.core.matching import Matcher
from watcher.core.model import JobSnapshot, StatusPeriod, Watch
from watcher.core.phases import Phase
from watcher.core.rule import Occasion

CHINA = ZoneInfo("Asia/Shanghai")
DAILY = Schedule(zone=CHINA, at=time(9))
WEEKLY = Schedule(zone=CHINA, at=time(9), weekday=0)
HOUR = timedelta(hours=1)
PERIOD = Period(NOW - 24 * HOUR, NOW)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- when -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "now", "last", "following"),
    [
        (DAILY, "2026-03-02T01:00", "2026-03-02T01:00", "2026-03-03T01:00"),
        (DAILY, "2026-03-02T00:59", "2026-03-01T01:00", "2026-03-02T01:00"),
        (WEEKLY, "2026-03-02T00:59", "2026-02-23T01:00", "2026-03-02T01:00"),
        (WEEKLY, "2026-03-08T23:00", "2026-03-02T01:00", "2026-03-09T01:00"),
        (Schedule(zone=ZoneInfo("Europe/Berlin"), at=time(2, 30)), "2026-03-29T00:00", "2026-03-28T01:30", "2026-03-29T01:00"),
    ],
)  # fmt: skip
def test_a_digest_is_due_by_the_clocks_of_its_zone(schedule: Schedule, now: str, last: str, following: str) -> None:
    assert (schedule.last(utc(now)), schedule.following(utc(now))) == (utc(last), utc(following))


@given(
    st.integers(0, 15 * 365 * 24 * 60).map(lambda minutes: utc("2020-01-01T00:00") + timedelta(minutes=minutes)),
    st.sampled_from([None, *range(7)]),
    st.times().map(lambda one: one.replace(second=0, microsecond=0, tzinfo=None)),
    st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC"]),
)
def test_periods_follow_each_other_without_gap_or_overlap(
    moment: datetime, weekday: int | None, at_time: time, zone: str
) -> None:
    schedule = Schedule(zone=ZoneInfo(zone), at=at_time, weekday=weekday)
    first, second = schedule.last(moment), schedule.following(moment)
    assert first <= moment < second
    assert schedule.before(second) == Period(first, second)
    assert schedule.last(second) == second
    assert schedule.following(first) == second


def test_its_time_is_set_anew_only_where_there_is_none_or_it_has_changed_and_none_is_skipped() -> None:
    now = utc("2026-03-02T05:00")
    next_one = due("team", utc("2026-03-03T01:00"))
    assert (next_one.rule, next_one.key) == (DIGESTER, "team")
    assert rescheduled([("team", DAILY)], [], now) == (next_one,)
    assert rescheduled([("team", DAILY)], [next_one], now) == ()
    assert rescheduled([("team", DAILY)], [due("team", utc("2026-03-05T01:00"))], now) == (next_one,)
    assert rescheduled([("team", DAILY)], [due("team", utc("2026-03-02T01:00"))], now) == (), "it is still to be told"


# --- what one job did -----------------------------------------------------------------------------------------------------------


def lived(*periods: tuple[str, float, float | None], gpus: float = 8, status: str = "", **members: Any) -> Watch:
    """A job with this history: status, begin and end in hours from NOW."""
    told = tuple(
        StatusPeriod(name, at(begin * 3600), None if end is None else at(end * 3600)) for name, begin, end in periods
    )
    snapshot: JobSnapshot = job(
        status or periods[-1][0], status_history=told, requested_gpu=gpus, created_at=at(periods[0][1] * 3600),
        submitted_at=at(periods[0][1] * 3600), **members
    )  # fmt: skip
    return watch(snapshot)


def test_a_job_s_share_is_what_lies_within_the_period() -> None:
    one = share(lived(("Queuing", -31, -30), ("Running", -30, -20), ("Succeeded", -20, None)), PERIOD, NOW)
    assert (one.ran, one.end, one.used, one.in_vain, one.waited) == (True, AttemptEnd.SUCCEEDED, 32.0, 0.0, None)


def test_a_job_that_runs_counts_up_to_now_and_how_long_it_waited() -> None:
    one = share(lived(("Queuing", -5, -3), ("Running", -3, None)), PERIOD, NOW)
    assert (one.ran, one.end, one.used, one.waited, one.phase) == (True, None, 24.0, 2 * HOUR, Phase.RUNNING)


def test_what_ran_before_a_restart_or_a_failure_was_perhaps_in_vain_and_the_time_between_was_down() -> None:
    one = share(
        lived(("Queuing", -9, -8), ("Running", -8, -6), ("Restarting", -6, -5), ("Running", -5, -4), ("Failed", -4, None),
              restarts="1/3", reason_code="OOM\nkilled", finished_at=at(-4 * 3600)),
        PERIOD, NOW,
    )  # fmt: skip
    assert (one.end, one.reason, one.restarts) == (AttemptEnd.FAILED, "OOM killed", 1)
    assert (one.used, one.down, one.in_vain) == (24.0, 8.0, 24.0)


def test_a_job_outside_of_the_period_or_without_dates_has_no_share() -> None:
    old = share(lived(("Running", -40, -30), ("Stopped", -30, None), finished_at=at(-30 * 3600)), PERIOD, NOW)
    assert (old.ran, old.end, old.used) == (False, None, 0.0)
    dateless = share(watch(job("Running")), PERIOD, NOW)
    assert (dateless.ran, dateless.used) == (False, 0.0)


def test_a_job_that_is_gone_has_no_phase_and_runs_no_more() -> None:
    gone = share(watch(lived(("Queuing", -5, -3), ("Running", -3, None)).snapshot, vanished=True), PERIOD, NOW)
    assert (gone.phase, gone.used) == (None, 0.0)


def test_a_digest_may_be_about_some_jobs_only() -> None:
    mine = Schedule(zone=UTC, at=time(9), match=Matcher.of({"name": "prod-*", "source": "hangzhou"}))
    assert concerns(watch(job(name="prod-1")), mine)
    assert not concerns(watch(job(name="test-1")), mine)
    assert concerns(watch(job()), Schedule(zone=UTC, at=time(9), match=Matcher.of({"owner": "ann"})), "ann")


# --- what it says ---------------------------------------------------------------------------------------------------------------


def a_share(number: int, **members: Any) -> Share:
    plain: dict[str, Any] = {
        "job": REF, "title": f"job-{number}", "ran": True, "end": None, "reason": "", "restarts": 0, "used": 1.5,
        "down": 0.0, "in_vain": 0.0, "waited": None, "phase": Phase.SUCCEEDED,
    }  # fmt: skip
    return Share(**{**plain, **members})


FULL = Digest(
    period=PERIOD,
    shares=(
        a_share(1, end=AttemptEnd.SUCCEEDED, waited=HOUR),
        a_share(2, end=AttemptEnd.FAILED, reason="OOM", restarts=2, down=3.0, in_vain=1000.25, waited=2 * HOUR),
        a_share(3, end=AttemptEnd.FAILED, phase=Phase.FAILED),
        a_share(4, end=AttemptEnd.STOPPED),
        a_share(5, phase=Phase.RUNNING),
        a_share(6, ran=False, phase=Phase.PENDING),
    ),
    evicted=(REF, REF),
    open=(trouble(1),),
)


def test_a_digest_says_what_ran_and_ended_and_what_it_cost() -> None:
    said, owed = told(FULL, "team", NOW)
    assert said.headline == (
        "5 jobs ran, 1 succeeded, 2 failed, 1 still open, from 2026-02-28 12:00 UTC to 2026-03-01 12:00 UTC"
    )
    assert said.facts == (
        ("Stopped", "1"),
        ("Evicted pods", "2 of 1 job"),
        ("Restarts", "2"),
        ("GPU-hours", "9.0"),
        ("GPU-hours lost", "3.0 between attempts, at most 1,000.2 in attempts that failed or were restarted"),
        ("Waited", "median 1 h, 95 % within 2 h, of 2 jobs"),
        ("Running now", "1"),
        ("Waiting now", "1"),
    )
    assert said.detail == "Failed: job-2 (OOM), job-3\nStill open:\n2026-03-01 12:00 UTC job-6: Failed"
    assert (said.occasion, said.job, owed.receiver, owed.notification) == (Occasion.DIGEST, None, "team", said)


def test_it_is_in_the_language_and_by_the_clock_of_who_reads_it() -> None:
    reader = Locale(Language.ZH, CHINA)
    assert spoken(FULL.wording.headline, reader) == (
        "2026-02-28 20:00 UTC+8 至 2026-03-01 20:00 UTC+8：运行 5 个作业，成功 1，失败 2，未了结 1"
    )
    facts = [spoken(value, reader) for _, value in FULL.wording.facts]
    assert "1 个作业的 2 个实例" in facts
    assert "中位数 1 小时，95% 在 2 小时 以内，共 2 个作业" in facts
    assert spoken(FULL.wording.detail, reader).startswith("失败：job-2 (OOM), job-3\n未了结：\n2026-03-01 20:00 UTC+8")


def test_a_quiet_day_is_told_plainly() -> None:
    said, _ = told(Digest(period=PERIOD), "team", NOW)
    assert said.headline.startswith("0 jobs ran, 0 succeeded, 0 failed, 0 still open, from ")
    assert (said.facts, said.detail) == ((("GPU-hours", "0.0"),), "")


def test_a_long_list_of_what_is_open_is_cut_and_says_who_is_on_it() -> None:
    taken = replace(trouble(0), acknowledged_at=NOW, acknowledged_by="ann")
    lost = [trouble(number, about=None) for number in range(20)]
    detail = spoken(Digest(period=PERIOD, open=(taken, *lost)).wording.detail)
    assert f"{REF.job_id}: Failed; ann is on it" in detail
    assert detail.endswith("and 6 more")


def test_the_same_period_makes_the_same_ids_for_one_receiver_and_others_for_another() -> None:
    first, again, other = (told(FULL, name, now) for name, now in (("a", NOW), ("a", at(60)), ("b", NOW)))
    assert (first[0].id, first[1].id) == (again[0].id, again[1].id)
    assert first[0].id != other[0].id
    assert first[1].thread_key == again[1].thread_key


def test_no_lines_are_no_text() -> None:
    assert lines_of(()) == ""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import NOW, at, job, watch
from watcher.core.bands import Band, TooFew, learn
from watcher.core.fleet import Fleet, Member, member_of
from watcher.core.language import say
from watcher.core.model import Course, JobId, JobRef, SourceName, StatusEntry, StatusPeriod
from watcher.core.phases import Phase

SECOND = timedelta(seconds=1)


def member(number: int, waited: float | None = None, source: str = "hangzhou", **members: Any) -> Member:
    known: dict[str, Any] = {"quota_id": "q", "priority": 5, "gpus": 8.0, **members}
    return Member(
        ref=JobRef(SourceName(source), JobId(f"dlc{number}")),
        title=f"job {number}",
        status="Running",
        phase=Phase.RUNNING,
        phase_since=NOW,
        waited=None if waited is None else timedelta(seconds=waited),
        **known,
    )


def wait(job: Member) -> timedelta | None:
    return job.waited


def test_nearest_rank_gives_lengths_that_were_seen() -> None:
    band = Band(tuple(timedelta(minutes=n) for n in range(1, 11)), "all")
    minutes = {part: band.at(part) / timedelta(minutes=1) for part in (0.001, 0.05, 0.1, 0.5, 0.7, 0.9, 0.95, 1.0)}
    assert minutes == {0.001: 1, 0.05: 1, 0.1: 1, 0.5: 5, 0.7: 7, 0.9: 9, 0.95: 10, 1.0: 10}
    assert str(band.spread) == "half within 5 m, 90 % within 9 m, 95 % within 10 m"


@given(st.lists(st.integers(0, 1000), min_size=1).map(sorted), st.floats(0.001, 1))
def test_a_quantile_is_the_shortest_length_that_so_many_do_not_exceed(seconds: list[int], part: float) -> None:
    length = Band(tuple(second * SECOND for second in seconds), "all").at(part) / SECOND
    needed = round(part * len(seconds), 9)
    assert sum(second <= length for second in seconds) >= needed
    assert sum(second < length for second in seconds) < needed or length == seconds[0]


def test_a_band_is_learnt_from_the_narrowest_sort_that_has_enough_jobs() -> None:
    same = [member(n, n) for n in range(1, 4)]
    other_priority = [member(n, n, priority=1) for n in range(4, 6)]
    other_size = [member(n, n, gpus=64.0) for n in range(6, 8)]
    elsewhere = [member(20, 1, quota_id="other"), member(21, 1, source="beijing"), member(22)]
    fleet = [*other_size, *other_priority, *same, *elsewhere]
    one = member(1)

    def learnt(least: int) -> tuple[int, str]:
        found = learn(one, fleet, wait, least)
        return (found.jobs if isinstance(found, TooFew) else len(found.lengths)), str(found.sort)

    # one of the three is the job itself
    assert learnt(2) == (2, "quota q, priority 5, 8 GPUs")
    assert learnt(3) == (4, "quota q, 8 GPUs")
    assert learnt(5) == (6, "quota q")
    assert learn(one, fleet, wait, 7) == TooFew(6, say("quota {name}", zh="资源配额 {name}", name="q"))


def test_lengths_are_put_in_order() -> None:
    band = learn(member(0), [member(n, -n % 7) for n in range(1, 6)], wait, 5)
    assert isinstance(band, Band)
    assert list(band.lengths) == sorted(band.lengths)


@pytest.mark.parametrize(
    ("members", "sort"),
    [
        ({"quota_id": ""}, "public resources, priority 5, 8 GPUs"),
        ({"quota_name": "research"}, "quota research, priority 5, 8 GPUs"),
        ({"priority": None}, "quota q, no priority, 8 GPUs"),
        ({"gpus": None}, "quota q, priority 5, no GPUs"),
        ({"gpus": 1.0}, "quota q, priority 5, 1 GPU"),
        ({"gpus": 0.5}, "quota q, priority 5, 0.5 GPUs"),
    ],
)
def test_a_sort_is_called_by_what_its_jobs_share(members: dict[str, Any], sort: str) -> None:
    found = learn(member(0, **members), [member(1, 1, **members)], wait, 1)
    assert (str(found.sort), isinstance(found, Band)) == (sort, True)


# --- what the fleet tells of preparation ----------------------------------------------------------------------------------------


def period(status: str, seconds: float | None) -> StatusPeriod:
    return StatusPeriod(status, None if seconds is None else at(seconds))


def entry(status: str, seen: float, started: float | None = None, after: float | None = 0) -> StatusEntry:
    return StatusEntry(
        status,
        key="#1",
        nth=1,
        seen_by=at(seen),
        seen_after=None if after is None else at(after),
        started_at=None if started is None else at(started),
    )


@pytest.mark.parametrize(
    ("periods", "seconds"),
    [
        ([("Queuing", 0), ("EnvPreparing", 10), ("SanityChecking", 60), ("Running", 90)], 80),
        ([("Running", 90), ("EnvPreparing", 10), ("Queuing", 0)], 80),
        # the first run counts, and only what leads to it
        ([("EnvPreparing", 10), ("Queuing", 20), ("EnvPreparing", 30), ("Running", 90)], 60),
        ([("EnvPreparing", 10), ("Running", 20), ("EnvPreparing", 30), ("Running", 90)], 10),
        ([("EnvPreparing", 10)], None),
        ([("Queuing", 10), ("Running", 20)], None),
        ([("Running", 20)], None),
        ([], None),
    ],
)
def test_preparation_is_told_by_the_status_history(periods: list[tuple[str, float]], seconds: float | None) -> None:
    history = tuple(period(status, start) for status, start in periods)
    member = member_of(watch(job("Running", status_history=history)))
    assert member.prepared == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("entries", "seconds"),
    [
        ([entry("Queuing", 1), entry("EnvPreparing", 30), entry("Running", 100, 95)], 65),
        ([entry("EnvPreparing", 30, 20), entry("SanityChecking", 50), entry("Running", 100)], 80),
        # it was preparing at first sight: nobody knows since when
        ([entry("EnvPreparing", 30, after=None), entry("Running", 100)], None),
        ([entry("EnvPreparing", 30, after=None), entry("SanityChecking", 60), entry("Running", 100)], None),
        # clocks that contradict each other
        ([entry("EnvPreparing", 30), entry("Running", 100, 20)], None),
    ],
)
def test_without_a_status_history_preparation_is_what_we_saw(entries: list[StatusEntry], seconds: float | None) -> None:
    member = member_of(watch(job("Running"), course=Course(entries=tuple(entries))))
    assert member.prepared == (None if seconds is None else timedelta(seconds=seconds))


def test_a_vanished_job_is_known_as_such() -> None:
    assert [member_of(watch(job(), vanished=gone)).vanished for gone in (False, True)] == [False, True]


def test_of_a_job_without_a_watch_the_fleet_tells_what_its_answer_does() -> None:
    fleet = Fleet()
    history = (period("EnvPreparing", 10), period("Running", 90))
    fleet.see(job("Running", status_history=history), NOW, (), NOW)
    (member,) = fleet.members.values()
    assert (member.prepared, member.vanished, member.phase_since) == (80 * SECOND, False, NOW)

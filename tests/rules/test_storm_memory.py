"""What the rule `storm` remembers: as much as there is to tell, and the same after a restart in the middle of a storm."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from rules.storm import StormOptions, _Record
from watcher.core.events import CauseId, EventId, PodEvicted, Provenance, When
from watcher.core.fleet import Fleet, Member
from watcher.core.model import JobId, JobRef, PodKey, SourceName
from watcher.core.phases import Phase

T0 = datetime(2026, 9, 1, 7, 13, tzinfo=UTC)
OPTIONS = StormOptions(count=3, within=timedelta(minutes=1), by=("quota",))
SPAN = timedelta(minutes=12)
JOBS = [JobRef(SourceName("hz"), JobId(f"dlc{number}")) for number in range(60)]


def fleet_of(keep: timedelta) -> Fleet:
    fleet = Fleet(keep)
    for job in JOBS:
        fleet.know(Member(job, str(job), "Running", Phase.RUNNING, T0, quota_id="q1"))
    return fleet


def evictions(hours: int) -> list[PodEvicted]:
    """For hours there is never quiet."""
    dice, at, found = random.Random(1), T0, list[PodEvicted]()
    while at < T0 + timedelta(hours=hours):
        at += timedelta(seconds=dice.uniform(2, 12))
        event_id = EventId(f"e{len(found)}")
        found.append(
            PodEvicted(
                id=event_id,
                when=When(observed_at=at, occurred_at=at, provenance=Provenance.REPORTED),
                cause=CauseId("c"),
                job=dice.choice(JOBS),
                pod=PodKey("w0", event_id),
            )
        )
    return found


def test_a_storm_without_an_end_is_kept_in_spans_and_what_is_remembered_does_not_grow() -> None:
    fleet, record, sizes, opened = fleet_of(2 * SPAN), _Record(OPTIONS), [], []
    for number, event in enumerate(evictions(hours=6)):
        fleet.recall((event,), {}, event.when.at)
        if record.verdict(event.id, fleet).opens:
            opened.append(event.when.at)
        if number % 500 == 499:
            sizes.append((len(record._storms), sum(len(one.hits) for one in record._storms), len(record._verdicts)))
    assert len(opened) == 1 + 6 * 5
    assert {at.minute % 12 for at in opened[1:]} == {0}, "the spans of the clock"
    assert all(storms <= 4 and hits <= 4 * len(JOBS) and verdicts < 600 for storms, hits, verdicts in sizes), sizes


def test_whoever_reads_what_is_still_remembered_finds_the_storm_of_before() -> None:
    early, late = fleet_of(timedelta(hours=12)), fleet_of(2 * SPAN)
    record, events = _Record(OPTIONS), evictions(hours=3)
    for event in events:
        for fleet in (early, late):
            fleet.recall((event,), {}, event.when.at)
        verdict = record.verdict(event.id, early)
    again = _Record(OPTIONS).verdict(events[-1].id, late)
    assert verdict.storm is not None
    assert again.storm is not None
    assert (again.storm.trip, again.storm.until) == (verdict.storm.trip, verdict.storm.until)
    assert again.storm.hits.keys() == verdict.storm.hits.keys()

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.core.strategies import NOW, at, happening, job
from watcher.core.dwell import Dwell, Overdue, begun
from watcher.core.events import DeadlinePassed, JobAppeared, JobStatusChanged
from watcher.core.phases import Phase
from watcher.core.rule import Context, Deadline, Silence

MINUTE = timedelta(minutes=1)
PASSED = happening(DeadlinePassed, rule="r", key="k", due_at=NOW)
APPEARED = happening(JobAppeared, status="Queuing", phase=Phase.PENDING)


def changed(old: str, new: str) -> JobStatusChanged:
    event: JobStatusChanged = happening(
        JobStatusChanged,
        old_status=old,
        new_status=new,
        old_phase=job(old).phase,
        new_phase=job(new).phase,
    )
    return event


def test_a_stay_begins_when_the_phase_did() -> None:
    context = Context(now=at(60), job=job("Queuing"), phase_since=at(-30))
    assert begun(APPEARED, context, {Phase.PENDING}, "pending") == (context.job, at(-30))


def test_where_the_phase_has_no_beginning_the_event_is_one() -> None:
    context = Context(now=at(60), job=job("Queuing"))
    assert begun(APPEARED, context, {Phase.PENDING}, "pending") == (context.job, NOW)


@pytest.mark.parametrize("context", [Context(now=NOW), Context(now=NOW, job=job("Running"))])
def test_no_stay_in_another_phase_or_without_a_job(context: Context) -> None:
    assert begun(APPEARED, context, {Phase.PENDING}, "pending") == Silence("not pending")


def test_another_raw_status_of_the_same_phase_leaves_the_deadline_alone() -> None:
    context = Context(now=NOW, job=job("Queuing"), phase_since=NOW)
    still = begun(changed("Creating", "Queuing"), context, {Phase.PENDING}, "pending")
    assert still == Silence("still pending, the deadline stands")
    anew = begun(changed("Running", "Queuing"), context, {Phase.PENDING}, "pending")
    assert anew == (context.job, NOW)


def test_whatever_happens_asks_for_the_deadline_even_when_it_has_passed() -> None:
    dwell = Dwell(key="k", since=NOW, limit=MINUTE)
    assert dwell.look(APPEARED, at(10)) == Deadline("k", at(60))
    assert dwell.look(APPEARED, at(600)) == Deadline("k", at(60))


def test_a_deadline_that_comes_early_sets_the_next_one() -> None:
    assert Dwell(key="k", since=NOW, limit=MINUTE).look(PASSED, at(59)) == Deadline("k", at(60))


@pytest.mark.parametrize("seconds", [60, 75, 6000])
def test_a_passed_deadline_says_how_overdue_it_is_once(seconds: int) -> None:
    over = Dwell(key="k", since=NOW, limit=MINUTE).look(PASSED, at(seconds))
    lasted = timedelta(seconds=seconds)
    assert over == Overdue(lasted, lasted - MINUTE, 0, NOW.isoformat())


@pytest.mark.parametrize(("seconds", "repeat", "later"), [(60, 0, 180), (179, 0, 180), (180, 1, 300), (700, 5, 780)])
def test_repeats_are_counted_from_the_limit_and_each_has_a_key(seconds: int, repeat: int, later: int) -> None:
    over = Dwell(key="k", since=NOW, limit=MINUTE, every=2 * MINUTE).look(PASSED, at(seconds))
    assert isinstance(over, Overdue)
    assert (over.repeat, over.later) == (repeat, (Deadline("k", at(later)),))
    assert over.dedup_key == (f"{NOW.isoformat()}/{repeat}" if repeat else NOW.isoformat())

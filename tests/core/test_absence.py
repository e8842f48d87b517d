from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.core.strategies import CAUSE, NOW, REF, at
from watcher.core.absence import SHORTEST, Absence, absence, mark_late, may_be_judged
from watcher.core.events import EventId, JobSubStatusChanged, When

ROUND = timedelta(seconds=30)
GAP = Absence(at(0), at(3600))
BEFORE = at(-5)


def fact(occurred_at: datetime | None = None, *, ident: str = "e") -> JobSubStatusChanged:
    when = When(observed_at=at(3610), occurred_at=occurred_at)
    return JobSubStatusChanged(
        id=EventId(ident), when=when, cause=CAUSE, job=REF, old_sub_status="", new_sub_status="Restarting"
    )


def late(
    *times: datetime | None,
    looked_at: datetime | None = BEFORE,
    born: datetime | None = None,
    gap: Absence | None = GAP,
) -> list[bool]:
    return [event.when.late for event in mark_late([fact(t) for t in times], gap, looked_at=looked_at, born=born)]


def test_a_restart_of_ten_seconds_is_no_absence() -> None:
    assert absence(NOW, at(10), round_of=ROUND) is None


def test_who_never_was_here_was_not_away() -> None:
    assert absence(None, NOW, round_of=ROUND) is None


def test_an_absence_is_longer_than_five_minutes() -> None:
    end = NOW + SHORTEST
    assert absence(NOW, end, round_of=ROUND) is None
    assert absence(NOW, end + timedelta(seconds=1), round_of=ROUND) == Absence(NOW, end + timedelta(seconds=1))


def test_where_questions_are_rare_a_gap_of_three_rounds_is_no_absence() -> None:
    hourly = timedelta(hours=1)
    assert absence(NOW, NOW + 3 * hourly, round_of=hourly) is None
    assert absence(NOW, NOW + 4 * hourly, round_of=hourly) is not None


@pytest.mark.parametrize(("second", "inside"), [(-1, False), (0, True), (1800, True), (3600, True), (3601, False)])
def test_an_absence_holds_its_ends(second: int, inside: bool) -> None:
    assert (at(second) in GAP) is inside


def test_without_an_absence_nothing_is_late() -> None:
    assert late(None, at(10), gap=None) == [False, False]


def test_the_first_look_afterwards_tells_late_what_began_by_its_end() -> None:
    assert late(None, at(-3), at(1800), at(3600), at(3605)) == [True, True, True, True, False]


def test_a_job_that_was_looked_at_since_has_no_late_news() -> None:
    assert late(None, at(1800), looked_at=at(3600)) == [False, False]
    assert late(None, looked_at=at(0)) == [True]


def test_a_job_seen_for_the_first_time_is_late_when_it_was_born_meanwhile() -> None:
    assert late(None, at(1800), at(3605), looked_at=None, born=at(60)) == [True, True, False]
    assert late(None, looked_at=None, born=at(-60)) == [False], "an old job that is chosen only now is no news"
    assert late(None, looked_at=None, born=at(3605)) == [False]
    assert late(None, looked_at=None, born=None) == [False]


def test_the_mark_is_all_that_changes() -> None:
    (event,) = mark_late([fact(at(5))], GAP, looked_at=at(-5), born=None)
    assert event.when.late
    assert event.id == fact(at(5)).id
    assert (event.when.occurred_at, event.when.observed_at, event.new_sub_status) == (at(5), at(3610), "Restarting")


def test_a_deadline_waits_for_a_look_after_the_absence() -> None:
    assert not may_be_judged(asked_at=None, gap=None, blind=False)
    assert not may_be_judged(asked_at=at(-5), gap=GAP, blind=False)
    assert may_be_judged(asked_at=at(3600), gap=GAP, blind=False)
    assert may_be_judged(asked_at=at(-5), gap=None, blind=False)


def test_while_we_are_known_to_be_blind_a_deadline_does_not_wait() -> None:
    assert may_be_judged(asked_at=None, gap=GAP, blind=True)

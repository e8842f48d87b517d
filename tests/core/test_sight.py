from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.strategies import CAUSE, NOW, at
from watcher.core.events import WatchBehind, WatchBlind, WatchCaughtUp, WatchRecovered
from watcher.core.model import SourceName
from watcher.core.sight import GRACE, Promise, Sight, failed, kept, saw

SOURCE = SourceName("hangzhou")
MINUTES = timedelta(minutes=5)


def fails(sight: Sight, seconds: float, *, permanent: bool = False) -> tuple[Sight, tuple[WatchBlind, ...]]:
    return failed(sight, error="no route", permanent=permanent, blind_after=MINUTES, now=at(seconds), cause=CAUSE)


def test_the_first_answer_is_when_watching_began_and_stays_so() -> None:
    sight, events = saw(Sight(source=SOURCE), now=NOW, cause=CAUSE)
    assert (sight, events) == (Sight(source=SOURCE, watching_since=NOW, seen_at=NOW), ())
    assert saw(sight, now=at(60), cause=CAUSE) == (replace(sight, seen_at=at(60)), ())


def test_a_passing_failure_blinds_us_only_when_it_lasts() -> None:
    sight, events = fails(Sight(source=SOURCE), 0)
    assert (sight.failing_since, sight.error, events) == (NOW, "no route", ())
    sight, events = fails(sight, 299)
    assert events == ()
    sight, (event,) = fails(sight, 300)
    assert sight.blind_since == NOW
    assert (event.source, event.since, event.permanent, event.error) == (SOURCE, NOW, False, "no route")
    assert (event.when.observed_at, event.when.occurred_at) == (at(300), NOW)


def test_a_permanent_failure_blinds_us_at_once_and_is_told_once() -> None:
    sight, (event,) = fails(Sight(source=SOURCE), 0, permanent=True)
    assert event.permanent
    assert fails(sight, 10, permanent=True) == (sight, ())


def test_an_answer_between_ends_the_row_of_failures() -> None:
    sight, _ = fails(Sight(source=SOURCE), 0)
    sight, events = saw(sight, now=at(200), cause=CAUSE)
    assert (sight.failing_since, sight.error, events) == (None, "", ())
    assert fails(sight, 310)[1] == ()


def test_seeing_again_is_told_once() -> None:
    sight, _ = fails(Sight(source=SOURCE, watching_since=at(-9)), 0, permanent=True)
    sight, (event,) = saw(sight, now=at(60), cause=CAUSE)
    assert isinstance(event, WatchRecovered)
    assert (event.source, event.blind_since) == (SOURCE, NOW)
    assert sight == Sight(source=SOURCE, watching_since=at(-9), seen_at=at(60))
    assert saw(sight, now=at(70), cause=CAUSE)[1] == ()


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["saw", "failed", "refused"]), st.integers(1, 400)), max_size=30))
def test_blindness_and_recovery_take_turns(turns: list[tuple[str, int]]) -> None:
    sight, told, now = Sight(source=SOURCE), [], 0
    for word, gap in turns:
        now += gap
        if word == "saw":
            sight, events = saw(sight, now=at(now), cause=CAUSE)
        else:
            sight, events = fails(sight, now, permanent=word == "refused")  # type: ignore[assignment]
        told += events
    kinds = [event.kind for event in told]
    assert kinds == (["watch.blind", "watch.recovered"] * len(kinds))[: len(kinds)]
    assert (sight.blind_since is not None) is (len(kinds) % 2 == 1)
    assert len({event.id for event in told}) == len(told)


# --- in time ------------------------------------------------------------------------------------------------------------------


def promise(age_s: float | None) -> Promise:
    oldest = None if age_s is None else at(-age_s)
    return Promise(oldest_at=oldest, stale_after=timedelta(minutes=10), live_jobs=9, rate=5.0, needed=15.0)


def test_looks_that_are_too_old_are_told_once_and_once_that_they_no_longer_are() -> None:
    sight = Sight(source=SOURCE, watching_since=at(-9000))
    assert kept(sight, promise(600 * GRACE), now=NOW, cause=CAUSE) == (sight, ())
    behind, (event,) = kept(sight, promise(751), now=NOW, cause=CAUSE)
    assert isinstance(event, WatchBehind)
    assert (behind.behind_since, event.oldest_at, event.live_jobs, event.needed) == (NOW, at(-751), 9, 15.0)
    assert event.when.occurred_at == at(-151)
    assert kept(behind, promise(900), now=NOW, cause=CAUSE) == (behind, ())
    assert kept(behind, promise(601), now=NOW, cause=CAUSE) == (behind, ())
    after, (caught,) = kept(behind, promise(None), now=at(60), cause=CAUSE)
    assert isinstance(caught, WatchCaughtUp)
    assert (after.behind_since, caught.behind_since) == (None, NOW)


def test_without_jobs_nobody_is_behind_and_who_is_blind_says_only_that() -> None:
    sight = Sight(source=SOURCE)
    assert kept(sight, promise(None), now=NOW, cause=CAUSE) == (sight, ())
    blind = replace(sight, blind_since=at(-900))
    assert kept(blind, promise(9000), now=NOW, cause=CAUSE) == (blind, ())

"""A look that is skipped because the answer was seen before leads where the look would have led."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest

from tests.core.strategies import CAUSE, at, job, summary
from watcher.core.events import Event
from watcher.core.model import Doubts, JobSnapshot, JobSummary, Listed, Watch
from watcher.core.observation import Observed, first_sight, look, not_found
from watcher.core.recognition import Known, confirmed, digest_to_ask_with, known_by, lent
from watcher.testing.lives import answer, random_life, random_view

LIVES = int(os.environ.get("SOAK_LIVES", "2000")) // 40
DIGEST = b"digest"


def held(snapshot: JobSnapshot | None = None) -> Watch:
    return first_sight(snapshot or job(), now=at(0), cause=CAUSE, watching_since=None).watch


def looked(watch: Watch, reply: JobSnapshot) -> Known | None:
    return known_by(watch, look(watch, reply, now=reply.observed_at, cause=CAUSE), DIGEST, None)


def test_an_answer_is_known_once_a_look_at_it_has_changed_nothing() -> None:
    assert looked(held(), job(seconds=30)) == Known(DIGEST, ("", "", "", None))


def test_the_first_answer_and_a_change_are_looked_at_once_more() -> None:
    first = first_sight(job(), now=at(0), cause=CAUSE, watching_since=None)
    assert known_by(None, first, DIGEST, None) is None
    assert looked(held(), job("Succeeded", seconds=30)) is None
    assert looked(held(), job(seconds=30, priority=5)) is None


def test_without_a_digest_nothing_is_known() -> None:
    watch = held()
    assert known_by(watch, look(watch, job(), now=at(1), cause=CAUSE), b"", None) is None


def test_an_answer_that_is_older_than_what_is_held_is_looked_at_again() -> None:
    watch = held(job(modified_at=at(0)))
    observed = look(watch, job(modified_at=at(-5)), now=at(1), cause=CAUSE)
    assert observed.stale
    assert known_by(watch, observed, DIGEST, None) is None


@pytest.mark.parametrize(
    "doubts",
    [Doubts(live_again=True), Doubts(missing_pods=("p",)), Doubts(not_found_since=at(0), not_found_count=1)],
)
def test_while_there_is_a_doubt_every_answer_is_looked_at(doubts: Doubts) -> None:
    watch = held()
    doubting = replace(watch, doubts=doubts)
    assert known_by(doubting, Observed(watch), DIGEST, None) is None
    assert known_by(watch, Observed(doubting), DIGEST, None) is None


def test_an_answer_about_a_job_that_had_vanished_is_looked_at() -> None:
    watch = held()
    assert known_by(replace(watch, vanished=True), Observed(watch), DIGEST, None) is None


def test_what_lists_add_belongs_to_what_is_known() -> None:
    lender = summary(user_name="ada", quota_name="q", max_running_time=timedelta(hours=1))
    known = Known(DIGEST, lent(lender))
    assert digest_to_ask_with(known, lender) == DIGEST
    assert digest_to_ask_with(known, replace(lender, status="Stopping", priority=3)) == DIGEST
    assert digest_to_ask_with(known, Listed.of(lender)) == DIGEST
    changed: tuple[JobSummary | None, ...] = (
        None,
        replace(lender, user_name="bob"),
        replace(lender, quota_name=""),
        replace(lender, template_id="t"),
        replace(lender, max_running_time=None),
    )
    for other in changed:
        assert digest_to_ask_with(known, other) == b""
    assert digest_to_ask_with(None, lender) == b""
    assert digest_to_ask_with(Known(DIGEST, lent(None)), None) == DIGEST


def test_a_skipped_look_moves_the_time_at_which_it_was_last_so() -> None:
    watch = held()
    assert confirmed(watch, at(30)) == replace(watch, snapshot=replace(watch.snapshot, observed_at=at(30)))
    assert confirmed(watch, None) is watch
    assert confirmed(watch, at(0)) is watch


class Follower:
    """Holds one job; reads every answer, or skips those that it knows."""

    def __init__(self, *, skips: bool) -> None:
        self.skips, self.skipped = skips, 0
        self.watch: Watch | None = None
        self.seen_at: datetime | None = None
        self.known: Known | None = None
        self.events: list[Event] = []

    def hear(self, reply: JobSnapshot | None) -> None:
        digest = repr(timeless(reply)).encode() if reply else b""
        if reply and self.skips and digest == digest_to_ask_with(self.known, None):
            self.skipped += 1
            self.seen_at = reply.observed_at
            return
        before = None if self.watch is None else confirmed(self.watch, self.seen_at)
        self.seen_at = None
        if before is None:
            assert reply is not None
            observed = first_sight(reply, now=reply.observed_at, cause=CAUSE, watching_since=None)
        elif reply is None:
            now = before.snapshot.observed_at + timedelta(seconds=1)
            observed = not_found(before, now=now, cause=CAUSE, absent_from_list=True)
        else:
            observed = look(before, reply, now=reply.observed_at, cause=CAUSE)
        news = before is None or observed.events or observed.changed or before.doubts != observed.watch.doubts
        self.watch = observed.watch if news or before is None else replace(observed.watch, version=before.version)
        self.known = known_by(before, observed, digest, None)
        self.events += observed.events


def timeless(reply: JobSnapshot) -> JobSnapshot:
    pods = reply.pods and tuple(
        replace(pod, duration=None, history=tuple(replace(life, duration=None) for life in pod.history))
        for pod in reply.pods
    )
    return replace(reply, observed_at=at(0), duration=None, pods=pods)


def replies(dice: Random) -> Iterator[JobSnapshot | None]:
    life = random_life(dice)
    view = random_view(dice)
    for number, second in enumerate(range(0, life.length + 1, max(1, life.length // 60))):
        if number and dice.random() < 0.03:
            yield None
        of = dice.randint(0, second) if dice.random() < view.stale / 4 else second
        yield answer(life, of, view, Random(of), seen_at=second, lag=0)


def test_over_whole_lives_the_same_is_told_and_held_whether_looks_are_skipped_or_not() -> None:
    skipped = told = 0
    for seed in range(LIVES):
        thorough, quick = Follower(skips=False), Follower(skips=True)
        for reply in replies(Random(seed)):
            thorough.hear(reply)
            quick.hear(reply)
            assert quick.events == thorough.events, f"seed {seed}"
            assert quick.watch is not None
            assert thorough.watch is not None
            now = confirmed(quick.watch, quick.seen_at)
            assert timeless(now.snapshot) == timeless(thorough.watch.snapshot), f"seed {seed}"
            assert now.snapshot.observed_at == thorough.watch.snapshot.observed_at, f"seed {seed}"
            assert replace(now, snapshot=thorough.watch.snapshot) == thorough.watch, f"seed {seed}"
        skipped += quick.skipped
        told += len(quick.events)
    assert skipped > 10 * LIVES
    assert told > LIVES

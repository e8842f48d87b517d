from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.strategies import NOW, at, summary
from watcher.core.capabilities import (
    AGAIN,
    ENOUGH,
    FULL,
    MISSES,
    Ability,
    Belief,
    Capabilities,
    compared,
    found,
    heard,
    left_out,
    refused,
)
from watcher.core.feeds import MARGIN, ListAnswer, ListQuestion
from watcher.core.model import JobId, JobRef, JobSummary, SourceName

FINISHED = ListQuestion(window="finished", order="finished", since=at(-60))
BY_ID = ListQuestion(jobs=(JobId("a"), JobId("b")))
MANY = ListQuestion(statuses=("Restarting", "Stopping"))


def listed(status: str = "Running", job_id: str = "a", **members: object) -> JobSummary:
    return replace(summary(status), ref=JobRef(SourceName("s"), JobId(job_id)), **members)  # type: ignore[arg-type]


def after(question: ListQuestion, *jobs: JobSummary, before: Capabilities | None = None) -> Capabilities:
    return heard(before or Capabilities(), question, ListAnswer(jobs=jobs, items=len(jobs)), NOW)


def test_nothing_is_believed_and_everything_asked_at_first() -> None:
    learnt = Capabilities()
    for ability in Ability:
        assert learnt.belief(ability) is Belief.UNKNOWN
        assert learnt.worth_asking(ability, NOW)


@pytest.mark.parametrize(
    ("job", "belief"),
    [
        (listed("Failed", created_at=at(-9000), finished_at=at(-20)), Belief.HONOURED),
        (listed("Failed", created_at=at(-30), finished_at=at(-20)), Belief.UNKNOWN),
        (listed("Failed"), Belief.UNKNOWN),
        (listed("Running", created_at=at(-30)), Belief.IGNORED),
        (listed("Failed", created_at=at(-9000), finished_at=at(-61) - MARGIN), Belief.IGNORED),
    ],
)
def test_a_window_on_the_finish_time_shows_by_what_it_lets_through(job: JobSummary, belief: Belief) -> None:
    assert after(FINISHED, job).belief(Ability.FINISH_WINDOW) is belief


def test_an_empty_window_or_one_without_a_beginning_shows_nothing() -> None:
    assert after(FINISHED).belief(Ability.FINISH_WINDOW) is Belief.UNKNOWN
    assert after(replace(FINISHED, since=None), listed()).belief(Ability.FINISH_WINDOW) is Belief.UNKNOWN


def test_ends_that_a_window_leaves_out_again_and_again_show_that_it_is_another_one() -> None:
    learnt = Capabilities()
    for number in range(MISSES):
        assert learnt.misses == number
        assert learnt.belief(Ability.FINISH_WINDOW) is Belief.UNKNOWN
        learnt = left_out(learnt, NOW)
    assert learnt.belief(Ability.FINISH_WINDOW) is Belief.IGNORED


def test_one_end_that_was_shown_outweighs_ends_that_were_not() -> None:
    learnt = after(FINISHED, listed("Failed", created_at=at(-9000), finished_at=at(-20)))
    for _ in range(MISSES + 2):
        learnt = left_out(learnt, NOW)
    assert learnt.belief(Ability.FINISH_WINDOW) is Belief.HONOURED


def test_a_job_that_nobody_asked_for_shows_that_ids_change_nothing() -> None:
    assert after(BY_ID, listed()).belief(Ability.JOB_IDS) is Belief.HONOURED
    assert after(BY_ID, listed(), listed(job_id="c")).belief(Ability.JOB_IDS) is Belief.IGNORED
    assert after(BY_ID).belief(Ability.JOB_IDS) is Belief.UNKNOWN


def test_several_statuses_show_by_the_status_of_what_comes() -> None:
    assert after(MANY, listed("Stopping")).belief(Ability.STATUSES) is Belief.HONOURED
    assert after(MANY, listed("Running")).belief(Ability.STATUSES) is Belief.IGNORED
    assert after(MANY).belief(Ability.STATUSES) is Belief.UNKNOWN


def test_what_puts_nothing_to_the_test_shows_nothing() -> None:
    plain = ListQuestion(statuses=("Failed",))
    assert after(plain, listed()) == replace(Capabilities(), items=1)
    assert refused(Capabilities(), plain, NOW) == Capabilities()


@pytest.mark.parametrize(
    ("question", "ability"),
    [(FINISHED, Ability.FINISH_WINDOW), (BY_ID, Ability.JOB_IDS), (MANY, Ability.STATUSES)],
)
def test_what_is_refused_is_not_asked_again_before_long(question: ListQuestion, ability: Ability) -> None:
    learnt = refused(Capabilities(), question, NOW)
    assert learnt.belief(ability) is Belief.IGNORED
    assert not learnt.worth_asking(ability, NOW)
    assert learnt.worth_asking(ability, NOW + AGAIN)


def test_a_belief_that_is_held_is_not_forgotten_by_another() -> None:
    learnt = found(refused(Capabilities(), BY_ID, NOW), Ability.STATUSES, Belief.HONOURED, NOW)
    assert learnt.belief(Ability.JOB_IDS) is Belief.IGNORED
    assert learnt.belief(Ability.STATUSES) is Belief.HONOURED


def test_items_that_carry_pods_and_history_and_stay_the_same_tell_everything() -> None:
    learnt = after(BY_ID, listed(carries=frozenset({"Pods"})), listed(job_id="b", carries=FULL))
    assert learnt.carries == FULL
    assert not learnt.full, "nothing was compared yet"
    assert compared(learnt, calm=100, stirred=0).full
    assert not compared(Capabilities(), calm=100, stirred=0).full


def test_items_that_differ_each_time_say_nothing() -> None:
    assert not compared(Capabilities(), calm=50, stirred=50).telling
    assert compared(Capabilities(), calm=95, stirred=5).telling
    assert not compared(Capabilities(), calm=3, stirred=0).telling, "too few"
    assert compared(Capabilities(), calm=0, stirred=0) == Capabilities()


def test_what_was_compared_long_ago_fades() -> None:
    learnt = compared(Capabilities(), calm=10 * ENOUGH, stirred=0)
    assert learnt.calm == ENOUGH
    assert not compared(learnt, calm=0, stirred=ENOUGH).telling

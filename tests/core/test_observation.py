from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.strategies import CAUSE, NOW, at, job, pod, snapshots, summary, watch, watches
from watcher.core.events import (
    JobAppeared,
    JobFailed,
    JobReappeared,
    JobStatusChanged,
    JobVanished,
    PodVanished,
    Provenance,
)
from watcher.core.fleet import member_of
from watcher.core.fold import fold, watched
from watcher.core.history import baseline
from watcher.core.model import Doubts, JobRef, JobSnapshot, JobSummary, Listed, Watch
from watcher.core.observation import (
    APART,
    ListPass,
    Observed,
    absent,
    first_sight,
    look,
    merge_summary,
    not_found,
    summary_differs,
)
from watcher.core.phases import TERMINAL, Phase


def seen(held: Watch, answer: JobSnapshot, seconds: float = 15) -> Observed:
    return look(held, answer, now=at(seconds), cause=CAUSE)


def kinds(observed: Observed) -> list[str]:
    return [event.kind for event in observed.events]


# --- first sight --------------------------------------------------------------------------------------------------------------


def first(answer: JobSnapshot, watching_since: datetime | None = NOW) -> Observed:
    return first_sight(answer, now=at(1), cause=CAUSE, watching_since=watching_since)


@pytest.mark.parametrize("watching_since", [None, NOW])
def test_a_live_job_appears_quietly_whatever_it_has_been_through(watching_since: datetime | None) -> None:
    answer = job("Running", running_at=at(-60), restarts="3/10", pods=(pod(sub_status="Evicted"),))
    observed = first(answer, watching_since)
    (event,) = observed.events
    assert isinstance(event, JobAppeared)
    assert (event.status, event.phase) == ("Running", Phase.RUNNING)
    assert observed == Observed(
        Watch(snapshot=answer, version=1, phase_since=at(-60), first_seen_at=at(1), course=baseline(answer)),
        (event,),
        changed=True,
    )


def test_without_a_time_for_its_phase_a_job_has_been_in_it_since_we_looked() -> None:
    assert first(job("Queuing")).watch.phase_since == NOW


@pytest.mark.parametrize(
    ("watching_since", "members"),
    [
        (None, {"finished_at": at(-5)}),
        (NOW, {"finished_at": at(-5)}),
        (NOW, {"finished_at": at(-5), "created_at": at(5)}),
        (NOW, {"created_at": at(-5)}),
        (NOW, {}),
    ],
)
def test_a_job_that_ended_before_we_began_says_nothing(
    watching_since: datetime | None, members: dict[str, Any]
) -> None:
    observed = first(job("Failed", **members), watching_since)
    assert observed.events == ()
    assert observed.changed
    assert not observed.watch.live


@pytest.mark.parametrize("members", [{"finished_at": NOW}, {"created_at": NOW}])
def test_a_job_that_was_born_and_ended_between_two_looks_is_told(members: dict[str, Any]) -> None:
    appeared, end = first(job("Failed", reason_code="Oom", **members)).events
    assert isinstance(appeared, JobAppeared)
    assert isinstance(end, JobFailed)
    assert end.reason_code == "Oom"
    assert end.when.occurred_at == members.get("finished_at")
    assert end.when.provenance is (Provenance.REPORTED if "finished_at" in members else Provenance.OBSERVED)


# --- an ordinary look ---------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=100)
@given(watches, snapshots)
def test_whatever_is_answered_the_watch_goes_on_by_one_version_and_events_tell_what_changed(
    held: Watch, answer: JobSnapshot
) -> None:
    observed = seen(held, answer)
    assert observed.watch.version == held.version + 1
    assert observed.watch.first_seen_at == held.first_seen_at
    assert observed.watch.doubts.not_found_count == 0
    assert not observed.watch.vanished
    if observed.stale or not observed.changed:
        assert set(kinds(observed)) <= {"job.reappeared"}
    if held.snapshot.phase in TERMINAL and not held.doubts.live_again:
        assert observed.watch.snapshot.phase is held.snapshot.phase
    told = fold(watched(held.snapshot), observed.events)
    new = observed.watch.snapshot
    assert (told.status, told.sub_status, told.priority) == (new.status, new.sub_status, new.priority)
    if held.snapshot.restarts.text:  # a counter that comes later counts what records or the status told before
        assert told.restarts_used == (new.restarts.used or 0)


@settings(deadline=None, max_examples=60)
@given(snapshots)
def test_the_same_answer_twice_is_no_news(answer: JobSnapshot) -> None:
    once = first(answer).watch
    again = seen(once, answer)
    assert again.events == ()
    assert seen(again.watch, answer).events == ()
    assert not seen(again.watch, answer).changed


def test_a_phase_lasts_from_when_it_was_entered() -> None:
    held = watch(job("Queuing"), phase_since=at(-100))
    assert seen(held, job("Queuing", seconds=15)).watch.phase_since == at(-100)
    assert seen(held, job("Bidding", seconds=15)).watch.phase_since == at(-100)
    assert seen(held, job("Running", seconds=15)).watch.phase_since == at(15)
    assert seen(held, job("Running", seconds=15, running_at=at(9))).watch.phase_since == at(9)


def test_a_look_that_shows_only_time_passing_changes_nothing_but_the_time() -> None:
    held = watch(job("Running"))
    observed = seen(held, job("Running", seconds=15, duration=timedelta(seconds=15)))
    assert observed.events == ()
    assert not observed.changed
    assert observed.watch.snapshot.observed_at == at(15)


def test_a_look_that_shows_a_fact_without_an_event_is_kept_in_the_history() -> None:
    assert seen(watch(job("Running")), job("Running", requested_gpu=8.0)).changed


# --- readings that are not believed at once -----------------------------------------------------------------------------------


def test_an_answer_older_than_what_is_held_is_ignored() -> None:
    held = watch(job("Running", modified_at=at(10)), doubts=Doubts(not_found_since=NOW, not_found_count=1))
    observed = seen(held, job("Queuing", modified_at=at(9)))
    assert observed == Observed(replace(held, version=8, doubts=Doubts()), stale=True)
    assert kinds(seen(held, job("Queuing", modified_at=at(10)))) == ["job.status_changed"]
    assert kinds(seen(held, job("Queuing", modified_at=None))) == ["job.status_changed"]


@pytest.mark.parametrize("status", ["Running", "Levitating", "Succeeded"])
def test_an_ended_job_that_reads_otherwise_is_believed_the_second_time_running(status: str) -> None:
    held = watch(job("Failed"))
    once = seen(held, job(status))
    assert (once.events, once.changed) == ((), False)
    assert once.watch.snapshot == held.snapshot
    assert once.watch.doubts == Doubts(live_again=True)
    twice = seen(once.watch, job(status))
    assert isinstance(twice.events[0], JobStatusChanged)
    assert twice.watch.snapshot.status == status
    assert twice.watch.doubts == Doubts()


def test_an_ended_job_that_reads_ended_again_removes_the_doubt() -> None:
    once = seen(watch(job("Failed")), job("Running"))
    calmed = seen(once.watch, job("Failed"))
    assert calmed.watch.doubts == Doubts()
    assert seen(calmed.watch, job("Running")).events == ()


def test_a_pod_left_out_once_is_doubted_and_twice_is_gone() -> None:
    held = watch(job(pods=(pod("w-0"), pod("w-1"))))
    once = seen(held, job(pods=(pod("w-0"),)))
    assert (once.events, once.changed) == ((), False)
    assert once.watch.doubts == Doubts(missing_pods=("w-1",))
    silent = seen(once.watch, job(pods=None))
    assert silent.watch.doubts == Doubts(missing_pods=("w-1",))
    (event,) = seen(silent.watch, job(pods=(pod("w-0"),))).events
    assert isinstance(event, PodVanished)
    assert event.pod.pod_id == "w-1"
    back = seen(once.watch, job(pods=(pod("w-0"), pod("w-1"))))
    assert (back.events, back.watch.doubts) == ((), Doubts())


# --- not found ----------------------------------------------------------------------------------------------------------------


def missed(held: Watch, seconds: float, *, absent: bool = True) -> Observed:
    return not_found(held, now=at(seconds), cause=CAUSE, absent_from_list=absent)


def test_a_job_is_gone_when_it_is_not_found_twice_apart_in_time_and_absent_from_a_full_list() -> None:
    once = missed(watch(job("Running")), 15)
    assert (once.events, once.watch.vanished) == ((), False)
    assert once.watch.doubts == Doubts(not_found_since=at(15), not_found_count=1)
    too_soon = missed(once.watch, 15 + APART.total_seconds() - 1)
    assert too_soon.events == ()
    listed = missed(too_soon.watch, 60, absent=False)
    assert listed.events == ()
    assert listed.watch.doubts == Doubts(not_found_since=at(15), not_found_count=3)
    gone = missed(listed.watch, 75)
    (event,) = gone.events
    assert isinstance(event, JobVanished)
    assert (event.last_status, event.when.observed_at, event.when.not_before) == ("Running", at(75), NOW)
    assert gone.watch.vanished
    assert not gone.watch.live
    assert gone.watch.version == 7 + 4
    assert gone.watch.snapshot == job("Running")


def test_only_a_full_pass_that_began_after_the_doubt_can_leave_a_job_out() -> None:
    held = watch(job())
    nobody = frozenset[JobRef]()
    assert not absent(held, ListPass(at(0), nobody)), "there is no doubt"
    doubted = missed(held, 15, absent=False).watch
    assert not absent(doubted, None)
    assert not absent(doubted, ListPass(at(14), nobody))
    assert absent(doubted, ListPass(at(15), nobody))
    assert not absent(doubted, ListPass(at(15), frozenset({doubted.snapshot.ref})))


def test_exactly_so_far_apart_is_far_enough_but_one_answer_never_is() -> None:
    once = missed(watch(job("Running")), 0)
    assert kinds(missed(once.watch, APART.total_seconds())) == ["job.vanished"]
    assert not_found(watch(job()), now=NOW, cause=CAUSE, absent_from_list=True, apart=timedelta(0)).events == ()


def test_an_answer_between_takes_the_doubt_away() -> None:
    once = missed(watch(job("Running")), 0)
    answered = seen(once.watch, job("Running"))
    assert missed(answered.watch, 60).events == ()


@pytest.mark.parametrize("held", [watch(job("Failed")), watch(job("Running"), vanished=True)])
def test_a_job_that_ended_or_is_known_to_be_gone_does_not_vanish(held: Watch) -> None:
    assert missed(held, 0) == Observed(replace(held, version=8))


def test_a_vanished_job_that_answers_has_reappeared_and_is_told_what_it_did() -> None:
    held = watch(job("Running", modified_at=at(9)), vanished=True)
    observed = seen(held, job("Failed", seconds=15))
    event, changed, end = observed.events
    assert isinstance(event, JobReappeared)
    assert (event.status, event.phase) == ("Failed", Phase.FAILED)
    assert isinstance(changed, JobStatusChanged)
    assert isinstance(end, JobFailed)
    assert not observed.watch.vanished
    stale = seen(held, job("Queuing", modified_at=at(0)))
    assert (kinds(stale), stale.stale) == (["job.reappeared"], True)


# --- lists --------------------------------------------------------------------------------------------------------------------


def test_an_answer_is_completed_by_what_only_lists_tell() -> None:
    item = summary(
        user_name="ann",
        quota_name="gold",
        template_id="t",
        max_running_time=timedelta(hours=1),
        modified_at=at(5),
        name="other",
    )
    answer = job(name="mine")
    assert merge_summary(answer, None) is answer
    assert merge_summary(answer, item) == replace(
        answer, user_name="ann", quota_name="gold", template_id="t", max_running_time=timedelta(hours=1)
    )
    told = replace(answer, user_name="bob", quota_name="iron", template_id="u", max_running_time=timedelta(1))
    assert merge_summary(told, item) == told


HELD = job("Running", sub_status="S", reason_code="R", restarts="2/10")


@pytest.mark.parametrize(
    ("held", "item", "expected"),
    [
        (watch(HELD), summary("Running"), False),
        (watch(HELD), summary("Running", sub_status="S", reason_code="R", restarts=HELD.restarts), False),
        (watch(HELD), summary("Restarting"), True),
        (watch(HELD), summary("Running", sub_status="T"), True),
        (watch(HELD), summary("Running", reason_code="Q"), True),
        (watch(HELD), summary("Running", restarts=job(restarts="3").restarts), True),
        (watch(HELD), summary("Running", restarts=job(restarts="2").restarts), False),
        (watch(HELD), summary("Running", restarts=job(restarts="odd").restarts), False),
        (watch(job("Failed")), summary("Failed", reason_code="Q"), False),
        (watch(job("Failed")), summary("SubmitFailed"), False),
        (watch(job("Failed")), summary("Running"), True),
        (watch(job("Failed")), summary("Succeeded"), True),
        (watch(HELD, vanished=True), summary("Running"), True),
    ],
)
def test_a_list_item_calls_for_a_look_only_where_it_shows_a_change(
    held: Watch, item: JobSummary, expected: bool
) -> None:
    assert summary_differs(member_of(held), item) is expected
    assert summary_differs(member_of(held), Listed.of(item)) is expected


# --- a life, looked at ------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["Running", "Failed", "gone", "stale", "Succeeded"]), max_size=12))
def test_an_end_is_told_again_only_after_another_status_was_believed(script: list[str]) -> None:
    held = first(job("Running", modified_at=NOW)).watch
    told: list[str] = []
    for turn, word in enumerate(script, start=1):
        if word == "gone":
            observed = missed(held, turn * 15)
        elif word == "stale":
            observed = seen(held, job("Failed", modified_at=at(-1)), turn * 15)
        else:
            observed = seen(held, job(word, seconds=turn * 15), turn * 15)
        told += kinds(observed)
        held = observed.watch
    assert held.version == 1 + len(script)
    ends = [kind for kind in told if kind in ("job.failed", "job.succeeded", "job.status_changed")]
    assert all("job.status_changed" in pair for pair in pairwise(ends))

"""The poller: what is asked, when, and what follows from the answers and from their absence."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.shell.service_world import SOURCE, START, FlakyStore, World, job, seconds
from watcher.core.absence import Absence
from watcher.core.events import CauseId, EventId
from watcher.core.model import JobId, JobRef, JobSnapshot, PodSnapshot, StatusPeriod, Watch
from watcher.core.observation import first_sight
from watcher.core.ongoing import Ongoing
from watcher.core.rule import Notification, NotificationId, Severity
from watcher.core.trouble import Trouble, TroubleEnd
from watcher.errors import (
    AuthRefused,
    ClockSkewed,
    Forbidden,
    JobNotFound,
    ServerFault,
    SourceError,
    StaleObservation,
    StoreUnavailable,
    Throttled,
    Unreachable,
)
from watcher.service.recorder import _concluded

pytestmark = pytest.mark.anyio


def private() -> Forbidden:
    return Forbidden("no permission on this job", code="Forbidden.RAM")


def turning(*course: tuple[float, JobSnapshot]) -> object:
    """A job whose answer depends on the time: the last entry that has begun."""

    def at(now: datetime) -> JobSnapshot:
        return [snapshot for start, snapshot in course if START + seconds(start) <= now][-1]

    return at


# --- finding and watching -------------------------------------------------------------------------------------------------------


async def test_a_listed_job_is_watched_to_its_end_and_then_left_alone() -> None:
    world = World()
    world.source.jobs["dlc1"] = turning((0, job("dlc1", "Queuing")), (35, job("dlc1")), (75, job("dlc1", "Succeeded")))  # type: ignore[assignment]
    async with world.polling() as poller:
        await world.clock.advance(seconds(70))
        assert poller.live_jobs == 1
        await world.clock.advance(seconds(30))
        assert poller.live_jobs == 0
        asked = world.source.times("GetJob")
        await world.clock.advance(seconds(300))
        assert world.source.times("GetJob") == asked
    changes = [(event.old_status, event.new_status) for event in await world.events("job.status_changed")]  # type: ignore[union-attr]
    assert changes == [("Queuing", "Running"), ("Running", "Succeeded")]
    assert Counter(await world.kinds())["job.succeeded"] == 1


async def test_the_first_list_with_old_finished_jobs_is_silent_and_asks_about_none_of_them() -> None:
    old = START - timedelta(days=2)
    world = World(*(job(f"old{n}", "Failed", created_at=old, finished_at=old) for n in range(50)))
    async with world.polling():
        await world.clock.advance(seconds(120))
    assert world.source.times("GetJob") == 0
    assert await world.kinds() == []
    assert await world.told() == []


async def test_a_job_that_is_born_and_ends_between_two_passes_is_told() -> None:
    world = World()
    async with world.polling():
        await world.clock.advance(seconds(5))
        world.source.put(job("quick", "Failed", created_at=START + seconds(6), finished_at=START + seconds(9)))
        await world.clock.advance(seconds(60))
    assert await world.kinds() == ["job.appeared", "job.failed"]
    assert len(await world.told()) == 1


async def test_a_job_that_ended_while_the_watcher_was_down_is_told_after_the_restart() -> None:
    world = World(job("dlc1"))
    async with world.polling():
        await world.clock.advance(seconds(60))
    world.source.put(job("dlc1", "Failed", finished_at=world.clock.now() + seconds(30)))
    world.source.put(job("dlc2", "Succeeded", finished_at=world.clock.now() + seconds(40)))
    await world.clock.advance(timedelta(hours=1))
    later = world.again()
    async with later.polling():
        await later.clock.advance(seconds(60))
    ends = [event.kind for event in await later.events("job.failed", "job.succeeded")]
    assert sorted(ends) == ["job.failed", "job.succeeded"]


async def test_a_restart_repeats_nothing() -> None:
    world = World(job("dlc1"), job("dlc2", "Queuing"))
    async with world.polling():
        await world.clock.advance(seconds(60))
        world.source.put(job("dlc1", "Succeeded", finished_at=world.clock.now()))
        await world.clock.advance(seconds(60))
    before, told = await world.kinds(), await world.told()
    later = world.again()
    async with later.polling() as poller:
        await later.clock.advance(seconds(120))
        assert poller.live_jobs == 1
    assert (await later.kinds(), await later.told()) == (before, told)


async def test_a_job_that_was_pruned_is_not_told_a_second_time_after_a_restart() -> None:
    world = World(job("dlc1"))
    async with world.polling():
        await world.clock.advance(seconds(30))
        world.source.put(job("dlc1", "Failed", finished_at=world.clock.now()))
        await world.clock.advance(seconds(60))
    await world.clock.advance(timedelta(days=100))
    for delivery in await world.store.deliveries():
        assert delivery.notification.rule == "job-failed"
    assert len(await world.told()) == 1
    forgetful = World(store=FlakyStore(), clock=world.clock)  # as after a prune: the sight is there, the job is not
    await forgetful.store.commit(_sight_since(world))
    later = forgetful.again()
    later.source = world.source
    from watcher.service.poller import Poller

    later.poller = Poller(world.source, later.settings, later.ledger, jitter=lambda: 0.5, retention=timedelta(days=90))
    async with later.polling():
        await later.clock.advance(seconds(60))
    assert await later.told() == []


def _sight_since(world: World) -> object:
    from watcher.core.events import CauseId
    from watcher.core.sight import Sight
    from watcher.ports.store import Observation

    return Observation(
        cause=CauseId("made"), at=world.clock.now(), sight=Sight(source=world.source.name, watching_since=START)
    )


async def test_ids_alone_are_watched_without_any_list() -> None:
    world = World(job("dlc1"), job("dlc2"), select={"jobs": ["dlc1"]})
    async with world.polling() as poller:
        await world.clock.advance(seconds(60))
        assert poller.live_jobs == 1
    assert world.source.times("ListJobs") == 0
    assert {about for _, _, about in world.source.asked} == {"dlc1"}


async def test_only_the_selected_jobs_are_asked_about() -> None:
    world = World(job("dlc1", name="prod-a"), job("dlc2", name="dev-b"), select={"name": "prod-*"})
    async with world.polling():
        await world.clock.advance(seconds(60))
    assert {about for _, action, about in world.source.asked if action == "GetJob"} == {"dlc1"}


async def test_a_change_that_the_list_shows_is_looked_at_before_its_turn() -> None:
    world = World(job("dlc1", "Queuing"), poll_every="1h")
    async with world.polling():
        await world.clock.advance(seconds(30))
        world.source.put(job("dlc1"))
        await world.clock.advance(seconds(30))
    assert Counter(await world.kinds())["job.status_changed"] == 1


async def test_a_job_of_whose_trouble_people_were_told_counts_for_more_until_it_is_over() -> None:
    world = World(
        job("dlc1", "Queuing"), job("dlc2", "Queuing"), rules="  - {use: stuck-pending, with: {after: 30m}}\n"
    )
    first, second = (JobRef(SOURCE, JobId(name)) for name in ("dlc1", "dlc2"))

    def keen() -> list[bool]:
        turns = [world.poller.docket.get(ref) for ref in (first, second)]
        return [turn is not None and turn.habit.keen for turn in turns]

    async with world.polling():
        await world.clock.advance(seconds(60))
        assert keen() == [False, False]
        world.ledger.book.troubles.note([waiting_too_long(first)])
        await world.clock.advance(seconds(60))
        assert keen() == [True, False], "an answer that says nothing new is enough"
        world.ledger.book.troubles.note([waiting_too_long(first).ended(TroubleEnd.OVER, START)])
        world.source.put(job("dlc1"))
        await world.clock.advance(seconds(60))
        assert keen() == [False, False]


def waiting_too_long(ref: JobRef) -> Trouble:
    said = Notification(
        id=NotificationId("n1"), rule="stuck-pending", severity=Severity.WARNING, headline="Waits",
        facts=(), detail="", event_id=EventId("e1"), kind="deadline.passed", at=START, observed_at=START, job=ref,
        cause=CauseId("c1"), labels=(), ongoing=Ongoing.WAITING,
    )  # fmt: skip
    return Trouble(notification=said, ongoing=Ongoing.WAITING, opened_at=START)


async def test_items_of_a_list_that_say_the_same_are_not_taken_in_again() -> None:
    world = World(*(job(f"dlc{number}") for number in range(5)), job("dlcold", "Succeeded"), poll_every="1h")
    async with world.polling():
        await world.clock.advance(timedelta(minutes=10))
        assert world.source.unread_items == 6 * (world.source.times("ListJobs") - 1)
        before = world.source.unread_items
        world.source.put(job("dlc3", "Failed"))
        await world.clock.advance(seconds(35))
        assert Counter(await world.kinds())["job.failed"] == 1
        # That one, and after its end once more: does the list say so, too?
        assert (world.source.unread_items - before) % 6 > 0


async def test_a_change_that_only_the_list_shows_is_asked_about_until_both_agree() -> None:
    world = World(job("dlc1"), poll_every="1h")
    async with world.polling():
        await world.clock.advance(timedelta(minutes=5))
        asked, listed = world.source.times("GetJob"), world.source.times("ListJobs")
        world.source.listed = [job("dlc1", "Failed")]
        await world.clock.advance(timedelta(minutes=5))
        lists = world.source.times("ListJobs") - listed
        assert world.source.times("GetJob") - asked == lists > 2
    assert await world.kinds() == ["job.appeared"]


async def test_a_job_that_is_over_by_mistake_comes_back_though_its_item_never_changed() -> None:
    world = World(job("dlc1"), poll_every="10s")
    world.source.listed = [job("dlc1")]
    async with world.polling():
        await world.clock.advance(timedelta(minutes=5))
        world.source.put(job("dlc1", "Failed"))
        await world.clock.advance(seconds(15))
        world.source.put(job("dlc1"))
        await world.clock.advance(timedelta(minutes=5))
    assert Counter(await world.kinds())["job.reopened"] + Counter(await world.kinds())["job.status_changed"] > 0


async def test_an_unknown_id_among_the_explicit_ones_makes_no_event_and_is_not_asked_at_full_pace() -> None:
    world = World(select={"jobs": ["dlcwrong"]})
    async with world.polling():
        await world.clock.advance(timedelta(hours=1))
    assert await world.kinds() == []
    assert 1 < world.source.times("GetJob") < 40  # at full pace it would be 360


# --- budget ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [2.0, 5.0])
async def test_the_budget_is_never_exceeded_however_many_jobs_are_due(rate: float) -> None:
    world = World(*(job(f"dlc{n}") for n in range(60)), poll_every="1s", budget={"requests_per_second": rate})
    async with world.polling():
        await world.clock.advance(seconds(60))
    _assert_within_budget([at for at, _, _ in world.source.asked], rate)
    assert len(world.source.asked) > 50 * rate  # and it is used


async def test_after_a_hold_the_budget_counts_as_before() -> None:
    world = World(
        *(job(f"dlc{n}") for n in range(60)), poll_every="1s", budget={"requests_per_second": 2, "concurrency": 64}
    )
    async with world.polling():
        await world.clock.advance(seconds(40))
        world.source.failing = {"GetJob": Unreachable("no route"), "ListJobs": Unreachable("no route")}
        await world.clock.advance(seconds(120))
        world.source.failing = {}
        await world.clock.advance(seconds(120))
    _assert_within_budget([at for at, _, _ in world.source.asked], 2)


def _assert_within_budget(times: list[datetime], rate: float) -> None:
    """In any stretch of time: what the rate allows, and at most one second's worth that had been saved up."""
    for first, began in enumerate(times):
        for last in range(first, len(times)):
            stretch = (times[last] - began).total_seconds()
            assert last - first + 1 <= rate * stretch + max(1.0, rate) + 1e-6, f"{last - first + 1} in {stretch} s"


async def test_no_more_questions_are_under_way_than_configured() -> None:
    world = World(*(job(f"dlc{n}") for n in range(30)), takes=seconds(3), select={"jobs": [f"dlc{n}" for n in range(30)]},
                  budget={"requests_per_second": 100, "concurrency": 4})  # fmt: skip
    async with world.polling():
        await world.clock.advance(seconds(60))
    assert world.source.most_under_way == 4


async def test_throttling_halves_the_rate_and_retry_after_holds_back_the_whole_source() -> None:
    world = World(*(job(f"dlc{n}") for n in range(20)), poll_every="2s", budget={"requests_per_second": 8})
    async with world.polling() as poller:
        await world.clock.advance(seconds(20))
        world.source.next_failures["GetJob"].append(Throttled("too many", retry_after=seconds(30)))
        asked = len(world.source.asked)
        while poller._budget.rate == 8:
            await world.clock.advance(seconds(0.1))
        assert poller._budget.rate == pytest.approx(4, rel=0.05)
        held_from = world.clock.now()
        await world.clock.advance(seconds(29))
        during = [at for at, _, _ in world.source.asked[asked:] if at > held_from]
        assert during == []
        await world.clock.advance(seconds(10))
        assert [at for at, _, _ in world.source.asked if at > held_from]
    assert await world.events("watch.blind") == ()


async def test_a_source_that_does_nothing_but_throttle_makes_us_blind_in_the_end() -> None:
    world = World(job("dlc1"))
    async with world.polling():
        await world.clock.advance(seconds(30))
        world.source.failing = {"GetJob": Throttled("too many"), "ListJobs": Throttled("too many")}
        await world.clock.advance(timedelta(minutes=4))
        assert await world.events("watch.blind") == ()
        await world.clock.advance(timedelta(minutes=6))
        assert len(await world.events("watch.blind")) == 1
        world.source.failing = {}
        await world.clock.advance(timedelta(minutes=10))
    assert len(await world.events("watch.recovered")) == 1


# --- gone -----------------------------------------------------------------------------------------------------------------------


async def test_a_job_that_is_not_found_twice_and_absent_from_a_full_list_has_vanished() -> None:
    world = World(job("dlc1"), job("dlc2"))
    async with world.polling() as poller:
        await world.clock.advance(seconds(30))
        del world.source.jobs["dlc1"]
        await world.clock.advance(seconds(120))
        assert poller.live_jobs == 1
    gone = await world.events("job.vanished")
    assert [str(event.job.job_id) for event in gone] == ["dlc1"]  # type: ignore[union-attr]


async def test_one_not_found_answer_is_no_news() -> None:
    world = World(job("dlc1"))
    async with world.polling() as poller:
        await world.clock.advance(seconds(30))
        world.source.next_failures["GetJob"].append(JobNotFound("not found"))
        await world.clock.advance(seconds(120))
        assert poller.live_jobs == 1
    assert await world.kinds() == ["job.appeared"]


@pytest.mark.parametrize("complete", [True, False], ids=["still listed", "list cut short"])
async def test_not_found_is_not_believed_while_the_list_does_not_confirm_it(complete: bool) -> None:
    world = World(job("dlc1"))
    async with world.polling():
        await world.clock.advance(seconds(30))
        world.source.listed = [job("dlc1")] if complete else []
        world.source.complete = complete
        del world.source.jobs["dlc1"]
        await world.clock.advance(timedelta(minutes=10))
    assert await world.events("job.vanished") == ()


async def test_a_list_from_before_the_doubt_does_not_confirm_it() -> None:
    world = World(job("dlc1"), select={"jobs": ["dlc1"], "name": "prod-*"}, discover_every="1h")
    world.source.listed = []  # as for a job too old for lists
    async with world.polling():
        await world.clock.advance(seconds(30))
        del world.source.jobs["dlc1"]
        await world.clock.advance(timedelta(minutes=30))
        assert await world.events("job.vanished") == ()
        await world.clock.advance(timedelta(minutes=60))
    assert len(await world.events("job.vanished")) == 1


async def test_a_vanished_job_that_is_listed_again_is_watched_again() -> None:
    world = World(job("dlc1"))
    async with world.polling() as poller:
        await world.clock.advance(seconds(30))
        del world.source.jobs["dlc1"]
        await world.clock.advance(seconds(120))
        assert poller.live_jobs == 0
        world.source.put(job("dlc1"))
        await world.clock.advance(seconds(60))
        assert poller.live_jobs == 1
    assert await world.kinds() == ["job.appeared", "job.vanished", "job.reappeared"]


# --- our own sight --------------------------------------------------------------------------------------------------------------

BLINDING = {
    "403": Forbidden("not authorised to paidlc:ListJobs", code="Forbidden.RAM"),
    "wrong key": AuthRefused("the key id is not known", code="InvalidAccessKeyId.NotFound", fix="Check key_id"),
    "clock": ClockSkewed("the date is outside the window", offset=timedelta(minutes=20)),
    "DNS": Unreachable("pai-dlc.cn-nowhere.aliyuncs.com: name or service not known"),
}


@pytest.mark.parametrize("error", BLINDING.values(), ids=BLINDING.keys())
async def test_blindness_is_told_once_says_nothing_about_jobs_and_ends_with_one_word(error: SourceError) -> None:
    world = World(*(job(f"dlc{n}") for n in range(10)))
    async with world.polling():
        await world.clock.advance(seconds(60))
        seen = await world.kinds()
        world.source.failing = {"GetJob": error, "ListJobs": error}
        await world.clock.advance(timedelta(hours=2))
        assert Counter(await world.kinds()) == Counter(seen) + Counter(["watch.blind"])
        told = await world.store.deliveries()
        assert [one.notification.rule for one in told] == ["watch-blind"]
        assert error.message in told[0].notification.detail

        again = world.again()
    async with again.polling():
        await again.clock.advance(timedelta(hours=1))
        assert len(await again.events("watch.blind")) == 1
        again.source.failing = {}
        await again.clock.advance(timedelta(minutes=20))
        kinds = Counter(await again.kinds())
    assert kinds == Counter(seen) + Counter(["watch.blind", "watch.recovered"])
    assert len(await again.told()) == 2

    third = again.again()
    async with third.polling():
        await third.clock.advance(timedelta(minutes=20))
    assert Counter(await third.kinds()) == kinds


async def test_a_missing_right_for_get_job_alone_is_told_once_although_lists_are_answered() -> None:
    world = World(*(job(f"dlc{n}") for n in range(40)))
    world.source.failing = {"GetJob": Forbidden("not authorised to paidlc:GetJob", code="Forbidden.RAM")}
    async with world.polling():
        await world.clock.advance(timedelta(minutes=30))
    assert await world.kinds() == ["watch.blind"]


async def test_a_restart_with_get_job_still_forbidden_neither_recovers_nor_tells_again() -> None:
    world = World(*(job(f"dlc{n}") for n in range(5)))
    async with world.polling():
        await world.clock.advance(seconds(60))
        world.source.failing = {"GetJob": Forbidden("not authorised to paidlc:GetJob", code="Forbidden.RAM")}
        await world.clock.advance(timedelta(minutes=30))
    later = world.again()
    async with later.polling():
        await later.clock.advance(timedelta(minutes=30))
        assert Counter(await later.kinds()) == Counter(["job.appeared"] * 5 + ["watch.blind"])
        later.source.failing = {}
        await later.clock.advance(timedelta(minutes=30))
    assert Counter(await later.kinds()) == Counter(["job.appeared"] * 5 + ["watch.blind", "watch.recovered"])


async def test_a_passing_failure_shorter_than_blind_after_is_not_told() -> None:
    world = World(job("dlc1"), blind_after="5m")
    async with world.polling():
        await world.clock.advance(seconds(60))
        world.source.failing = {"GetJob": ServerFault("500"), "ListJobs": ServerFault("500")}
        await world.clock.advance(timedelta(minutes=4))
        world.source.failing = {}
        await world.clock.advance(timedelta(minutes=10))
    assert await world.kinds() == ["job.appeared"]


async def test_a_failing_source_is_asked_ever_more_seldom() -> None:
    world = World(*(job(f"dlc{n}") for n in range(10)))
    async with world.polling():
        await world.clock.advance(seconds(60))
        world.source.failing = {"GetJob": Unreachable("no route"), "ListJobs": Unreachable("no route")}
        await world.clock.advance(timedelta(minutes=30))
        asked = len(world.source.asked)
        await world.clock.advance(timedelta(minutes=30))
    assert len(world.source.asked) - asked < 60 * 8  # at full pace it would be 60 a minute


async def test_one_private_job_does_not_blind_the_source() -> None:
    world = World(*(job(f"dlc{n}") for n in range(10)))
    world.source.jobs["dlc3"] = lambda _now: private()
    world.source.listed = [job(f"dlc{n}") for n in range(10)]
    async with world.polling():
        await world.clock.advance(timedelta(minutes=30))
    assert Counter(await world.kinds()) == Counter({"job.appeared": 9})
    assert world.source.times("GetJob", "dlc4") > 100  # nothing was held back
    assert world.source.times("GetJob", "dlc3") < 30


async def test_a_row_of_private_jobs_between_readable_ones_does_not_blind_the_source() -> None:
    world = World(*(job(f"dlc{n}") for n in range(30)))
    for number in range(6):
        world.source.jobs[f"dlc{number}"] = lambda _now: private()
    world.source.listed = [job(f"dlc{n}") for n in range(30)]
    async with world.polling():
        await world.clock.advance(timedelta(minutes=30))
    assert Counter(await world.kinds()) == Counter({"job.appeared": 24})


# --- the store ------------------------------------------------------------------------------------------------------------------


async def test_when_another_writer_was_first_the_poller_looks_at_what_it_wrote() -> None:
    world = World(job("dlc1", "Queuing"))
    assert isinstance(world.store, FlakyStore)
    async with world.polling():
        await world.clock.advance(seconds(30))
        other = world.again()
        world.source.put(job("dlc1"))
        async with other.polling():
            await world.clock.advance(seconds(30))
    changes = await world.events("job.status_changed")
    assert len(changes) == 1
    watch = await world.store.watch(job("dlc1").ref)
    assert watch is not None
    assert watch.snapshot.status == "Running"


async def test_a_store_that_fails_during_the_second_look_does_not_stop_the_program() -> None:
    world = World(job("dlc1", "Queuing"))
    assert isinstance(world.store, FlakyStore)
    async with world.polling():
        await world.clock.advance(seconds(30))
        world.source.put(job("dlc1"))
        world.store.refuse("commit", StaleObservation("somebody was first"))
        world.store.refuse("watch", StoreUnavailable("busy"))
        await world.clock.advance(seconds(60))
    assert Counter(await world.kinds())["job.status_changed"] == 1


async def test_what_the_store_refused_is_committed_later() -> None:
    world = World(job("dlc1"))
    assert isinstance(world.store, FlakyStore)
    async with world.polling():
        await world.clock.advance(seconds(30))
        world.store.refuse("commit", *(StoreUnavailable("disk full") for _ in range(5)))
        world.source.put(job("dlc1", "Failed", finished_at=world.clock.now()))
        await world.clock.advance(seconds(15))
        assert world.ledger.store_error == "disk full"
        await world.clock.advance(seconds(60))
        assert world.ledger.store_error == ""
    assert Counter(await world.kinds())["job.failed"] == 1
    assert len(await world.told()) == 1


async def test_without_news_nothing_is_written() -> None:
    world = World(job("dlc1"), job("dlc2"))
    assert isinstance(world.store, FlakyStore)
    async with world.polling():
        await world.clock.advance(seconds(30))
        written = len(world.store.commits)
        await world.clock.advance(timedelta(hours=1))
        assert world.source.times("GetJob") > 600
        since = world.store.commits[written:]
        assert 50 <= len(since) <= 60, "that we see is put on record once a minute"
        assert all(one.sight is not None and one.watch is None and not one.events for one in since)


async def test_what_happened_while_we_were_away_or_blind_is_late_and_the_rest_is_not() -> None:
    world = World(job("dlc1"), job("dlc2"), rules="  - use: job-failed\n")
    async with world.polling() as poller:
        await world.clock.advance(seconds(25))
        await poller.rest()
    await world.clock.advance(timedelta(hours=1))
    world.source.put(job("dlc1", "Failed", finished_at=world.clock.now()))
    world.source.put(job("dlc3", created_at=world.clock.now() - seconds(60)))
    later = world.again(rules="  - use: job-failed\n")
    async with later.polling():
        await world.clock.advance(seconds(60))
        world.source.put(job("dlc4", created_at=world.clock.now()))
        await world.clock.advance(seconds(60))
        world.source.failing |= {"GetJob": Unreachable("reset"), "ListJobs": Unreachable("reset")}
        await world.clock.advance(timedelta(minutes=30))
        world.source.put(job("dlc2", "Stopped"))
        world.source.failing.clear()
        await world.clock.advance(timedelta(minutes=10))
        world.source.put(job("dlc3", "Succeeded", finished_at=world.clock.now()))
        await world.clock.advance(timedelta(minutes=1))
    events = [event for event in await world.events() if event.kind.startswith("job.")]
    marks = [(str(event.job.job_id), event.kind, event.when.late) for event in events]  # type: ignore[union-attr]
    assert sorted(mark for mark in marks if not mark[2]) == [
        ("dlc1", "job.appeared", False),
        ("dlc2", "job.appeared", False),
        ("dlc3", "job.status_changed", False),
        ("dlc3", "job.succeeded", False),
        ("dlc4", "job.appeared", False),
    ]
    assert sorted(mark for mark in marks if mark[2]) == [
        ("dlc1", "job.failed", True),
        ("dlc1", "job.status_changed", True),
        ("dlc2", "job.status_changed", True),
        ("dlc2", "job.stopped", True),
        ("dlc3", "job.appeared", True),
    ]
    (told,) = await world.store.deliveries()
    assert told.notification.away == Absence(START + seconds(20), START + seconds(3625))


async def test_a_short_restart_is_no_absence() -> None:
    world = World(job("dlc1"))
    async with world.polling() as poller:
        await world.clock.advance(seconds(25))
        await poller.rest()
    await world.clock.advance(seconds(10))
    world.source.put(job("dlc1", "Failed"))
    async with world.again().polling():
        await world.clock.advance(seconds(1))
    assert [event.when.late for event in await world.events("job.failed")] == [False]


async def test_to_be_away_between_two_passes_is_the_plan() -> None:
    world = World(job("dlc1"))
    for status in ("Running", "Failed"):
        again = world.again()
        await again.poller.load()
        world.source.put(job("dlc1", status))
        assert await again.poller.pass_once()
        await again.poller.rest()
        await world.clock.advance(timedelta(hours=1))
    assert [event.when.late for event in await world.events("job.failed")] == [False]


async def test_a_stale_answer_is_counted_and_otherwise_ignored() -> None:
    world = World(job("dlc1", modified_at=START))
    async with world.polling():
        await world.clock.advance(seconds(15))
        world.source.put(job("dlc1", "Queuing", modified_at=START - seconds(60)))
        world.source.listed = []
        await world.clock.advance(seconds(25))
        world.source.put(job("dlc1", modified_at=START))
        await world.clock.advance(seconds(25))
    assert await world.kinds() == ["job.appeared"]
    assert world.metrics.stale_reads.labels("hz")._value.get() >= 1


def passed(status: str, *starts: tuple[str, int]) -> JobSnapshot:
    """A job in this status, with this history (seconds after the start)."""
    history = tuple(StatusPeriod(each, START + seconds(start)) for each, start in starts)
    return replace(job("dlc1", status), status_history=history)


async def test_an_old_answer_is_believed_when_it_comes_a_third_time_running() -> None:
    run = (("Queuing", -60), ("Running", -30))
    world = World(passed("Running", *run))
    async with world.polling():
        await world.clock.advance(seconds(15))
        world.source.listed = []
        world.source.put(passed("Queuing", *run[:1]))
        await world.clock.advance(seconds(15))
        assert await world.kinds() == ["job.appeared"], "doubted"
        await world.clock.advance(seconds(30))
    assert "job.status_changed" in await world.kinds()


async def test_a_job_that_is_there_again_is_told_though_the_answer_is_old() -> None:
    world = World(job("dlc1", modified_at=START))
    async with world.polling():
        await world.clock.advance(seconds(15))
        world.source.jobs.pop("dlc1")
        await world.clock.advance(seconds(90))
        assert (await world.kinds())[-1] == "job.vanished"
        world.source.put(job("dlc1", modified_at=START - seconds(60)))
        await world.clock.advance(seconds(45))
    assert "job.reappeared" in await world.kinds()


# --- answers that need not be read ----------------------------------------------------------------------------------------------


async def test_an_answer_that_says_the_same_is_not_read_and_a_change_after_many_of_them_is_told_with_its_bounds() -> (
    None
):
    world = World()
    world.source.jobs["dlc1"] = turning((0, job("dlc1", "Queuing")), (605, job("dlc1")))  # type: ignore[assignment]
    async with world.polling():
        await world.clock.advance(seconds(600))
        asked = world.source.times("GetJob")
        assert world.source.unread == asked - 2
        assert world.metrics.unread.labels("hz")._value.get() == world.source.unread
        last_look = max(at for at, action, _ in world.source.asked if action == "GetJob")
        await world.clock.advance(seconds(60))
    (change,) = await world.events("job.status_changed")
    assert change.when.not_before == last_look


async def test_what_a_list_adds_makes_the_next_answer_be_read() -> None:
    world = World(job("dlc1"))
    async with world.polling() as poller:
        await world.clock.advance(seconds(300))
        unread, asked = world.source.unread, world.source.times("GetJob")
        assert unread == asked - 2
        entry = poller._roster.entries()[0]
        assert entry.listed is not None
        world.source.lend = {"user_name": "ada"}
        await world.clock.advance(seconds(300))
        assert world.source.times("GetJob") - asked > world.source.unread - unread + 1
        assert entry.watch is not None
        assert entry.watch.snapshot.user_name == "ada"


async def test_a_job_that_was_missing_for_a_moment_is_read_again() -> None:
    world = World(job("dlc1"))
    async with world.polling() as poller:
        await world.clock.advance(seconds(300))
        world.source.next_failures["GetJob"].append(JobNotFound("not found", code="NotFound"))
        while world.source.next_failures["GetJob"]:
            await world.clock.advance(seconds(1))
        (entry,) = poller._roster.entries()
        assert entry.watch is not None
        assert entry.watch.doubts.not_found_count == 1
        await world.clock.advance(seconds(120))
        assert entry.watch.doubts.not_found_count == 0
        assert entry.known is not None
    assert await world.kinds() == ["job.appeared"]


async def test_very_many_pods_are_compared_in_a_thread_and_a_few_where_we_are() -> None:
    pods = tuple(PodSnapshot(f"worker-{number}") for number in range(600))
    threads = []

    def conclude(watch: Watch | None) -> None:
        threads.append(threading.get_ident())

    for count in (0, 600):
        held = replace(job("dlc1"), pods=pods[:count])
        watch = first_sight(held, now=START, cause=CauseId("c"), watching_since=None).watch
        await _concluded(conclude, watch)
    await _concluded(conclude, None)
    here = threading.get_ident()
    assert [thread == here for thread in threads] == [True, False, True]

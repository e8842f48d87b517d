"""Feeds, sweeps and rounds together, against the simulator's own answers in virtual time."""

from __future__ import annotations

import random
from collections import defaultdict
from statistics import mean
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.shell.direct_source import DirectSource
from tests.shell.service_world import START, FlakyStore, VirtualClock, loaded_of, seconds, source_settings
from watcher.core.capabilities import Ability, Belief
from watcher.core.events import JobAppeared, JobStatusChanged, JobVanished, WatchBehind
from watcher.errors import StoreUnavailable
from watcher.service.ledger import Ledger
from watcher.service.poller import Poller
from watcher.service.telemetry import Metrics
from watcher.simulator.behaviour import Behaviour
from watcher.simulator.scenario import Role, Scenario, ScriptedJob, Step

pytestmark = pytest.mark.anyio
ENDS = ("Succeeded", "Failed", "Stopped")


def scripted(number: int, dice: random.Random, *, length: float, deleted: float = 0.0) -> ScriptedJob:
    """A job that has been running for a while, or is submitted later; something happens to it; it may end, or be deleted."""
    begins = dice.choice((-8 * 86_400.0, -3600.0, -600.0, dice.uniform(0, length / 3)))
    statuses = ["Creating", "Queuing", "EnvPreparing", "Running"]
    steps = [Step(at=seconds(5 * at), status=status) for at, status in enumerate(statuses)]
    at = max(30.0, 60 - begins)
    for _ in range(dice.randint(0, 2)):
        at += dice.uniform(20, length / 4)
        steps += [
            Step(at=seconds(at), status="Restarting"),
            Step(at=seconds(at + dice.uniform(1, 200)), status="Running"),
        ]
        at += 201
    if dice.random() < 0.7:
        at += dice.uniform(20, length / 3)
        steps.append(Step(at=seconds(at), status=dice.choice(ENDS)))
    if dice.random() < deleted:
        steps.append(Step(at=seconds(at + dice.uniform(20, length / 3)), delete=True))
    return ScriptedJob(
        id=f"dlc{number:013d}", submit_at=seconds(begins), roles={"Worker": Role(count=1)}, life=tuple(steps)
    )


class Fleet:
    """A service over scripted jobs."""

    def __init__(
        self, jobs: int, *, seed: int = 1, length: float = 1800, rate: float = 5.0, hidden: float | None = None,
        store: FlakyStore | None = None, switches: dict[str, Any] | None = None, deleted: float = 0.0, **said: Any,
    ) -> None:  # fmt: skip
        dice = random.Random(seed)
        self.scenario = Scenario(
            made_up=True, jobs=tuple(scripted(number, dice, length=length, deleted=deleted) for number in range(jobs))
        )
        self.clock, self.store, self.length = VirtualClock(), store or FlakyStore(), length
        self.source = DirectSource(self.clock, self.scenario, Behaviour(**(switches or {})), per_second=hidden)
        self.metrics = Metrics()
        self.ledger = Ledger(self.store, loaded_of().book, self.clock, self.metrics)
        self.poller = Poller(
            self.source,  # type: ignore[arg-type] # stands in for a source
            source_settings(
                **{"budget": {"requests_per_second": rate, "concurrency": 4}, "discover_every": "2m", **said}
            ),
            self.ledger,
            jitter=dice.random,
        )

    async def play(self, length: float | None = None) -> None:
        await self.ledger.recall()
        await self.poller.load()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.poller.poll)
            await self.clock.advance(seconds(self.length if length is None else length))
            tasks.cancel_scope.cancel()

    async def true(self, until: float, patience: float) -> dict[str, list[str]]:
        """By job, the statuses that it got after it was seen for the first time, and before `until`.

        What a job got shortly before it was deleted may have been seen by nobody.
        """
        appeared = {
            str(event.job.job_id): (event.when.observed_at - START).total_seconds()
            for event in await self.store.events(kinds=frozenset({"job.appeared"}), limit=100_000)
            if isinstance(event, JobAppeared)
        }
        found: dict[str, list[str]] = {}
        for job in self.scenario.jobs:
            times = [(job.submit_at + step.at).total_seconds() for step in job.life]
            known_until = times[-1] - patience if job.life[-1].delete else until
            assert job.id in appeared or min(times) > min(until, known_until) or max(times) < 60, f"{job.id} unseen"
            found[job.id] = [
                step.status
                for step, at in zip(job.life, times, strict=True)
                if appeared.get(job.id, until) < at < min(until, known_until) and step.status
            ]
        return found

    async def seen(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for event in await self.store.events(kinds=frozenset({"job.status_changed"}), limit=100_000):
            assert isinstance(event, JobStatusChanged)
            found[str(event.job.job_id)].append(event.new_status)
        return found

    async def delays(self, *statuses: str) -> list[float]:
        return [
            (event.when.observed_at - event.when.occurred_at).total_seconds()
            for event in await self.store.events(kinds=frozenset({"job.status_changed"}), limit=100_000)
            if isinstance(event, JobStatusChanged) and event.new_status in statuses and event.when.occurred_at
            and event.when.occurred_at > START + seconds(60)
        ]  # fmt: skip

    async def assert_nothing_lost(self, patience: float) -> None:
        seen = await self.seen()
        for job_id, statuses in (await self.true(self.length - patience, patience)).items():
            told, missing = seen[job_id], list(statuses)
            for status in told:
                if missing and status == missing[0]:
                    missing.pop(0)
            assert not missing, (job_id, statuses, told)

    async def assert_deletions_are_told(self, patience: float) -> None:
        """Of jobs that had not ended by then, and were known long enough before; once each, and of no other job."""
        told = [
            str(event.job.job_id)
            for event in await self.store.events(kinds=frozenset({"job.vanished"}), limit=100_000)
            if isinstance(event, JobVanished)
        ]
        assert len(set(told)) == len(told)
        deleted = {job.id: job for job in self.scenario.jobs if job.life[-1].delete}
        assert set(told) <= set(deleted)
        for job in deleted.values():
            *life, last = job.life
            at = (job.submit_at + last.at).total_seconds()
            lived = life[-1].status not in ENDS
            if lived and patience < at < self.length - patience and job.submit_at.total_seconds() < at - patience:
                assert job.id in told, f"{job.id} was deleted after {at} s"


async def test_ends_are_seen_within_seconds_where_looks_alone_would_take_minutes() -> None:
    fleet = Fleet(120, rate=1.0)
    await fleet.play()
    await fleet.assert_nothing_lost(400)
    delays = await fleet.delays(*ENDS)
    assert len(delays) > 20
    assert mean(delays) < 20, "a round of 120 looks takes 120 s"
    assert fleet.poller.learnt.belief(Ability.FINISH_WINDOW) is Belief.HONOURED
    assert fleet.poller.learnt.belief(Ability.JOB_IDS) is Belief.HONOURED


async def test_a_job_that_ends_before_its_first_look_is_looked_at_next() -> None:
    fleet = Fleet(300, rate=3.0, length=300)
    await fleet.play()
    ended_at = {
        job.id: max((job.submit_at + step.at).total_seconds() for step in job.life if step.status in ENDS)
        for job in fleet.scenario.jobs
        if any(step.status in ENDS for step in job.life)
    }
    late = [
        (event.when.observed_at - START).total_seconds() - ended_at[job_id]
        for event in await fleet.store.events(kinds=frozenset({"job.appeared"}), limit=100_000)
        if isinstance(event, JobAppeared) and event.status in ENDS and (job_id := str(event.job.job_id)) in ended_at
    ]
    assert len(late) > 20
    assert mean(late) < 10, f"a round of 300 looks takes 100 s: {mean(late)}"


@pytest.mark.parametrize(
    ("switches", "ability"),
    [
        ({"time_range_field_ignored": True}, Ability.FINISH_WINDOW),
        ({"time_range_field_refused": True}, Ability.FINISH_WINDOW),
        ({"job_ids_ignored": True}, Ability.JOB_IDS),
    ],
)
async def test_what_lists_do_not_heed_is_found_out_and_done_without(switches: dict[str, Any], ability: Ability) -> None:
    fleet = Fleet(80, rate=1.5, switches=switches)
    await fleet.play()
    await fleet.assert_nothing_lost(500)
    assert fleet.poller.learnt.belief(ability) is Belief.IGNORED
    assert fleet.poller.sight.blind_since is None
    if ability is Ability.FINISH_WINDOW:
        assert mean(await fleet.delays(*ENDS)) < 40, "ends are listed by their statuses instead"


async def test_several_statuses_are_asked_for_at_once_where_that_is_honoured() -> None:
    fleet = Fleet(30, rate=3.0, switches={"status_takes_list": True, "time_range_field_ignored": True})
    await fleet.play()
    assert fleet.poller.learnt.belief(Ability.STATUSES) is Belief.HONOURED
    assert any(len(question.statuses) > 1 for _, question in fleet.source.questions[-50:])


async def test_items_that_tell_everything_spare_most_looks() -> None:
    looks = {}
    for items in ("thin", "full"):
        fleet = Fleet(80, rate=1.5, switches={"list_items": items})
        await fleet.play()
        await fleet.assert_nothing_lost(500)
        assert fleet.poller.learnt.full is (items == "full")
        looks[items] = fleet.source.asked["GetJob"]
    assert looks["full"] < looks["thin"] / 2


async def test_a_store_that_refuses_for_a_while_loses_nothing_that_lists_showed() -> None:
    store = FlakyStore()
    store.refuse("commit", *(StoreUnavailable("busy") for _ in range(40)))
    store.refuse("watch", *(StoreUnavailable("busy") for _ in range(5)))
    fleet = Fleet(60, store=store)
    await fleet.play()
    await fleet.assert_nothing_lost(500)


async def test_against_a_rate_that_nobody_told_few_answers_are_throttled_and_nothing_is_lost() -> None:
    fleet = Fleet(60, rate=20.0, hidden=4.0, length=1200, poll_every="2s")
    await fleet.play()
    await fleet.assert_nothing_lost(600)
    settled = [throttled for at, throttled in fleet.source.answers if at > 300]
    assert sum(settled) / len(settled) < 0.01
    assert len(settled) > 900 * 4 * 0.6


SWITCHES = st.fixed_dictionaries(
    {
        "list_items": st.sampled_from(["thin", "full"]),
        "time_range_field_ignored": st.booleans(),
        "time_range_field_refused": st.booleans(),
        "job_ids_ignored": st.booleans(),
        "job_ids_limited_by_window": st.booleans(),
        "status_takes_list": st.booleans(),
        "not_found_status": st.sampled_from([404, 400]),
        "throttled_status": st.sampled_from([429, 400, 503]),
        "throttled_code": st.sampled_from(["Throttling", "Throttling.User", "Throttling.Api"]),
        "retry_after": st.booleans(),
        "history_newest_first": st.booleans(),
        "history_includes_current": st.booleans(),
    }
)


UNHELPFUL = {
    "list_items": "thin", "time_range_field_ignored": True, "time_range_field_refused": False, "job_ids_ignored": True,
    "job_ids_limited_by_window": True, "status_takes_list": False, "history_newest_first": True,
    "history_includes_current": False, "not_found_status": 400, "throttled_status": 400, "throttled_code": "Throttling",
    "retry_after": False,
}  # fmt: skip
HELPFUL = {
    "list_items": "full", "time_range_field_ignored": False, "time_range_field_refused": False, "job_ids_ignored": False,
    "job_ids_limited_by_window": False, "status_takes_list": True, "history_newest_first": False,
    "history_includes_current": True, "not_found_status": 404, "throttled_status": 503,
    "throttled_code": "Throttling.User", "retry_after": True,
}  # fmt: skip
NOT_ABOUT_FEEDS = {
    "status_history", "restart_records", "history_pods", "pod_uids", "running_time", "default_page_size",
}  # fmt: skip
"""What a job's own answer leaves out is `tests/core`'s matter: without StatusHistory changes between two looks cannot be told."""


def test_every_open_question_about_lists_and_refusals_is_drawn() -> None:
    assert set(UNHELPFUL) == set(HELPFUL) == set(Behaviour.model_fields) - NOT_ABOUT_FEEDS


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SWITCHES, st.integers(0, 10**6), st.sampled_from([None, 2.0]))
@example(UNHELPFUL, 1, 2.0)
@example({**UNHELPFUL, "time_range_field_refused": True, "throttled_status": 429}, 2, 2.0)
@example(HELPFUL, 3, 2.0)
def test_whatever_the_answers_to_the_open_questions_nothing_is_lost(
    switches: dict[str, Any], seed: int, hidden: float | None
) -> None:
    async def play() -> None:
        fleet = Fleet(40, seed=seed, rate=4.0, hidden=hidden, switches=switches, deleted=0.2)
        await fleet.play()
        await fleet.assert_nothing_lost(600)
        await fleet.assert_deletions_are_told(600)

    anyio.run(play)


async def test_a_job_that_a_list_by_id_leaves_out_is_looked_at_and_not_asked_for_so_again() -> None:
    fleet = Fleet(40)
    await fleet.play(120)
    gone = fleet.scenario.jobs[0].id
    del fleet.source._lives[gone]
    await fleet.play(900)
    assert "job.vanished" in {event.kind for event in await fleet.store.events(limit=100_000)}


async def test_jobs_that_ended_are_forgotten_once_lists_no_longer_name_them() -> None:
    fleet = Fleet(40)
    await fleet.play(1500)
    ended = {str(ref.job_id) for ref in fleet.poller._roster.ended}
    assert len(ended) > 10
    gone = sorted(ended)[:5]
    for job_id in gone:
        del fleet.source._lives[job_id]
    await fleet.play(600)
    assert not {ref.job_id for ref in fleet.poller._roster.ended} & set(gone)
    assert ended - set(gone) <= {ref.job_id for ref in fleet.poller._roster.ended}, "the others are still listed"
    assert not fleet.poller._roster.digests.keys() & set(gone)


async def test_a_budget_that_is_too_small_is_told_once_with_what_would_do() -> None:
    fleet = Fleet(40, rate=0.2, stale_after="30s", poll_every="10s", discover_every="10m")
    await fleet.play(240)
    (behind,) = await fleet.store.events(kinds=frozenset({"watch.behind"}))
    assert isinstance(behind, WatchBehind)
    assert (behind.rate, behind.stale_after) == (0.2, seconds(30))
    assert behind.needed > 0.5
    assert fleet.poller.sight.behind_since == behind.when.observed_at


def test_the_metrics_tell_who_used_the_budget() -> None:
    async def play() -> None:
        fleet = Fleet(50)
        await fleet.play(300)
        text = {
            sample.labels["use"]: sample.value
            for family in fleet.metrics.registry.collect()
            for sample in family.samples
            if sample.name == "dlc_watcher_budget_requests_total"
        }
        assert text.keys() >= {"finished", "born", "status", "sweep", "pass", "news", "round"}
        assert sum(text.values()) == sum(fleet.source.asked.values())

    anyio.run(play)

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from watcher.core import declared
from watcher.core.causes import Confidence, FaultClass
from watcher.core.declared import LISTENABLE, declared_rule, detail, facts, sentence, told
from watcher.core.evaluation import evaluate
from watcher.core.events import (
    EVENT_TYPES,
    KINDS,
    CauseId,
    DeadlinePassed,
    Event,
    EventId,
    JobActivityChecked,
    JobAppeared,
    JobBiddingStarted,
    JobCauseFound,
    JobFailed,
    JobHistoryCorrected,
    JobPreparationStarted,
    JobPriorityChanged,
    JobQueueChanged,
    JobReappeared,
    JobReasonChanged,
    JobReservationDecided,
    JobRestarted,
    JobRestartExplained,
    JobResumed,
    JobSanityCheckFailed,
    JobSanityCheckStarted,
    JobScaled,
    JobSpotTypeChanged,
    JobStatusChanged,
    JobStopped,
    JobSubStatusChanged,
    JobSucceeded,
    JobVanished,
    PodAppeared,
    PodEvicted,
    PodMoved,
    PodPlaced,
    PodRestarted,
    PodStatusChanged,
    PodVanished,
    RuleFailed,
    WatchBehind,
    WatchBlind,
    WatchCaughtUp,
    WatchRecovered,
    When,
)
from watcher.core.language import Language, Length, Locale, spoken
from watcher.core.model import JobId, JobRef, PodKey, SourceName
from watcher.core.phases import Phase
from watcher.core.rule import BoundRule, Context, Notify, RuleReason, Severity
from watcher.core.summary import compile_summary

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
REF = JobRef(SourceName("hz"), JobId("dlc1"))
BASE: dict[str, Any] = {"id": EventId("e"), "when": When(observed_at=NOW), "cause": CauseId("c")}
OF_JOB = BASE | {"job": REF}
OF_POD = OF_JOB | {"pod": PodKey("w0", "u1")}
HOUR = timedelta(hours=1)
HZ = SourceName("hz")
RUN, WAIT = Phase.RUNNING, Phase.PENDING

SAID: list[tuple[Event, str]] = [
    (JobAppeared(**OF_JOB, status="Queuing", phase=WAIT), "First seen, Queuing"),
    (JobAppeared(**OF_JOB, status="", phase=Phase.UNKNOWN), "First seen, status unknown"),
    (JobResumed(**OF_JOB, status="Running", phase=RUN), "Watched again, Running"),
    (
        JobStatusChanged(**OF_JOB, old_status="Queuing", new_status="Running", old_phase=WAIT, new_phase=RUN),
        "Queuing -> Running",
    ),
    (
        JobHistoryCorrected(
            **OF_JOB, corrected=EventId("a"), dated_id=EventId("b"), status="Running", occurred_at=NOW, told_at=None
        ),
        "DLC dates the change to Running to 2026-03-02 08:00:00 UTC",
    ),
    (JobSubStatusChanged(**OF_JOB, old_sub_status="", new_sub_status="Restarting"), "Sub-status none -> Restarting"),
    (JobReasonChanged(**OF_JOB, old_code="", new_code="A", old_message="", new_message="m"), "Reason none -> A"),
    (JobReasonChanged(**OF_JOB, old_code="A", new_code="A", old_message="", new_message="m"), "New reason message (A)"),
    (JobReasonChanged(**OF_JOB, old_code="", new_code="", old_message="", new_message="m"), "New reason message"),
    (JobRestarted(**OF_JOB, used=2, limit=10), "Restart 2 of 10"),
    (JobRestarted(**OF_JOB, used=2, limit=None), "Restart 2"),
    (JobRestarted(**OF_JOB, used=90, limit=100, count=89), "89 restarts at once, now 90 of 100"),
    (JobPriorityChanged(**OF_JOB, old_priority=None, new_priority=0), "Priority none -> 0"),
    (JobSucceeded(**OF_JOB, status="Succeeded", lived=HOUR), "Succeeded after 1 h"),
    (JobFailed(**OF_JOB, status="Failed"), "Failed"),
    (JobStopped(**OF_JOB, status="Stopped", lived=HOUR), "Stopped after 1 h"),
    (JobVanished(**OF_JOB, last_status="Running"), "DLC no longer knows this job, last seen Running"),
    (JobVanished(**OF_JOB, last_status=""), "DLC no longer knows this job, last seen without a status"),
    (JobReappeared(**OF_JOB, status="Running", phase=RUN), "DLC knows this job again, Running"),
    (
        JobCauseFound(
            **OF_JOB,
            explains=EventId("e0"),
            fault_class=FaultClass.GPU_MEMORY,
            confidence=Confidence.HIGH,
            summary="CUDA out of memory on w0",
        ),
        "Likely cause: CUDA out of memory on w0",
    ),
    (
        JobCauseFound(
            **OF_JOB, explains=EventId("e0"), fault_class=FaultClass.UNKNOWN, confidence=Confidence.LOW, exit_code=1
        ),
        "Likely cause: unknown",
    ),
    (
        JobActivityChecked(
            **OF_JOB, explains=EventId("e0"), since=NOW, events_read=True, logs_read=True, logs_seen=True
        ),
        "Activity since 2026-03-02 08:00 UTC: events silent, logs told of something",
    ),
    (JobActivityChecked(**OF_JOB, explains=EventId("e0")), "Activity: nothing could be read"),
    (PodAppeared(**OF_POD, status="Pending"), "Pod w0 appeared, Pending"),
    (PodStatusChanged(**OF_POD, old_status="Pending", new_status="Running"), "Pod w0: Pending -> Running"),
    (
        PodStatusChanged(**OF_POD, old_status="A", new_status="A", old_sub_status="Normal", new_sub_status="Evicted"),
        "Pod w0: sub-status Normal -> Evicted",
    ),
    (PodEvicted(**OF_POD, node="n1"), "Pod w0 was evicted from node n1"),
    (PodEvicted(**OF_POD), "Pod w0 was evicted"),
    (PodRestarted(**OF_POD, node="n2", old_incarnation="u0"), "Pod w0 was replaced by a new one on node n2"),
    (PodPlaced(**OF_POD, node="n1", ip="10.0.0.1"), "Pod w0 got node n1"),
    (PodPlaced(**OF_POD, ip="10.0.0.1"), "Pod w0 got address 10.0.0.1"),
    (PodMoved(**OF_POD, node="n2", old_node="n1", old_ip=""), "Pod w0 moved: n1 -> n2"),
    (PodMoved(**OF_POD, node="n1", ip="b", old_node="n1", old_ip="a"), "Pod w0 moved: a -> b"),
    (
        JobRestartExplained(**OF_JOB, corrected=EventId("e0"), used=2, reason="Evicted", took=timedelta(minutes=3)),
        "Restart 2: Evicted, took 3 m",
    ),
    (
        JobRestartExplained(**OF_JOB, corrected=EventId("e0"), pod_id="w0", error_code="Xid79"),
        "Restart of pod w0: Xid79",
    ),
    (JobRestartExplained(**OF_JOB, corrected=EventId("e0"), used=2), "Restart 2 has a record now"),
    (JobBiddingStarted(**OF_JOB, status="Bidding"), "Bidding for spot capacity"),
    (JobPreparationStarted(**OF_JOB, status="EnvPreparing"), "Environment is being prepared"),
    (JobSanityCheckStarted(**OF_JOB, status="SanityChecking"), "Machines are checked"),
    (JobSanityCheckStarted(**OF_JOB, status="SanityChecking", restart=True), "Machines are checked after a restart"),
    (JobSanityCheckFailed(**OF_JOB, status="Restarting"), "Check of the machines failed, now Restarting"),
    (
        JobReservationDecided(**OF_JOB, status="FailedReserving", result="failed"),
        "The job failed; its machines are held",
    ),
    (
        JobReservationDecided(**OF_JOB, status="FailedReserving", result="failed", held_until=NOW),
        f"The job failed; its machines are held until {NOW:%Y-%m-%d %H:%M:%S} UTC at the latest",
    ),
    (JobScaled(**OF_JOB, role="Worker", old_count=4, new_count=6, measure="asked"), "Worker: 4 -> 6 pods asked for"),
    (JobScaled(**OF_JOB, role="", old_count=4, new_count=3, measure="present"), "Job: 4 -> 3 pods"),
    (
        JobQueueChanged(
            **OF_JOB, role="Worker", old_active=1, new_active=1, new_queuing=0, old_dequeued=2, new_dequeued=1
        ),
        "Worker: queuing none -> 0, dequeued 2 -> 1",
    ),
    (JobSpotTypeChanged(**OF_JOB, role="Worker", old_type="a", new_type="b"), "Worker: spot type a -> b"),
    (PodVanished(**OF_POD, last_status="Running"), "Pod w0 is gone, last seen Running"),
    (
        WatchBehind(**BASE, source=HZ, oldest_at=NOW, stale_after=HOUR, live_jobs=9, rate=5.0, needed=9.0),
        "The request budget of source hz is too small",
    ),
    (WatchCaughtUp(**BASE, source=HZ, behind_since=NOW), "All jobs of source hz are looked at in time again"),
    (WatchBlind(**BASE, source=HZ, since=NOW, permanent=True, error="x"), "We cannot see source hz"),
    (WatchRecovered(**BASE, source=HZ, blind_since=NOW), "We see source hz again"),
    (RuleFailed(**BASE, rule="mine", event_id=EventId("e0"), error="x"), "Rule mine failed"),
    (DeadlinePassed(**OF_JOB, rule="mine", key="k", due_at=NOW), "Deadline of rule mine passed"),
]


@pytest.mark.parametrize(("event", "words"), SAID, ids=[f"{event.kind}: {words}" for event, words in SAID])
def test_every_event_has_its_default_words(event: Event, words: str) -> None:
    assert sentence(event) == words


@pytest.mark.parametrize("event", [event for event, _ in SAID], ids=[words for _, words in SAID])
def test_every_event_has_its_words_in_chinese(event: Event) -> None:
    text = spoken(told(event), Locale(Language.ZH))
    values_only = {"job.status_changed"}
    assert event.kind in values_only or re.search(r"[\u4e00-\u9fff]", text), text
    assert not re.search(r"\{\w+\}", text)


def test_no_type_of_event_is_without_words_or_without_a_test() -> None:
    assert set(declared._SENTENCES) == set(EVENT_TYPES)
    assert {type(event) for event, _ in SAID} == set(EVENT_TYPES)


@pytest.mark.parametrize("event", [event for event, _ in SAID], ids=[words for _, words in SAID])
def test_facts_are_never_empty_and_never_twice(event: Event) -> None:
    labels = [label for label, _ in facts(event)]
    assert len(labels) == len(set(labels))
    assert all(label and value for label, value in facts(event))


def test_facts_tell_what_the_sentence_leaves_out() -> None:
    moved = PodMoved(**OF_POD, role="worker", node="n2", ip="b", old_node="n1", old_ip="a")
    assert facts(moved) == (
        ("Pod", "w0"),
        ("Role", "worker"),
        ("Node", "n2"),
        ("Address", "b"),
        ("Node before", "n1"),
        ("Address before", "a"),
    )
    assert facts(JobFailed(**OF_JOB, status="Failed", reason_code="OOM")) == (("Reason", "OOM"),)
    restarted = PodRestarted(
        **OF_POD, old_incarnation="u0", level="pod-level", reason="Xid", took=timedelta(minutes=3), culprit_node="n1"
    )
    assert facts(restarted) == (
        ("Pod", "w0"),
        ("Restart level", "pod-level"),
        ("Restart reason", "Xid"),
        ("Restart took", Length(timedelta(minutes=3))),
        ("Culprit node", "n1"),
    )


def test_the_detail_is_dlcs_own_message() -> None:
    assert detail(JobFailed(**OF_JOB, status="Failed", reason_message="boom")) == "boom"
    changed = JobReasonChanged(**OF_JOB, old_code="", new_code="", old_message="", new_message="m")
    assert detail(changed) == "m"
    assert detail(JobVanished(**OF_JOB, last_status="Running")) == ""


def test_a_declared_rule_says_the_default_words_about_each_event_of_its_kinds() -> None:
    rule = declared_rule("mine", ["pod.evicted", "job.failed", "pod.evicted"], Severity.CRITICAL)
    assert (rule.name, rule.on, rule.severity) == ("mine", (PodEvicted, JobFailed), Severity.CRITICAL)
    evicted = PodEvicted(**OF_POD, node="n1", reason_message="preempted")
    answer = evaluate(
        [BoundRule(name="mine", rule=rule)], [evicted, JobVanished(**OF_JOB, last_status="")], Context(now=NOW)
    )
    assert [(said.headline, said.severity, said.detail) for said in answer.notifications] == [
        ("Pod w0 was evicted from node n1", Severity.CRITICAL, "preempted")
    ]
    assert [decision.reason for decision in answer.decisions] == [RuleReason.NOTIFIED]


def test_a_declared_rule_with_a_summary_says_the_summary() -> None:
    rule = declared_rule("mine", ["pod.evicted"], summary=compile_summary("{{ pod.id }} is off {{ pod.node }}"))
    (said,) = rule.consider(PodEvicted(**OF_POD, node="n1"), Context(now=NOW))
    assert isinstance(said, Notify)
    assert said.headline == "w0 is off n1"
    assert rule.severity is Severity.INFO


def test_a_declared_rule_listens_to_all_kinds_but_passed_deadlines() -> None:
    assert set(LISTENABLE) == KINDS - {"deadline.passed"}
    assert declared_rule("all", sorted(LISTENABLE)).Options().model_dump() == {}
    for on, message in (
        ([], "listens to nothing"),
        (["pod.evict"], "no event kind 'pod.evict'"),
        (["deadline.passed"], "no event kind"),
    ):
        with pytest.raises(ValueError, match=message):
            declared_rule("mine", on)

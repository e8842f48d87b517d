"""Whether a job still tells of anything."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.core.strategies import NOW, REF
from watcher.core.activity import Activity, activity, next_activity_question
from watcher.core.evidence import Action, Evidence, Question, Reading
from watcher.core.model import JobSnapshot, PodSnapshot
from watcher.core.root_cause import Level

SINCE = NOW - timedelta(hours=1)


def pod(name: str, role: str = "worker", status: str = "Running") -> PodSnapshot:
    return PodSnapshot(name, f"uid of {name}", role=role, status=status)


JOB = JobSnapshot(
    ref=REF,
    observed_at=NOW,
    status="Running",
    pods=(pod("w-2"), pod("w-1"), pod("w-0", status="Failed"), pod("z", "master")),
)


def asked(job: JobSnapshot, level: Level, *lines: tuple[str, ...]) -> tuple[list[str], Evidence]:
    """What is asked, in order, when the answers are these."""
    evidence: Evidence = ()
    names = []
    while (question := next_activity_question(job, SINCE, evidence, level)) is not None:
        names.append(question.pod.pod_id if question.pod else str(question.action))
        evidence += (Reading.of(question, lines[len(evidence)] if len(evidence) < len(lines) else ()),)
    return names, evidence


def test_the_leader_s_log_is_read_and_that_of_the_last_pod_only_if_it_is_silent() -> None:
    assert asked(JOB, "events+logs")[0] == ["GetJobEvents", "z", "w-2"]
    assert asked(JOB, "events+logs", (), ("step",))[0] == ["GetJobEvents", "z"]
    assert asked(replace(JOB, pods=(pod("w-1"),)), "events+logs")[0] == ["GetJobEvents", "w-1"]
    assert asked(replace(JOB, pods=None), "events+logs")[0] == ["GetJobEvents"]
    assert asked(JOB, "events")[0] == ["GetJobEvents"]
    assert asked(JOB, "none")[0] == []


def test_a_right_that_is_missing_is_not_asked_for_again() -> None:
    denied = Reading.failed(Question(Action.POD_LOGS, JOB.pods[3].key if JOB.pods else None), "no", denied=True)
    events = Reading.of(Question(Action.JOB_EVENTS), ())
    assert next_activity_question(JOB, SINCE, (events, denied), "events+logs") is None
    assert activity((events, denied), SINCE).logs_read is False


def test_a_line_counts_unless_it_says_itself_that_it_is_old() -> None:
    old, new = "2026-03-01T10:00:00Z step", "2026-03-01T11:30:00Z step"
    _, evidence = asked(JOB, "events+logs", (old,), ("step without a time", new))
    assert activity(evidence, SINCE) == Activity(
        events_seen=False,
        logs_seen=True,
        events_read=True,
        logs_read=True,
        last_event_at=NOW - timedelta(hours=2),
        last_log_at=NOW - timedelta(minutes=30),
    )
    assert activity(evidence, None).events_seen

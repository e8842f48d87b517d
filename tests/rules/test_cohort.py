"""The rule `cohort` over several jobs, through the engine's own `evaluate` and with the store's promise to keep one of each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from rules.cohort import CohortOptions, CohortRule
from watcher.api import Context, Fleet, JobFailed, JobRef, JobSnapshot, JobStopped, JobSucceeded, JobVanished, When
from watcher.core.events import CauseId, EventId
from watcher.core.model import JobId, JobSettings, SourceName, Watch
from watcher.core.rule import BoundRule, Notification, evaluate

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ENDS: dict[str, type[Any]] = {"Succeeded": JobSucceeded, "Failed": JobFailed, "Stopped": JobStopped}


class Sweep:
    """Jobs of one pipeline, and what was said about them."""

    def __init__(self, **options: Any) -> None:
        self.bound = BoundRule(name="cohort", rule=CohortRule(CohortOptions.model_validate(options)))
        self.fleet = Fleet()
        self.said: dict[str, Notification] = {}
        self.made: dict[str, datetime] = {}
        self.notes: list[str] = []

    def make(self, *names: str, minutes: float = 0) -> None:
        for name in names:
            self.made[name] = START + timedelta(minutes=minutes)
            self._note(name, "Running", self.made[name], vanished=False)

    def end(self, *names: str, minutes: float, status: str = "Succeeded") -> list[str]:
        """The headlines that follow, those told before left out."""
        now, before = START + timedelta(minutes=minutes), len(self.said)
        for name in names:
            job = self._note(name, status, now, vanished=status == "Running")
            identity: dict[str, Any] = {"id": EventId(f"{name}/{status}"), "when": When(observed_at=now)}
            identity |= {"cause": CauseId("c"), "job": job.ref}
            kind = ENDS.get(status)
            event = JobVanished(**identity, last_status=status) if kind is None else kind(**identity, status=status)
            answer = evaluate([self.bound], [event], Context(now=now, job=job, fleet=self.fleet))
            assert not answer.faults
            self.notes += [decision.note for decision in answer.decisions]
            for notification in answer.notifications:
                self.said.setdefault(notification.id, notification)
        return [notification.headline for notification in list(self.said.values())[before:]]

    def _note(self, name: str, status: str, now: datetime, *, vanished: bool) -> JobSnapshot:
        ended = status in ENDS
        job = JobSnapshot(
            ref=JobRef(SourceName("s"), JobId(name)),
            observed_at=now,
            status=status,
            name=name,
            created_at=self.made[name],
            running_at=self.made[name],
            finished_at=now if ended else None,
            requested_gpu=1,
            settings=JobSettings(pipeline_id="flow"),
        )
        self.fleet.note(Watch(job, 1, now, self.made[name], vanished=vanished), (), now)
        return job


def test_progress_is_told_at_the_given_parts_each_once() -> None:
    sweep = Sweep(progress=[0.25, 0.5, 0.75])
    sweep.make(*"abcdefgh")
    assert sweep.end("a", minutes=1) == []
    assert sweep.notes == ["cohort flow: 1 of 8 ended, 1 succeeded"]
    assert sweep.end("b", minutes=2) == ["Cohort flow: 2 of 8 ended, 2 succeeded"]
    assert sweep.end("c", minutes=3) == []
    assert sweep.end("d", minutes=4) == ["Cohort flow: 4 of 8 ended, 4 succeeded"]
    assert sweep.end("e", minutes=5) == []
    assert sweep.end("f", minutes=6, status="Stopped") == ["Cohort flow: 6 of 8 ended, 5 succeeded, 1 stopped"]
    assert sweep.end("g", minutes=7) == []
    assert sweep.end("h", minutes=8, status="Running") == [
        "Cohort flow: the last of 8 has ended, 6 succeeded, 1 stopped, 1 vanished"
    ]


def test_the_first_failure_is_a_warning_and_many_are_critical_each_once() -> None:
    sweep = Sweep(progress=[], failed_at=0.3)
    sweep.make(*"abcdefgh")
    assert sweep.end("a", minutes=1, status="Failed") == ["Cohort flow: first failure, 1 of 8 ended, 1 failed"]
    assert sweep.end("b", minutes=1, status="Failed") == []
    assert sweep.end("c", minutes=1, status="Failed") == ["Cohort flow: 3 of 8 failed"]
    assert sweep.end("d", "e", "f", minutes=1, status="Failed") == []
    assert [said.severity.value for said in sweep.said.values()] == ["warning", "critical"]
    assert dict(list(sweep.said.values())[1].facts)["Failed"] == "a, b, c"
    assert sweep.end("g", "h", minutes=2) == ["Cohort flow: the last of 8 has ended, 2 succeeded, 6 failed"]
    last = list(sweep.said.values())[-1]
    assert last.severity.value == "warning"
    assert dict(last.facts)["Failed"] == "a, b, c, 3 more"


def test_a_first_failure_that_is_many_at_once_is_told_as_many_only() -> None:
    sweep = Sweep(progress=[], failed_at=0.2)
    sweep.make(*"abcde")
    assert sweep.end("a", minutes=1, status="Failed") == ["Cohort flow: 1 of 5 failed"]


def test_failures_may_be_left_to_other_rules() -> None:
    sweep = Sweep(progress=[], failed_at=None, first_failure=False)
    sweep.make(*"abc")
    assert sweep.end("a", "b", minutes=1, status="Failed") == []
    assert sweep.end("c", minutes=1, status="Failed") == ["Cohort flow: the last of 3 has ended, 3 failed"]


def test_the_end_has_totals() -> None:
    sweep = Sweep(progress=[])
    sweep.make(*"abc")
    sweep.end("a", minutes=60)
    sweep.end("b", minutes=90)
    sweep.end("c", minutes=30)
    (said,) = sweep.said.values()
    assert dict(said.facts) == {
        "GPU-hours": "about 3.0",
        "Longest": "b, 1 h 30 m",
        "First made": "2026-03-02 08:00 UTC",
        "Last ended": "2026-03-02 09:30 UTC",
        "Took": "1 h 30 m",
    }
    assert said.severity.value == "info"


def test_a_job_that_joins_after_the_end_opens_the_cohort_and_the_end_is_told_again() -> None:
    sweep = Sweep(progress=[0.5])
    sweep.make(*"abc")
    assert sweep.end(*"abc", minutes=10)[-1] == "Cohort flow: the last of 3 has ended, 3 succeeded"
    sweep.make("d", minutes=20)
    # its progress was told before, and nothing else is news until the last one has ended
    assert sweep.end("d", minutes=40, status="Stopped") == [
        "Cohort flow: the last of 4 has ended, 3 succeeded, 1 stopped"
    ]
    # the same end seen again is not
    assert sweep.end("d", minutes=41, status="Stopped") == []


def test_the_same_name_used_again_later_is_told_from_the_beginning() -> None:
    sweep = Sweep(progress=[0.5], apart="1h")
    sweep.make(*"abcd")
    first = sweep.end(*"abcd", minutes=10)
    sweep.make(*"efgh", minutes=100)
    assert sweep.end(*"efgh", minutes=110) == first
    assert len(first) == 2


def test_of_few_jobs_nothing_is_said() -> None:
    sweep = Sweep(least=4)
    sweep.make(*"abc")
    assert sweep.end(*"abc", minutes=10, status="Failed") == []
    assert set(sweep.notes) == {"a cohort of 3, too few to speak of"}


def test_without_a_fleet_nothing_is_known() -> None:
    sweep = Sweep()
    sweep.make("a")
    sweep.fleet.forget(list(sweep.fleet.members))
    job = JobSnapshot(ref=JobRef(SourceName("s"), JobId("a")), observed_at=START, status="Failed")
    identity: dict[str, Any] = {"id": EventId("e"), "when": When(observed_at=START), "cause": CauseId("c")}
    answer = evaluate([sweep.bound], [JobFailed(**identity, job=job.ref, status="Failed")], Context(now=START, job=job))
    assert [decision.note for decision in answer.decisions] == ["no job of which a cohort is known"]


@pytest.mark.parametrize(
    "options",
    [
        {"by": "owner"},
        {"by": "regex:("},
        {"least": 0},
        {"progress": [1]},
        {"progress": [0]},
        {"failed_at": 0},
        {"failed_at": 1.5},
    ],
)
def test_options_that_could_never_be_meant_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CohortOptions.model_validate(options)

"""Rules that go by what is usual, over a fleet of jobs that waited and prepared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from rules.slow_start import SlowStartRule
from rules.stuck_pending import StuckPendingRule
from watcher.api import (
    Context,
    Deadline,
    DeadlinePassed,
    Fleet,
    Intent,
    JobAppeared,
    JobRef,
    JobSnapshot,
    Notify,
    Quantile,
    Silence,
    When,
)
from watcher.core.catalog import shown
from watcher.core.events import CauseId, EventId
from watcher.core.model import JobId, SourceName, StatusPeriod, Watch

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
DAY_BEFORE = START - timedelta(days=1)
MINUTE = timedelta(minutes=1)
REF = JobRef(SourceName("s"), JobId("dlc0"))


def ran(number: int, minutes: float, **members: Any) -> JobSnapshot:
    """A job of the day before that waited, or prepared, for so long."""
    began = DAY_BEFORE + minutes * MINUTE
    return JobSnapshot(
        ref=JobRef(SourceName("s"), JobId(f"dlc{number}")),
        observed_at=began,
        status="Succeeded",
        submitted_at=DAY_BEFORE,
        running_at=began,
        status_history=(StatusPeriod("EnvPreparing", DAY_BEFORE), StatusPeriod("Running", began)),
        **{"quota_id": "q", "priority": 5, "requested_gpu": 8, **members},
    )


def fleet_of(*jobs: JobSnapshot) -> Fleet:
    fleet = Fleet()
    for job in jobs:
        fleet.note(Watch(job, 1, START, START), (), START)
    return fleet


def waiting(status: str) -> JobSnapshot:
    return JobSnapshot(ref=REF, observed_at=START, status=status, quota_id="q", priority=5, requested_gpu=8)


def ask(rule: Any, status: str, fleet: Fleet, after: timedelta, *, passed: bool = True) -> list[Intent]:
    now = START + after
    identity: dict[str, Any] = {"id": EventId("e"), "when": When(observed_at=now), "cause": CauseId("c"), "job": REF}
    job = waiting(status)
    event = (
        DeadlinePassed(**identity, rule=rule.name, key="k", due_at=now)
        if passed
        else JobAppeared(**identity, status=status, phase=job.phase)
    )
    fleet.note(Watch(job, 1, START, START), (), START)
    return list(rule.consider(event, Context(now=now, job=job, phase_since=START, fleet=fleet)))


BOTH = pytest.mark.parametrize(
    ("rule_type", "status", "said"),
    [
        (
            StuckPendingRule,
            "Queuing",
            "Pending for 40 m; 95 % of 40 such jobs (quota q, priority 5, 8 GPUs) waited no longer",
        ),
        (
            SlowStartRule,
            "EnvPreparing",
            "Starting for 40 m, now EnvPreparing; 95 % of 40 such jobs (quota q, priority 5, 8 GPUs) prepared no longer",
        ),
    ],
)
FORTY = [ran(number, number) for number in range(1, 41)]


@BOTH
def test_it_speaks_when_the_usual_band_is_left_and_says_what_that_rests_on(
    rule_type: Any, status: str, said: str
) -> None:
    rule = rule_type(rule_type.Options(beyond="p95"))
    assert ask(rule, status, fleet_of(*FORTY), timedelta(0), passed=False)[0].at == START + 38 * MINUTE  # type: ignore[union-attr]
    (told,) = ask(rule, status, fleet_of(*FORTY), 40 * MINUTE)
    assert isinstance(told, Notify)
    assert str(told.headline) == f"{said} than 38 m"
    assert ("Usual", "half within 20 m, 90 % within 36 m, 95 % within 38 m") in shown(told.facts)


@BOTH
def test_a_band_that_has_grown_meanwhile_sets_a_later_deadline(rule_type: Any, status: str, said: str) -> None:
    rule = rule_type(rule_type.Options(beyond=0.5))
    longer = [ran(number, 100) for number in range(41, 101)]
    assert ask(rule, status, fleet_of(*FORTY, *longer), 30 * MINUTE) == [
        Deadline("pending" if status == "Queuing" else "starting", START + 100 * MINUTE)
    ]


@BOTH
def test_too_few_jobs_make_it_silent_until_it_looks_again(rule_type: Any, status: str, said: str) -> None:
    rule = rule_type(rule_type.Options(beyond="p95", least_jobs=41))
    silence, later = ask(rule, status, fleet_of(*FORTY), 90 * MINUTE)
    assert silence == Silence("only 40 such jobs are known (quota q)")
    assert isinstance(later, Deadline)
    assert later.at == START + 150 * MINUTE


@BOTH
def test_too_few_jobs_leave_the_fixed_time_where_there_is_one(rule_type: Any, status: str, said: str) -> None:
    rule = rule_type(rule_type.Options(beyond="p95", least_jobs=41, after="35m"))
    (told,) = ask(rule, status, fleet_of(*FORTY), 40 * MINUTE)
    assert isinstance(told, Notify)
    assert str(told.headline) in {"Pending for 40 m", "Starting for 40 m, now EnvPreparing"}


@BOTH
def test_a_wider_sort_is_named_where_the_narrow_one_is_too_small(rule_type: Any, status: str, said: str) -> None:
    rule = rule_type(rule_type.Options(beyond="p90"))
    others = [ran(number, number, priority=1) for number in range(1, 41)]
    (told,) = ask(rule, status, fleet_of(*others), 40 * MINUTE)
    assert isinstance(told, Notify)
    assert "90 % of 40 such jobs (quota q, 8 GPUs)" in str(told.headline)


@pytest.mark.parametrize(
    ("options", "minutes"),
    [
        ({"beyond": "p50"}, 20),
        ({"beyond": "p50", "factor": 3}, 60),
        ({"beyond": "p50", "at_least": "25m"}, 25),
        ({"beyond": "p50", "after": "1m"}, 20),  # the band is known, so the fixed time is not asked
        ({"after": "1m"}, 1),
        ({}, 30),
    ],
)
def test_the_deadline_follows_the_options(options: dict[str, Any], minutes: int) -> None:
    rule = StuckPendingRule(StuckPendingRule.Options.model_validate(options))
    assert ask(rule, "Queuing", fleet_of(*FORTY), timedelta(0), passed=False) == [
        Deadline("pending", START + minutes * MINUTE)
    ]


def test_usual_waiting_is_short_but_nothing_is_told_before_five_minutes() -> None:
    rule = StuckPendingRule(StuckPendingRule.Options.model_validate({"beyond": "p95"}))
    quick = [ran(number, 0.1) for number in range(1, 41)]
    assert ask(rule, "Queuing", fleet_of(*quick), timedelta(0), passed=False) == [
        Deadline("pending", START + 5 * MINUTE)
    ]


@pytest.mark.parametrize(("written", "part"), [("p95", 0.95), (" p99.5 ", 0.995), (0.5, 0.5)])
def test_a_quantile_is_written_as_percentile_or_part(written: object, part: float) -> None:
    assert TypeAdapter(Quantile).validate_python(written) == pytest.approx(part)


@pytest.mark.parametrize("written", ["p100", "95", "95%", "p0", 0, 1, 95, -0.1, None])
def test_anything_else_is_no_quantile(written: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Quantile).validate_python(written)


@pytest.mark.parametrize("options", [{"least_jobs": 1}, {"factor": 0}, {"beyond": "p100"}, {"at_least": 5}])
def test_options_that_could_never_be_meant_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        StuckPendingRule.Options.model_validate(options)

"""When `root-cause` asks, and that it asks once for each attempt: the case files tell what is said, not what is asked."""

from __future__ import annotations

from typing import Any

import pytest

from rules.root_cause import RootCauseOptions, RootCauseRule
from tests.core.strategies import NOW, happening, job
from watcher.core.events import Event, JobFailed, JobRestarted, JobStatusChanged, JobStopped, PodEvicted
from watcher.core.model import JobSnapshot, RestartCount
from watcher.core.phases import Phase
from watcher.core.rule import Context, Investigate, Silence

FAILED = happening(JobFailed, status="Failed", lived=None)
RESERVED = happening(
    JobStatusChanged, old_status="Running", new_status="FailedReserving", old_phase=Phase.RUNNING,
    new_phase=Phase.RESERVED_FAILED,
)  # fmt: skip
RESTARTED = happening(JobRestarted, used=2, limit=10)
EVICTED = happening(PodEvicted)
STOPPED = happening(JobStopped, status="Stopped", lived=None)
ALL = RootCauseOptions(restarts=True, evictions=True)


def asked(event: Event, options: RootCauseOptions | None = None, **context: Any) -> list[str]:
    """The keys of what it asks."""
    told = list(RootCauseRule(options).consider(event, Context(now=NOW, **context)))
    assert all(isinstance(one, Investigate | Silence) for one in told)
    return [one.key for one in told if isinstance(one, Investigate)]


def after(restarts: str) -> JobSnapshot:
    return job("Failed", restarts=RestartCount.parse(restarts))


def test_a_failure_is_asked_about_once_decided_or_final() -> None:
    assert asked(FAILED, job=after("2/10")) == asked(RESERVED, job=after("2/10")) == ["attempt 3"]
    assert asked(FAILED) == asked(FAILED, job=after("")) == ["attempt 1"]


def test_a_restart_ends_the_attempt_that_has_its_number() -> None:
    assert asked(RESTARTED, ALL, job=after("2/10")) == ["attempt 2"]
    assert asked(EVICTED, ALL, job=after("2/10"), previous=after("1/10")) == ["attempt 2"], "seen in the same look"
    assert asked(EVICTED, ALL, job=after("1/10")) == ["attempt 2"]


@pytest.mark.parametrize("event", [RESTARTED, EVICTED, STOPPED])
def test_by_default_nothing_but_a_failure_is_asked_about(event: Event) -> None:
    assert asked(event, job=after("1/10")) == []
    assert asked(STOPPED, ALL) == []

"""What `hang-suspected` asks for; what it makes of the answers is in its cases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from rules.hang_suspected import HangSuspectedOptions, HangSuspectedRule
from watcher.api import (
    Context,
    Deadline,
    DeadlinePassed,
    Intent,
    Investigate,
    JobActivityChecked,
    JobRef,
    JobSnapshot,
    Notify,
    Topic,
    When,
)
from watcher.core.events import CauseId, EventId
from watcher.core.model import JobId, SourceName

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
REF = JobRef(SourceName("s"), JobId("dlc1"))


def ask(event_type: type[Any], after: timedelta, **members: Any) -> list[Intent]:
    now = START + after
    event = event_type(id=EventId("e"), when=When(observed_at=now), cause=CauseId("c"), job=REF, **members)
    job = JobSnapshot(ref=REF, observed_at=now, status="Running")
    return list(HangSuspectedRule().consider(event, Context(now=now, job=job, phase_since=START)))


def passed(key: str, after: timedelta) -> list[Intent]:
    return ask(DeadlinePassed, after, rule="hang-suspected", key=key, due_at=START + after)


def test_a_look_asks_about_the_time_that_may_be_silent() -> None:
    (look,) = passed("look", 3 * HOUR)
    assert look == Investigate(
        topic=Topic.ACTIVITY, key="hang-suspected/2026-03-02T11:00:00+00:00", since=START + 2 * HOUR
    )


def test_a_look_that_comes_too_early_is_put_off() -> None:
    assert passed("look", HOUR / 2) == [Deadline("look", START + HOUR)]


def test_a_silence_that_was_told_is_asked_about_from_its_beginning_and_told_under_the_same_key() -> None:
    quiet = ask(
        JobActivityChecked, 2 * HOUR, explains=EventId("d"), since=START + HOUR, logs_read=True, events_read=True
    )
    clock = next(intent for intent in quiet if isinstance(intent, Deadline))
    told = next(intent for intent in quiet if isinstance(intent, Notify))
    (look,) = passed(clock.key, 3 * HOUR)
    assert isinstance(look, Investigate)
    assert look.since == START + HOUR
    still = ask(JobActivityChecked, 3 * HOUR, explains=EventId("d"), since=look.since, logs_read=True)
    again = next(intent for intent in still if isinstance(intent, Notify))
    assert again.dedup_key == told.dedup_key
    assert str(again.headline) == "Running, but nothing was heard of it for 2 h"


def test_a_silence_from_before_a_restart_begins_with_the_run() -> None:
    (look,) = passed("quiet since 2026-03-02T07:00:00+00:00", HOUR)
    assert isinstance(look, Investigate)
    assert look.since == START


def test_a_key_that_nobody_wrote_is_a_look_like_any_other() -> None:
    assert passed("quiet since yesterday", 3 * HOUR) == passed("look", 3 * HOUR)


@pytest.mark.parametrize("options", [{"silent_for": "1m"}, {"every": "10s"}])
def test_a_flood_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        HangSuspectedOptions.model_validate(options)

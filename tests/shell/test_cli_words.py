from __future__ import annotations

from datetime import UTC, datetime, timedelta

from watcher.cli.words import attempt_words
from watcher.core.attempts import AttemptCause, AttemptEnd, JobAttempt


def shown(time: datetime | None) -> str:
    return "" if time is None else f"{time:%H:%M}"


def test_an_attempt_says_when_it_ran_how_it_ended_and_what_it_cost_to_get_there() -> None:
    eight = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
    ended = JobAttempt(
        number=2,
        of=11,
        started_at=eight,
        ended_at=eight + timedelta(hours=1),
        end=AttemptEnd.RESTARTED,
        cause=AttemptCause.EVICTED,
        down=timedelta(seconds=190),
        gpu_hours_down=1.37,
    )
    assert attempt_words(ended, shown) == (
        "attempt 2 of 11: 08:00 - 09:00, restarted (evicted), 3 m 10 s down before it, about 1.4 GPU-hours"
    )
    assert attempt_words(JobAttempt(number=3), shown) == "attempt 3: ? - now"
    lost = JobAttempt(number=1, end=AttemptEnd.STOPPED, cause=AttemptCause.UNKNOWN)
    assert attempt_words(lost, shown) == "attempt 1: ? - ?, stopped (unknown)"

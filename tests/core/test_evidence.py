"""Readings, and the times that lines tell."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from watcher.core.evidence import Action, Question, Reading, missing_permission, newest, time_of, unread
from watcher.core.model import PodKey

LOGS = Question(Action.POD_LOGS, PodKey("w-0", "u"))
EIGHT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "time"),
    [
        ("2026-03-02T08:00:00Z step", EIGHT),
        ("[2026-03-02 16:00:00.123+08:00] step", EIGHT),
        ("INFO 2026-03-02 08:00:00,123 UTC step", EIGHT),
        ("2026-03-02 08:00:00 step", None),
        ("2026-13-02T08:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("x" * 100 + "2026-03-02T08:00:00Z", None),
        ("step", None),
    ],
)
def test_a_line_tells_its_time_where_it_tells_its_offset_too(line: str, time: datetime | None) -> None:
    assert time_of(line) == time


def test_the_newest_counts_wherever_it_stands() -> None:
    assert newest(["2026-03-02T08:00:00Z a", "2026-03-02T07:00:00Z b", "c"]) == EIGHT
    assert newest(["c"]) is None


def test_no_line_is_shown_by_accident() -> None:
    assert "hunter2" not in repr(Reading.of(LOGS, ["password is hunter2"]))
    assert Reading.of(LOGS, ["a\x1b[0mb"]).lines == ("ab",)


def test_what_could_not_be_read_is_told_once_and_without_secrets() -> None:
    evidence = (
        Reading.of(LOGS, []),
        Reading.failed(LOGS, "no; token=abcdef"),
        Reading.failed(Question(Action.JOB_EVENTS), "no; token=abcdef", denied=True),
        Reading.failed(LOGS, "HTTP 503"),
    )
    assert unread(evidence) == "no; token=***; HTTP 503"
    assert missing_permission(evidence) == "paidlc:GetJobEvents"
    assert unread(evidence[:1]) == missing_permission(evidence[:1]) == ""

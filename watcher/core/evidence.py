"""What was read about a job besides GetJob: questions as values, and the lines that came for an answer.

Held in memory while a cause is sought and then dropped: lines of logs may hold secrets, so they are in no `repr`, and nothing here
is ever stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from watcher.core.model import PodKey
from watcher.core.redaction import redact, without_blocks


class Action(StrEnum):
    """What can be asked, as the API calls it."""

    JOB_EVENTS = "GetJobEvents"
    POD_EVENTS = "GetPodEvents"
    POD_LOGS = "GetPodLogs"


@dataclass(frozen=True, slots=True)
class Question:
    """One request.

    Attributes:
        action: what to ask.
        pod: about which incarnation; None for the job.
        pod_uid: its uid as DLC knows it, or "".
        since: only what is newer, or None.
        most: the most lines wanted.
    """

    action: Action
    pod: PodKey | None = None
    pod_uid: str = ""
    since: datetime | None = None
    most: int = 200


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a question.

    Attributes:
        question: what was asked.
        lines: the answer; empty when it was empty, or failed.
        error: why it failed, or "".
        permission: the right that was missing, or "".
    """

    question: Question
    lines: tuple[str, ...] = field(default=(), repr=False)
    error: str = ""
    permission: str = ""

    @classmethod
    def of(cls, question: Question, lines: Iterable[str]) -> Reading:
        """An answer, made fit for reading: without colours, control characters, and keys of several lines."""
        return cls(question, without_blocks(tuple(lines)))

    @classmethod
    def failed(cls, question: Question, error: str, *, denied: bool = False) -> Reading:
        """No answer."""
        return cls(question, error=redact(error), permission=f"paidlc:{question.action}" if denied else "")


Evidence = tuple[Reading, ...]
"""All that was read, in the order in which it was asked."""


def unread(evidence: Evidence) -> str:
    """What could not be read and why, in words; "" when nothing failed."""
    errors = dict.fromkeys(reading.error for reading in evidence if reading.error)
    return "; ".join(errors)


def missing_permission(evidence: Evidence) -> str:
    """The rights that were missing, or ""."""
    return ", ".join(dict.fromkeys(reading.permission for reading in evidence if reading.permission))


_TIME: Final = re.compile(
    r"(?<!\d)(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d{1,9})?\s?(Z|UTC|[+-]\d\d:?\d\d)?", re.IGNORECASE
)
_HEAD: Final = 80
"""Characters at the beginning of a line in which its time is looked for."""


def time_of(line: str) -> datetime | None:
    """The time at the beginning of a line, where it tells its offset from UTC. The form of lines is not documented."""
    found = _TIME.search(line[:_HEAD])
    if found is None or found[3] is None:
        return None
    zone = "+00:00" if found[3].upper() in {"Z", "UTC"} else found[3]
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[2]}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def newest(lines: Iterable[str]) -> datetime | None:
    """The newest time that the lines tell, or None."""
    return max(filter(None, map(time_of, lines)), default=None)

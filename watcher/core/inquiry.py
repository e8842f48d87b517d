"""A question that a rule wants answered by more than GetJob tells: a deadline that is due at once, under a name of its own.

A rule yields `Investigate`; `evaluate` turns it into a `RuleDeadline` of the rule `INVESTIGATOR`, whose key holds the inquiry. So
it is committed with the event that gave rise to it, survives a crash, and is put off by moving it, like every other deadline. Its
answer is an event, whose id is made from the job, the topic and the key: an inquiry that is made twice is answered once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from watcher.core.events import EventId, deterministic_id
from watcher.core.model import JobRef

INVESTIGATOR: Final = "@investigator"
"""Owner of the deadlines that are inquiries. No rule is ever asked about them."""

_NONE: Final = "-"


class Topic(StrEnum):
    """What can be asked."""

    CAUSE = "cause"
    """Why did it fail? Answered by `job.cause_found`."""
    ACTIVITY = "activity"
    """Does it still do anything? Answered by `job.activity_checked`."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One question about one job.

    Attributes:
        topic: what is asked.
        event_id: the event that gave rise to it.
        key: what makes it the same question as before.
        since: for `activity`: whether anything happened after this time. None: as far back as DLC tells.
        tries: how often answering it failed so far.
    """

    topic: Topic
    event_id: EventId
    key: str
    since: datetime | None = None
    tries: int = 0

    @property
    def text(self) -> str:
        """As the key of a deadline."""
        since = _NONE if self.since is None else self.since.isoformat()
        return f"{self.topic} {self.tries} {since} {self.event_id} {self.key}"

    @classmethod
    def parse(cls, text: str) -> Inquiry:
        """Read what `text` wrote.

        Raises:
            ValueError: it did not.
        """
        topic, tries, since, event_id, key = text.split(" ", 4)
        asked_since = None if since == _NONE else datetime.fromisoformat(since)
        return cls(Topic(topic), EventId(event_id), key, asked_since, int(tries))

    def answer_id(self, job: JobRef) -> EventId:
        """The id of the event that answers it."""
        return EventId(deterministic_id("inquiry", self.topic, job, self.key))

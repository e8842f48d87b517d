"""What people can answer to a message from where they read it: take it on, silence its job, see the end of a log.

A press of a button comes back as a `Press`. What it does is decided elsewhere from rows, as with the commands of the same names
(`ack`, `silence`); here is what it means. A press is a stranger's word until its far side has vouched for it, which is the
notifier's matter; what it names is looked up and never trusted: an unknown notification, or job, has nothing to answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from glob import escape
from typing import Any, Final

from watcher.core.events import deterministic_id
from watcher.core.evidence import Action as Asked
from watcher.core.evidence import Question
from watcher.core.language import PLAIN, Locale, Text
from watcher.core.matching import LabelTest, Matcher, Operator
from watcher.core.model import JobId, JobRef, JobSnapshot, SourceName
from watcher.core.phases import PodPhase
from watcher.core.redaction import redact
from watcher.core.root_cause import suspects
from watcher.core.rule import NotificationId
from watcher.core.silencing import Silencing, SilencingId

SILENCED_FOR: Final = timedelta(hours=1)

MOST_LINES: Final = 200
"""Of a log; the last ones tell how it ended."""

_MOST_NAMED: Final = 40
"""Notifications that one button takes on."""


class ButtonAction(StrEnum):
    """What a button does. Closed."""

    ACKNOWLEDGE = "acknowledge"
    SILENCE_HOUR = "silence-hour"
    SILENCE_JOB = "silence-job"
    LOGS = "logs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """Somebody pressed a button.

    Attributes:
        id: of this press, the same if it is told again.
        receiver: where.
        about: what the button was made for (`about_job`, `about_news`).
        by: who, as people know them.
        user: who, as the far side names them.
        place: where the message stands.
        message: the message's reference.
        thread: that of its thread.
        shown: the message as the far side shows it.
        locale: how people there are spoken to.
    """

    id: str
    receiver: str
    action: ButtonAction
    about: str
    by: str
    user: str
    place: str
    message: str
    thread: str
    shown: Mapping[str, Any] = field(default_factory=dict)
    locale: Locale = PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a press brought about.

    Attributes:
        said: in a line.
        settles: the question of the message is settled: it shows this from now on in place of its button.
        private: it matters to whoever pressed only.
        name: of a long text, as a file is named; "" for none.
        text: the long text, already without secrets.
    """

    said: Text
    settles: bool = False
    private: bool = False
    name: str = ""
    text: str = field(default="", repr=False)


def about_job(job: JobRef) -> str:
    """For buttons that concern a job."""
    return str(job)


def about_news(notifications: Iterable[NotificationId]) -> str:
    """For buttons that concern what was told; the last of very many."""
    return ",".join([one for one in dict.fromkeys(notifications) if one][-_MOST_NAMED:])


def job_meant(press: Press) -> JobRef | None:
    """The job that a press names; None where it names none."""
    source, _, job_id = press.about.partition("/")
    return JobRef(SourceName(source), JobId(job_id)) if source and job_id else None


def news_meant(press: Press) -> tuple[NotificationId, ...]:
    """The notifications that a press names."""
    return tuple(NotificationId(one) for one in press.about.split(",")[:_MOST_NAMED] if one)


def silence_meant(press: Press, job: JobRef, now: datetime) -> Silencing:
    """The silence that a press asks for. The same press makes the same silence."""
    return Silencing(
        id=SilencingId(deterministic_id("silence", press.receiver, press.id)[:8]),
        match=of_job(job),
        created_at=now,
        until=now + SILENCED_FOR if press.action is ButtonAction.SILENCE_HOUR else None,
        author=press.by,
        comment=f"by a button at {press.receiver}",
        job=job,
    )


def of_job(job: JobRef) -> Matcher:
    """What is about exactly this job."""
    labels = (("source", job.source), ("job", job.job_id))
    return Matcher(tuple(LabelTest(label, Operator.IS, (escape(value),)) for label, value in labels))


def log_question(job: JobSnapshot) -> Question | None:
    """Whose log tells most: that of the pod that failed first, else of one that runs; None where no pod has one."""
    pods = job.pods or ()
    failed = [pod for pod in suspects(job, None) if pod.evicted or pod.phase is PodPhase.FAILED]
    ran = [pod for pod in pods if pod.phase is not PodPhase.PENDING]
    chosen = next(iter([*failed, *sorted(ran, key=lambda pod: (pod.role != "master", pod.pod_id))]), None)
    return None if chosen is None else Question(Asked.POD_LOGS, chosen.key, chosen.uid, most=MOST_LINES)


def excerpt(lines: Iterable[str]) -> str:
    """The last lines of a log, without what looks like a secret."""
    return redact("\n".join(list(lines)[-MOST_LINES:]))

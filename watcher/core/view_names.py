"""The names that conditions and summaries may use, as tables: the shape of each, what it holds, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType, NoneType
from typing import Any, Final, get_args, get_type_hints

from watcher.core.attempts import JobAttempt, first_ran_at, timeline, waited
from watcher.core.events import EVENT_TYPES, Event, kind_of
from watcher.core.incarnations import evictions
from watcher.core.model import JobSnapshot
from watcher.core.phases import LIVE, Phase
from watcher.core.plain_text import cut, cut_all
from watcher.core.rule import Context


class Shape(StrEnum):
    """What kind of value stands under a name."""

    TEXT = "text"
    WHOLE = "whole number"
    NUMBER = "number"
    FLAG = "true or false"
    TIME = "time"
    LENGTH = "length of time"
    ROW = "list of texts"
    TEXTS = "map of texts"
    LISTS = "map of lists of texts"


class Absent(dict[str, object]):
    """A map whose missing keys are empty, for templates."""

    def __missing__(self, key: str) -> str:
        return ""


EMPTY: Final[Mapping[Shape, object]] = MappingProxyType(
    {
        Shape.TEXT: "",
        Shape.WHOLE: 0,
        Shape.NUMBER: 0.0,
        Shape.FLAG: False,
        Shape.TIME: datetime(1970, 1, 1, tzinfo=UTC),
        Shape.LENGTH: timedelta(0),
        Shape.ROW: [],
        Shape.TEXTS: Absent(),
        Shape.LISTS: Absent(),
    }
)

_SAMPLE: Final[Mapping[Shape, object]] = MappingProxyType(
    {
        Shape.TEXT: "sample",
        Shape.WHOLE: 2,
        Shape.NUMBER: 8.0,
        Shape.FLAG: True,
        Shape.TIME: datetime(2026, 1, 1, 12, tzinfo=UTC),
        Shape.LENGTH: timedelta(hours=2),
        Shape.ROW: ["sample"],
        Shape.TEXTS: Absent(team="sample"),
        Shape.LISTS: Absent(name=["sample"]),
    }
)


@dataclass(frozen=True, slots=True)
class JobName:
    """One name under `job`: its shape, what it holds, and how it is read."""

    shape: Shape
    about: str
    read: Callable[[JobSnapshot, Context], object]


def _running_for(job: JobSnapshot, context: Context) -> timedelta | None:
    if job.running_at is None or (job.phase in LIVE and job.phase is not Phase.RUNNING):
        return None
    return (job.finished_at or context.now) - job.running_at


JOB_NAMES: Final[Mapping[str, JobName]] = MappingProxyType(
    {
        "job.id": JobName(Shape.TEXT, "job id", lambda job, _: job.ref.job_id),
        "job.source": JobName(Shape.TEXT, "name of the source in the configuration", lambda job, _: job.ref.source),
        "job.name": JobName(Shape.TEXT, "job name (DisplayName)", lambda job, _: job.name),
        "job.type": JobName(Shape.TEXT, "job type, for example PyTorchJob", lambda job, _: job.job_type),
        "job.status": JobName(Shape.TEXT, "raw status", lambda job, _: job.status),
        "job.sub_status": JobName(Shape.TEXT, "raw sub-status", lambda job, _: job.sub_status),
        "job.phase": JobName(Shape.TEXT, "folded status, for example pending", lambda job, _: job.phase.value),
        "job.reason_code": JobName(Shape.TEXT, "DLC's reason code", lambda job, _: job.reason_code),
        "job.reason_message": JobName(Shape.TEXT, "DLC's reason message", lambda job, _: job.reason_message),
        "job.region": JobName(Shape.TEXT, "region id", lambda job, _: job.region),
        "job.workspace": JobName(Shape.TEXT, "workspace id", lambda job, _: job.workspace_id),
        "job.workspace_name": JobName(Shape.TEXT, "workspace name", lambda job, _: job.workspace_name),
        "job.user": JobName(Shape.TEXT, "user id", lambda job, _: job.user_id),
        "job.user_name": JobName(Shape.TEXT, "user name", lambda job, _: job.user_name),
        "job.quota": JobName(Shape.TEXT, "quota id", lambda job, _: job.quota_id),
        "job.quota_name": JobName(Shape.TEXT, "quota name", lambda job, _: job.quota_name),
        "job.resource_type": JobName(Shape.TEXT, "ECS, Lingjun or ACS", lambda job, _: job.resource_type),
        "job.priority": JobName(Shape.WHOLE, "priority, 1 to 9", lambda job, _: job.priority),
        "job.gpus": JobName(Shape.NUMBER, "GPUs in all, may be fractional", lambda job, _: job.gpus),
        "job.spot": JobName(Shape.FLAG, "a role runs on spot instances", lambda job, _: any(r.spot for r in job.roles)),
        "job.tags": JobName(Shape.TEXTS, "tags, for example job.tags.team", lambda job, _: Absent(cut_all(job.tags))),
        "job.restarts.used": JobName(Shape.WHOLE, "restarts so far", lambda job, _: job.restarts.used),
        "job.restarts.limit": JobName(Shape.WHOLE, "the most restarts there may be", lambda job, _: job.restarts.limit),
        "job.age": JobName(
            Shape.LENGTH, "since creation", lambda job, seen: seen.now - job.created_at if job.created_at else None
        ),
        "job.running_for": JobName(
            Shape.LENGTH, "since it began running, while it runs or up to its end", _running_for
        ),
        "job.url": JobName(Shape.TEXT, "link to the console", lambda _, seen: seen.console_url),
    }
)
"""Everything under `job`."""


@dataclass(frozen=True, slots=True)
class AttemptName:
    """One name under `attempt`: its shape, what it holds, and how it is read off the present attempt."""

    shape: Shape
    about: str
    read: Callable[[JobAttempt, Context], object]


def _former(attempt: JobAttempt, context: Context) -> JobAttempt:
    return context.attempt(attempt.number - 1) or JobAttempt(number=0)


ATTEMPT_NAMES: Final[Mapping[str, AttemptName]] = MappingProxyType(
    {
        "attempt.number": AttemptName(
            Shape.WHOLE, "which attempt of the job this is, from 1; after restart 2 it is 3", lambda one, _: one.number
        ),
        "attempt.of": AttemptName(
            Shape.WHOLE, "how many there may be; 0 when DLC tells no limit", lambda one, _: one.of
        ),
        "attempt.started_at": AttemptName(Shape.TIME, "when it began to run", lambda one, _: one.started_at),
        "attempt.ended_at": AttemptName(Shape.TIME, "when it ended", lambda one, _: one.ended_at),
        "attempt.ran": AttemptName(Shape.LENGTH, "how long it ran, once it has ended", lambda one, _: one.ran),
        "attempt.end": AttemptName(
            Shape.TEXT, "how it ended: succeeded, failed or stopped; empty while it goes on", lambda one, _: one.end
        ),
        "attempt.cause": AttemptName(
            Shape.TEXT,
            "why it ended: evicted, preempted, spot-reclaimed, node-fault, process-failure, user, completed or unknown",
            lambda one, _: one.cause,
        ),
        "attempt.after": AttemptName(
            Shape.TEXT, "why the attempt before it ended, in the same words", lambda one, seen: _former(one, seen).cause
        ),
        "attempt.down": AttemptName(
            Shape.LENGTH, "how long the job was down between the attempt before and this one", lambda one, _: one.down
        ),
        "attempt.gpu_hours_lost": AttemptName(
            Shape.NUMBER, "the job's GPUs times `attempt.down`, in hours", lambda one, _: one.gpu_hours_down
        ),
        "attempt.lost_run": AttemptName(
            Shape.LENGTH,
            "how long the attempt before it ran: the most work that can be lost; DLC does not know of checkpoints",
            lambda one, seen: _former(one, seen).ran,
        ),
    }
)
"""Everything under `attempt`: the present attempt of the job."""


HISTORY_NAMES: Final[Mapping[str, JobName]] = MappingProxyType(
    {
        "history.statuses": JobName(
            Shape.ROW,
            'the raw statuses it went through, oldest first, the present one last: "Queuing" in history.statuses',
            lambda job, seen: [cut(entry.status) for entry in timeline(job, seen.course)],
        ),
        "history.restarts": JobName(Shape.WHOLE, "restarts so far", lambda _, seen: len(seen.attempts) - 1),
        "history.evictions": JobName(
            Shape.WHOLE, "how many pod incarnations were evicted so far", lambda job, _: evictions(job.pods or ())
        ),
        "history.first_running_at": JobName(
            Shape.TIME, "when it first ran", lambda job, seen: first_ran_at(job, seen.course)
        ),
        "history.waited": JobName(
            Shape.LENGTH,
            "from submission to its first run, or up to now while it has not run",
            lambda job, seen: waited(job, seen.course, seen.now),
        ),
    }
)
"""Everything under `history`."""

OTHER_NAMES: Final[Mapping[str, tuple[Shape, str]]] = MappingProxyType(
    {
        "pod.id": (Shape.TEXT, "pod id"),
        "pod.role": (Shape.TEXT, "role, for example worker"),
        "pod.node": (Shape.TEXT, "node name"),
        "pod.ip": (Shape.TEXT, "address"),
        "pod.status": (Shape.TEXT, "raw pod status"),
        "pod.evicted": (Shape.FLAG, "DLC says it was taken off its node"),
        "labels": (Shape.LISTS, 'what `match` and routes look at, for example "prod" in labels.name'),
        "now": (Shape.TIME, "the time of this evaluation"),
        "phase_age": (Shape.LENGTH, "how long the job has been in its phase"),
        "event.kind": (Shape.TEXT, "event kind, for example pod.evicted"),
        "event.at": (Shape.TIME, "when it happened, else when it was seen"),
        "event.observed_at": (Shape.TIME, "when it was seen"),
        "event.provenance": (Shape.TEXT, "observed, reported or inferred"),
        "event.late": (Shape.FLAG, "it happened while the watcher was away and is told after the fact"),
    }
)
"""Everything else that is there whatever the event; the rest of `event` is the event's own members."""

_SHAPES: Final[Mapping[type, Shape]] = {
    str: Shape.TEXT,
    bool: Shape.FLAG,
    int: Shape.WHOLE,
    float: Shape.NUMBER,
    datetime: Shape.TIME,
    timedelta: Shape.LENGTH,
}
_NOT_MEMBERS: Final = frozenset({"id", "when", "cause", "job", "pod", "kind"})


def _shape_of(hint: Any) -> Shape:
    """The shape of a type hint; of `X | None` that of X; of a NewType or an enum over text, text."""
    held = next(part for part in get_args(hint) or (hint,) if part is not NoneType)
    plain = getattr(held, "__supertype__", held)
    return next(_SHAPES[known] for known in plain.__mro__ if known in _SHAPES)


def _members(event_type: type[Event]) -> dict[str, Shape]:
    hints = get_type_hints(event_type)
    names = [field.name for field in fields(event_type) if field.name not in _NOT_MEMBERS]
    return {f"event.{name}": _shape_of(hints[name]) for name in names}


EVENT_NAMES: Final[Mapping[str, Mapping[str, Shape]]] = MappingProxyType(
    {kind_of(event_type): MappingProxyType(_members(event_type)) for event_type in EVENT_TYPES}
)
"""Event kind -> the names of its own members."""


def names_for(kinds: Collection[str]) -> dict[str, Shape]:
    """Every name that a rule on these event kinds may use, with its shape."""
    names = {name: entry.shape for name, entry in (*JOB_NAMES.items(), *HISTORY_NAMES.items())}
    names |= {name: entry.shape for name, entry in ATTEMPT_NAMES.items()}
    names |= {name: shape for name, (shape, _) in OTHER_NAMES.items()}
    for kind in sorted(kinds):
        names |= EVENT_NAMES[kind]
    return names


def wanted(names: Mapping[str, Shape], text: str) -> dict[str, Shape]:
    """Without the names under `attempt` and `history` where a text does not speak of them: they are dear to work out."""
    dear = [root for root in ("attempt", "history") if root not in text]
    return {name: shape for name, shape in names.items() if name.partition(".")[0] not in dear}


def sample(names: Mapping[str, Shape]) -> dict[str, object]:
    """A made-up value for every name, for trying a condition or summary when the configuration loads."""
    return {name: _SAMPLE[shape] for name, shape in names.items()}

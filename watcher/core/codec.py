"""Values to JSON and back: how snapshots, watches, events and notifications are written down.

Only what the value types hold can be written, so secrets stay out here too. Datetimes are ISO 8601 in UTC with a `Z`, lengths of
time are ISO 8601 durations. Members are only ever added to the types, with defaults: text written by an older version reads back
with those defaults, and members that a newer version added are passed over.

Reading raises `ValueError` (pydantic's `ValidationError`) when the text is not what it should be.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Final

from pydantic import Discriminator, TypeAdapter
from pydantic_core import to_jsonable_python

from watcher.core.events import Event
from watcher.core.fleet import Brief
from watcher.core.model import JobSnapshot, PodSnapshot, Watch
from watcher.core.rule import Notification

_EVENT: Final = Annotated[Event, Discriminator("kind")]


@cache
def _adapter(form: Any) -> TypeAdapter[Any]:
    """Built at first use: it costs some milliseconds that a command which stores nothing need not pay."""
    return TypeAdapter(form)


def event_to_json(event: Event) -> bytes:
    """An event as UTF-8 JSON; `kind` says which one it is."""
    return _adapter(_EVENT).dump_json(event)


def event_from_json(text: bytes | str) -> Event:
    """The event of that kind.

    Raises:
        ValueError: not an event, or of a kind this version does not know.
    """
    event: Event = _adapter(_EVENT).validate_json(text)
    return event


def snapshot_to_json(snapshot: JobSnapshot) -> bytes:
    """A snapshot as UTF-8 JSON."""
    return _adapter(JobSnapshot).dump_json(snapshot)


def snapshot_from_json(text: bytes | str) -> JobSnapshot:
    """The snapshot.

    Raises:
        ValueError: not a snapshot.
    """
    snapshot: JobSnapshot = _adapter(JobSnapshot).validate_json(text)
    return snapshot


def pods_to_json(pods: tuple[PodSnapshot, ...]) -> bytes:
    """Pods as UTF-8 JSON."""
    return _adapter(tuple[PodSnapshot, ...]).dump_json(pods)


def pods_from_json(text: bytes | str) -> tuple[PodSnapshot, ...]:
    """The pods.

    Raises:
        ValueError: not pods.
    """
    pods: tuple[PodSnapshot, ...] = _adapter(tuple[PodSnapshot, ...]).validate_json(text)
    return pods


def watch_to_json(watch: Watch) -> bytes:
    """A watch, its snapshot included, as UTF-8 JSON."""
    return _adapter(Watch).dump_json(watch)


def watch_from_json(text: bytes | str) -> Watch:
    """The watch.

    Raises:
        ValueError: not a watch.
    """
    watch: Watch = _adapter(Watch).validate_json(text)
    return watch


def brief_to_json(brief: Brief) -> bytes:
    """What a start must know of a job, as UTF-8 JSON."""
    return _adapter(Brief).dump_json(brief, exclude_defaults=True)


def briefs_from_json(texts: Sequence[bytes | str]) -> list[Brief]:
    """The same of many jobs, read back as one text: a start reads all there are, and a call for each is a third of it.

    Raises:
        ValueError: one of them is none.
    """
    joined = ",".join(text if isinstance(text, str) else text.decode() for text in texts)
    briefs: list[Brief] = _adapter(list[Brief]).validate_json(f"[{joined}]")
    if len(briefs) != len(texts):
        raise ValueError(f"{len(texts)} texts hold {len(briefs)} values")
    return briefs


def notification_to_json(notification: Notification) -> bytes:
    """A notification as UTF-8 JSON."""
    return _adapter(Notification).dump_json(notification)


def notification_from_json(text: bytes | str) -> Notification:
    """The notification.

    Raises:
        ValueError: not a notification.
    """
    notification: Notification = _adapter(Notification).validate_json(text)
    return notification


def plain(value: Any) -> Any:
    """Any of our values as plain data for JSON: dataclasses become dicts, tuples lists, times and enums texts."""
    return to_jsonable_python(value)

"""Between values and rows. Long, because each table has its pair."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import Select, select

from watcher.core.codec import (
    brief_to_json,
    briefs_from_json,
    event_from_json,
    event_to_json,
    notification_from_json,
    notification_to_json,
    plain,
    snapshot_to_json,
    watch_from_json,
    watch_to_json,
)
from watcher.core.delivery import Delivery, DeliveryReason, DeliveryState, FlushId, Receipt
from watcher.core.events import EVENT_VERSION, Event, job_of
from watcher.core.fleet import Brief, brief_of
from watcher.core.model import JobRef, JobSnapshot, Watch
from watcher.core.people import Address
from watcher.core.recipients import Acceptance, RecipientOutcome
from watcher.core.rule import Decision, Notification, RuleDeadline
from watcher.core.sight import Sight
from watcher.core.trouble import Trouble
from watcher.ports.store import StoryLine
from watcher.store.dialects import Row
from watcher.store.faults import Unreadable
from watcher.store.schema import deliveries, notifications

Text = TypeVar("Text", str, bytes)
Stored = TypeVar("Stored")
Value = TypeVar("Value")

DELIVERIES: Final[Select[Any]] = select(deliveries, notifications.c.body).join_from(deliveries, notifications)
"""Rows for `delivery_of`."""


def _read(reader: Callable[[Stored], Value], stored: Stored, what: str) -> Value:
    try:
        return reader(stored)
    except ValueError as exc:
        raise Unreadable(what) from exc


def _job(job: JobRef | None) -> Row:
    return {"source": None, "job_id": None} if job is None else {"source": job.source, "job_id": job.job_id}


def watch_row(watch: Watch, ended_at: datetime | None) -> Row:
    """For `jobs`."""
    return {
        **_job(watch.snapshot.ref),
        "version": watch.version,
        "live": watch.live,
        "ended_at": ended_at,
        "watch": watch_to_json(watch).decode(),
    }


def watch_of(text: str) -> Watch:
    """From `jobs.watch`."""
    return _read(watch_from_json, text, "what is held about a job")


def brief_row(watch: Watch) -> Row:
    """For `briefs`."""
    return {**_job(watch.snapshot.ref), "body": brief_to_json(brief_of(watch)).decode()}


def briefs_of(bodies: Sequence[str]) -> list[Brief]:
    """From many a `briefs.body`."""
    return _read(briefs_from_json, bodies, "what is held about jobs, in brief")


def snapshot_row(snapshot: JobSnapshot) -> Row:
    """For `snapshots`."""
    return {**_job(snapshot.ref), "observed_at": snapshot.observed_at, "body": snapshot_to_json(snapshot).decode()}


def event_row(event: Event) -> Row:
    """For `events`."""
    return {
        "id": event.id,
        "kind": event.kind,
        "version": EVENT_VERSION,
        **_job(job_of(event)),
        "at": event.when.at,
        "body": event_to_json(event).decode(),
    }


def event_of(text: str) -> Event:
    """From `events.body`."""
    return _read(event_from_json, text, "an event")


def decision_row(decision: Decision, job: JobRef | None, at: datetime) -> Row:
    """For `decisions`."""
    return {
        "event_id": decision.event_id,
        "rule": decision.rule,
        **_job(job),
        "at": at,
        "reason": decision.reason.value,
        "note": decision.note,
    }


def notification_row(notification: Notification) -> Row:
    """For `notifications`."""
    return {
        "id": notification.id,
        "rule": notification.rule,
        **_job(notification.job),
        "body": notification_to_json(notification).decode(),
    }


def notification_of(text: str) -> Notification:
    """From `notifications.body`."""
    return _read(notification_from_json, text, "a notification")


def word(kind: Callable[[str], Value], text: str, what: str) -> Value:
    """A word of a closed set, from a column."""
    return _read(kind, text, what)


def delivery_row(delivery: Delivery) -> Row:
    """For `deliveries`."""
    return {
        "id": delivery.id,
        "notification_id": delivery.notification.id,
        "receiver": delivery.receiver,
        **_job(delivery.notification.job),
        "group_key": delivery.group_key,
        "thread_key": delivery.thread_key,
        "state": delivery.state.value,
        "reason": delivery.reason.value,
        "attempt": delivery.attempt,
        "not_before": delivery.not_before,
        "apart_s": delivery.apart.total_seconds(),
        "address": delivery.address.value,
        "person": delivery.person or None,
        "created_at": delivery.created_at,
        "first_attempt_at": delivery.first_attempt_at,
        "settled_at": delivery.settled_at,
        "flush_id": delivery.flush_id,
        "error": delivery.error,
    }


def delivery_of(row: Any) -> Delivery:
    """From a row of `DELIVERIES`."""
    return Delivery(
        id=row.id,
        receiver=row.receiver,
        notification=notification_of(row.body),
        group_key=row.group_key,
        thread_key=row.thread_key,
        state=_read(DeliveryState, row.state, "a delivery's state"),
        reason=_read(DeliveryReason, row.reason, "a delivery's reason"),
        attempt=row.attempt,
        not_before=row.not_before,
        apart=timedelta(seconds=row.apart_s),
        address=word(Address, row.address, "whom a delivery is for"),
        person=row.person or "",
        created_at=row.created_at,
        first_attempt_at=row.first_attempt_at,
        settled_at=row.settled_at,
        flush_id=row.flush_id,
        error=row.error,
    )


def deadline_row(deadline: RuleDeadline) -> Row:
    """For `deadlines`."""
    return {
        "rule": deadline.rule,
        **_job(deadline.job),
        "key": deadline.key,
        "at": deadline.at,
        "cause": deadline.cause,
    }


def deadline_of(row: Any) -> RuleDeadline:
    """From `deadlines`."""
    return RuleDeadline(rule=row.rule, job=JobRef(row.source, row.job_id), key=row.key, at=row.at, cause=row.cause)


def sight_row(sight: Sight) -> Row:
    """For `sights`."""
    return {
        "source": sight.source,
        "watching_since": sight.watching_since,
        "failing_since": sight.failing_since,
        "blind_since": sight.blind_since,
        "error": sight.error,
        "seen_at": sight.seen_at,
        "behind_since": sight.behind_since,
    }


def sight_of(row: Any) -> Sight:
    """From `sights`."""
    return Sight(
        source=row.source,
        watching_since=row.watching_since,
        failing_since=row.failing_since,
        blind_since=row.blind_since,
        error=row.error,
        seen_at=row.seen_at,
        behind_since=row.behind_since,
    )


def receipt_row(flush_id: FlushId, receiver: str, receipt: Receipt, at: datetime) -> Row:
    """For `receipts`."""
    return {
        "flush_id": flush_id,
        "receiver": receiver,
        "at": at,
        "reference": receipt.reference,
        "thread_reference": receipt.thread_reference,
        "place": receipt.place,
        "note": receipt.note,
    }


def recipient_row(flush_id: FlushId, receiver: str, outcome: RecipientOutcome) -> Row:
    """For `recipients`."""
    return {
        "flush_id": flush_id,
        "recipient": outcome.recipient,
        "receiver": receiver,
        "acceptance": outcome.acceptance.value,
        "answer": outcome.answer,
    }


def recipient_of(row: Any) -> RecipientOutcome:
    """From `recipients`."""
    return RecipientOutcome(row.recipient, _read(Acceptance, row.acceptance, "a recipient's outcome"), row.answer)


# --- lines of a story, the same from every store ------------------------------------------------------------------------------

_RANK: Final[Mapping[str, int]] = {"snapshot": 0, "event": 1, "decision": 2, "delivery": 3, "receipt": 4, "trouble": 5}


def _data(text: Text) -> Mapping[str, Any]:
    data: Mapping[str, Any] = json.loads(text)
    return data


def snapshot_line(at: datetime, text: Text) -> StoryLine:
    """A snapshot, from its JSON."""
    return StoryLine(at=at, kind="snapshot", data=_read(_data, text, "a snapshot"))


def event_line(at: datetime, text: Text) -> StoryLine:
    """An event, from its JSON."""
    return StoryLine(at=at, kind="event", data=_read(_data, text, "an event"))


def decision_line(at: datetime, event_id: str, rule: str, reason: str, note: str) -> StoryLine:
    """What a rule decided."""
    data = {"event_id": event_id, "rule": rule, "reason": reason, "note": note}
    return StoryLine(at=at, kind="decision", data=data)


def delivery_line(delivery: Delivery) -> StoryLine:
    """A delivery as it stands, at the time it came to be owed."""
    return StoryLine(at=delivery.created_at, kind="delivery", data=plain(delivery))


def receipt_line(at: datetime, flush_id: str, receiver: str, receipt: Receipt) -> StoryLine:
    """What came back for a message."""
    return StoryLine(at=at, kind="receipt", data={"flush_id": flush_id, "receiver": receiver, **plain(receipt)})


def trouble_lines(trouble: Trouble) -> list[StoryLine]:
    """That something went on being wrong, that somebody took it on, and that it ended."""
    about = {
        "notification_id": trouble.id,
        "rule": trouble.notification.rule,
        "severity": trouble.severity.value,
        "ongoing": trouble.ongoing.value,
    }
    lines = [StoryLine(at=trouble.opened_at, kind="trouble", data={**about, "step": "opened"})]
    if trouble.acknowledged_at is not None:
        said = {"step": "acknowledged", "by": trouble.acknowledged_by, "comment": trouble.comment}
        lines.append(StoryLine(at=trouble.acknowledged_at, kind="trouble", data={**about, **said}))
    if trouble.ended_at is not None and trouble.end is not None:
        data = {**about, "step": "ended", "end": trouble.end.value}
        lines.append(StoryLine(at=trouble.ended_at, kind="trouble", data=data))
    return lines


def in_order(lines: list[StoryLine]) -> tuple[StoryLine, ...]:
    """In order of happening; of one moment: what was seen, what that meant, what was decided, owed, told."""
    return tuple(sorted(lines, key=lambda line: (line.at, _RANK[line.kind])))

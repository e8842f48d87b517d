"""A message as a CloudEvent, for programs: what webhooks post and commands read.

CloudEvents 1.0, structured mode: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from watcher.core.message import Item, JobCard, Message
from watcher.core.rule import Shown
from watcher.notifiers.text import block, one_line

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
EVENT_TYPE: Final = "dlc-watcher.message.v1"

_DETAIL_ALONE: Final = 16_000
_DETAIL_AMONG: Final = 1000
_VALUE: Final = 500
_MOST_FACTS_ALONE: Final = 200
_MOST_FACTS_AMONG: Final = 16


def render_event(message: Message) -> Mapping[str, Any]:
    """The message as a CloudEvent whose `data` is the message as plain data. Pure."""
    job = message.job
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": message.id,
        "source": f"dlc-watcher/{one_line(job.ref.source, 100)}" if job else "dlc-watcher",
        "type": EVENT_TYPE,
        "time": _time(max(item.at for item in message.items)),
        "datacontenttype": "application/json",
    }
    if job:
        event["subject"] = one_line(job.ref.job_id, 200)
    event["data"] = {
        "receiver": one_line(message.receiver, 100),
        "severity": message.severity.value,
        "language": message.locale.language.value,
        "title": one_line(message.title, 500),
        "thread": {"key": one_line(message.thread_key, 300), "title": one_line(message.thread_title, 300)},
        "items": [_item(item, alone=len(message.items) == 1) for item in message.items],
    }
    return event


def _item(item: Item, *, alone: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "at": _time(item.at),
        "severity": item.severity.value,
        "kind": one_line(item.kind, 100),
        "rule": one_line(item.rule, 100),
        "headline": one_line(item.headline, 500),
        "facts": _facts(item.facts, _MOST_FACTS_ALONE if alone else _MOST_FACTS_AMONG),
        "detail": block(item.detail, _DETAIL_ALONE if alone else _DETAIL_AMONG),
        "job": _job(item.job),
    }
    if item.away is not None:
        told["away"] = {"since": _time(item.away.since), "until": _time(item.away.until)}
    return told


def _job(job: JobCard | None) -> dict[str, Any] | None:
    if job is None:
        return None
    return {
        "source": one_line(job.ref.source, 200),
        "id": one_line(job.ref.job_id, 200),
        "title": one_line(job.title, 300),
        "url": one_line(job.url, 2000),
        "status": one_line(job.status, 100),
        "facts": _facts(job.facts, _MOST_FACTS_AMONG),
    }


def _facts(facts: Shown, most: int) -> list[dict[str, str]]:
    return [{"label": one_line(label, 200), "value": one_line(value, _VALUE)} for label, value in facts[:most]]


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

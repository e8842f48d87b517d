from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings

from tests.core.strategies import CAUSE, NOW, REF, events, happening, job, snapshots, watches
from watcher.core import codec
from watcher.core.events import EVENT_TYPES, Event, EventId, JobStopped, PodEvicted, kind_of
from watcher.core.language import Length, Moment, say
from watcher.core.model import JobSnapshot, Watch
from watcher.core.rule import Notification, NotificationId, Severity, Wording

NOTIFICATION = Notification(
    id=NotificationId("n1"),
    rule="pod-evicted",
    severity=Severity.CRITICAL,
    headline="pod w-0 was evicted",
    facts=(("Node", "n1"),),
    detail="",
    event_id=EventId("e1"),
    kind="pod.evicted",
    at=NOW,
    observed_at=NOW,
    job=REF,
    cause=CAUSE,
    labels=(("name", ("prod-1",)), ("user", ("1", "ann"))),
    pod_id="w-0",
)


@settings(deadline=None, max_examples=60)
@given(snapshots)
def test_a_snapshot_survives_being_written_and_read(snapshot: JobSnapshot) -> None:
    assert codec.snapshot_from_json(codec.snapshot_to_json(snapshot)) == snapshot


@settings(deadline=None, max_examples=40)
@given(watches)
def test_a_watch_survives_being_written_and_read(watch: Watch) -> None:
    assert codec.watch_from_json(codec.watch_to_json(watch).decode()) == watch


@settings(deadline=None, max_examples=150)
@given(events)
def test_an_event_of_every_kind_survives_being_written_and_read(event: Event) -> None:
    again = codec.event_from_json(codec.event_to_json(event))
    assert again == event
    assert type(again) is type(event)


WORDING = Wording(
    headline=say(
        "Failed {after}", zh="{after}失败", after=say("after {lived}", zh="运行 {lived}后", lived=timedelta(hours=3))
    ),
    facts=(
        ("Last seen", Moment(NOW, seconds=True)),
        (say("Flux", zh="通量"), "7"),
        ("Took", Length(timedelta(seconds=9))),
    ),
    detail="PT5M",
)


@pytest.mark.parametrize(
    "notification", [NOTIFICATION, replace(NOTIFICATION, job=None), replace(NOTIFICATION, wording=WORDING)]
)
def test_a_notification_survives_being_written_and_read(notification: Notification) -> None:
    assert codec.notification_from_json(codec.notification_to_json(notification)) == notification


def test_an_event_is_written_with_its_kind_and_with_times_in_utc() -> None:
    written = json.loads(codec.event_to_json(happening(JobStopped, status="Stopped", lived=timedelta(seconds=90))))
    assert written["kind"] == "job.stopped"
    assert written["when"]["observed_at"] == "2026-03-01T12:00:00Z"
    assert written["lived"] == "PT1M30S"


def test_members_added_later_are_passed_over_and_missing_ones_take_their_defaults() -> None:
    written = json.loads(codec.event_to_json(happening(PodEvicted, node="n1")))
    del written["reason_message"]
    event = codec.event_from_json(json.dumps({**written, "added_in_2031": 1}))
    assert event == happening(PodEvicted, node="n1")


@pytest.mark.parametrize("text", ["", "{}", '{"kind": "job.levitated"}', '{"kind": "job.stopped"}'])
def test_what_is_no_event_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        codec.event_from_json(text)


def test_every_kind_has_a_name_of_its_own() -> None:
    assert len({kind_of(event_type) for event_type in EVENT_TYPES}) == len(EVENT_TYPES)


def test_plain_data_is_what_json_can_hold() -> None:
    data = codec.plain({"jobs": (job("Running"),), "severity": Severity.INFO})
    assert data["jobs"][0]["status"] == "Running"
    assert data["jobs"][0]["observed_at"] == "2026-03-01T12:00:00Z"
    assert json.loads(json.dumps(data)) == data

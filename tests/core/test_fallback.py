from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from tests.core.strategies import NOW
from watcher.core.delivery import Delivery, DeliveryId, DeliveryReason, DeliveryState
from watcher.core.events import CauseId, EventId
from watcher.core.fallback import AGAIN_AFTER, GATHER, KIND, Why, told_instead, waiting_news
from watcher.core.grouping import owe
from watcher.core.model import JobId, JobRef, SourceName
from watcher.core.routing import Route
from watcher.core.rule import Notification, NotificationId, Severity

MINUTE = timedelta(minutes=1)


def news(name: str) -> Notification:
    return Notification(
        id=NotificationId(name),
        rule="job-failed",
        severity=Severity.CRITICAL,
        headline=name,
        facts=(),
        detail="",
        event_id=EventId(name),
        kind="job.failed",
        at=NOW,
        observed_at=NOW,
        job=JobRef(SourceName("hz"), JobId(name)),
        cause=CauseId("c"),
        labels=(),
    )


def owed(*names: str) -> list[Delivery]:
    return [owe(Route(path="route", receiver="team"), news(name), NOW) for name in names]


def instead(
    *names: str, why: Why = Why.DEAD, now: datetime = NOW, error: str = "gone. Mend it"
) -> tuple[Delivery, ...]:
    return told_instead(
        owed(*names), receiver="team", fallback="mail", why=why, error=error, since=NOW - MINUTE, now=now
    )


def test_the_fallback_hears_why_and_then_the_news_in_one_message() -> None:
    line, *rest = instead("a", "b")
    assert line.notification.headline == "Receiver team cannot be told this: gone. Mend it"
    assert (line.notification.kind, line.notification.job) == (KIND, None)
    assert [one.notification.headline for one in rest] == ["a", "b"]
    assert {(one.receiver, one.group_key, one.thread_key, one.not_before) for one in (line, *rest)} == {
        ("mail", "for team", "group:for team", NOW + GATHER)
    }


def test_what_the_fallback_hears_anyway_has_the_same_id_there() -> None:
    own = owe(Route(path="route", receiver="mail"), news("a"), NOW)
    assert instead("a")[1].id == own.id


def test_the_line_about_the_receiver_stands_once_in_an_hour_for_each_reason() -> None:
    assert instead("a")[0].id == instead("b", now=NOW + MINUTE)[0].id
    assert instead("a")[0].id != instead("b", now=NOW + AGAIN_AFTER)[0].id
    assert instead("a")[0].id != instead("b", error="another thing")[0].id
    queued = [instead("a", error=f"550 no such user (queue id 4F{n}A)")[0].id for n in range(3)]
    assert len(set(queued)) == 1


def test_one_that_is_down_for_long_is_told_with_the_time_whatever_the_last_failure_was() -> None:
    line, *_ = instead("a", why=Why.DOWN)
    assert line.notification.headline.startswith("Receiver team has not been reached since 20")
    assert line.id == instead("a", why=Why.DOWN, error="503")[0].id


def test_without_news_nothing_is_told() -> None:
    assert instead() == ()


def test_what_is_held_back_on_purpose_is_not_late() -> None:
    (due,) = owed("a")
    muted = replace(due, id=DeliveryId("m"), reason=DeliveryReason.MUTED, not_before=NOW + MINUTE)
    again = replace(due, id=DeliveryId("r"), state=DeliveryState.RETRYING, not_before=NOW + MINUTE)
    told = replace(due, id=DeliveryId("d"), state=DeliveryState.DELIVERED)
    assert list(waiting_news([due, muted, again, told], NOW)) == [due, again]

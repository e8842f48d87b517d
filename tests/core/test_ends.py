from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.core.strategies import NOW, at, job
from watcher.core.delivery import Delivery, DeliveryState
from watcher.core.ends import KIND, SUFFIX, ToldTrouble, owed_end
from watcher.core.events import CauseId, EventId
from watcher.core.grouping import owe
from watcher.core.language import Language, Locale, say, spoken
from watcher.core.message import JobCard, compose
from watcher.core.ongoing import Ongoing
from watcher.core.routing import Route
from watcher.core.rule import Notification, NotificationId, Severity, Wording
from watcher.core.trouble import Trouble, TroubleEnd

SAID = Notification(
    id=NotificationId("n1"),
    rule="stuck-pending",
    severity=Severity.WARNING,
    headline="Waits for its machines",
    facts=(("Quota", "q"),),
    detail="more",
    event_id=EventId("e1"),
    kind="deadline.passed",
    at=NOW,
    observed_at=NOW,
    job=job().ref,
    cause=CauseId("c"),
    labels=(("source", ("hangzhou",)), ("team", ("vision",))),
    ongoing=Ongoing.WAITING,
    wording=Wording(headline=say("Waits for its machines", zh="等待机器")),
)
TOLD = replace(owe(Route(path="route", receiver="alerts"), SAID, NOW), state=DeliveryState.DELIVERED)
OPEN = Trouble(notification=SAID, ongoing=Ongoing.WAITING, opened_at=at(5))

LATER = at(3600)


def end_of(end: TroubleEnd, ended_at: datetime = LATER) -> Delivery:
    trouble = replace(OPEN, acknowledged_by="ann" if end is TroubleEnd.ANSWERED else "").ended(end, ended_at)
    owed = owed_end(ToldTrouble(trouble, TOLD), at(4000))
    assert owed is not None
    return owed


def test_what_goes_on_has_no_end() -> None:
    assert owed_end(ToldTrouble(OPEN, TOLD), NOW) is None


def test_the_end_is_known_by_what_the_beginning_is_known_by() -> None:
    owed = end_of(TroubleEnd.OVER)
    over = owed.notification
    assert (over.rule, over.severity, over.labels, over.job, over.at) == (
        SAID.rule,
        SAID.severity,
        SAID.labels,
        SAID.job,
        SAID.at,
    )
    assert (over.over_at, over.ongoing, over.kind, over.id) == (at(3600), None, KIND, SAID.id + SUFFIX)
    assert (owed.receiver, owed.group_key, owed.thread_key) == ("alerts", TOLD.group_key, TOLD.thread_key)
    assert (owed.state, owed.not_before) == (DeliveryState.PENDING, at(4000))
    assert owed.id == end_of(TroubleEnd.OVER).id


@pytest.mark.parametrize(
    ("end", "en", "zh"),
    [
        (TroubleEnd.OVER, "Over after 1 h: Waits for its machines", "已结束，历时 1 小时：等待机器"),
        (TroubleEnd.GONE, "DLC no longer knows the job: Waits for its machines", "DLC 中已查不到该作业：等待机器"),
        (TroubleEnd.ANSWERED, "Taken on by ann: Waits for its machines", "已由 ann 接手：等待机器"),
        (TroubleEnd.AGED, "Nobody took it on for 1 h: Waits for its machines", "1 小时内无人接手：等待机器"),
        (TroubleEnd.UNWATCHED, "No longer watched: Waits for its machines", "已不再监视：等待机器"),
    ],
)
def test_it_says_how_it_ended_to_every_reader(end: TroubleEnd, en: str, zh: str) -> None:
    over = end_of(end).notification
    assert over.headline == en
    assert spoken(over.for_readers.headline, Locale(Language.ZH)) == zh


def test_it_never_ends_before_it_began() -> None:
    assert end_of(TroubleEnd.OVER, NOW - timedelta(hours=1)).notification.over_at == NOW


def test_a_message_carries_labels_and_ends_to_those_who_show_them() -> None:
    cards: dict[object, JobCard] = {}
    (item,) = compose((end_of(TroubleEnd.OVER),), cards, flush_id="f", attempt=1, thread_reference="").items  # type: ignore[arg-type]
    assert (item.labels, item.over_at, item.at) == (SAID.labels, at(3600), NOW)

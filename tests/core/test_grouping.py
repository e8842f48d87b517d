from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.core.strategies import CAUSE, NOW, REF
from watcher.core.delivery import DeliveryReason, DeliveryState
from watcher.core.events import EventId
from watcher.core.grouping import group_key, owe, thread_key
from watcher.core.model import JobId, SourceName
from watcher.core.routing import Route
from watcher.core.rule import Notification, NotificationId, Severity

SAID = Notification(
    id=NotificationId("n1"),
    rule="job-failed",
    severity=Severity.CRITICAL,
    headline="it failed",
    facts=(),
    detail="",
    event_id=EventId("e1"),
    kind="job.failed",
    at=NOW,
    observed_at=NOW,
    job=REF,
    cause=CAUSE,
    labels=(
        ("source", ("hangzhou",)),
        ("job", (REF.job_id,)),
        ("quota", ("q1", "gold")),
        ("user", ("12", "")),
        ("severity", ("critical",)),
    ),
)
BY_JOB = Route(path="route", receiver="team")


def by(*labels: str) -> Route:
    return replace(BY_JOB, group_by=labels)


def test_a_group_is_named_by_its_route_and_the_values_it_goes_by() -> None:
    assert group_key(by("quota", "severity"), SAID) == "route{quota='q1|gold',severity='critical'}"
    assert group_key(by("user"), SAID) == "route{user='12'}"
    assert group_key(by("absent"), SAID) == "route{absent=''}"
    assert group_key(by(), SAID) == "route{}"


def test_the_same_values_at_another_route_are_another_group() -> None:
    assert group_key(replace(by("quota"), path="route.routes[0]"), SAID) != group_key(by("quota"), SAID)


def test_values_cannot_pretend_to_be_labels() -> None:
    honest = replace(SAID, labels=(("quota", ("a",)), ("severity", ("b",))))
    sly = replace(SAID, labels=(("quota", ("a',severity='b",)), ("severity", ("",))))
    assert group_key(by("quota", "severity"), honest) != group_key(by("quota", "severity"), sly)


def test_jobs_of_the_same_id_in_two_sources_do_not_share_a_group_by_default() -> None:
    other = replace(SAID, job=replace(REF, source=SourceName("b")), labels=(("source", ("b",)), SAID.labels[1]))
    assert group_key(BY_JOB, other) != group_key(BY_JOB, SAID)


def test_each_job_has_its_thread_where_groups_are_no_wider_than_a_job() -> None:
    assert thread_key(BY_JOB, SAID) == f"job:{REF}"
    assert thread_key(by("job", "severity"), SAID) == f"job:{REF}"
    assert thread_key(by("quota"), SAID) == "group:route{quota='q1|gold'}"
    assert thread_key(BY_JOB, replace(SAID, job=None, labels=(("source", ("s",)),))) == "group:route{source='s',job=''}"


def test_what_is_owed_waits_for_its_group() -> None:
    route = replace(by("quota"), group_wait=timedelta(seconds=30), group_interval=timedelta(minutes=5))
    calm = replace(SAID, severity=Severity.WARNING)
    delivery = owe(route, calm, NOW)
    assert (delivery.receiver, delivery.notification) == ("team", calm)
    assert (delivery.group_key, delivery.thread_key) == (group_key(route, calm), thread_key(route, calm))
    assert delivery.apart == timedelta(minutes=5)
    assert (delivery.created_at, delivery.not_before) == (NOW, NOW + timedelta(seconds=30))
    assert (delivery.state, delivery.reason, delivery.attempt) == (DeliveryState.PENDING, DeliveryReason.OWED, 0)


def test_urgent_news_waits_for_nothing_but_a_message_that_its_group_has_just_sent() -> None:
    route = replace(by("quota"), group_wait=timedelta(seconds=30), group_interval=timedelta(minutes=5))
    urgent = owe(route, SAID, NOW)
    assert (urgent.not_before, urgent.apart) == (NOW, timedelta(seconds=30))
    calm = owe(replace(route, urgent=()), SAID, NOW)
    assert (calm.not_before, calm.apart) == (NOW + timedelta(seconds=30), timedelta(minutes=5))
    held = owe(route, SAID, NOW, timedelta(minutes=1))
    assert held.not_before == NOW + timedelta(minutes=1)


def test_the_same_news_is_owed_to_a_receiver_once() -> None:
    first = owe(BY_JOB, SAID, NOW)
    assert owe(replace(BY_JOB, path="elsewhere"), SAID, NOW + timedelta(1)).id == first.id
    assert owe(replace(BY_JOB, receiver="oncall"), SAID, NOW).id != first.id
    assert owe(BY_JOB, replace(SAID, id=NotificationId("n2"), job=replace(REF, job_id=JobId("x"))), NOW).id != first.id


def test_news_about_many_jobs_is_in_no_job_s_group_or_thread_but_in_that_of_its_own_course() -> None:
    storm = replace(SAID, rule="storm", across_jobs=True, series="trip-1")
    later = replace(storm, id=NotificationId("n2"), job=replace(REF, job_id=JobId("other")), labels=())
    assert group_key(BY_JOB, storm) == group_key(BY_JOB, later) == "route{storm='trip-1'}"
    assert thread_key(BY_JOB, storm) == thread_key(BY_JOB, later) == "group:route{storm='trip-1'}"
    assert group_key(BY_JOB, storm) != group_key(BY_JOB, replace(storm, series="trip-2"))
    assert group_key(by("quota"), storm) == "route{quota='q1|gold'}"
    assert thread_key(BY_JOB, replace(SAID, across_jobs=True)) == f"job:{REF}"

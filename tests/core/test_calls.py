from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.core.strategies import NOW, REF, at
from tests.core.test_trouble import trouble
from watcher.core.calls import MINDER, Call, CallKind, calls, live_routes, missing
from watcher.core.delivery import DeliveryReason
from watcher.core.grouping import owe
from watcher.core.matching import Matcher
from watcher.core.model import JobId, JobRef, SourceName
from watcher.core.routing import Escalation, Route
from watcher.core.rule import NotificationId, Severity

HOUR = timedelta(hours=1)
STEPS = (Escalation(timedelta(minutes=15), "oncall"), Escalation(HOUR, "boss"))
TREE = Route(path="route", receiver="team", repeat_interval=HOUR, escalate=STEPS)


def kinds(found: object) -> list[tuple[CallKind, str, str]]:
    return [(call.kind, call.receiver, call.to) for call in (Call.parse(one.key) for one in found)]  # type: ignore[attr-defined]


def test_a_call_is_read_as_it_was_written() -> None:
    for call in (
        Call(CallKind.REMIND, "team", NotificationId("n 1")),
        Call(CallKind.ESCALATE, "team", NotificationId("n1"), "oncall"),
    ):
        assert Call.parse(call.text) == call
    with pytest.raises(ValueError, match="values to unpack"):
        Call.parse("remind team")


def test_a_trouble_is_called_for_at_each_receiver_that_wants_reminders_and_for_each_step() -> None:
    found = calls(trouble(), TREE, at(60))
    assert kinds(found) == [
        (CallKind.REMIND, "team", ""),
        (CallKind.ESCALATE, "team", "oncall"),
        (CallKind.ESCALATE, "team", "boss"),
    ]
    assert {(one.rule, one.job) for one in found} == {(MINDER, REF)}
    assert [one.at - at(60) for one in found] == [HOUR, timedelta(minutes=15), HOUR]


def test_only_critical_news_is_escalated_and_without_an_interval_nobody_is_reminded() -> None:
    one = trouble()
    mild = replace(one, notification=replace(one.notification, severity=Severity.WARNING))
    assert kinds(calls(mild, TREE, NOW)) == [(CallKind.REMIND, "team", "")]
    assert calls(mild, replace(TREE, repeat_interval=timedelta(0)), NOW) == ()


def test_what_was_taken_on_or_has_ended_is_not_called_for() -> None:
    assert calls(replace(trouble(), acknowledged_at=NOW), TREE, NOW) == ()
    assert calls(replace(trouble(), ended_at=NOW), TREE, NOW) == ()


def test_what_waits_to_be_told_counts_from_when_it_may_leave() -> None:
    one = trouble()
    muted = replace(owe(TREE, one.notification, NOW), not_before=at(7200))
    assert calls(one, TREE, NOW, [muted])[0].at == at(7200) + HOUR
    other = replace(muted, notification=replace(one.notification, id=NotificationId("other")))
    assert calls(one, TREE, NOW, [other])[0].at == NOW + HOUR


@pytest.mark.parametrize("reason", [DeliveryReason.PART_OF_STORM, DeliveryReason.INHIBITED, DeliveryReason.SHADOW])
def test_for_what_is_part_of_larger_news_or_on_trial_nobody_is_called(reason: DeliveryReason) -> None:
    one = trouble()
    assert calls(one, TREE, NOW, [replace(owe(TREE, one.notification, NOW), reason=reason)]) == ()


def test_a_route_on_trial_calls_nobody() -> None:
    trial = Route(path="route.routes[0]", receiver="trial", shadow=True, repeat_interval=HOUR)
    tree = replace(TREE, routes=(trial, Route(path="route.routes[1]", receiver="a", match=Matcher.of({"rule": "x"}))))
    assert [route.receiver for route in live_routes(trouble(), tree)] == ["team"]


def test_a_trouble_about_no_job_is_called_for_under_its_source() -> None:
    one = trouble(about=None)
    (call, *_) = calls(replace(one, notification=replace(one.notification, labels=(("source", ("hz",)),))), TREE, NOW)
    assert call.job == JobRef(SourceName("hz"), JobId(""))


def test_calls_that_the_configuration_has_come_to_want_are_missing_and_those_that_would_come_too_late() -> None:
    remind, first, second = calls(trouble(), TREE, NOW)
    assert missing([remind, first, second], [first, replace(second, at=second.at + HOUR)]) == (remind, second)
    assert missing([remind], [replace(remind, at=NOW)]) == ()

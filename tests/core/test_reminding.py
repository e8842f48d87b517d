from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest

from tests.core.strategies import NOW, at, job
from tests.core.test_trouble import trouble
from watcher.core.calls import CallKind, calls
from watcher.core.consequence import Book, Consequences
from watcher.core.delivery import DeliveryReason, DeliveryState
from watcher.core.language import Language, Locale, spoken
from watcher.core.matching import Matcher
from watcher.core.message import compose
from watcher.core.model import JobSnapshot
from watcher.core.muting import MuteInterval
from watcher.core.ongoing import Ongoing
from watcher.core.people import Address, Directory
from watcher.core.reminding import Told, answer
from watcher.core.routing import Escalation, Route
from watcher.core.rule import NotificationId, Occasion, RuleDeadline, Severity
from watcher.core.silencing import Silencing, SilencingId
from watcher.core.trouble import LONGEST, Register, Trouble, TroubleEnd

HOUR = timedelta(hours=1)
TREE = Route(
    path="route", receiver="team", repeat_interval=HOUR, escalate=(Escalation(timedelta(minutes=15), "oncall"),)
)
ONE = trouble()
REMIND, ESCALATE = calls(ONE, TREE, at(5))
SENT = Told(DeliveryState.DELIVERED, DeliveryReason.ACCEPTED)
LATER = at(7205)


def ask(call: RuleDeadline = REMIND, one: Trouble | None = ONE, *told: Told, held: JobSnapshot | None = None,
        tree: Route = TREE, beside: tuple[Trouble, ...] = (), **book: Any) -> Consequences:  # fmt: skip
    others = Register([*([] if one is None else [one]), *beside])
    return answer(call, one, told or (SENT,), held, book=Book((), tree, troubles=others, **book), now=LATER)


def test_what_still_goes_on_is_told_again_in_other_words_and_again_an_interval_later() -> None:
    found = ask()
    (said,) = found.notifications
    (owed,) = found.deliveries
    assert said.headline == "Still failed, 2 h ago, and nobody is on it: Failed"
    assert said.facts == ()
    assert said.detail == f"To take it on, which ends this: dlc-watcher ack {ONE.notification.job.job_id}"  # type: ignore[union-attr]
    assert (said.occasion, said.about, said.id != ONE.id) == (Occasion.REMINDER, ONE.id, True)
    assert (owed.receiver, owed.state, owed.thread_key) == ("team", DeliveryState.PENDING, f"job:{ONE.job}")
    assert found.deadlines == (replace(REMIND, at=LATER + HOUR),)
    assert found.troubles == ()


def test_who_answers_a_reminder_answers_the_trouble_and_reads_it_in_their_language() -> None:
    (owed,) = ask().deliveries
    message = compose((owed,), {}, flush_id="f", attempt=1, thread_reference="", locale=Locale(Language.ZH))  # type: ignore[arg-type]
    (item,) = message.items
    assert (item.notification_id, item.occasion) == (ONE.id, Occasion.REMINDER)
    assert item.headline == "2 小时前失败，仍无人处理：Failed"


def test_two_that_take_the_same_call_owe_the_same_and_the_next_call_owes_another() -> None:
    first, again = ask().deliveries[0], ask().deliveries[0]
    assert (first.id, first.notification.id) == (again.id, again.notification.id)
    assert ask(replace(REMIND, at=LATER)).deliveries[0].id != first.id


@pytest.mark.parametrize("goes_on", list(Ongoing))
def test_each_sort_of_trouble_has_its_own_words_in_every_language(goes_on: Ongoing) -> None:
    (said,) = ask(one=trouble(goes_on=goes_on)).notifications
    told = [spoken(said.for_readers.headline, Locale(language)) for language in Language]
    assert all("Failed" in text and "{" not in text for text in told)
    assert len(set(told)) == len(Language)


@pytest.mark.parametrize(
    "change",
    [
        {"ended_at": NOW, "end": TroubleEnd.OVER},
        {"acknowledged_at": NOW, "acknowledged_by": "ann"},
    ],
)
@pytest.mark.parametrize("call", [REMIND, ESCALATE])
def test_what_has_ended_or_was_taken_on_is_told_no_more(call: RuleDeadline, change: dict[str, Any]) -> None:
    assert ask(call, replace(ONE, **change)) == Consequences()


@pytest.mark.parametrize("call", [REMIND, ESCALATE])
def test_a_trouble_that_the_store_does_not_know_any_more_is_told_no_more(call: RuleDeadline) -> None:
    assert ask(call, None) == Consequences()


@pytest.mark.parametrize("call", [REMIND, ESCALATE])
def test_what_does_not_hold_any_more_ends_instead(call: RuleDeadline) -> None:
    found = ask(call, held=job("Running"))
    assert found == Consequences(troubles=(ONE.ended(TroubleEnd.OVER, LATER),))
    assert ask(call, held=job("Failed")).notifications


def test_what_nobody_takes_on_for_too_long_ends_by_its_age() -> None:
    old = replace(ONE, opened_at=LATER - LONGEST)
    assert ask(one=old) == Consequences(troubles=(old.ended(TroubleEnd.AGED, LATER),))


@pytest.mark.parametrize("call", [REMIND, ESCALATE])
@pytest.mark.parametrize(
    "tree",
    [
        Route(path="route", receiver="others", repeat_interval=HOUR),
        replace(TREE, repeat_interval=timedelta(0), escalate=()),
        replace(TREE, shadow=True),
    ],
)
def test_what_the_route_does_not_want_any_more_is_told_no_more(call: RuleDeadline, tree: Route) -> None:
    assert ask(call, tree=tree) == Consequences()


@pytest.mark.parametrize("call", [REMIND, ESCALATE])
def test_what_was_told_as_part_of_larger_news_is_told_no_more(call: RuleDeadline) -> None:
    part = Told(DeliveryState.FOLDED, DeliveryReason.PART_OF_STORM)
    assert ask(call, ONE, part, SENT) == Consequences()


def test_a_reminder_waits_while_the_last_word_is_still_on_its_way_and_an_escalation_does_not() -> None:
    stuck = Told(DeliveryState.RETRYING, DeliveryReason.TRANSIENT)
    assert ask(REMIND, ONE, SENT, stuck) == Consequences(deadlines=(replace(REMIND, at=LATER + HOUR),))
    assert ask(ESCALATE, ONE, stuck).deliveries


def test_in_a_mute_interval_a_reminder_waits_for_its_end_unless_it_is_loud() -> None:
    night = MuteInterval(name="night", zone=timezone.utc)  # noqa: UP017 - a zone of the core's own kind
    muted = replace(TREE, mute=(night,))
    (again,) = ask(tree=muted).deadlines
    assert again.at > LATER + HOUR
    assert ask(tree=muted).deliveries == ()
    assert ask(tree=replace(muted, mute_except=("critical",))).deliveries
    assert ask(ESCALATE, tree=muted).deliveries


@pytest.mark.parametrize("call", [REMIND, ESCALATE])
def test_what_is_silenced_is_recorded_and_not_sent(call: RuleDeadline) -> None:
    quiet = Silencing(id=SilencingId("s"), match=Matcher.of({}), created_at=NOW, until=None, author="bob")
    found = ask(call, silencings=(quiet,))
    assert [one.reason for one in found.deliveries] == [DeliveryReason.SILENCED]
    assert len(found.deadlines) == (call is REMIND)


def test_of_several_troubles_about_the_same_matter_the_loudest_then_the_first_is_told() -> None:
    mild = replace(ONE.notification, id=NotificationId("mild"), severity=Severity.WARNING)
    rival = replace(ONE, notification=mild, opened_at=NOW)
    assert ask(beside=(rival,)).deliveries
    assert ask(one=rival, beside=(ONE,)).deliveries == ()
    assert len(ask(one=rival, beside=(ONE,)).deadlines) == 1
    assert ask(one=rival, beside=(replace(ONE, acknowledged_at=NOW),)).deliveries, "it was taken on"
    assert ask(one=rival, beside=(trouble(2, goes_on=Ongoing.HELD),)).deliveries, "it is another matter"
    silent = replace(TREE, routes=(Route(path="r", receiver="loud", match=Matcher.of({"severity": "critical"})),))
    louder = replace(ONE, notification=replace(ONE.notification, labels=(("severity", ("critical",)),)))
    assert ask(one=rival, beside=(louder,), tree=silent).deliveries, "it is told elsewhere"


def test_an_escalation_says_who_was_told_first_and_goes_to_the_second_receiver_once() -> None:
    found = ask(ESCALATE)
    (owed,) = found.deliveries
    said = owed.notification
    assert said.headline == "Nobody has answered for 2 h: Failed"
    assert said.facts == (("Told first", "team"), ("Reason", "OOM"))
    assert (owed.receiver, owed.not_before, said.occasion, said.about) == ("oncall", LATER, Occasion.ESCALATION, ONE.id)
    assert found.deadlines == ()
    assert ask(ESCALATE).deliveries[0].id == owed.id


def test_an_owner_who_is_not_known_is_told_of_in_a_reminder_too() -> None:
    (owed,) = ask(tree=replace(TREE, to_owner=True), people=Directory()).deliveries
    assert owed.address is Address.UNKNOWN


def test_a_trouble_about_no_job_is_taken_on_by_its_own_id() -> None:
    one = trouble(about=None, goes_on=Ongoing.UNANSWERED)
    assert ask(one=one).notifications[0].detail.endswith(f"ack {one.id}")


def test_kinds_of_calls_are_words() -> None:
    assert [kind.value for kind in CallKind] == ["remind", "escalate"]

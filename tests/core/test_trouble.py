from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

import pytest

from tests.core.strategies import CAUSE, NOW, REF, at, happening, job
from watcher.core.consequence import Book, Consequences, consequences
from watcher.core.events import (
    Event,
    EventId,
    JobActivityChecked,
    JobFailed,
    JobReappeared,
    JobStatusChanged,
    JobVanished,
    RuleFailed,
    WatchBlind,
    WatchRecovered,
)
from watcher.core.model import JobId, JobRef, JobSnapshot, SourceName
from watcher.core.ongoing import Ongoing
from watcher.core.phases import Phase
from watcher.core.routing import Route
from watcher.core.rule import (
    BoundRule,
    Context,
    Intent,
    NoOptions,
    Notification,
    NotificationId,
    Notify,
    RuleOptions,
    Severity,
)
from watcher.core.trouble import LONGEST, Register, Trouble, TroubleEnd, aged, ended, opened

OTHER = JobRef(SourceName("hangzhou"), JobId("dlc-other"))
FAILED = happening(JobFailed, status="Failed")
BLIND = happening(WatchBlind, source=SourceName("hangzhou"), since=NOW, permanent=False, error="no answer")
SEEING = happening(WatchRecovered, id=EventId("e2"), source=SourceName("hangzhou"), blind_since=NOW)


class Cry:
    """Tells everything, loudly."""

    name: ClassVar[str] = "cry"
    on: ClassVar[tuple[type[Event], ...]] = (JobFailed, JobStatusChanged, WatchBlind, WatchRecovered, RuleFailed)
    severity: ClassVar[Severity] = Severity.CRITICAL
    Options: ClassVar[type[RuleOptions]] = NoOptions

    def consider(self, event: Event, context: Context) -> Iterable[Intent]:
        yield Notify(headline=event.kind)


def book(*troubles: Trouble, shadow: bool = False, severity: Severity | None = None) -> Book:
    rule = BoundRule(name="cry", rule=Cry(), shadow=shadow, severity=severity)
    return Book((rule,), Route(path="route", receiver="team"), troubles=Register(troubles))


def said(number: int = 1, *, about: JobRef | None = REF, goes_on: Ongoing | None = Ongoing.FAILED) -> Notification:
    labels = () if about is None else (("source", (str(about.source),)),)
    return Notification(
        id=NotificationId(f"n{number}"), rule="cry", severity=Severity.CRITICAL, headline="Failed",
        facts=(("Reason", "OOM"),), detail="",
        event_id=EventId("e1"), kind="job.failed", at=NOW, observed_at=at(5), job=about, cause=CAUSE, labels=labels,
        ongoing=goes_on,
    )  # fmt: skip


def trouble(number: int = 1, *, about: JobRef | None = REF, goes_on: Ongoing = Ongoing.FAILED) -> Trouble:
    return Trouble(notification=said(number, about=about, goes_on=goes_on), ongoing=goes_on, opened_at=at(5))


def follow(*events: Event, held: JobSnapshot | None = None, by: Book) -> Consequences:
    return consequences(events, Context(now=at(60), job=held), by, at(60))


# --- beginnings ---------------------------------------------------------------------------------------------------------------


def test_loud_news_of_what_goes_on_opens_a_trouble_that_began_when_it_happened() -> None:
    found = follow(FAILED, held=job("Failed"), by=book())
    (one,) = found.troubles
    assert one.notification == found.notifications[0]
    assert (one.id, one.ongoing, one.opened_at, one.since) == (one.notification.id, Ongoing.FAILED, at(60), NOW)
    assert (one.job, one.source, one.severity, one.waits_for_answer) == (REF, "hangzhou", Severity.CRITICAL, True)


def test_who_has_taken_on_a_matter_has_taken_on_what_is_told_of_it_later_unless_it_is_louder() -> None:
    taken = replace(trouble(9, goes_on=Ongoing.WAITING), acknowledged_at=NOW, acknowledged_by="ann", comment="on it")
    later = opened(said(1, goes_on=Ongoing.WAITING), at(60), [taken])
    assert later is not None
    assert (later.acknowledged_at, later.acknowledged_by, later.comment) == (at(60), "ann", "on it")
    mild = replace(taken, notification=replace(taken.notification, severity=Severity.WARNING))
    for known in (mild, trouble(9, goes_on=Ongoing.WAITING), replace(taken, ongoing=Ongoing.HELD)):
        louder = opened(said(1, goes_on=Ongoing.WAITING), at(60), [known])
        assert louder is not None
        assert louder.acknowledged_at is None


def test_quiet_news_opens_none_nor_does_a_rule_on_trial() -> None:
    assert follow(FAILED, held=job("Failed"), by=book(severity=Severity.INFO)).troubles == ()
    assert follow(FAILED, held=job("Failed"), by=book(shadow=True)).troubles == ()


def test_news_that_is_over_with_the_telling_opens_none() -> None:
    assert opened(said(goes_on=None), NOW) is None


def test_a_matter_is_what_goes_on_of_one_job_and_pod_and_what_only_wants_an_answer_is_a_matter_of_its_own() -> None:
    assert trouble(1).matter == trouble(2).matter
    assert trouble(1).matter != trouble(2, goes_on=Ongoing.HELD).matter
    assert trouble(1, goes_on=Ongoing.UNANSWERED).matter != trouble(2, goes_on=Ongoing.UNANSWERED).matter
    assert replace(trouble(1), notification=replace(said(1), across_jobs=True)).job is None
    assert trouble(1, about=None).source == ""


# --- ends ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("goes_on", "status", "end"),
    [
        (Ongoing.FAILED, "Failed", None),
        (Ongoing.FAILED, "Running", TroubleEnd.OVER),
        (Ongoing.WAITING, "Queuing", None),
        (Ongoing.WAITING, "EnvPreparing", TroubleEnd.OVER),
        (Ongoing.DOWN, "Queuing", None),
        (Ongoing.DOWN, "Running", TroubleEnd.OVER),
        (Ongoing.OVERLONG, "Succeeded", TroubleEnd.OVER),
        (Ongoing.UNANSWERED, "Succeeded", None),
    ],
)
def test_a_trouble_ends_with_the_first_look_at_which_it_does_not_hold(
    goes_on: Ongoing, status: str, end: TroubleEnd | None
) -> None:
    changed = happening(
        JobStatusChanged, old_status="?", new_status=status, old_phase=Phase.UNKNOWN, new_phase=Phase.UNKNOWN
    )
    over = follow(changed, held=job(status), by=book(trouble(goes_on=goes_on), severity=Severity.INFO)).troubles
    assert [one.end for one in over] == ([] if end is None else [end])
    assert [one.ended_at for one in over] == ([] if end is None else [at(60)])


def test_the_troubles_of_another_job_are_left_alone() -> None:
    by = book(trouble(about=OTHER), severity=Severity.INFO)
    assert follow(happening(JobVanished, last_status="Running"), held=job("Running"), by=by).troubles == ()
    assert ended([trouble(about=OTHER)], (), job("Running"), NOW) == ()


@pytest.mark.parametrize("goes_on", list(Ongoing))
def test_with_a_job_that_is_gone_all_its_troubles_are_but_that_it_is_gone(goes_on: Ongoing) -> None:
    (gone,) = ended([trouble(goes_on=goes_on)], [happening(JobVanished, last_status="x")], None, NOW) or (None,)
    assert (gone is None) is (goes_on is Ongoing.VANISHED)
    assert gone is None or gone.end is TroubleEnd.GONE


def test_a_job_that_is_back_is_not_gone() -> None:
    back = happening(JobReappeared, status="Running", phase=Phase.RUNNING)
    assert [one.end for one in ended([trouble(goes_on=Ongoing.VANISHED)], [back], None, NOW)] == [TroubleEnd.OVER]
    assert ended([trouble(goes_on=Ongoing.FAILED)], [back], None, NOW) == ()


@pytest.mark.parametrize(("signs", "over"), [({}, False), ({"events_seen": True}, True), ({"logs_seen": True}, True)])
def test_a_job_is_not_silent_any_more_once_a_sign_of_it_is_found(signs: dict[str, bool], over: bool) -> None:
    checked = happening(JobActivityChecked, explains=EventId("e0"), **signs)
    assert bool(ended([trouble(goes_on=Ongoing.SILENT)], [checked], job("Running"), NOW)) is over
    assert not ended([trouble(goes_on=Ongoing.OVERLONG)], [checked], job("Running"), NOW)


def test_blindness_ends_when_that_source_is_seen_again() -> None:
    (blind,) = follow(BLIND, by=book()).troubles
    assert (blind.job, blind.source, blind.ongoing) == (None, "hangzhou", Ongoing.BLIND)
    quiet = book(blind, severity=Severity.INFO)
    assert [one.end for one in follow(SEEING, by=quiet).troubles] == [TroubleEnd.OVER]
    elsewhere = replace(SEEING, source=SourceName("beijing"))
    assert follow(elsewhere, by=quiet).troubles == ()
    assert ended([blind], [elsewhere], None, NOW) == ()


def test_only_what_an_answer_alone_would_end_grows_too_old() -> None:
    late = at(5) + LONGEST
    assert aged(trouble(), late)
    assert not aged(trouble(), at(60))
    assert not aged(trouble(goes_on=Ongoing.WAITING), late)


# --- the register -------------------------------------------------------------------------------------------------------------


def test_the_register_knows_what_is_open_by_what_it_is_about() -> None:
    first, second = trouble(1), trouble(2, about=OTHER)
    register = Register((first, second))
    register.note((first, replace(first, comment="newer")))
    assert (list(register), register.numbers) == ([first, second], (2, 0))
    assert register.about((), job("Failed")) == (first,)
    assert register.about((happening(JobVanished, job=OTHER, last_status="x"),), None) == (second,)
    over = first.ended(TroubleEnd.OVER, NOW)
    register.note((over, over))
    assert list(register) == [second]
    assert register.about((), job("Failed")) == ()


def test_what_has_ended_is_not_opened_again_by_a_rule_that_says_the_same_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("watcher.core.trouble.MOST_OVER", 2)
    first, second = trouble(1), trouble(2)
    register = Register((first, second))
    register.note([first.ended(TroubleEnd.OVER, NOW), first])
    assert list(register) == [second]
    assert register.about((FAILED,), None) == (second,)
    register.note(trouble(number).ended(TroubleEnd.OVER, NOW) for number in (3, 4))
    register.note([first])
    assert list(register) == [second, first], "what ended long ago is remembered by the store only"


def test_who_was_told_of_what_looks_will_show_to_be_over_waits_for_that() -> None:
    register = Register((trouble(1), trouble(2, about=OTHER, goes_on=Ongoing.OVERLONG)))
    assert not register.awaited(REF)
    assert not register.awaited(OTHER)
    stuck = trouble(3, goes_on=Ongoing.WAITING)
    register.note([stuck])
    assert register.awaited(REF)
    register.note([stuck.ended(TroubleEnd.OVER, NOW)])
    assert not register.awaited(REF)


def test_the_register_says_whether_what_it_takes_over_is_news() -> None:
    register = Register((trouble(1),))
    assert not register.replace([trouble(1)])
    taken = replace(trouble(1), acknowledged_at=NOW, acknowledged_by="ann")
    assert register.replace([taken])
    assert list(register) == [taken]
    assert register.numbers == (1, 1)
    assert not taken.waits_for_answer
    assert register.about((FAILED,), None) == (taken,)


def test_an_event_about_neither_job_nor_source_ends_nothing() -> None:
    broken = happening(RuleFailed, rule="r", event_id=EventId("e0"), error="e", job=None)
    assert Register((trouble(1),)).about((broken,), None) == ()

"""Larger news makes smaller news superfluous: at those who hear it, for a time, until an event shows that it is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.core.strategies import CAUSE, NOW, REF, at
from watcher.core.consequence import Book, consequences
from watcher.core.delivery import Delivery, DeliveryId, DeliveryReason, DeliveryState
from watcher.core.events import Event, EventId, JobFailed, JobRestarted, PodEvicted, WatchBlind, WatchRecovered, When
from watcher.core.inhibition import BEFORE, DEFAULTS, Inhibit, Inhibiting, begun, inhibited, lasting, recalled
from watcher.core.matching import Matcher
from watcher.core.model import JobId, JobRef, PodKey, SourceName
from watcher.core.routing import Route
from watcher.core.rule import BoundRule, Context, NoOptions, Notification, NotificationId, Notify, Severity

OTHER = JobRef(REF.source, JobId("dlc-other"))
HOUR = timedelta(hours=1)


def news(
    name: str,
    kind: str,
    severity: Severity = Severity.WARNING,
    *,
    job: JobRef | None = REF,
    when: datetime = NOW,
    receiver: str = "team",
    source: str = str(REF.source),
    rule: str = "",
    across_jobs: bool = False,
) -> Delivery:
    labels = {
        "kind": (kind,),
        "source": (source,),
        "job": () if job is None else (str(job.job_id),),
        "severity": (severity.value,),
        "rule": (rule or kind,),
    }
    said = Notification(
        id=NotificationId(f"n-{name}"),
        rule=rule or kind,
        severity=severity,
        headline=name,
        facts=(),
        detail="",
        event_id=EventId(f"e-{name}"),
        kind=kind,
        at=when,
        observed_at=when,
        job=job,
        cause=CAUSE,
        labels=tuple(labels.items()),
        across_jobs=across_jobs,
    )
    return Delivery(
        id=DeliveryId(f"{name}-{receiver}"),
        receiver=receiver,
        notification=said,
        group_key="g",
        thread_key="t",
        not_before=when,
        created_at=when,
    )


FAILED = news("Failed", "job.failed", Severity.CRITICAL)
EVICTED = news("Evicted", "pod.evicted", when=at(60))
BY_FAILURE = begun(DEFAULTS, (FAILED,))


def test_a_failed_job_makes_what_its_pods_did_superfluous_and_the_row_names_it() -> None:
    row = inhibited(EVICTED, BY_FAILURE, at(60))
    assert (row.state, row.reason, row.settled_at) == (DeliveryState.WITHHELD, DeliveryReason.INHIBITED, at(60))
    assert row.error == 'inhibited (failed-job) by "Failed" (notification n-Failed)'
    late = news("Failed", "deadline.passed", Severity.CRITICAL, rule="job-failed")
    assert inhibited(EVICTED, begun(DEFAULTS, (late,)), at(60)).reason is DeliveryReason.INHIBITED


@pytest.mark.parametrize(
    "other",
    [
        news("of another job", "pod.evicted", job=OTHER),
        news("to another receiver", "pod.evicted", receiver="oncall"),
        news("critical", "pod.evicted", Severity.CRITICAL),
        news("of another kind", "job.cause_found"),
        news("too early", "pod.evicted", when=NOW - BEFORE - timedelta(seconds=1)),
        news("too late", "pod.evicted", when=NOW + HOUR),
        news("across jobs", "pod.evicted", across_jobs=True),
        replace(EVICTED, state=DeliveryState.SENDING),
        FAILED,
    ],
    ids=lambda one: one.notification.headline,
)
def test_everything_else_stays_as_it_was(other: Delivery) -> None:
    assert inhibited(other, BY_FAILURE, other.created_at) is other


def test_what_nobody_hears_inhibits_nothing() -> None:
    assert begun(DEFAULTS, (replace(FAILED, state=DeliveryState.WITHHELD),)) == ()
    assert begun(DEFAULTS, (replace(FAILED, notification=replace(FAILED.notification, across_jobs=True)),)) == ()
    assert begun(DEFAULTS, (replace(FAILED, state=DeliveryState.FOLDED),)) == begun(
        DEFAULTS, (replace(FAILED, state=DeliveryState.FOLDED),)
    ), "what a storm tells is heard"
    assert len(begun(DEFAULTS, (replace(FAILED, state=DeliveryState.FOLDED),))) == 1


def a_restart(job: JobRef = REF, when: datetime = NOW) -> JobRestarted:
    return JobRestarted(id=EventId("r"), when=When(observed_at=when), cause=CAUSE, job=job, used=1, limit=3)


def test_it_lasts_for_its_time_or_until_an_event_shows_that_it_is_over() -> None:
    assert lasting(BY_FAILURE, (), at(3599)) == BY_FAILURE
    assert lasting(BY_FAILURE, (), at(3600)) == ()
    assert lasting(BY_FAILURE, (a_restart(),), at(1)) == ()
    assert lasting(BY_FAILURE, (a_restart(OTHER),), at(1)) == BY_FAILURE
    failed = JobFailed(id=EventId("f"), when=When(observed_at=NOW), cause=CAUSE, job=REF, status="Failed")
    assert lasting(BY_FAILURE, (failed,), at(1)) == BY_FAILURE


def test_blindness_makes_superfluous_what_is_said_for_want_of_news_until_we_see_again() -> None:
    blind = news("Blind", "watch.blind", Severity.CRITICAL, job=None)
    silent = news("Silent for 1 h", "deadline.passed", rule="hang-suspected", when=at(60))
    by = begun(DEFAULTS, (blind,))
    assert inhibited(silent, by, at(60)).reason is DeliveryReason.INHIBITED
    far = news("Silent for 1 h", "deadline.passed", rule="hang-suspected", source="bj", when=at(60))
    assert inhibited(far, by, at(60)) is far
    sees = WatchRecovered(
        id=EventId("s"), when=When(observed_at=at(9)), cause=CAUSE, source=REF.source, blind_since=NOW
    )
    assert lasting(by, (sees,), at(9)) == ()
    assert lasting(by, (replace(sees, source=SourceName("bj")),), at(9)) == by


def test_labels_are_equal_where_they_share_a_value_or_both_have_none() -> None:
    one = Inhibit(name="x", source=Matcher(), target=Matcher(), equal=("quota",), lasts=HOUR)
    assert one.agree({"quota": ("q1", "gold")}, {"quota": ("gold",)})
    assert one.agree({}, {"quota": ("",)})
    assert not one.agree({"quota": ("q1",)}, {})
    assert not one.agree({"quota": ("q1",)}, {"quota": ("q2",)})


def test_a_start_reads_it_again_from_what_is_stored() -> None:
    assert recalled(DEFAULTS, (FAILED, EVICTED), (), at(60)) == BY_FAILURE
    assert recalled(DEFAULTS, (FAILED,), (), at(3600)) == ()
    assert recalled(DEFAULTS, (FAILED,), (a_restart(when=at(5)),), at(60)) == ()
    assert recalled(DEFAULTS, (FAILED,), (a_restart(when=at(-5)), a_restart(OTHER, at(5))), at(60)) == BY_FAILURE


# --- in the walk --------------------------------------------------------------------------------------------------------------


class _Speaks:
    """A rule that tells of everything."""

    name = "speaks"
    on: tuple[type[Event], ...] = (JobFailed, PodEvicted, WatchBlind)
    severity = Severity.WARNING
    Options = NoOptions

    def consider(self, event: Event, context: Context) -> list[Notify]:
        return [Notify(headline=event.kind)]


BOOK = Book((BoundRule(name="speaks", rule=_Speaks()),), Route(path="route", receiver="team"), inhibits=DEFAULTS)


def evicted(number: int = 1) -> PodEvicted:
    key = PodKey(f"w-{number}", "u")
    return PodEvicted(id=EventId(f"p{number}"), when=When(observed_at=NOW), cause=CAUSE, job=REF, pod=key)


def test_cause_and_effect_in_one_look_are_told_as_one_and_the_effects_that_follow_are_not_told() -> None:
    failed = JobFailed(id=EventId("f"), when=When(observed_at=NOW), cause=CAUSE, job=REF, status="Failed")
    follows = consequences((evicted(), failed), Context(now=NOW), BOOK, NOW)
    assert [row.reason for row in follows.deliveries] == [DeliveryReason.INHIBITED, DeliveryReason.OWED]
    book = BOOK.after(follows.events, follows.inhibitions, NOW)
    assert [one.by for one in book.inhibiting] == [follows.deliveries[1].notification.id]
    (later,) = consequences((evicted(2),), Context(now=at(60)), book, at(60)).deliveries
    assert later.reason is DeliveryReason.INHIBITED
    assert BOOK.after((), (), NOW) is BOOK
    calm = book.after((a_restart(),), (), at(70))
    assert calm.inhibiting == ()
    (told,) = consequences((evicted(3),), Context(now=at(80)), calm, at(80)).deliveries
    assert told.reason is DeliveryReason.OWED
    (free,) = consequences((evicted(),), Context(now=NOW), replace(BOOK, inhibits=()), NOW).deliveries
    assert free.reason is DeliveryReason.OWED


def test_one_that_ends_does_so_in_the_look_that_shows_it() -> None:
    by = Inhibiting(DEFAULTS[0], FAILED)
    (told,) = consequences(
        (a_restart(), evicted()), Context(now=at(5)), replace(BOOK, inhibiting=(by,)), at(5)
    ).deliveries
    assert told.reason is DeliveryReason.OWED

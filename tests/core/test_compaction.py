"""What was held is folded into what still matters; nothing critical that still holds is hidden, nothing vanishes without a word."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import CAUSE, NOW, REF
from watcher.core.compaction import (
    HELD_FOR,
    Compaction,
    attributed,
    compact,
    folded,
    got_over,
    is_backlog,
    subject_of,
    was_held,
)
from watcher.core.delivery import Delivery, DeliveryId, DeliveryReason, DeliveryState, FlushId
from watcher.core.events import EventId
from watcher.core.model import JobId, JobRef
from watcher.core.phases import Phase
from watcher.core.rule import Notification, NotificationId, Severity

OTHER = JobRef(REF.source, JobId("dlc-other"))
MINUTE = timedelta(minutes=1)
CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO


def news(
    name: str, kind: str, severity: Severity = INFO, *, minute: int = 0, job: JobRef | None = REF, **members: Any
) -> Delivery:
    labels = members.pop("labels", ())
    said = Notification(
        id=NotificationId(f"n-{name}"),
        rule=members.pop("rule", kind),
        severity=severity,
        headline=name,
        facts=(),
        detail="",
        event_id=EventId(members.pop("event", f"e-{name}")),
        kind=kind,
        at=NOW + minute * MINUTE,
        observed_at=NOW + minute * MINUTE,
        job=job,
        cause=CAUSE,
        labels=labels,
        **members,
    )
    return Delivery(
        id=DeliveryId(f"d-{name}"),
        receiver="team",
        notification=said,
        group_key="g",
        thread_key="group:g",
        not_before=NOW,
        created_at=NOW + minute * MINUTE,
    )


def running(name: str = "runs again", **members: Any) -> Delivery:
    return news(name, "job.status_changed", labels=(("phase", ("running",)),), **members)


def told(compaction: Compaction) -> tuple[list[str], dict[str, str]]:
    """What is kept, and what overtook the rest."""
    by = {one.delivery.notification.headline: one.by.notification.headline for one in compaction.overtaken}
    return [one.notification.headline for one in compaction.kept], by


def test_failed_restarted_and_succeeded_come_to_succeeded() -> None:
    row = (
        news("failed", "job.failed", CRITICAL),
        news("restarted", "job.restarted", WARNING),
        running(),
        news("succeeded", "job.succeeded"),
    )
    assert told(compact(row)) == (
        ["succeeded"],
        {"failed": "succeeded", "restarted": "succeeded", "runs again": "succeeded"},
    )


def test_the_newest_state_takes_in_what_is_not_critical_and_later_news_stays() -> None:
    row = (
        news("evicted", "pod.evicted", WARNING),
        news("waits long", "deadline.passed", WARNING, rule="stuck-pending"),
        news("failed", "job.failed", CRITICAL),
        news("why", "job.cause_found", WARNING),
    )
    assert told(compact(row)) == (["failed", "why"], {"evicted": "failed", "waits long": "failed"})


def test_of_one_rule_the_newest_news_is_told() -> None:
    row = (
        *(news(f"evicted {n}", "pod.evicted", WARNING, pod_id=f"w-{n}") for n in range(3)),
        news("silent", "deadline.passed", WARNING, rule="hang-suspected"),
    )
    assert told(compact(row)) == (["evicted 2", "silent"], {"evicted 0": "evicted 2", "evicted 1": "evicted 2"})


def test_jobs_are_told_apart() -> None:
    row = (news("failed", "job.failed", CRITICAL), news("succeeded", "job.succeeded", job=OTHER))
    assert told(compact(row))[1] == {}


@pytest.mark.parametrize(
    ("older", "newer", "over"),
    [
        (news("x", "job.failed", CRITICAL), running(), True),
        (news("x", "job.failed", CRITICAL), news("y", "job.restarted", WARNING), True),
        (news("x", "job.failed", CRITICAL), news("y", "pod.evicted", WARNING), False),
        (news("x", "job.failed", CRITICAL), news("y", "job.status_changed", WARNING), False),
        (news("x", "job.failed", CRITICAL), news("y", "job.cause_found", CRITICAL), False),
        (news("x", "job.restarted", CRITICAL), running(), False),
        (news("x", "job.restarted", CRITICAL), news("y", "job.restarted", INFO), True),
        (news("x", "deadline.passed", CRITICAL), running(), False),
        (news("x", "deadline.passed", CRITICAL), news("y", "job.failed", WARNING), True),
        (news("x", "pod.evicted", CRITICAL, pod_id="a"), running(), True),
        (news("x", "pod.evicted", CRITICAL, pod_id="a"), news("y", "pod.evicted", CRITICAL, pod_id="b"), False),
        (news("x", "pod.evicted", CRITICAL, pod_id="a"), news("y", "pod.evicted", CRITICAL, pod_id="a"), True),
        (news("x", "pod.evicted", CRITICAL, pod_id="a"), news("y", "pod.evicted", WARNING, pod_id="a"), False),
        (news("x", "job.vanished", CRITICAL), news("y", "job.reappeared"), True),
        (news("x", "pod.evicted", CRITICAL), news("y", "job.reappeared"), False),
    ],
)
def test_critical_news_is_overtaken_only_by_what_says_that_it_is_over(
    older: Delivery, newer: Delivery, *, over: bool
) -> None:
    assert bool(compact((older, newer)).overtaken) is over


def test_two_rules_that_speak_about_one_event_are_both_heard() -> None:
    row = (news("a", "job.failed", CRITICAL, event="e"), news("b", "job.failed", INFO, event="e"))
    assert told(compact(row)) == (["a", "b"], {})
    assert told(compact(row, {REF: Phase.SUCCEEDED})) == (["a", "b"], {})


def test_how_the_job_stands_by_now_counts_where_something_is_told_of_it_later() -> None:
    row = (news("failed", "job.failed", CRITICAL), news("evicted", "pod.evicted", WARNING))
    assert told(compact(row))[0] == ["failed", "evicted"]
    for phase in (Phase.SUCCEEDED, Phase.STOPPED, Phase.RUNNING):
        assert told(compact(row, {REF: phase})) == (["evicted"], {"failed": "evicted"})
    assert told(compact(row, {REF: Phase.FAILED}))[0] == ["failed", "evicted"]
    assert told(compact(row[:1], {REF: Phase.SUCCEEDED}))[0] == ["failed"], "it is all that is told of the job"
    assert not got_over("job.succeeded", Phase.SUCCEEDED)
    assert not got_over("deadline.passed", Phase.RUNNING)
    assert not got_over("job.failed", Phase.PENDING)


def test_what_the_receiver_was_told_meanwhile_overtakes_what_was_held_before_it() -> None:
    held = news("evicted", "pod.evicted", WARNING, minute=0)
    loud = replace(news("failed", "job.failed", CRITICAL, minute=1), flush_id=FlushId("f0"))
    later = news("why", "job.cause_found", WARNING, minute=2)
    assert told(compact((held, later), told=(loud,))) == (["why"], {"evicted": "failed"})
    assert told(compact((held,), told=(loud,))) == ([], {"evicted": "failed"})


def test_news_of_the_watch_is_about_its_source() -> None:
    def watch(name: str, kind: str, severity: Severity, source: str = "hz") -> Delivery:
        return news(name, kind, severity, job=None, rule="watch-blind", labels=(("source", (source,)),))

    row = (
        watch("blind", "watch.blind", CRITICAL),
        watch("far blind", "watch.blind", CRITICAL, "bj"),
        watch("sees", "watch.recovered", INFO),
    )
    assert told(compact(row)) == (["far blind", "sees"], {"blind": "sees"})
    assert told(compact((row[0], row[2], watch("blind again", "watch.blind", CRITICAL)))) == (
        ["blind again"],
        {"blind": "blind again", "sees": "blind again"},
    )


def test_news_across_jobs_stands_for_itself_unless_it_is_of_a_series() -> None:
    alone = (news("a", "job.failed", across_jobs=True), news("b", "job.succeeded", across_jobs=True))
    assert (
        told(compact((*alone, news("failed rule", "rule.failed", job=None), news("x", "rule.failed", job=None))))[1]
        == {}
    )
    storm, over = (news(name, "deadline.passed", WARNING, rule="storm", series="s") for name in ("storm", "over"))
    other = news("another", "deadline.passed", WARNING, rule="storm", series="t")
    assert told(compact((storm, other, over))) == (["another", "over"], {"storm": "over"})
    loud = news("loud", "job.failed", CRITICAL, rule="storm", series="s")
    assert told(compact((loud, over)))[0] == ["loud", "over"]
    assert told(compact((loud, replace(over, notification=replace(over.notification, severity=CRITICAL)))))[0] == [
        "over"
    ]


def test_what_is_not_told_by_itself_names_the_news_and_the_message_that_say_it() -> None:
    (one,) = compact((news("failed", "job.failed", CRITICAL), news("succeeded", "job.succeeded"))).overtaken
    row = folded(one, FlushId("f1"), NOW)
    assert (row.state, row.reason, row.settled_at) == (DeliveryState.FOLDED, DeliveryReason.OVERTAKEN, NOW)
    assert (row.flush_id, row.error) == ("f1", 'overtaken by "succeeded" (notification n-succeeded, message f1)')


def test_a_backlog_is_what_waited_long_or_was_muted() -> None:
    assert is_backlog(NOW, DeliveryReason.MUTED, NOW)
    assert is_backlog(NOW, DeliveryReason.OWED, NOW + HELD_FOR)
    assert not is_backlog(NOW, DeliveryReason.OWED, NOW + HELD_FOR - MINUTE)
    one = news("a", "job.failed")
    assert not was_held([one])
    assert not was_held([replace(one, first_attempt_at=NOW)])
    assert was_held([one, replace(one, first_attempt_at=NOW + HELD_FOR)])


def test_a_message_tells_of_what_was_folded_where_it_tells_what_came_of_it() -> None:
    row = (
        news("failed", "job.failed", CRITICAL),
        news("evicted", "pod.evicted", WARNING, minute=1),
        news("silent", "deadline.passed", WARNING, rule="hang-suspected", minute=2),
        news("evicted again", "pod.evicted", WARNING, minute=3),
    )
    compaction = compact(row, {REF: Phase.RUNNING})
    assert told(compaction)[0] == ["silent", "evicted again"]
    left_out = [one.delivery for one in compaction.overtaken]
    names = [(a.notification.headline, b.notification.headline) for a, b in attributed(compaction.kept, left_out)]
    assert names == [("failed", "evicted again"), ("evicted", "evicted again")]
    assert list(attributed((), left_out)) == []


# --- laws ---------------------------------------------------------------------------------------------------------------------

KINDS = (
    "job.failed", "job.restarted", "job.succeeded", "job.stopped", "job.status_changed", "job.vanished", "job.reappeared",
    "pod.evicted", "job.cause_found", "deadline.passed", "watch.blind", "watch.recovered", "rule.failed",
)  # fmt: skip


@st.composite
def backlogs(draw: st.DrawFn) -> tuple[Delivery, ...]:
    row = []
    for number in range(draw(st.integers(0, 14))):
        kind = draw(st.sampled_from(KINDS))
        about = None if kind.startswith(("watch.", "rule.")) else draw(st.sampled_from((REF, REF, OTHER)))
        phase = draw(st.sampled_from(("running", "pending")))
        row.append(
            news(
                str(number),
                kind,
                draw(st.sampled_from(tuple(Severity))),
                minute=number // 2,
                job=about,
                rule=draw(st.sampled_from((kind, "mine"))),
                event=str(number - draw(st.sampled_from((0, 0, 0, 1)))),
                pod_id=draw(st.sampled_from(("a", "b"))) if kind.startswith("pod.") else "",
                labels=(("source", ("hz",)), ("phase", (phase,))),
                series=draw(st.sampled_from(("", "", "", "s"))),
            )
        )
    return tuple(row)


PHASES = st.fixed_dictionaries({REF: st.sampled_from(Phase), OTHER: st.sampled_from(Phase)})
OVER = {"job.succeeded", "job.stopped", "job.failed", "job.restarted", "job.reappeared", "watch.recovered"}


@given(backlogs(), PHASES, st.integers(0, 14))
def test_nothing_vanishes_and_the_order_is_kept(row: tuple[Delivery, ...], phases: Any, cut: int) -> None:
    meanwhile = tuple(one for one in row[cut:] if int(one.id.removeprefix("d-")) % 3 == 0)
    held = tuple(one for one in row if one not in meanwhile)
    compaction = compact(held, phases, meanwhile)
    left_out = [one.delivery for one in compaction.overtaken]
    assert sorted((*compaction.kept, *left_out), key=held.index) == list(held)
    assert list(compaction.kept) == sorted(compaction.kept, key=held.index)
    said = (*compaction.kept, *meanwhile)
    for one in compaction.overtaken:
        assert one.by in said, "what overtook it is told"
        assert subject_of(one.by.notification) == subject_of(one.delivery.notification)
        assert one.by.created_at >= one.delivery.created_at
    last = {subject_of(one.notification): one for one in held}
    assert all(one in compaction.kept or meanwhile for one in last.values()), "the last word is told"
    assert compact(compaction.kept, phases, meanwhile).kept == compaction.kept


@given(backlogs(), PHASES)
def test_no_critical_news_that_still_holds_is_hidden(row: tuple[Delivery, ...], phases: Any) -> None:
    for one in compact(row, phases).overtaken:
        said = one.delivery.notification
        if said.severity is not CRITICAL:
            continue
        after = [other.notification for other in row[row.index(one.delivery) + 1 :]]
        mine = [other for other in after if subject_of(other) == subject_of(said) and other.event_id != said.event_id]
        assert (
            any(other.severity is CRITICAL and other.rule == said.rule for other in mine)
            or any(other.kind in OVER or dict(other.labels)["phase"] == ("running",) for other in mine)
            or (said.job is not None and got_over(said.kind, phases[said.job]))
        )


@given(backlogs(), PHASES)
def test_everything_folded_is_attributed_to_something_kept(row: tuple[Delivery, ...], phases: Any) -> None:
    compaction = compact(row, phases)
    left_out = [one.delivery for one in compaction.overtaken]
    pairs = list(attributed(compaction.kept, left_out))
    assert [one for one, _ in pairs] == left_out
    assert all(by in compaction.kept for _, by in pairs)

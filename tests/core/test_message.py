from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.core.strategies import CAUSE, NOW, REF, at, job
from watcher.core.absence import Absence
from watcher.core.delivery import Delivery, DeliveryId, FlushId
from watcher.core.events import EventId
from watcher.core.language import PLAIN, Language, Locale, Moment, Text, say, spoken
from watcher.core.message import JobCard, compose, job_card, loudest, span, with_items
from watcher.core.model import JobId, JobRef, JobSnapshot
from watcher.core.rule import Facts, Notification, NotificationId, Severity, Wording

OTHER = JobRef(REF.source, JobId("dlc-other"))
CARDS = {REF: JobCard(ref=REF, title="prod-llm"), OTHER: JobCard(ref=OTHER, title="test-llm")}


def owed(
    headline: str, about: JobRef | None = REF, *, created: datetime = NOW, when: datetime = NOW, **members: Any
) -> Delivery:
    notification = Notification(
        id=NotificationId(f"n-{headline}"),
        rule="job-failed",
        severity=members.pop("severity", Severity.INFO),
        headline=headline,
        facts=(("Exit", "137"),),
        detail="killed",
        event_id=EventId("e1"),
        kind="job.failed",
        at=when,
        observed_at=NOW,
        job=about,
        cause=CAUSE,
        labels=(),
    )
    members = {"group_key": "route{job='x'}", "thread_key": f"job:{about}", **members}
    return Delivery(
        id=DeliveryId(f"d-{headline}"),
        receiver="team",
        notification=notification,
        not_before=NOW,
        created_at=created,
        **members,
    )


def composed(*deliveries: Delivery, locale: Locale = PLAIN) -> Any:
    return compose(deliveries, CARDS, flush_id=FlushId("f1"), attempt=2, thread_reference="171.1", locale=locale)


CHINESE = Locale(Language.ZH, ZoneInfo("Asia/Shanghai"))


def said(headline: Text, facts: Facts = (), detail: Text = "", about: JobRef | None = REF) -> Delivery:
    """A delivery of what a rule said with values beside it."""
    delivery = owed(spoken(headline), about)
    wording = Wording(headline=headline, facts=facts, detail=detail)
    return replace(delivery, notification=replace(delivery.notification, wording=wording))


def test_one_notice_about_one_job() -> None:
    message = composed(owed("it failed", severity=Severity.CRITICAL))
    assert (message.id, message.receiver, message.attempt) == ("f1", "team", 2)
    assert (message.thread_key, message.thread_reference) == (f"job:{REF}", "171.1")
    assert (message.title, message.thread_title) == ("prod-llm: it failed", "prod-llm (dlc1qwertyuiop23)")
    assert (message.severity, message.job) == (Severity.CRITICAL, CARDS[REF])
    (item,) = message.items
    assert (item.headline, item.facts, item.detail, item.at) == ("it failed", (("Exit", "137"),), "killed", NOW)
    assert (item.kind, item.rule, item.job) == ("job.failed", "job-failed", CARDS[REF])


def test_several_notices_about_one_job_are_titled_by_the_last() -> None:
    message = composed(owed("it failed", created=at(9)), owed("it started", severity=Severity.WARNING))
    assert message.title == "prod-llm: it failed (+1 more)"
    assert message.severity is Severity.WARNING
    assert message.job == CARDS[REF]


def test_notices_about_several_jobs_are_counted() -> None:
    message = composed(owed("a"), owed("b", OTHER), owed("c"))
    assert message.title == "3 notices about 2 jobs"
    assert message.job is None


def test_notices_about_the_watcher_are_about_no_job() -> None:
    thread = {"thread_key": "group:route{source='s'}", "group_key": "route{source='s'}"}
    alone = composed(owed("blind", None, **thread))
    assert (alone.title, alone.thread_title, alone.job) == ("blind", "dlc-watcher: route{source='s'}", None)
    assert composed(owed("blind", None, **thread), owed("seeing", None, **thread)).title == "2 notices"
    mixed = composed(owed("blind", None, **thread), owed("it failed", **thread))
    assert mixed.job is None
    assert mixed.title == "prod-llm: it failed (+1 more)"


def test_a_group_wider_than_a_job_has_a_thread_of_its_own() -> None:
    assert composed(owed("a", thread_key="group:g")).thread_title == "dlc-watcher: route{job='x'}"


def test_a_job_without_a_card_goes_by_its_id() -> None:
    nameless = JobRef(REF.source, JobId("dlc-unknown"))
    assert composed(owed("it failed", nameless)).title == "dlc-unknown: it failed"


def test_what_was_owed_first_is_said_first() -> None:
    early = owed("b", created=at(0), when=at(9))
    late = owed("a", created=at(5), when=at(1))
    assert [item.headline for item in composed(late, early).items] == ["b", "a"]


def test_news_of_one_look_is_said_in_the_order_of_cause_and_effect_whatever_its_times() -> None:
    evicted, failed = owed("evicted", when=at(15)), owed("a failure", when=at(5))
    assert [item.headline for item in composed(evicted, failed).items] == ["evicted", "a failure"]
    restarts = [owed(f"restart {number}") for number in (3, 1, 2)]
    assert [item.headline for item in composed(*restarts).items] == ["restart 3", "restart 1", "restart 2"]


def test_the_loudest_is_the_loudest() -> None:
    assert loudest([]) is Severity.INFO
    assert loudest([Severity.WARNING, Severity.CRITICAL, Severity.INFO]) is Severity.CRITICAL


@pytest.mark.parametrize(
    ("snapshot", "facts"),
    [
        (job(), {}),
        (
            job(
                workspace_id="268",
                workspace_name="vision",
                quota_id="q1",
                quota_name="gold",
                user_id="12",
                user_name="ann",
                job_type="PyTorchJob",
                requested_gpu=0.5,
                restarts="1/10",
            ),
            {
                "Workspace": "vision",
                "Quota": "gold",
                "User": "ann",
                "Type": "PyTorchJob",
                "GPUs": "0.5",
                "Restarts": "1 of 10",
                "Attempt": "2 of 11",
            },
        ),
        (
            job(workspace_id="268", quota_id="q1", user_id="12", requested_gpu=16.0),
            {"Workspace": "268", "Quota": "q1", "User": "12", "GPUs": "16"},
        ),
        (job(requested_gpu=0.0), {}),
    ],
)
def test_a_card_shows_what_is_known(snapshot: JobSnapshot, facts: dict[str, str]) -> None:
    card = job_card(snapshot, "https://console")
    assert dict(card.facts) == facts
    assert (card.ref, card.status, card.url) == (REF, "Running", "https://console")
    assert card.title == snapshot.title


def test_a_card_is_titled_by_the_jobs_name() -> None:
    named = replace(job(), name="prod-llm", duration=timedelta(1))
    assert job_card(named).title == "prod-llm"


AWAY = Absence(NOW, NOW + timedelta(hours=2, minutes=30))


def late(headline: str, about: JobRef | None = REF, *, kind: str = "job.restarted", **members: Any) -> Delivery:
    delivery = owed(headline, about, **members)
    away = members.get("away", AWAY)
    return replace(delivery, notification=replace(delivery.notification, kind=kind, away=away))


def test_what_happened_while_the_watcher_was_away_is_one_item() -> None:
    message = composed(
        late("Restart 1 of 3", severity=Severity.WARNING, when=at(60)),
        late("Restart 2 of 3", when=at(120)),
        late("Failed after 3 h", kind="job.failed", severity=Severity.CRITICAL, when=at(180)),
    )
    (item,) = message.items
    assert item.headline == (
        "While the watcher was away, 12:00-14:30 UTC: failed after 3 h (before that: restart 1 of 3; restart 2 of 3)"
    )
    assert item.detail == "killed\n\n12:01:00 Restart 1 of 3\n12:02:00 Restart 2 of 3"
    assert (item.kind, item.at, item.severity, item.facts) == (
        "job.failed",
        at(180),
        Severity.CRITICAL,
        (("Exit", "137"),),
    )
    assert item.away == AWAY
    assert message.title == f"prod-llm: {item.headline}"


def test_one_late_notice_says_when_the_watcher_was_away() -> None:
    (item,) = composed(late("OOM of a pod")).items
    assert item.headline == "While the watcher was away, 12:00-14:30 UTC: OOM of a pod"
    assert item.detail == "killed"


def test_an_absence_over_midnight_is_told_with_dates() -> None:
    long = Absence(NOW, NOW + timedelta(hours=14))
    first, last = late("A pod left", when=at(60)), late("Failed", when=at(120))
    deliveries = [replace(one, notification=replace(one.notification, away=long)) for one in (first, last)]
    (item,) = composed(*deliveries).items
    assert item.headline.startswith("While the watcher was away, 2026-03-01 12:00 to 2026-03-02 02:00 UTC: failed (")
    assert "before that: a pod left" in item.headline
    assert item.detail.endswith("2026-03-01 12:01:00 A pod left")


def test_what_was_got_over_wakes_nobody_but_what_goes_on_does() -> None:
    loud = late("Restart 9 of 10", severity=Severity.CRITICAL)
    over = composed(loud, late("Succeeded", kind="job.succeeded"))
    assert (over.severity, len(over.items)) == (Severity.INFO, 1)
    assert composed(loud, late("Started running", kind="job.status_changed")).severity is Severity.CRITICAL


def test_late_news_of_several_jobs_is_one_item_each_and_fresh_news_stays_as_it_is() -> None:
    other = late("b", OTHER)
    message = composed(late("a1"), other, owed("fresh"), late("a2"), owed("watcher", None))
    said = [(item.headline.rpartition(": ")[2], item.away is not None) for item in message.items]
    assert said == [("b", True), ("fresh", False), ("a1)", True), ("watcher", False)]


def test_late_news_of_no_job_stands_for_itself() -> None:
    assert [item.headline for item in composed(late("x", None), late("y", None)).items] == ["x", "y"]


def test_of_a_long_list_the_headline_names_the_last_and_the_detail_stays_bounded() -> None:
    (item,) = composed(*(late(f"Restart {n} of 99") for n in range(60)), late("Failed")).items
    assert "(before that: 57 more; restart 57 of 99; restart 58 of 99; restart 59 of 99)" in item.headline
    lines = item.detail.split("\n")
    assert lines[2] == "10 more, then:"
    assert len(lines) == 53


# --- what was held ------------------------------------------------------------------------------------------------------------


def held(headline: str, kind: str, minute: int, about: JobRef | None = REF, **members: Any) -> Delivery:
    """News that left an hour after it came to be owed."""
    one = owed(headline, about, created=at(60 * minute), when=at(60 * minute), **members)
    said = replace(one.notification, kind=kind, rule=kind, event_id=EventId(headline))
    return replace(one, id=DeliveryId(f"{headline}/{about}/{minute}"), notification=said, first_attempt_at=at(7200))


def net(*deliveries: Delivery, folded: tuple[Delivery, ...] = (), status: str = "Queuing") -> Any:
    cards = {ref: replace(card, status=status) for ref, card in CARDS.items()}
    return compose(deliveries, cards, flush_id=FlushId("f1"), attempt=1, thread_reference="", folded=folded)


def test_what_was_held_says_what_still_matters_and_what_went_before() -> None:
    before = (
        held("Failed", "job.failed", 1, severity=Severity.CRITICAL),
        held("Restart 1 of 3", "job.restarted", 2, severity=Severity.WARNING),
    )
    message = net(held("Succeeded after 3 h", "job.succeeded", 3), folded=before, status="Succeeded")
    (item,) = message.items
    assert item.headline == "Succeeded after 3 h (before that: failed; restart 1 of 3)"
    assert item.detail == "killed\n\n2026-03-01 12:01:00 Failed\n2026-03-01 12:02:00 Restart 1 of 3"
    assert (message.severity, message.title) == (Severity.INFO, f"prod-llm: {item.headline}")


def test_a_long_message_tells_of_each_only_the_headline_of_what_went_before() -> None:
    kept = [held("Evicted", "pod.evicted", 9, JobRef(REF.source, JobId(f"dlc{n}"))) for n in range(4)]
    before = held("Started", "job.status_changed", 1, JobRef(REF.source, JobId("dlc2")))
    items = net(*kept, folded=(before,)).items
    assert [item.headline for item in items] == ["Evicted", "Evicted", "Evicted (before that: started)", "Evicted"]
    assert {item.detail for item in items} == {"killed"}


def test_what_the_job_has_got_over_by_the_time_of_telling_is_not_loud() -> None:
    failed = held("Failed", "job.failed", 1, severity=Severity.CRITICAL)
    over = net(failed, status="Succeeded")
    assert (over.severity, over.items[0].headline) == (Severity.INFO, "Failed; Succeeded by now")
    for status in ("Failed", "Queuing", ""):
        assert net(failed, status=status).severity is Severity.CRITICAL
    assert net(held("Seen", "job.appeared", 1), status="Succeeded").items[0].headline == "Seen", "it was never loud"
    fresh = replace(failed, first_attempt_at=failed.created_at)
    assert net(fresh, status="Succeeded").severity is Severity.CRITICAL, "what was not held is told as it came"
    lost = net(held("Rule broken", "rule.failed", 1, None, severity=Severity.WARNING))
    assert lost.items[0].headline == "Rule broken"


def test_a_message_of_what_was_held_is_titled_by_what_still_matters() -> None:
    failed = held("Failed", "job.failed", 1, severity=Severity.CRITICAL)
    evicted = held("Evicted", "pod.evicted", 2, OTHER, severity=Severity.WARNING)
    calm = held("Started", "job.status_changed", 2, OTHER)
    blind = held("Sees again", "watch.recovered", 3, None)

    def title(*kept: Delivery) -> str:
        told: str = net(*kept, folded=(held("Was blind", "watch.blind", 1, None),)).title
        return told

    assert title(failed, evicted, blind, calm) == (
        "Held until now: 5 notices about 2 jobs, still of matter: 1 critical, 1 warning"
    )
    assert title(evicted, held("Evicted", "pod.evicted", 3, OTHER, severity=Severity.WARNING), failed) == (
        "Held until now: 4 notices about 2 jobs, still of matter: 1 critical, 2 warnings"
    )
    assert title(calm, held("Started", "job.status_changed", 3)) == (
        "Held until now: 3 notices about 2 jobs, still of matter: nothing loud"
    )
    assert title(blind, held("Rule broken", "rule.failed", 1, None)) == (
        "Held until now: 3 notices, still of matter: nothing loud"
    )
    assert title(calm, evicted) == "test-llm: Evicted (+1 more)"


FAILED = say("Failed after {lived}", zh="运行 {lived}后失败", lived=timedelta(hours=3, minutes=12))


def test_news_is_put_into_words_for_whoever_reads_it() -> None:
    delivery = said(FAILED, (("Quota", "gold"), ("Last seen", Moment(NOW))), say("gone", zh="已消失"))
    english, chinese = composed(delivery), composed(delivery, locale=CHINESE)
    assert (english.title, chinese.title) == ("prod-llm: Failed after 3 h 12 m", "prod-llm：运行 3 小时 12 分后失败")
    assert english.items[0].facts == (("Quota", "gold"), ("Last seen", "2026-03-01 12:00 UTC"))
    assert chinese.items[0].facts == (("资源配额", "gold"), ("最后可见", "2026-03-01 20:00 UTC+8"))
    assert (english.items[0].detail, chinese.items[0].detail) == ("gone", "已消失")
    assert chinese.locale == CHINESE


def test_what_was_said_in_english_only_stays_so_and_its_labels_do_not() -> None:
    delivery = owed("Node melted")
    plain = replace(delivery, notification=replace(delivery.notification, facts=(("Node", "n1"), ("Flux", "7"))))
    (item,) = composed(plain, locale=CHINESE).items
    assert (item.headline, item.facts) == ("Node melted", (("节点", "n1"), ("Flux", "7")))


def test_messages_of_several_news_are_titled_in_the_reader_s_language() -> None:
    one, other = said(FAILED), said(FAILED, about=OTHER)
    assert composed(one, one, locale=CHINESE).title == "prod-llm：运行 3 小时 12 分后失败（另有 1 条）"
    assert composed(one, other, locale=CHINESE).title == "2 条通知，涉及 2 个作业"
    assert composed(*2 * [said(FAILED, about=None)], locale=CHINESE).title == "2 条通知"


def test_an_absence_is_told_in_the_reader_s_language_and_by_their_clock() -> None:
    late_ones = [
        replace(one, notification=replace(one.notification, away=AWAY, kind="job.failed"))
        for one in (*(said(say("Restart {n}", zh="第 {n} 次重启", n=n)) for n in range(1, 54)), said(FAILED))
    ]
    (item,) = composed(*late_ones, locale=CHINESE).items
    assert item.headline == (
        "监控离线期间（20:00-22:30 UTC+8）：运行 3 小时 12 分后失败"
        "（此前：另有 50 条；第 51 次重启；第 52 次重启；第 53 次重启）"
    )
    assert item.detail.split("\n")[:2] == ["另有 3 条，之后：", "20:00:00 第 4 次重启"]
    (alone,) = composed(late_ones[-1], locale=CHINESE).items
    assert alone.headline == "监控离线期间（20:00-22:30 UTC+8）：运行 3 小时 12 分后失败"


def test_an_absence_that_is_over_midnight_on_the_reader_s_clock_has_dates() -> None:
    long = Absence(NOW, NOW + timedelta(hours=5))
    assert span(long) == "12:00-17:00 UTC"
    assert span(long, CHINESE) == "2026-03-01 20:00 至 2026-03-02 01:00 UTC+8"


def test_a_card_is_in_the_reader_s_language() -> None:
    snapshot = job(quota_name="gold", requested_gpu=8.0, restarts="1/10")
    message = compose(
        (owed("x"),), {REF: job_card(snapshot)}, flush_id=FlushId("f"), attempt=1, thread_reference="", locale=CHINESE
    )
    assert dict(message.job.facts) == {
        "资源配额": "gold",
        "GPU 数": "8",
        "重启次数": "1/10",
        "运行轮次": "2/11",
    }


def test_a_message_with_other_words_has_a_title_of_them_unless_somebody_gave_it_one() -> None:
    message = compose((owed("Failed"),), CARDS, flush_id=FlushId("f"), attempt=1, thread_reference="")
    other = tuple(replace(item, headline="Broke") for item in message.items)
    assert with_items(message, other).title == "prod-llm: Broke"
    assert with_items(replace(message, title="Given"), other).title == "Given"


def test_news_about_many_jobs_shows_none_of_them_as_the_one_it_is_about() -> None:
    one = owed("5 jobs evicted")
    storm = replace(
        one,
        thread_key="group:route{storm='trip'}",
        notification=replace(one.notification, rule="storm", across_jobs=True, series="trip"),
    )
    message = compose((storm,), CARDS, flush_id=FlushId("f"), attempt=1, thread_reference="")
    assert (message.job, message.title, message.thread_title) == (None, "5 jobs evicted", "dlc-watcher: storm")

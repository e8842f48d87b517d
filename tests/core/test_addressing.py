from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar

import pytest

from tests.core.strategies import NOW, REF, happening, job
from watcher.core.addressing import KIND, RULE, addressed, addressee, unknown_owners
from watcher.core.consequence import Book, Consequences, consequences
from watcher.core.delivery import Delivery, DeliveryReason, FlushId
from watcher.core.events import Event, JobFailed
from watcher.core.grouping import owe
from watcher.core.language import Language, Locale, spoken
from watcher.core.matching import Matcher
from watcher.core.message import Message, compose
from watcher.core.model import JobId, JobRef
from watcher.core.muting import MuteInterval
from watcher.core.people import Address, Directory, Entry, Person
from watcher.core.routing import Route
from watcher.core.rule import BoundRule, Context, Intent, NoOptions, Notification, Notify, RuleOptions, Severity
from watcher.core.silencing import Silencing, SilencingId

ANN = Person(name="ann", slack="U012AB3CD", language=Language.ZH)
PEOPLE = Directory((Entry(ANN, (Matcher.of({"user": "1"}),)),))
ALONE = Route(path="route", receiver="team", to_owner=True)
BY_NAME = Route(path="route", receiver="team", mention=("critical",))


class Cry:
    """Tells of failures."""

    name: ClassVar[str] = "cry"
    on: ClassVar[tuple[type[Event], ...]] = (JobFailed,)
    severity: ClassVar[Severity] = Severity.CRITICAL
    Options: ClassVar[type[RuleOptions]] = NoOptions

    def consider(self, event: Event, context: Context) -> Iterable[Intent]:
        yield Notify(headline="Failed")


def follow(route: Route, *, user: str = "1", ref: JobRef = REF, people: Directory = PEOPLE,
           silencings: tuple[Silencing, ...] = (), severity: Severity | None = None) -> Consequences:  # fmt: skip
    book = Book((BoundRule(name="cry", rule=Cry(), severity=severity),), route, people=people, silencings=silencings)
    failed = happening(JobFailed, status="Failed", job=ref)
    return consequences((failed,), Context(now=NOW, job=job("Failed", ref=ref, user_id=user)), book, NOW)


def told(owed: Iterable[Delivery], *, reaches: str = "slack", people: Directory = PEOPLE, **more: object) -> Message:
    return compose(
        tuple(owed), {}, flush_id=FlushId("f"), attempt=1, thread_reference="", people=people, reaches=reaches, **more  # type: ignore[arg-type]
    )  # fmt: skip


def test_what_a_route_takes_for_nobody_in_particular_is_for_whoever_reads_the_receiver() -> None:
    (owed,) = follow(Route(path="route", receiver="team")).deliveries
    assert (owed.address, owed.person) == (Address.PLACE, "")
    message = told([owed])
    assert (message.to, message.mentions, message.items[0].facts) == (None, (), ())


def test_a_route_to_the_owner_tells_them_alone_in_a_thread_of_their_own_and_in_their_language() -> None:
    (owed,) = follow(ALONE).deliveries
    assert (owed.address, owed.person) == (Address.DIRECT, "ann")
    assert owed.thread_key == f"job:{REF} for ann"
    assert owed.group_key.endswith(" for ann")
    china = timezone(timedelta(hours=8))
    message = told([owed], locale=Locale(zone=china))
    assert (message.to, message.mentions, message.locale) == (ANN, (), Locale(Language.ZH, china))
    assert message.thread_title == f"{REF.job_id} ({REF.job_id})"


def test_what_two_people_are_told_alone_never_leaves_in_one_message_not_even_after_a_night() -> None:
    both = Directory((*PEOPLE.entries, Entry(Person(name="bob", slack="U99999"), (Matcher.of({"user": "2"}),))))
    night = MuteInterval(name="night", zone=timezone.utc)  # noqa: UP017 - a zone of the core's own kind
    route = replace(ALONE, mute=(night,), group_by=("source",))
    rows = [
        follow(route, user=user, ref=replace(REF, job_id=JobId(user)), people=both).deliveries[0] for user in ("1", "2")
    ]
    assert {row.reason for row in rows} == {DeliveryReason.MUTED}
    assert len({row.group_key for row in rows}) == len({row.thread_key for row in rows}) == 2


def test_an_owner_is_named_by_severity_and_each_once() -> None:
    (owed,) = follow(BY_NAME).deliveries
    assert (owed.address, owed.person, owed.thread_key) == (Address.MENTION, "ann", f"job:{REF}")
    (quiet,) = follow(BY_NAME, severity=Severity.WARNING).deliveries
    assert quiet.address is Address.PLACE
    message = told([owed, owed, quiet])
    assert (message.to, message.mentions, message.locale.language) == (None, (ANN,), Language.EN)


@pytest.mark.parametrize("route", [ALONE, BY_NAME])
def test_an_unknown_owner_is_told_of_and_the_news_goes_to_the_receiver_and_says_so(route: Route) -> None:
    found = follow(route, user="77")
    owed, notice = found.deliveries
    assert (owed.address, owed.person, owed.thread_key) == (Address.UNKNOWN, "user 77", f"job:{REF}")
    assert told([owed]).items[0].facts == (("Owner", "not known: user 77 is not in the directory"),)
    said = notice.notification
    assert said == found.notifications[1]
    assert (said.rule, said.kind, said.job, said.severity) == (RULE, KIND, None, Severity.WARNING)
    assert said.headline == "Not in the directory of owners: user 77"
    assert dict(said.labels)["user"] == ("77", "")
    assert notice.address is Address.PLACE


def test_the_notice_of_an_unknown_owner_is_the_same_for_all_their_jobs_and_made_once_in_a_look() -> None:
    first, second = (follow(ALONE, user="77", ref=replace(REF, job_id=JobId(name))) for name in ("a", "b"))
    assert first.deliveries[0].id != second.deliveries[0].id
    assert first.deliveries[1].id == second.deliveries[1].id
    assert len(list(unknown_owners([*first.deliveries, *second.deliveries]))) == 1


def test_a_job_that_names_nobody_is_told_of_by_its_source() -> None:
    owed, notice = follow(ALONE, user="").deliveries
    assert spoken(addressee(owed, PEOPLE, "slack").missing) == "not known: the job names nobody"
    assert notice.notification.headline == "Not in the directory of owners: jobs of hangzhou that name nobody"


def test_what_is_silenced_gives_no_notice_of_an_unknown_owner() -> None:
    quiet = Silencing(id=SilencingId("s"), match=Matcher.of({"rule": "cry"}), created_at=datetime.min.replace(tzinfo=NOW.tzinfo),
                      until=None, author="bob")  # fmt: skip
    assert [row.reason for row in follow(ALONE, user="77", silencings=(quiet,)).deliveries] == [DeliveryReason.SILENCED]


@pytest.mark.parametrize("change", [{"job": None}, {"across_jobs": True}])
def test_news_about_no_job_or_many_has_no_owner(change: dict[str, Any]) -> None:
    said: Notification = replace(follow(ALONE).notifications[0], **change)
    owed = owe(ALONE, said, NOW)
    assert addressed(owed, ALONE, PEOPLE) == owed


def test_who_left_the_directory_or_cannot_be_reached_there_is_told_at_the_receiver_with_the_reason() -> None:
    (owed,) = follow(ALONE).deliveries
    gone = told([owed], people=Directory())
    assert (gone.to, gone.items[0].facts) == (None, (("Owner", "ann, who is in the directory no more"),))
    mail = told([owed], reaches="mail")
    assert (mail.to, mail.items[0].facts) == (None, (("Owner", "ann, of whom the directory has no mail"),))
    anywhere = told([owed], reaches="")
    assert anywhere.to == ANN

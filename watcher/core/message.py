"""What one flush says, free of any channel's form. Notifiers turn it into Block Kit, mail, JSON or terminal text.

What happened to a job while the watcher was away becomes one item: a volley of old news would read as if it happened now. The last
of it leads, as it is how things stand; what came before it follows with its times. Its severity is that of the job's good or wanted
end, where that is the last news, as nobody need be woken for what has since been got over; otherwise the loudest of all.

What was held is told by its net effect (`core.compaction`): each item says what still matters of its subject, and what went before
it. How the job stands by now is in its card; where that shows that an item is over, the item says so and is no longer loud.

Long, because what is said as it comes, late, or after it was held is put into words in one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from watcher.core.absence import Absence
from watcher.core.addressing import addressee
from watcher.core.card import Card, status_card
from watcher.core.catalog import phrase, restarts, shown
from watcher.core.compaction import ENDED_WELL, attributed, got_over, was_held
from watcher.core.delivery import Delivery, FlushId
from watcher.core.language import PLAIN, Locale, Text, line_of, number_of, offset_in, spoken
from watcher.core.model import Course, JobRef, JobSnapshot
from watcher.core.people import Directory, Person
from watcher.core.phases import phase_of
from watcher.core.recipients import Outcomes
from watcher.core.rule import Facts, NotificationId, Occasion, Severity, Shown, known

_LOUDNESS = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)

_MOST_BEFORE: Final = 3
"""Of what came before the last news of an absence, so much is in the headline; the detail has all of it."""
_MOST_LINES: Final = 50
_FEW: Final = 3
"""A message of more items tells of each only the headline of what went before."""
_WORTH: Final = 80
"""Characters of an earlier headline within the folded one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCard:
    """The job as people know it, at the time of sending."""

    ref: JobRef
    title: str
    url: str = ""
    status: str = ""
    facts: Shown = ()
    """Workspace, quota, user, type, size, restarts, attempt: what is known of them."""
    said: Facts = ()
    """The same, not yet in words; empty where the facts are plain text. `compose` puts them into words for the reader."""
    card: Card | None = None
    """All of it, for ends that draw; None where nothing is held about the job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that happened.

    Attributes:
        headline: one line.
        facts: label and value pairs.
        detail: longer text, for example DLC's reason message; "" for none.
        at: when it happened, as well as we know.
        kind: event kind.
        rule: the rule that spoke.
        job: whose news it is; None for news of the watcher itself.
        away: the absence of the watcher in which it happened; None for news that is told as it happens.
        notification_id: which notification it is about, for whoever wants to answer it: of a reminder the first one; "" for an item
            made by hand.
        occasion: whether it is news, a reminder, or an escalation.
        labels: those that the notification was routed by.
        over_at: since when that which it tells of is over; only in what `LastingNotifier`s are told.
    """

    severity: Severity
    headline: str
    facts: Shown
    detail: str
    at: datetime
    kind: str
    rule: str
    job: JobCard | None
    away: Absence | None = None
    notification_id: NotificationId = NotificationId("")
    occasion: Occasion = Occasion.NEWS
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    over_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one receiver.

    Attributes:
        id: the flush id: the same on every attempt, so that the far side can tell a repeat.
        thread_key: messages with the same key belong to one thread.
        thread_title: the thread's unchanging subject.
        thread_reference: what the far side called the thread's root; "" when this message starts it.
        thread_place: where that root stands, where that is on record and may differ from where the receiver sends; else "".
        severity: the loudest of the items.
        title: one line that says it all.
        items: in order of happening, never empty.
        attempt: 1 for the first try.
        locale: how whoever reads it is spoken to. Title and items are in that language already; it is for what an end adds.
        recipients: what became of it at each recipient in earlier attempts, where the far side answers for each.
        to: who alone is told, in place of whoever reads the receiver; None for those.
        mentions: who is named so that they notice, each once.
        wording: a mail's subject, text and page in the receiver's own words, by part, where it has templates for them.
        refused_before: recipients of whom it is known from other messages that the far side refuses them.
    """

    id: FlushId
    receiver: str
    thread_key: str
    thread_title: str
    thread_reference: str
    severity: Severity
    title: str
    items: tuple[Item, ...]
    attempt: int = 1
    thread_place: str = ""
    locale: Locale = PLAIN
    to: Person | None = None
    mentions: tuple[Person, ...] = ()
    recipients: Outcomes = ()
    refused_before: frozenset[str] = frozenset()
    wording: Mapping[str, str] = field(default_factory=dict)

    @property
    def job(self) -> JobCard | None:
        """The one job it is about, or None when it is about several or none."""
        refs = {item.job.ref if item.job else None for item in self.items}
        return self.items[0].job if len(refs) == 1 else None


def loudest(severities: list[Severity]) -> Severity:
    """The loudest of them; `info` when there are none."""
    return max(severities, key=_LOUDNESS.index, default=Severity.INFO)


def job_card(
    job: JobSnapshot,
    url: str = "",
    course: Course = Course(),  # noqa: B008 - frozen
    *,
    as_of: datetime | None = None,
    gone: bool = False,
) -> JobCard:
    """What a message shows of a job; which attempt it is, once it is not the first.

    Args:
        job: as it is held.
        url: a link to it, or "".
        course: the way it went.
        as_of: the last time at which it was seen to be so; that of the answer when not given.
        gone: it is known to be gone.
    """
    card = status_card(job, course, url=url, as_of=as_of, gone=gone)
    facts = known(
        ("Workspace", job.workspace_name or job.workspace_id),
        ("Quota", job.quota_name or job.quota_id),
        ("User", job.user_name or job.user_id),
        ("Type", job.job_type),
        ("GPUs", f"{job.gpus:g}" if job.gpus else ""),
        ("Restarts", restarts(job.restarts)),
        ("Attempt", number_of(card.attempt, card.attempts) if card.attempt > 1 else ""),
    )
    return JobCard(
        ref=job.ref,
        title=job.title,
        url=url,
        status=job.status,
        facts=shown(facts),
        said=facts,
        card=card,
    )


def compose(
    deliveries: tuple[Delivery, ...],
    cards: dict[JobRef, JobCard],
    *,
    flush_id: FlushId,
    attempt: int,
    thread_reference: str,
    thread_place: str = "",
    locale: Locale = PLAIN,
    recipients: Outcomes = (),
    refused_before: frozenset[str] = frozenset(),
    folded: Sequence[Delivery] = (),
    people: Directory = Directory(),  # noqa: B008 - frozen
    reaches: str = "",
) -> Message:
    """Make the message of one flush from its deliveries, and from those of which it tells the net effect (`folded`).

    Those owed since the same look keep the order in which they are given, which is that of `core.order`: times cannot tell it, as
    some events of a look are dated by DLC and others by the look.

    Args:
        deliveries: what leaves together.
        cards: the jobs as they are held.
        flush_id: its id.
        attempt: number of this attempt.
        thread_reference: what the far side called the thread's root, or "".
        thread_place: where that root stands, or "".
        locale: how whoever reads the receiver is spoken to.
        recipients: what became of it at each recipient in earlier attempts.
        refused_before: recipients that are known to be refused.
        people: who jobs belong to.
        reaches: by which address of a person the receiver reaches one (`Capabilities.reaches`).
        folded: what was held, and is told by what came of it.
    """
    ordered = sorted(deliveries, key=lambda delivery: delivery.created_at)
    meant = [addressee(delivery, people, reaches) for delivery in ordered]
    to = next((one.person for one in meant if one.alone), None)
    locale = locale if to is None else to.locale(locale)
    said = [_item(delivery, cards, one.missing, locale) for delivery, one in zip(ordered, meant, strict=True)]
    held = bool(folded) or was_held(ordered)
    told = _net(ordered, said, folded, cards, locale) if held else said
    items = tuple(_folded(told, locale))
    severity = loudest([item.severity for item in items])
    first = ordered[0]
    return Message(
        id=flush_id,
        receiver=first.receiver,
        thread_key=first.thread_key,
        thread_title=_thread_title(items, first),
        thread_reference=thread_reference,
        thread_place=thread_place,
        severity=severity,
        title=_net_title(items, len(folded), locale) if held else _title(items, locale),
        items=items,
        attempt=attempt,
        locale=locale,
        to=to,
        mentions=tuple(dict.fromkeys(one.person for one in meant if one.person is not None and not one.alone)),
        recipients=recipients,
        refused_before=refused_before,
    )


def _item(delivery: Delivery, cards: dict[JobRef, JobCard], missing: Text, locale: Locale) -> Item:
    said = delivery.notification
    wording = said.for_readers
    about = None if said.about_many else said.job
    card = None if about is None else cards.get(about) or JobCard(ref=about, title=about.job_id)
    if card is not None and card.said:
        card = replace(card, facts=shown(card.said, locale))
    return Item(
        severity=said.severity,
        headline=line_of(wording.headline, locale),
        facts=shown((*wording.facts, ("Owner", missing)) if missing else wording.facts, locale),
        detail=spoken(wording.detail, locale),
        at=said.at,
        kind=said.kind,
        rule=said.rule,
        job=card,
        away=said.away,
        notification_id=said.about or said.id,
        occasion=said.occasion,
        labels=said.labels,
        over_at=said.over_at,
    )


def _net(
    ordered: Sequence[Delivery],
    said: Sequence[Item],
    folded: Sequence[Delivery],
    cards: dict[JobRef, JobCard],
    locale: Locale,
) -> list[Item]:
    """What was held: the items that stand for it, each with what it has overtaken."""
    before: dict[str, list[Item]] = {}
    for one, by in attributed(ordered, folded):
        before.setdefault(by.id, []).append(_item(one, cards, "", locale))
    few = len(ordered) <= _FEW
    each = zip(ordered, said, strict=True)
    return [_held(item, before.get(one.id, []), locale, detailed=few) for one, item in each]


def _held(item: Item, before: Sequence[Item], locale: Locale, *, detailed: bool) -> Item:
    headline, detail = item.headline, item.detail
    if before:
        headline = phrase("held-before", locale, last=headline, before=_those_before(before, locale))
    if before and detailed:
        lines = "\n".join(_lines(before, "%Y-%m-%d %H:%M:%S", locale))
        detail = "\n\n".join(filter(None, (detail, lines)))
    item = replace(item, headline=headline, detail=detail)
    status = "" if item.job is None else item.job.status
    if item.severity is Severity.INFO or not status or not got_over(item.kind, phase_of(status)):
        return item
    return replace(item, severity=Severity.INFO, headline=phrase("by-now", locale, last=headline, status=status))


def _those_before(before: Sequence[Item], locale: Locale) -> str:
    more = len(before) - _MOST_BEFORE
    parts = [phrase("more", locale, n=more)] if more > 0 else []
    parts += [_inside(item.headline)[:_WORTH] for item in before[-_MOST_BEFORE:]]
    return phrase("semicolon", locale).join(parts)


def _folded(items: Sequence[Item], locale: Locale) -> Iterator[Item]:
    """The items, with what happened to one job in one absence told as one, where the last of it stood."""

    def absent(item: Item) -> tuple[JobRef, Absence] | None:
        return (item.job.ref, item.away) if item.job is not None and item.away is not None else None

    last = {absent(item): number for number, item in enumerate(items)}
    for number, item in enumerate(items):
        if item.away is None or item.job is None:
            yield item
        elif last[absent(item)] == number:
            yield told_late([other for other in items if absent(other) == absent(item)], item.away, locale)


def told_late(told: Sequence[Item], away: Absence, locale: Locale = PLAIN) -> Item:
    """What happened to one job while the watcher was away, as one item; never empty, in order of happening."""
    *before, last = told
    severity = last.severity if last.kind in ENDED_WELL else loudest([item.severity for item in told])
    gap, latest = span(away, locale), _inside(last.headline)
    if not before:
        return replace(last, severity=severity, headline=phrase("away", locale, span=gap, last=latest))
    form = "%H:%M:%S" if _same_day(away, locale) else "%Y-%m-%d %H:%M:%S"
    earlier = _those_before(before, locale)
    return replace(
        last,
        severity=severity,
        headline=phrase("away-before", locale, span=gap, last=latest, before=earlier),
        detail="\n\n".join(filter(None, (last.detail, "\n".join(_lines(before, form, locale))))),
    )


def _lines(before: Sequence[Item], form: str, locale: Locale) -> Iterator[str]:
    if len(before) > _MOST_LINES:
        yield phrase("more-then", locale, n=len(before) - _MOST_LINES)
    for item in before[-_MOST_LINES:]:
        yield f"{item.at.astimezone(locale.clock).strftime(form)} {item.headline}"


def span(away: Absence, locale: Locale = PLAIN) -> str:
    """An absence in words, for example `09:10-11:40 UTC`, with dates where it went over midnight."""
    since, until = away.since.astimezone(locale.clock), away.until.astimezone(locale.clock)
    zone = offset_in(away.until, locale.zone)
    if _same_day(away, locale):
        return f"{since:%H:%M}-{until:%H:%M} {zone}"
    return phrase("span", locale, since=f"{since:%Y-%m-%d %H:%M}", until=f"{until:%Y-%m-%d %H:%M} {zone}")


def _same_day(away: Absence, locale: Locale) -> bool:
    return away.since.astimezone(locale.clock).date() == away.until.astimezone(locale.clock).date()


def _inside(headline: str) -> str:
    """A headline within a sentence: a capital that only began the sentence goes."""
    return headline[:1].lower() + headline[1:] if headline[1:2].islower() or headline[1:2] == " " else headline


def _thread_title(items: tuple[Item, ...], first: Delivery) -> str:
    job = items[0].job
    if job is not None and first.notification.job is not None and first.thread_key.startswith("job:"):
        return f"{job.title} ({job.ref.job_id})"
    if first.notification.about_many:
        return f"dlc-watcher: {first.notification.rule}"
    return f"dlc-watcher: {first.group_key}"


def with_items(message: Message, items: tuple[Item, ...]) -> Message:
    """The message with other words in its items; its title follows them where it was made of them."""
    made = message.title == _title(message.items, message.locale)
    return replace(message, items=items, title=_title(items, message.locale) if made else message.title)


def _title(items: tuple[Item, ...], locale: Locale) -> str:
    jobs = {item.job.ref: item.job.title for item in items if item.job is not None}
    first, count = items[0], len(items)
    if count == 1:
        return phrase("title", locale, job=first.job.title, headline=first.headline) if first.job else first.headline
    if len(jobs) == 1:
        return phrase("title-more", locale, job=next(iter(jobs.values())), headline=items[-1].headline, n=count - 1)
    return phrase("notices-jobs", locale, n=count, jobs=len(jobs)) if jobs else phrase("notices", locale, n=count)


def _net_title(items: tuple[Item, ...], folded: int, locale: Locale) -> str:
    """What was held, by what still matters of it."""
    jobs = len({item.job.ref for item in items if item.job is not None})
    if len(items) == 1 or jobs == 1:
        return _title(items, locale)
    critical, warning = (sum(item.severity is one for item in items) for one in (Severity.CRITICAL, Severity.WARNING))
    loud = [phrase("n-critical", locale, n=critical)] if critical else []
    loud += [phrase("n-warnings" if warning > 1 else "n-warning", locale, n=warning)] if warning else []
    still = phrase("comma", locale).join(loud) or phrase("nothing-loud", locale)
    if not jobs:
        return phrase("held", locale, n=len(items) + folded, still=still)
    return phrase("held-jobs", locale, n=len(items) + folded, jobs=jobs, still=still)

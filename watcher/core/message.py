"""What one flush says, free of any channel's form. Notifiers turn it into Block Kit, mail, JSON or terminal text.

What happened to a job while the watcher was away becomes one item: a volley of old news would read as if it happened now. The last
of it leads, as it is how things stand; what came before it follows with its times. Its severity is that of the job's good or wanted
end, where that is the last news, as nobody need be woken for what has since been got over; otherwise the loudest of all.

What was held is told by its net effect (`core.compaction`): each item says what still matters of its subject, and what went before
it. How the job stands by now is in its card; where that shows that an item is over, the item says so and is no longer loud.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from watcher.core.absence import Absence
from watcher.core.card import Card, status_card
from watcher.core.compaction import ENDED_WELL, attributed, got_over, was_held
from watcher.core.delivery import Delivery, FlushId
from watcher.core.model import Course, JobRef, JobSnapshot
from watcher.core.phases import phase_of
from watcher.core.rule import Facts, NotificationId, Severity

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
    facts: Facts = ()
    """Workspace, quota, user, type, size, restarts, attempt: what is known of them."""
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
        notification_id: which notification says it, for whoever wants to answer it; "" for an item made by hand.
    """

    severity: Severity
    headline: str
    facts: Facts
    detail: str
    at: datetime
    kind: str
    rule: str
    job: JobCard | None
    away: Absence | None = None
    notification_id: NotificationId = NotificationId("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one receiver.

    Attributes:
        id: the flush id: the same on every attempt, so that the far side can tell a repeat.
        thread_key: messages with the same key belong to one thread.
        thread_title: the thread's unchanging subject.
        thread_reference: what the far side called the thread's root; "" when this message starts it.
        severity: the loudest of the items.
        title: one line that says it all.
        items: in order of happening, never empty.
        attempt: 1 for the first try.
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
    facts = [
        ("Workspace", job.workspace_name or job.workspace_id),
        ("Quota", job.quota_name or job.quota_id),
        ("User", job.user_name or job.user_id),
        ("Type", job.job_type),
        ("GPUs", f"{job.gpus:g}" if job.gpus else ""),
        ("Restarts", str(job.restarts)),
        ("Attempt", _attempt(card) if card.attempt > 1 else ""),
    ]
    return JobCard(
        ref=job.ref,
        title=job.title,
        url=url,
        status=job.status,
        facts=tuple((label, value) for label, value in facts if value),
        card=card,
    )


def _attempt(card: Card) -> str:
    return str(card.attempt) if card.attempts is None else f"{card.attempt} of {card.attempts}"


def compose(
    deliveries: tuple[Delivery, ...],
    cards: dict[JobRef, JobCard],
    *,
    flush_id: FlushId,
    attempt: int,
    thread_reference: str,
    folded: Sequence[Delivery] = (),
) -> Message:
    """Make the message of one flush from its deliveries, and from those of which it tells the net effect (`folded`).

    Those owed since the same look keep the order in which they are given, which is that of `core.order`: times cannot tell it, as
    some events of a look are dated by DLC and others by the look.
    """
    ordered = sorted(deliveries, key=lambda delivery: delivery.created_at)
    held = was_held(ordered)
    items = tuple(_folded(_net(ordered, folded, cards) if folded or held else [_item(one, cards) for one in ordered]))
    severity = loudest([item.severity for item in items])
    first = ordered[0]
    return Message(
        id=flush_id,
        receiver=first.receiver,
        thread_key=first.thread_key,
        thread_title=_thread_title(items, first),
        thread_reference=thread_reference,
        severity=severity,
        title=_net_title(items, len(folded)) if folded or held else _title(items),
        items=items,
        attempt=attempt,
    )


def _item(delivery: Delivery, cards: dict[JobRef, JobCard]) -> Item:
    said = delivery.notification
    card = None if said.job is None else cards.get(said.job) or JobCard(ref=said.job, title=said.job.job_id)
    return Item(
        severity=said.severity,
        headline=said.headline,
        facts=said.facts,
        detail=said.detail,
        at=said.at,
        kind=said.kind,
        rule=said.rule,
        job=card,
        away=said.away,
        notification_id=said.id,
    )


def _net(ordered: Sequence[Delivery], folded: Sequence[Delivery], cards: dict[JobRef, JobCard]) -> list[Item]:
    """What was held: the items that stand for it, each with what it has overtaken."""
    before: dict[str, list[Item]] = {}
    for one, by in attributed(ordered, folded):
        before.setdefault(by.id, []).append(_item(one, cards))
    return [_held(_item(one, cards), before.get(one.id, []), detailed=len(ordered) <= _FEW) for one in ordered]


def _held(item: Item, before: Sequence[Item], *, detailed: bool) -> Item:
    if before:
        earlier = replace(item, headline=_with_those_before(item.headline, before))
        lines = "\n".join(_lines(before, "%Y-%m-%d %H:%M:%S"))
        item = replace(earlier, detail="\n\n".join(filter(None, (item.detail, lines)))) if detailed else earlier
    status = "" if item.job is None else item.job.status
    if item.severity is Severity.INFO or not status or not got_over(item.kind, phase_of(status)):
        return item
    return replace(item, severity=Severity.INFO, headline=f"{item.headline}; {status} by now")


def _with_those_before(headline: str, before: Sequence[Item]) -> str:
    shown = [_inside(item.headline)[:_WORTH] for item in before[-_MOST_BEFORE:]]
    more = [f"{len(before) - _MOST_BEFORE} more"] if len(before) > _MOST_BEFORE else []
    return f"{headline} (before that: {'; '.join([*more, *shown])})"


def _folded(items: Sequence[Item]) -> Iterator[Item]:
    """The items, with what happened to one job in one absence told as one, where the last of it stood."""

    def absent(item: Item) -> tuple[JobRef, Absence] | None:
        return (item.job.ref, item.away) if item.job is not None and item.away is not None else None

    last = {absent(item): number for number, item in enumerate(items)}
    for number, item in enumerate(items):
        if item.away is None or item.job is None:
            yield item
        elif last[absent(item)] == number:
            yield told_late([other for other in items if absent(other) == absent(item)], item.away)


def told_late(told: Sequence[Item], away: Absence) -> Item:
    """What happened to one job while the watcher was away, as one item; never empty, in order of happening."""
    *before, last = told
    severity = last.severity if last.kind in ENDED_WELL else loudest([item.severity for item in told])
    headline = f"While the watcher was away, {span(away)}: {_inside(last.headline)}"
    detail = last.detail
    if before:
        form = "%H:%M:%S" if _same_day(away) else "%Y-%m-%d %H:%M:%S"
        headline = _with_those_before(headline, before)
        detail = "\n\n".join(filter(None, (detail, "\n".join(_lines(before, form)))))
    return replace(last, severity=severity, headline=headline, detail=detail)


def _lines(before: Sequence[Item], form: str) -> Iterator[str]:
    if len(before) > _MOST_LINES:
        yield f"{len(before) - _MOST_LINES} more, then:"
    for item in before[-_MOST_LINES:]:
        yield f"{item.at.astimezone(UTC).strftime(form)} {item.headline}"


def span(away: Absence) -> str:
    """An absence in words, for example `09:10-11:40 UTC`, with dates where it went over midnight."""
    since, until = away.since.astimezone(UTC), away.until.astimezone(UTC)
    if _same_day(away):
        return f"{since:%H:%M}-{until:%H:%M} UTC"
    return f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"


def _same_day(away: Absence) -> bool:
    return away.since.astimezone(UTC).date() == away.until.astimezone(UTC).date()


def _inside(headline: str) -> str:
    """A headline within a sentence: a capital that only began the sentence goes."""
    return headline[:1].lower() + headline[1:] if headline[1:2].islower() or headline[1:2] == " " else headline


def _thread_title(items: tuple[Item, ...], first: Delivery) -> str:
    job = items[0].job
    if job is not None and first.notification.job is not None and first.thread_key.startswith("job:"):
        return f"{job.title} ({job.ref.job_id})"
    return f"dlc-watcher: {first.group_key}"


def _title(items: tuple[Item, ...]) -> str:
    jobs = {item.job.ref: item.job.title for item in items if item.job is not None}
    first = items[0]
    if len(items) == 1:
        return f"{first.job.title}: {first.headline}" if first.job else first.headline
    if len(jobs) == 1:
        last = items[-1]
        return f"{next(iter(jobs.values()))}: {last.headline} (+{len(items) - 1} more)"
    return f"{len(items)} notices about {len(jobs)} jobs" if jobs else f"{len(items)} notices"


def _net_title(items: tuple[Item, ...], folded: int) -> str:
    """What was held, by what still matters of it."""
    jobs = len({item.job.ref for item in items if item.job is not None})
    if len(items) == 1 or jobs == 1:
        return _title(items)
    critical, warning = (sum(item.severity is one for item in items) for one in (Severity.CRITICAL, Severity.WARNING))
    counts = ((critical, "critical"), (warning, "warning" if warning == 1 else "warnings"))
    loud = " and ".join(f"{count} {word}" for count, word in counts if count)
    notices = f"{len(items) + folded} notices" + (f" about {jobs} jobs" if jobs else "")
    return f"Held until now: {notices}, still of matter: {loud or 'nothing loud'}"

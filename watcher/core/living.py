"""The life of a living card: the message at the root of a job's thread that is changed in place as the job goes on.

One card for each job and receiver, begun with the first news of the job that goes there, so nobody is shown jobs of which they hear
nothing. The events are replies under it.

    begun --posted--> standing --news--> behind --updated--> standing ...
                          `-- lost (deleted, too old to change, channel archived or changed, thread too long)
                                `--next news of the job--> begun again: a new root that names the old one, once

*Behind* is a number, not a task: each commit about the job raises `news`, each update that was shown takes `seen` up to it. What
was committed in between is shown by one update, the newest state. A restart changes nothing about who is behind.

A lost card is replaced with the next news, not at once: who deleted it, or archived the channel, has not asked for another.

The root is marked before it is posted (`attempt`), under an id of its own that is the same on every attempt. So after a crash it is
looked for before it is posted again, like any other message. What was found shows an older state, so it is changed next. What is to
be shown is read after the mark: what is committed from then on raises `news`, and nothing falls between the two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from watcher.core.card import Card, standing
from watcher.core.delivery import BACKOFF, LONGEST_RETRY_AFTER, FlushId, Receipt
from watcher.core.events import deterministic_id
from watcher.core.language import PLAIN, Locale
from watcher.core.model import JobRef

UPDATE_EVERY: Final = timedelta(seconds=10)
"""Between two updates of one card: what changes faster is read by nobody."""

MOST_REPLIES: Final = 1000
"""So many replies stand under one root; more than that Slack shows slowly and nobody scrolls through."""

_NOTHING: Final = -1
"""`seen` of a card of which nobody knows what it shows."""

OVERDUE: Final = timedelta(seconds=30)
"""A card that is behind for longer than this goes before the next event: else no card would tell the truth during a storm."""


class CardLoss(StrEnum):
    """Why a card cannot be changed any more, or is to be left for a new one."""

    DELETED = "deleted"
    """Somebody deleted the message."""
    FROZEN = "frozen"
    """The far side does not let it be changed: too old, or not ours."""
    PLACE_GONE = "place-gone"
    """The channel is archived or gone."""
    MOVED = "moved"
    """The receiver is set to another place than it was."""
    FULL = "full"
    """There are too many replies under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LivingCard:
    """One row: the card of one job at one receiver.

    Attributes:
        target: where the receiver was set to send when it was posted.
        generation: 1 for the job's first root, one more for each that replaced one.
        reference: how the far side names the root; "" while it is not posted.
        place: the far side's own name of where it stands (Slack channel id).
        posted_at: when it was posted.
        attempt: how often posting it was begun.
        first_attempt_at: when that was for the first time.
        replies: messages under it.
        shown: what it shows (`fingerprint`).
        news: raised with every commit about the job; the store's own.
        seen: the `news` that it shows; less than any where nobody knows what it shows.
        next_at: it is not updated before.
        failures: updates that failed in a row.
        lost: why it is given up, or None.
        previous: reference of the root that this one replaced; "" for none.
        previous_place: where that one stands.
        why: why that one was given up.
    """

    receiver: str
    job: JobRef
    target: str
    generation: int = 1
    reference: str = ""
    place: str = ""
    posted_at: datetime | None = None
    attempt: int = 0
    first_attempt_at: datetime | None = None
    replies: int = 0
    shown: str = ""
    news: int = 0
    seen: int = 0
    next_at: datetime
    failures: int = 0
    lost: CardLoss | None = None
    previous: str = ""
    previous_place: str = ""
    why: CardLoss | None = None

    @property
    def id(self) -> FlushId:
        """Of the root message: the same on every attempt, another one for every root."""
        return FlushId(deterministic_id("card", self.receiver, self.job, self.generation))

    @property
    def stands(self) -> bool:
        """Replies may go under it."""
        return bool(self.reference) and self.lost is None

    @property
    def behind(self) -> bool:
        """It may show less than what is known."""
        return self.stands and self.news > self.seen


@dataclass(frozen=True, slots=True, kw_only=True)
class CardView:
    """What an end is given to show: the card, and which message it is.

    Attributes:
        id: the root message's id.
        reference: the message to change in place; "" to post it.
        place: where that message stands.
        attempt: 1 for the first try at posting it.
        since: when posting it was first tried.
        previous: reference of the root that it replaces, to be linked; "" for none.
        previous_place: where that one stands.
        why: why it was replaced.
        locale: how whoever reads it is spoken to.
    """

    id: FlushId
    receiver: str
    card: Card
    reference: str = ""
    place: str = ""
    attempt: int = 1
    since: datetime
    previous: str = ""
    previous_place: str = ""
    why: CardLoss | None = None
    locale: Locale = PLAIN


def fingerprint(card: Card) -> str:
    """The same for cards that show the same, apart from what runs on by itself."""
    return deterministic_id("card", standing(card))


def view(living: LivingCard, card: Card, now: datetime, locale: Locale = PLAIN) -> CardView:
    """What to show of it now."""
    return CardView(
        id=living.id,
        receiver=living.receiver,
        card=card,
        reference=living.reference,
        place=living.place,
        attempt=max(1, living.attempt),
        since=living.first_attempt_at or now,
        previous=living.previous,
        previous_place=living.previous_place,
        why=living.why,
        locale=locale,
    )


def root_for(held: LivingCard | None, receiver: str, job: JobRef, target: str, now: datetime) -> LivingCard:
    """The root that the next news goes under: the one that is held, or a new one, marked as being posted.

    Args:
        held: what is on record, or None.
        receiver: whose card.
        job: whose news.
        target: where the receiver is set to send now.
        now: now.
    """
    if held is None:
        held = LivingCard(receiver=receiver, job=job, target=target, next_at=now)
    loss = _loss(held, target)
    if loss is not None:
        held = LivingCard(
            receiver=receiver,
            job=job,
            target=target,
            generation=held.generation + 1,
            news=held.news,
            next_at=now,
            previous=held.reference,
            previous_place=held.place,
            why=loss,
        )
    if held.stands:
        return held
    return replace(
        held, target=target, attempt=held.attempt + 1, first_attempt_at=held.first_attempt_at or now, next_at=now
    )


def _loss(held: LivingCard, target: str) -> CardLoss | None:
    if not held.reference:
        return None
    if held.lost is not None:
        return held.lost
    if held.target != target:
        return CardLoss.MOVED
    return CardLoss.FULL if held.replies >= MOST_REPLIES else None


def posted(living: LivingCard, receipt: Receipt, shown: str, now: datetime) -> LivingCard:
    """Its root stands. One that an earlier attempt left shows what was so then, whatever that was: it is behind at once."""
    made = replace(living, reference=receipt.reference, place=receipt.place, posted_at=now)
    if receipt.earlier:
        return replace(made, shown="", seen=_NOTHING, next_at=now)
    return replace(made, shown=shown, seen=living.news, next_at=now + UPDATE_EVERY)


def replied(living: LivingCard) -> LivingCard:
    """One more message under it."""
    return replace(living, replies=living.replies + 1)


def updated(living: LivingCard, shown: str, now: datetime) -> LivingCard:
    """It shows what was known when `living` was read."""
    wait = UPDATE_EVERY if shown != living.shown else timedelta(0)
    return replace(living, shown=shown, seen=living.news, next_at=now + wait, failures=0)


def put_off(living: LivingCard, retry_after: timedelta | None, now: datetime) -> LivingCard:
    """An update failed in a way that may pass."""
    wait = BACKOFF[min(living.failures + 1, len(BACKOFF) - 1)]
    wait = max(wait, min(retry_after or timedelta(0), LONGEST_RETRY_AFTER))
    return replace(living, next_at=now + wait, failures=living.failures + 1)


def given_up(living: LivingCard, loss: CardLoss) -> LivingCard:
    """It can never be changed again where it stands."""
    return replace(living, lost=loss, failures=0)


def may_update(living: LivingCard, now: datetime) -> bool:
    """Whether it is behind, and its time has come."""
    return living.behind and living.next_at <= now


def overdue(living: LivingCard, now: datetime) -> bool:
    """Whether it has been behind for so long that it goes before other news."""
    return living.behind and living.next_at + OVERDUE <= now

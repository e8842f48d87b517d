"""The life of a delivery: one notification owed to one receiver.

    PENDING --lease--> SENDING --ok--> DELIVERED
                          |---permanent----------> DEAD
       |                  `---transient/unknown--> RETRYING --lease--> SENDING ...   (DEAD when a day has passed)
       |--part of larger news, or overtaken while it was held--> FOLDED
       `--larger news says why (see `core.inhibition`)---------> WITHHELD

    A person may take up what is DEAD (then it is PENDING once more), or drop what is not told yet (then it is WITHHELD).

    WITHHELD from the start: decided and recorded, and not to be sent (see `core.withholding`)

A row is marked SENDING, with its attempt number, before the network is touched. So a row found SENDING after a crash means "maybe
sent"; it is sent again under the same flush id, and the far side, or a look-up there, can tell the copy.

Deliveries that left in one message share a `flush_id` from then on: a retry repeats exactly that message, never a larger one.

Long, because every state and every reason is described where it is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NewType

from watcher.core.people import Address
from watcher.core.recipients import Acceptance, Outcomes, those
from watcher.core.rule import Absorption, Notification

DeliveryId = NewType("DeliveryId", str)
FlushId = NewType("FlushId", str)


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    SENDING = "sending"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    DEAD = "dead"
    FOLDED = "folded"
    """Not told by itself: it is part of larger news, or newer news says how things stand."""
    WITHHELD = "withheld"
    """Recorded and not to be sent; the reason says why."""


class DeliveryReason(StrEnum):
    """Why a delivery stands where it does. Closed: metric label, row and text of a story."""

    OWED = "owed"
    """Waiting for its group's time."""
    LEASED = "leased"
    """On its way right now, or it was when the process died."""
    ACCEPTED = "accepted"
    """The far side took it."""
    TRANSIENT = "transient"
    """It failed in a way that may pass; it will be tried again."""
    UNKNOWN_OUTCOME = "unknown-outcome"
    """The connection broke when the far side may already have taken it; it will be sent again under the same id."""
    PERMANENT = "permanent"
    """It can never work as it is; the fix is in the row."""
    EXPIRED = "expired"
    """It was tried for as long as the schedule allows."""
    PART_OF_STORM = "part-of-storm"
    """A rule that looks at many jobs tells it with others; the row names that notification."""
    PART_OF_FLAPPING = "part-of-flapping"
    """Its job or pod goes back and forth, which is told as one thing; the row names that notification."""
    OVERTAKEN = "overtaken"
    """It was held, and newer news says how things stand; the row names that notification and its message."""
    SHADOW = "shadow"
    """Its rule or its route is on trial: what it would have told is recorded."""
    MUTED = "muted"
    """Waiting for the end of its route's mute intervals."""
    DISABLED = "disabled"
    """Its receiver is disabled until a person, or another configuration, enables it; nothing was sent."""
    RETRIED = "retried"
    """It was dead, and a person asked for another row of attempts; the row names who and why."""
    DROPPED = "dropped"
    """A person does not want it told any more; the row names who and why."""
    INHIBITED = "inhibited"
    """Larger news that the same receiver hears says why; the row names that notification."""
    SILENCED = "silenced"
    """A person did not want to hear it for a while; the row names the silence."""


TERMINAL_STATES: Final = frozenset(
    {DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.FOLDED, DeliveryState.WITHHELD}
)

LEGAL: Final[Mapping[DeliveryState, frozenset[DeliveryState]]] = {
    DeliveryState.PENDING: frozenset({DeliveryState.SENDING, DeliveryState.FOLDED, DeliveryState.WITHHELD}),
    DeliveryState.RETRYING: frozenset({DeliveryState.SENDING}),
    DeliveryState.SENDING: frozenset({DeliveryState.DELIVERED, DeliveryState.RETRYING, DeliveryState.DEAD}),
    DeliveryState.DELIVERED: frozenset(),
    DeliveryState.DEAD: frozenset(),
    DeliveryState.FOLDED: frozenset(),
    DeliveryState.WITHHELD: frozenset(),
}
"""Which state may follow which."""

BY_HAND: Final[Mapping[DeliveryState, frozenset[DeliveryState]]] = {
    DeliveryState.PENDING: frozenset({DeliveryState.WITHHELD}),
    DeliveryState.RETRYING: frozenset({DeliveryState.WITHHELD}),
    DeliveryState.SENDING: frozenset(),
    DeliveryState.DELIVERED: frozenset(),
    DeliveryState.DEAD: frozenset({DeliveryState.PENDING, DeliveryState.WITHHELD}),
    DeliveryState.FOLDED: frozenset(),
    DeliveryState.WITHHELD: frozenset(),
}
"""What a person may make of which state. What is on its way right now is out of reach."""

RETRIABLE: Final = frozenset(state for state, after in BY_HAND.items() if DeliveryState.PENDING in after)
DROPPABLE: Final = frozenset(state for state, after in BY_HAND.items() if DeliveryState.WITHHELD in after)

BACKOFF: Final = (
    timedelta(seconds=1),
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=1),
)
"""Wait after the first, second ... failed attempt; the last one repeats."""

GIVE_UP_AFTER: Final = timedelta(hours=24)
"""Measured from the first attempt. A day outlives a night and a provider's outage."""

MOST_BLIND_ATTEMPTS: Final = 10
"""For far sides that do not say why they fail (Apprise, a command): nearly four hours. It may arrive each time all the same."""

LONGEST_RETRY_AFTER: Final = timedelta(hours=1)
"""A far side's own wish is honoured up to here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One outbox row."""

    id: DeliveryId
    receiver: str
    notification: Notification
    group_key: str
    thread_key: str
    """What the receiver shows as one thread: the job, else the group."""
    state: DeliveryState = DeliveryState.PENDING
    reason: DeliveryReason = DeliveryReason.OWED
    attempt: int = 0
    not_before: datetime
    apart: timedelta = timedelta(0)
    """The least time after its group's last message."""
    created_at: datetime
    first_attempt_at: datetime | None = None
    settled_at: datetime | None = None
    flush_id: FlushId | None = None
    error: str = ""
    address: Address = Address.PLACE
    person: str = ""
    """The owner it is for, or who is named in it, by the name in the directory; what is known of an owner who is not in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the far side returned for one message that it took, for some of its recipients at least.

    Attributes:
        reference: how the far side names the message (Slack ts, Message-ID); "" when it gives no name.
        thread_reference: what later messages of the same thread must point at; "" when there are no threads.
        place: where it went (Slack channel id, recipients), for people.
        note: anything a person should know, such as refused recipients; "" for none.
        recipients: the last word about each recipient, where the far side answers for each. While one is deferred, the message is
            tried again for those.
        retry_after: how long the far side wants those to wait.
        earlier: an earlier attempt had brought it there, as it was then; this one found it and sent nothing.
    """

    reference: str = ""
    thread_reference: str = ""
    place: str = ""
    note: str = ""
    recipients: Outcomes = ()
    retry_after: timedelta | None = None
    earlier: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failed attempt, as a value.

    Attributes:
        error: what happened, and the fix where one is known.
        permanent: the same can never work.
        ambiguous: it may have arrived.
        retry_after: the far side's own wish, or None.
        most_attempts: after so many it is given up, where nobody says why it fails; None for no other limit than time.
        pauses: it says something of the receiver and not only of this message.
        disables: nothing will ever arrive there again.
    """

    error: str
    permanent: bool = False
    ambiguous: bool = False
    retry_after: timedelta | None = None
    most_attempts: int | None = None
    pauses: bool = False
    disables: bool = False


Outcome = Receipt | Failure


def taken_up(delivery: Delivery, word: str, now: datetime) -> Delivery:
    """A dead letter, owed once more: the same delivery, with a new row of attempts. Any other stays as it is.

    Args:
        delivery: as it is.
        word: who says so, and why.
        now: now.
    """
    if delivery.state not in RETRIABLE:
        return delivery
    return replace(
        delivery,
        state=DeliveryState.PENDING,
        reason=DeliveryReason.RETRIED,
        attempt=0,
        not_before=now,
        first_attempt_at=None,
        settled_at=None,
        flush_id=None,
        error=f"{word} (before: {delivery.error})",
    )


def dropped(delivery: Delivery, word: str, now: datetime) -> Delivery:
    """What is not told yet, dropped. Anything else stays as it is. Parameters as for `taken_up`."""
    if delivery.state not in DROPPABLE:
        return delivery
    before = f" (before: {delivery.error})" if delivery.error else ""
    return replace(
        delivery,
        state=DeliveryState.WITHHELD,
        reason=DeliveryReason.DROPPED,
        settled_at=now,
        error=f"{word}{before}",
    )


def absorbed(delivery: Delivery, absorption: Absorption, now: datetime) -> Delivery:
    """The delivery, folded into larger news where it still waits and is meant; else as it was."""
    if delivery.state is not DeliveryState.PENDING or not absorption.covers(delivery.notification):
        return delivery
    return replace(
        delivery,
        state=DeliveryState.FOLDED,
        reason=DeliveryReason.PART_OF_FLAPPING if absorption.flapping else DeliveryReason.PART_OF_STORM,
        settled_at=now,
        error=f"told as part of notification {absorption.into}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What becomes of the deliveries of one flush: the new state, why, and when to try again (only for RETRYING)."""

    state: DeliveryState
    reason: DeliveryReason
    not_before: datetime | None = None
    error: str = ""


def settle(outcome: Outcome, *, attempt: int, first_attempt_at: datetime, now: datetime, jitter: float) -> Settlement:
    """What follows from an attempt's outcome.

    Args:
        outcome: the receipt, or the failure.
        attempt: number of the attempt that just ended, from 1.
        first_attempt_at: when the first attempt began.
        now: now.
        jitter: from 0 to 1; the wait lies between half and the whole of the step: never at once, never in step.
    """
    if isinstance(outcome, Receipt):
        again = settle(
            Failure(error=outcome.note, retry_after=outcome.retry_after),
            attempt=attempt,
            first_attempt_at=first_attempt_at,
            now=now,
            jitter=jitter,
        )
        # When the time is up, it is delivered all the same: somebody has it, and the note names those who have not.
        if those(outcome.recipients, Acceptance.DEFERRED) and again.state is DeliveryState.RETRYING:
            return again
        return Settlement(state=DeliveryState.DELIVERED, reason=DeliveryReason.ACCEPTED, error=outcome.note)
    if outcome.permanent:
        return Settlement(state=DeliveryState.DEAD, reason=DeliveryReason.PERMANENT, error=outcome.error)
    wait = BACKOFF[min(attempt, len(BACKOFF)) - 1] * (0.5 + jitter / 2)
    if outcome.retry_after is not None:
        wait = max(wait, min(outcome.retry_after, LONGEST_RETRY_AFTER))
    tried_enough = outcome.most_attempts is not None and attempt >= outcome.most_attempts
    if tried_enough or now + wait > first_attempt_at + GIVE_UP_AFTER:
        return Settlement(state=DeliveryState.DEAD, reason=DeliveryReason.EXPIRED, error=outcome.error)
    reason = DeliveryReason.UNKNOWN_OUTCOME if outcome.ambiguous else DeliveryReason.TRANSIENT
    return Settlement(state=DeliveryState.RETRYING, reason=reason, not_before=now + wait, error=outcome.error)

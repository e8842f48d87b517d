"""Whether a receiver is sent to at all: a circuit breaker, as a table and a row that outlives the process.

    CLOSED --three messages in a row failed, or the far side says wait--> OPEN --its time is up--> HALF_OPEN --taken--> CLOSED
       |                                                                    ^------failed again--------'
       `--gone for good--> DISABLED --a person, or another configuration--> CLOSED

One message that fails, however often, opens nothing: it may be the message. Three different ones without a success in between speak
of the receiver. In HALF_OPEN one message is tried; each opening in a row is longer than the one before. A refusal of a single
message shows that somebody is there.

DISABLED is what HTTP 410 asks for. Nothing leaves by itself then: what is owed becomes a dead letter at once, and is told by the
fallback where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from watcher.core.delivery import BACKOFF, LONGEST_RETRY_AFTER, FlushId, Outcome, Receipt


class BreakerState(StrEnum):
    """Whether a receiver is sent to."""

    CLOSED = "closed"
    """It is; as a circuit that is closed carries current."""
    OPEN = "open"
    """Nothing is sent until a time."""
    HALF_OPEN = "half-open"
    """One message is tried."""
    DISABLED = "disabled"
    """Nothing is sent until a person, or another configuration, says so."""


class Sign(StrEnum):
    """What an attempt, or the time, tells about a receiver."""

    TAKEN = "taken"
    """It took a message, or looked at one and refused it alone."""
    FAILED = "failed"
    """An attempt failed; it may have been the message, or a moment."""
    FAILED_AGAIN = "failed-again"
    """So did attempts with other messages, and nothing got through in between."""
    HELD_OFF = "held-off"
    """It says itself that nothing can be sent now (429, a wrong password)."""
    GONE = "gone"
    """It says that nothing will ever arrive there again (410)."""
    TIME_UP = "time-up"
    """The time of an opening is over."""
    ENABLED = "enabled"
    """A person says that it is mended."""


_STATES, _SIGNS = BreakerState, Sign

TABLE: Final[Mapping[tuple[BreakerState, Sign], BreakerState]] = {
    (_STATES.CLOSED, _SIGNS.TAKEN): _STATES.CLOSED,
    (_STATES.CLOSED, _SIGNS.FAILED): _STATES.CLOSED,
    (_STATES.CLOSED, _SIGNS.FAILED_AGAIN): _STATES.OPEN,
    (_STATES.CLOSED, _SIGNS.HELD_OFF): _STATES.OPEN,
    (_STATES.CLOSED, _SIGNS.GONE): _STATES.DISABLED,
    (_STATES.CLOSED, _SIGNS.TIME_UP): _STATES.CLOSED,
    (_STATES.CLOSED, _SIGNS.ENABLED): _STATES.CLOSED,
    (_STATES.OPEN, _SIGNS.TAKEN): _STATES.CLOSED,
    (_STATES.OPEN, _SIGNS.FAILED): _STATES.OPEN,
    (_STATES.OPEN, _SIGNS.FAILED_AGAIN): _STATES.OPEN,
    (_STATES.OPEN, _SIGNS.HELD_OFF): _STATES.OPEN,
    (_STATES.OPEN, _SIGNS.GONE): _STATES.DISABLED,
    (_STATES.OPEN, _SIGNS.TIME_UP): _STATES.HALF_OPEN,
    (_STATES.OPEN, _SIGNS.ENABLED): _STATES.CLOSED,
    (_STATES.HALF_OPEN, _SIGNS.TAKEN): _STATES.CLOSED,
    (_STATES.HALF_OPEN, _SIGNS.FAILED): _STATES.OPEN,
    (_STATES.HALF_OPEN, _SIGNS.FAILED_AGAIN): _STATES.OPEN,
    (_STATES.HALF_OPEN, _SIGNS.HELD_OFF): _STATES.OPEN,
    (_STATES.HALF_OPEN, _SIGNS.GONE): _STATES.DISABLED,
    (_STATES.HALF_OPEN, _SIGNS.TIME_UP): _STATES.HALF_OPEN,
    (_STATES.HALF_OPEN, _SIGNS.ENABLED): _STATES.CLOSED,
    (_STATES.DISABLED, _SIGNS.TAKEN): _STATES.DISABLED,
    (_STATES.DISABLED, _SIGNS.FAILED): _STATES.DISABLED,
    (_STATES.DISABLED, _SIGNS.FAILED_AGAIN): _STATES.DISABLED,
    (_STATES.DISABLED, _SIGNS.HELD_OFF): _STATES.DISABLED,
    (_STATES.DISABLED, _SIGNS.GONE): _STATES.DISABLED,
    (_STATES.DISABLED, _SIGNS.TIME_UP): _STATES.DISABLED,
    (_STATES.DISABLED, _SIGNS.ENABLED): _STATES.CLOSED,
}
"""What follows: total over states and signs."""

OPENS_AFTER: Final = 3
"""So many different messages must fail in a row. One may be at fault itself; two may be two of a kind."""

OPENINGS: Final = BACKOFF[2:]
"""How long the first, second ... opening in a row lasts, where the far side names no time; the last one repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """What is known of one receiver's reachability.

    Attributes:
        receiver: whose.
        target: stands for its configuration; another one begins anew. "" fits only itself.
        since: when the failures began that nothing has got through since; None when all is well.
        failed: the different messages that failed since, the last `OPENS_AFTER` of them.
        openings: how often it was opened since.
        until: the end of the present opening; None when it is not open.
        error: the last failure, with its fix where one is known; "" when all is well.
        told_at: when the fallback was last told what waits; None when not since then.
    """

    receiver: str
    target: str = ""
    state: BreakerState = BreakerState.CLOSED
    since: datetime | None = None
    failed: tuple[FlushId, ...] = ()
    openings: int = 0
    until: datetime | None = None
    error: str = ""
    told_at: datetime | None = None

    @property
    def shut(self) -> bool:
        """Whether nothing may be sent at present."""
        return self.state in {BreakerState.OPEN, BreakerState.DISABLED}


def heard(breaker: Breaker, flush_id: FlushId, outcome: Outcome, now: datetime) -> Breaker:
    """What an attempt's outcome makes of it.

    Args:
        breaker: as it was.
        flush_id: the message that was tried.
        outcome: what came of it.
        now: now.
    """
    if isinstance(outcome, Receipt):
        return _moved(breaker, Sign.TAKEN)
    failed = (*(known for known in breaker.failed if known != flush_id), flush_id)[-OPENS_AFTER:]
    if outcome.disables:
        sign = Sign.GONE
    elif outcome.pauses:
        sign = Sign.HELD_OFF
    elif outcome.permanent:
        sign = Sign.TAKEN
    else:
        sign = Sign.FAILED if len(failed) < OPENS_AFTER else Sign.FAILED_AGAIN
    after = _moved(breaker, sign)
    if sign is Sign.TAKEN:
        return after
    after = replace(after, since=breaker.since or now, failed=failed, error=outcome.error)
    if after.state is not BreakerState.OPEN:
        return after
    # What was under way when it opened says nothing new.
    return breaker if breaker.state is BreakerState.OPEN else _opened(after, outcome.retry_after, now)


def _moved(breaker: Breaker, sign: Sign) -> Breaker:
    """Its next state. Where all is well again, nothing of what was is kept."""
    state = TABLE[breaker.state, sign]
    if state is BreakerState.CLOSED and sign in {Sign.TAKEN, Sign.ENABLED}:
        return Breaker(receiver=breaker.receiver, target=breaker.target)
    return replace(breaker, state=state, until=None)


def _opened(breaker: Breaker, wish: timedelta | None, now: datetime) -> Breaker:
    length = OPENINGS[min(breaker.openings, len(OPENINGS) - 1)] if wish is None else min(wish, LONGEST_RETRY_AFTER)
    return replace(breaker, openings=breaker.openings + 1, until=now + length)


def at_time(breaker: Breaker, now: datetime) -> Breaker:
    """As it is at this time: an opening that is over leads to one try."""
    if breaker.until is None or breaker.until > now:
        return breaker
    return _moved(breaker, Sign.TIME_UP)


def enabled(breaker: Breaker) -> Breaker:
    """After a person said that it is mended."""
    return _moved(breaker, Sign.ENABLED)


def for_target(known: Breaker | None, receiver: str, target: str) -> Breaker:
    """What holds at the start: what is known, unless the receiver's configuration is another one."""
    if known is None or known.target != target:
        return Breaker(receiver=receiver, target=target)
    return known


def fallback_due(breaker: Breaker, after: timedelta) -> datetime | None:
    """When the fallback is to be told what waits: after so long without success, and so often again. None when it is not.

    What is owed to a receiver that is disabled does not wait: it dies and is told one by one.
    """
    if breaker.since is None or breaker.state is BreakerState.DISABLED:
        return None
    return (breaker.told_at or breaker.since) + after

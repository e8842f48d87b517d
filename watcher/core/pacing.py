"""When to ask, and how often: all requests of an account share one budget, and DLC does not publish how large it is.

Theory. A token bucket spaces the requests; where tokens are short it hands out a place in the queue (the level goes below zero), so
callers are served in the order they asked. The bucket's rate is found by increase in quiet times and multiplicative decrease, the
rule by which TCP shares a line nobody knows the width of: each throttling halves the rate at once, each quiet stretch gives a
little back. Many answers to requests that were under way together are throttled together; that is one signal, so the rate is halved
at most once in `REACTION`.

How much a quiet stretch gives back goes by the rate at which it was last throttled, as in CUBIC (RFC 9438): fast while far below
it, slowly near it, and fast again once it is left behind, as then the limit must have moved. With r the remembered rate and t the
quiet time in units of `RECOVERY`

    rate(t) = r (1 + (t - 1)^3 / 2)        r/2 at t = 0, r at t = 1, 3r/2 at t = 2

so against a limit that stays the rate lies within a tenth of it more than half of the time, and touches it about once in
`RECOVERY`: with ten requests a second and two under way that is two throttled answers in some thousand.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from watcher.core.model import JobRef

SLOWEST: Final = 64
"""The rate never falls below the configured one divided by this: somebody must notice when the throttling ends."""

REACTION: Final = timedelta(seconds=2)
"""Throttlings within this time of a halving belong to the same jam."""

RECOVERY: Final = timedelta(minutes=2)
"""From a halving back to the rate that was throttled, if nothing is throttled meanwhile."""

JITTER: Final = 0.1
"""Polls are drawn this far around their time, so that jobs first seen together do not stay together."""

FIRST_BACKOFF: Final = timedelta(seconds=2)
LONGEST_BACKOFF: Final = timedelta(minutes=5)
"""For one job whose question fails while others are answered."""
LONGEST_SOURCE_BACKOFF: Final = timedelta(minutes=1)
"""For a source that does not answer at all. Short, so that its return is seen soon: one question a minute harms nobody."""


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """Spaces requests.

    Attributes:
        rate: tokens per second.
        burst: most tokens that can be saved up, at least 1.
        level: tokens left at `at`; below zero when places in the queue have been handed out.
        at: when the level was last reckoned.
    """

    rate: float
    burst: float
    level: float
    at: datetime


def take(bucket: TokenBucket, now: datetime) -> tuple[TokenBucket, timedelta]:
    """Take one token: the bucket after it, and how long to wait before using it. A clock that went backwards adds nothing."""
    filled = _refill(bucket, now)
    left = TokenBucket(filled.rate, filled.burst, filled.level - 1, filled.at)
    return left, timedelta(seconds=-left.level / left.rate) if left.level < 0 else timedelta(0)


def _refill(bucket: TokenBucket, now: datetime) -> TokenBucket:
    passed = max(0.0, (now - bucket.at).total_seconds())
    level = min(bucket.burst, bucket.level + passed * bucket.rate)
    return TokenBucket(bucket.rate, bucket.burst, level, max(now, bucket.at))


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one source may be asked at present.

    Attributes:
        ceiling: the configured requests per second; never exceeded.
        bucket: spaces requests at the present rate.
        halved_at: when it was last halved, or None.
        blocked_until: no request at all before this time, or None.
        limit: the rate at which it was last throttled; 0 when it never was.
    """

    ceiling: float
    bucket: TokenBucket
    halved_at: datetime | None = None
    blocked_until: datetime | None = None
    limit: float = 0.0

    @property
    def rate(self) -> float:
        """Requests per second at present."""
        return self.bucket.rate


def full_pace(requests_per_second: float, now: datetime, *, burst: float | None = None) -> Pace:
    """The pace to start with: the configured rate, with one second's worth (at least one request) saved up."""
    size = max(1.0, requests_per_second if burst is None else burst)
    return Pace(requests_per_second, TokenBucket(requests_per_second, size, size, now))


def permit(pace: Pace, now: datetime) -> tuple[Pace, timedelta]:
    """Ask for one request: the pace after it, and how long to wait before sending it."""
    start = max(now, pace.blocked_until or now)
    bucket, wait = take(pace.bucket, start)
    return Pace(pace.ceiling, bucket, pace.halved_at, pace.blocked_until, pace.limit), wait + (start - now)


def spare(pace: Pace, now: datetime) -> timedelta:
    """How long until a request could be sent that delays nobody, if nobody else asks meanwhile; zero for at once."""
    start = max(now, pace.blocked_until or now)
    missing = 1 - _refill(pace.bucket, start).level
    return start - now + timedelta(seconds=max(0.0, missing / pace.rate))


def throttled(pace: Pace, now: datetime, retry_after: timedelta | None = None) -> Pace:
    """DLC said "too many requests": halve the rate, and hold the whole account back for as long as it asks."""
    slower = hold(pace, now, retry_after or timedelta(0))
    if pace.halved_at is not None and now - pace.halved_at < REACTION:
        return slower
    limit = max(pace.rate, 2 * pace.ceiling / SLOWEST)
    return replace(_at_rate(slower, limit / 2, now), halved_at=now, limit=limit)


def answered(pace: Pace, now: datetime) -> Pace:
    """A question was answered: give back what the quiet time since the last change has earned."""
    if pace.rate >= pace.ceiling or pace.halved_at is None:
        return pace
    since = max(pace.halved_at, pace.blocked_until or pace.halved_at)  # while nothing was asked, nothing was earned
    quiet = (now - since) / RECOVERY
    earned = pace.limit * (1 + (quiet - 1) ** 3 / 2)
    return _at_rate(pace, min(pace.ceiling, max(pace.rate, earned)), now)


def unanswered(pace: Pace, now: datetime, failures: int, jitter: float) -> Pace:
    """The source as a whole failed for the `failures`-th time in a row: hold everything back for a while."""
    return hold(pace, now, backoff(failures, jitter, longest=LONGEST_SOURCE_BACKOFF))


def hold(pace: Pace, now: datetime, length: timedelta) -> Pace:
    """Send nothing for so long; a hold that reaches further stays.

    Nothing is saved up meanwhile: those who wait for the end of it are not let loose all at once, but at the rate.
    """
    until = max(now + length, pace.blocked_until or now)
    if until <= now:
        return replace(pace, blocked_until=None)
    bucket = _refill(pace.bucket, now)
    return replace(pace, bucket=replace(bucket, level=min(bucket.level, 1.0), at=until), blocked_until=until)


def _at_rate(pace: Pace, rate: float, now: datetime) -> Pace:
    """What was earned at the old rate counts, as far as the new one lets it be saved up; from now on the new one does.

    No more than a second's worth is saved up at any rate: a burst as large as the ceiling's would be throttled however low the
    rate is, and each throttling lowers it further.
    """
    bucket, burst = _refill(pace.bucket, now), max(1.0, rate)
    return replace(pace, bucket=TokenBucket(rate, burst, min(bucket.level, burst), bucket.at))


def backoff(failures: int, jitter: float, *, longest: timedelta = LONGEST_BACKOFF) -> timedelta:
    """How long to wait after so many failures in a row: doubling, capped, drawn between half and the whole of the step.

    Args:
        failures: how many in a row; 0 means no wait.
        jitter: from 0 to 1.
        longest: the cap.
    """
    if failures <= 0:
        return timedelta(0)
    doublings = min(failures - 1, 20)  # beyond this every cap is reached, and timedelta would overflow
    return min(FIRST_BACKOFF * float(1 << doublings), longest) * (0.5 + jitter / 2)


def next_poll(last_look: datetime, *, poll_every: timedelta, live_jobs: int, rate: float, jitter: float) -> datetime:
    """When to ask about a job again.

    Args:
        last_look: when it was last asked about.
        poll_every: the configured time between two looks.
        live_jobs: how many jobs share the budget. Where they need longer than `poll_every` for one round, that time counts.
        rate: requests per second at present.
        jitter: from 0 to 1: a tenth early to a tenth late.
    """
    every = max(poll_every, timedelta(seconds=live_jobs / rate))
    return last_look + every * (1 - JITTER + 2 * JITTER * jitter)


def due(jobs: Iterable[tuple[JobRef, datetime]], now: datetime, limit: int) -> tuple[JobRef, ...]:
    """The jobs whose time has come, longest overdue first, at most `limit` of them."""
    ready = ((due_at, ref) for ref, due_at in jobs if due_at <= now)
    return tuple(ref for _, ref in heapq.nsmallest(limit, ready))

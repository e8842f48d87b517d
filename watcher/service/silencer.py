"""Silences for whoever asks the running service: its API, a button in a chat. What `dlc-watcher silence` does beside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from watcher.config.loading import Loaded
from watcher.config.matches import mistake
from watcher.core.codec import plain
from watcher.core.matching import Matcher, matcher_from
from watcher.core.model import JobRef
from watcher.core.silencing import IN_FORCE, Silencing, SilencingId, silence_of_job, standing
from watcher.errors import WatcherError
from watcher.service.ledger import Ledger
from watcher.service.taking_on import find_job
from watcher.service.telemetry import log

if TYPE_CHECKING:
    from watcher.web import Asked

LONGEST: Final = timedelta(days=366)
"""What should last longer belongs into the configuration."""


class Silencer:
    """Makes, lists and ends silences. What it does is heeded at once.

    Args:
        ledger: store and clock, and whose book heeds the silences.
        loaded: which labels there are.
    """

    def __init__(self, ledger: Ledger, loaded: Loaded) -> None:
        self._ledger = ledger
        self._labels, self._vocabulary = loaded.labels, loaded.vocabulary

    async def silence_job(self, job: JobRef, *, length: timedelta | None, author: str, comment: str = "") -> Silencing:
        """Silence one job for a time, or, without one, until it ends. It ends with the job in either case, and that end is told.

        Raises:
            StoreError: it was not kept.
        """
        now = self._ledger.clock.now()
        until = None if length is None else now + length
        return await self._keep(silence_of_job(_new_id(), job, now=now, until=until, author=author, comment=comment))

    async def add(self, asked: Asked) -> Mapping[str, Any]:
        """Silence what somebody asked for.

        Raises:
            WatcherError: it names what does not exist, is over already, or would never end.
        """
        now = self._ledger.clock.now()
        match, until = self._match(asked), _end(asked, now)
        who, why = asked.author, asked.comment
        if asked.job is None:
            made = Silencing(id=_new_id(), match=match, created_at=now, until=until, author=who, comment=why)
        else:
            job = await find_job(self._ledger.store, asked.job)
            made = silence_of_job(_new_id(), job, now=now, until=until, author=who, comment=why, match=match)
        return _shown(await self._keep(made), IN_FORCE)

    async def listed(self, *, everything: bool) -> list[Mapping[str, Any]]:
        """The silences in force, or all that are kept."""
        now = self._ledger.clock.now()
        found = []
        for one in await self._ledger.store.silences(None if everything else now):
            watch = None if one.job is None else await self._ledger.store.watch(one.job)
            state = standing(one, now, job_lives=watch is not None and watch.live)
            if everything or state == IN_FORCE:
                found.append(_shown(one, state))
        return found

    async def end(self, silence_id: str, by: str) -> bool:
        """End one now. False when there is none of that id, or a person ended it already."""
        ended = await self._ledger.store.end_silence(SilencingId(silence_id), self._ledger.clock.now(), by)
        if ended:
            log.info("silence_ended", silence=silence_id, by=by)
            await self._ledger.heed_silences()
        return ended

    def _match(self, asked: Asked) -> Matcher:
        try:
            match = matcher_from(asked.match)
        except ValueError as exc:
            raise WatcherError(f"match: {exc}") from None
        wrong = mistake(match, self._labels, self._vocabulary)
        if wrong is not None:
            raise WatcherError(f"match: {wrong[0]}: {wrong[1]}")
        if not match.tests and asked.job is None:
            raise WatcherError("name at least one label in match, or a job; severity=* silences everything")
        return match

    async def _keep(self, made: Silencing) -> Silencing:
        await self._ledger.store.add_silence(made)
        log.info("silence_added", silence=made.id, by=made.author, job=str(made.job or ""))
        await self._ledger.heed_silences()
        return made


def _new_id() -> SilencingId:
    return SilencingId(uuid4().hex[:8])


def _shown(one: Silencing, state: str) -> Mapping[str, Any]:
    return {**plain(one), "match": str(one.match), "state": state}


def _end(asked: Asked, now: datetime) -> datetime | None:
    if (asked.for_ is None) == (asked.until is None):
        if asked.for_ is None and asked.job is not None:
            return None
        raise WatcherError("say either for or until; with job both may be left out")
    if asked.until is not None and asked.until.tzinfo is None:
        raise WatcherError("until names a time without its zone; write for example 2026-03-01T08:00+08:00")
    end = now + asked.for_ if asked.for_ is not None else asked.until
    if end is None or not now < end <= now + LONGEST:
        raise WatcherError("a silence ends in the future, and within a year")
    return end.astimezone(UTC)

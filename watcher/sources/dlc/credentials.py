"""Which key requests are signed with: obtained once, kept, and renewed ahead of its end by one flight at a time.

`Keyring` decides when; `issuers` knows how each kind of credentials is had.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import anyio

from watcher.errors import CredentialsUnavailable
from watcher.sources.dlc.acs3 import AccessKey
from watcher.sources.dlc.issuers import Issued, issue
from watcher.sources.dlc.settings import AccessKeyCredentials, AnyCredentials, RamRoleCredentials

_AHEAD: Final = timedelta(minutes=10)
"""How long before its end a key is renewed, while the old one still signs."""
_PAUSE: Final = timedelta(seconds=30)
"""Between two tries to renew a key that still works."""
_UNSURE: Final = timedelta(minutes=5)
"""How long a key is used whose end lay in the past, by our clock, when it was issued."""
_LIMIT_S: Final = 20.0
"""The longest anybody waits for a key. The official library's own limits are 5 s to connect and 10 s to read, for each step."""

Issue = Callable[[], Awaitable[Issued]]
Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class _Held:
    """The key in use, when to look for the next one, and when it is of no use any more."""

    key: AccessKey
    renew_at: datetime | None
    ends_at: datetime | None
    files: Stamp

    def ended(self, now: datetime) -> bool:
        return self.ends_at is not None and now >= self.ends_at


@dataclass(frozen=True, slots=True)
class _Flight:
    """How the last try to obtain a key ended, and the how-manyth it was."""

    number: int = 0
    failure: CredentialsUnavailable | None = None


class Keyring:
    """The key in use.

    Theory. Three callers may want a key: one who has none (waits), one whose key ends soon (one of them goes, the others sign
    with the old one), one whose key was just refused (`replace`; goes, unless somebody fetched another one meanwhile). Whoever
    waited while another one's flight was under way takes its outcome, failure included, instead of flying again.
    """

    def __init__(
        self,
        settings: AnyCredentials,
        *,
        wall: Callable[[], datetime],
        proxy: str | None = None,
        issue_key: Issue | None = None,
    ) -> None:
        """Prepare; nothing is asked or read yet.

        Args:
            settings: which kind of credentials.
            wall: the real time, to compare with the end of a key.
            proxy: for the token service.
            issue_key: instead of the kind's own way.
        """
        self._issue = issue_key or (lambda: issue(settings, proxy))
        self._files = _files(settings)
        self._wall = wall
        self._lock = anyio.Lock()
        self._flight = _Flight()
        self._held: _Held | None = None
        self._not_before: datetime | None = None

    async def key(self) -> AccessKey:
        """A key that is valid now.

        Raises:
            CredentialsUnavailable: none could be had.
        """
        held, now = self._held, self._wall()
        if held is not None and not self._due(held, now):
            return held.key
        if held is not None and not held.ended(now):
            # Still good: one goes for the next, the others do not wait.
            paused = self._not_before is not None and now < self._not_before
            if paused or self._lock.locked():
                return held.key
            try:
                return (await self._fly(held.key)).key
            except CredentialsUnavailable:
                self._not_before = now + _PAUSE
                return held.key
        return (await self._fly(None if held is None else held.key)).key

    async def replace(self, refused: AccessKey) -> AccessKey:
        """A key obtained after `refused` was; the same one when there is no other to be had.

        Raises:
            CredentialsUnavailable: none could be had.
        """
        return (await self._fly(refused)).key

    def _due(self, held: _Held, now: datetime) -> bool:
        ends_soon = held.renew_at is not None and now >= held.renew_at
        return ends_soon or (bool(self._files) and _stamp(self._files) != held.files)

    async def _fly(self, unwanted: AccessKey | None) -> _Held:
        awaited = self._flight.number + 1 if self._lock.locked() else None
        try:
            with anyio.fail_after(_LIMIT_S):
                async with self._lock:
                    if awaited is not None and self._flight.number >= awaited and self._flight.failure:
                        raise _again(self._flight.failure)
                    landed = awaited is not None and self._flight.number >= awaited
                    held = self._held
                    if held is not None and (landed or held.key != unwanted) and not held.ended(self._wall()):
                        return held
                    return await self._obtain()
        except TimeoutError:
            raise CredentialsUnavailable(
                f"no credentials within {_LIMIT_S:g} s",
                permanent=False,
                fix="Check the way to the credentials' service",
            ) from None

    async def _obtain(self) -> _Held:
        number = self._flight.number + 1
        files = _stamp(self._files)
        try:
            issued = await self._issue()
        except CredentialsUnavailable as exc:
            self._flight = _Flight(number, exc)
            raise
        self._held = _hold(issued, self._wall(), files)
        self._flight, self._not_before = _Flight(number), None
        return self._held


def _hold(issued: Issued, now: datetime, files: Stamp) -> _Held:
    if issued.ends_at is None:
        renew_at = None if issued.review_after is None else now + issued.review_after
        return _Held(issued.key, renew_at, None, files)
    left = issued.ends_at - now
    if left <= timedelta(0):
        # Ended when it was new: our clock is off. The server will tell, so the key is used all the same.
        return _Held(issued.key, now + _UNSURE, None, files)
    return _Held(issued.key, issued.ends_at - min(_AHEAD, left / 2), issued.ends_at, files)


def _again(failure: CredentialsUnavailable) -> CredentialsUnavailable:
    return CredentialsUnavailable(failure.message, code=failure.code, fix=failure.fix, permanent=failure.permanent)


def _files(settings: AnyCredentials) -> tuple[Path, ...]:
    inner = settings.base if isinstance(settings, RamRoleCredentials) else settings
    return inner.files if isinstance(inner, AccessKeyCredentials) else ()


def _stamp(files: tuple[Path, ...]) -> Stamp:
    """What changes when a file is written or swapped. A missing file is None: a rotation may be under way."""
    stamps: list[tuple[int, int, int] | None] = []
    for file in files:
        try:
            told = file.stat()
        except OSError:
            stamps.append(None)
        else:
            stamps.append((told.st_mtime_ns, told.st_size, told.st_ino))
    return tuple(stamps)

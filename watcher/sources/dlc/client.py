"""One pooled HTTP client that signs what it sends and caps what it reads.

It knows nothing of jobs: an action, a path and parameters go in, the body of a 200 comes out, anything else is a `SourceError`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Protocol

from watcher.sources.dlc.acs3 import AccessKey, Signer, canonical_query
from watcher.sources.dlc.connection import Reply
from watcher.sources.dlc.connections import Connections
from watcher.sources.dlc.endpoints import Endpoint
from watcher.sources.dlc.errors import Refusal, error_from, read_error_body, refusal_of, server_time

WallClock = Callable[[], datetime]

_OK: Final = 200


def utc_now() -> datetime:
    """The real time, aware, in UTC."""
    return datetime.now(UTC)


class Keys(Protocol):
    """Where the client gets what it signs with (see `credentials.Keyring`)."""

    async def key(self) -> AccessKey:
        """A key that is valid now."""
        ...

    async def replace(self, refused: AccessKey) -> AccessKey:
        """A key obtained after `refused` was; the same one when there is no other."""
        ...


def _user_agent() -> str:
    try:
        return f"dlc-watcher/{version('dlc-watcher')}"
    except PackageNotFoundError:
        return "dlc-watcher"


class SignedClient:
    """Signed GET requests to one endpoint.

    Attributes:
        clock_offset: server clock minus ours, once a request was refused for its date and a corrected one was accepted; else 0.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        keys: Keys,
        *,
        timeout: timedelta = timedelta(seconds=10),
        connect_timeout: timedelta = timedelta(seconds=5),
        max_body_bytes: int = 16 * 1024 * 1024,
        connections: int = 16,
        proxy: str | None = None,
        ca_file: Path | None = None,
        wall: WallClock = utc_now,
    ) -> None:
        self.clock_offset = timedelta(0)
        self._endpoint, self._keys, self._wall = endpoint, keys, wall
        self._signers: dict[str, Signer] = {}
        self._signers_key: AccessKey | None = None
        self._connections = Connections(
            endpoint,
            user_agent=_user_agent(),
            timeout_s=timeout.total_seconds(),
            connect_timeout_s=connect_timeout.total_seconds(),
            max_body_bytes=max_body_bytes,
            limit=connections,
            proxy=proxy,
            ca_file=ca_file,
        )

    async def get(self, action: str, path: str, params: Mapping[str, str], *, about_job: str = "") -> bytes:
        """Ask once, and return the body of a 200.

        The request is signed and sent again, once for each of these reasons: the nonce was used, the date was refused and the
        answer tells the server's time, or the key was refused and another one is to be had.

        Args:
            action: API action, for example GetJob.
            path: encoded path.
            params: query parameters, not encoded.
            about_job: the job id the question is about, or "".

        Raises:
            SourceError: the fitting leaf.
        """
        query = canonical_query(params)
        key, offset = await self._keys.key(), self.clock_offset
        tried: set[Refusal] = set()
        while True:
            answer = await self._attempt(action, path, query, key, self._wall() + offset)
            if answer.status == _OK:
                self.clock_offset = offset
                return answer.body
            told = read_error_body(answer.body, (key.secret, key.security_token or ""))
            refusal = refusal_of(answer.status, told.code)
            received_at, answered = self._wall(), answer.headers
            server = server_time(answered)
            measured = None if server is None else server - received_at
            again = refusal not in tried and bool(told.code)
            tried.add(refusal)
            if again and refusal is Refusal.NONCE_USED:
                continue
            if again and refusal is Refusal.CLOCK_SKEWED and measured is not None:
                offset = measured
                continue
            if again and refusal in {Refusal.TOKEN_REFUSED, Refusal.KEY_REFUSED}:
                tried |= {Refusal.TOKEN_REFUSED, Refusal.KEY_REFUSED}
                fresh = await self._keys.replace(key)
                if fresh != key:
                    key = fresh
                    continue
            raise error_from(
                answer.status,
                answered,
                told,
                action=action,
                now=received_at,
                about_job=about_job,
                offset=measured,
            )

    async def _attempt(self, action: str, path: str, query: str, key: AccessKey, date: datetime) -> Reply:
        lines = self._signer(action, key).lines(date, secrets.token_hex(16), path, query)
        return await self._connections.get(f"{path}?{query}" if query else path, lines, action)

    def _signer(self, action: str, key: AccessKey) -> Signer:
        """Made anew with every new key: only one key is in use."""
        signer = self._signers.get(action)
        if signer is None or key != self._signers_key:
            if key != self._signers_key:
                self._signers.clear()
            signer = self._signers[action] = Signer(action, self._endpoint.authority, key)
            self._signers_key = key
        return signer

    async def aclose(self) -> None:
        """Drop all connections. May be called twice."""
        await self._connections.aclose()

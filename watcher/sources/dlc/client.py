"""One pooled HTTP client that signs what it sends and caps what it reads.

It knows nothing of jobs: an action, a path and parameters go in, the body of a 200 comes out, anything else is a `SourceError`.
"""

from __future__ import annotations

import os
import secrets
import ssl
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Protocol

import anyio
import httpx2

from watcher.errors import GarbledAnswer, InvalidRequest, SourceError, Unreachable
from watcher.sources.dlc.acs3 import AccessKey, canonical_query, signed_headers
from watcher.sources.dlc.endpoints import Endpoint
from watcher.sources.dlc.errors import Refusal, error_from, read_error_body, refusal_of, server_time

WallClock = Callable[[], datetime]

_OK: Final = 200
_KEEPALIVE_S: Final = 30.0
"""Idle connections are dropped after it, before the far side's own usual minute is over."""


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


class _Answer:
    """Status, headers and capped body of one attempt."""

    __slots__ = ("body", "headers", "received_at", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, received_at: datetime) -> None:
        self.status, self.headers, self.body, self.received_at = status, headers, body, received_at


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
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.clock_offset = timedelta(0)
        self._endpoint, self._keys, self._wall = endpoint, keys, wall
        self._timeout_s, self._max_body_bytes = timeout.total_seconds(), max_body_bytes
        self._closed = False
        self._http = httpx2.AsyncClient(
            headers={"accept-encoding": "gzip", "user-agent": _user_agent()},
            timeout=httpx2.Timeout(self._timeout_s, connect=connect_timeout.total_seconds()),
            limits=httpx2.Limits(
                max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=_KEEPALIVE_S
            ),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
            proxy=proxy,
            verify=True if ca_file is None else ssl.create_default_context(cafile=ca_file),
            transport=transport,
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
            server = server_time(answer.headers)
            measured = None if server is None else server - answer.received_at
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
                answer.headers,
                told,
                action=action,
                now=answer.received_at,
                about_job=about_job,
                offset=measured,
            )

    async def _attempt(self, action: str, path: str, query: str, key: AccessKey, date: datetime) -> _Answer:
        target = f"{path}?{query}" if query else path
        headers = signed_headers(
            action, self._endpoint.authority, key, date, secrets.token_hex(16), path=path, query=query
        )
        # The URL names the place only. What was signed goes on the wire as it is; httpx2 would quote it by rules of its own.
        request = self._http.build_request(
            "GET", f"{self._endpoint}/", headers=headers, extensions={"target": target.encode("ascii")}
        )
        return await self._translated(lambda: self._exchange(request), action)

    async def _exchange(self, request: httpx2.Request) -> _Answer:
        response = await self._http.send(request, stream=True)
        try:
            chunks, size = [], 0
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > self._max_body_bytes:
                    raise GarbledAnswer(f"DLC's answer is larger than {self._max_body_bytes} bytes")
                chunks.append(chunk)
        finally:
            await response.aclose()
        return _Answer(response.status_code, response.headers, b"".join(chunks), self._wall())

    async def _translated(self, exchange: Callable[[], Awaitable[_Answer]], action: str) -> _Answer:
        """Turn what the HTTP library and the time limit raise into our own errors. No message repeats headers or body."""
        if self._closed:
            raise Unreachable(f"{action} was not sent: the source is closed")
        where = f"{self._endpoint} ({action})"
        try:
            with anyio.fail_after(self._timeout_s):
                return await exchange()
        except (TimeoutError, httpx2.TimeoutException) as exc:
            raise Unreachable(f"no complete answer from {where} within {self._timeout_s:g} s") from exc
        except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
            raise _translation(exc, where) from exc
        except RuntimeError as exc:
            if self._closed:
                raise Unreachable(f"{action} was broken off: the source was closed") from exc
            raise

    async def aclose(self) -> None:
        """Drop all connections. May be called twice."""
        self._closed = True
        await self._http.aclose()


_TRANSLATIONS: Final[tuple[tuple[type[Exception], type[SourceError], str], ...]] = (
    # The first that fits wins.
    (httpx2.ProxyError, Unreachable, "the proxy did not connect to {where}"),
    (httpx2.ConnectError, Unreachable, "cannot connect to {where}: {reason}"),
    (httpx2.RemoteProtocolError, GarbledAnswer, "the answer from {where} was cut short or is not HTTP"),
    (httpx2.DecodingError, GarbledAnswer, "the answer from {where} cannot be decompressed"),
    (httpx2.NetworkError, Unreachable, "the connection to {where} broke: {reason}"),
    (Exception, InvalidRequest, "the request could not be sent to {where}: {kind}"),
)


def _translation(exc: Exception, where: str) -> SourceError:
    if isinstance(exc, httpx2.RemoteProtocolError) and str(exc).startswith("Server disconnected"):
        return Unreachable(f"{where} closed the connection without an answer")
    leaf, sentence = next((leaf, sentence) for kind, leaf, sentence in _TRANSLATIONS if isinstance(exc, kind))
    return leaf(sentence.format(where=where, reason=_reason(exc), kind=type(exc).__name__))


def _reason(exc: BaseException) -> str:
    """The operating system's own words, from the innermost cause: the HTTP library's are often empty or vague."""
    inner: BaseException = exc
    while (cause := inner.__cause__ or inner.__context__) is not None:
        inner = cause
    if (
        isinstance(inner, OSError)
        and not isinstance(inner, ssl.SSLError)
        and inner.errno is not None
        and inner.errno > 0
    ):
        return os.strerror(inner.errno)
    return (str(inner) or type(inner).__name__)[:200]

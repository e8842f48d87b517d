"""The kept connections to one endpoint, and one exchange over one of them: limits on their number and on time, TLS, a proxy.

asyncio and not anyio: the parser's callbacks want a protocol, and this is the hottest path of the program.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx2

from watcher.errors import InvalidRequest, Unreachable
from watcher.sources.dlc.connection import Connection, Failed, Reply, reason
from watcher.sources.dlc.dialling import dial
from watcher.sources.dlc.endpoints import Endpoint

_KEEPALIVE_S: Final = 30.0
"""Idle connections are dropped after it, before the far side's own usual minute is over."""
_FRESH_S: Final = 1.0
"""A connection that was idle for longer may have been closed meanwhile without our having been told."""
_PORTS: Final = {"http": 80, "https": 443}


class _Proxy:
    """Where the proxy is, and what it wants to hear. Its password is in no repr and no message."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.tls = parts.scheme == "https"
        self.host, self.port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        self.header = ""
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self.header = f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"


class Connections:
    """At most so many connections to one endpoint, each kept while the far side keeps it.

    Args:
        endpoint: where.
        user_agent: what we call ourselves.
        timeout_s: the longest one exchange may take, from waiting for a connection to the last byte.
        connect_timeout_s: the longest that connecting alone may take, TLS and proxy included.
        max_body_bytes: the largest body accepted, after decompression.
        limit: how many connections there may be.
        proxy: address of a proxy, or None.
        ca_file: whom to trust instead of this machine's authorities, or None.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        user_agent: str,
        timeout_s: float,
        connect_timeout_s: float,
        max_body_bytes: int,
        limit: int,
        proxy: str | None,
        ca_file: Path | None,
    ) -> None:
        parts = urlsplit(str(endpoint))
        self._endpoint, self._tls = endpoint, endpoint.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port or _PORTS[endpoint.scheme]
        self._timeout_s, self._connect_timeout_s, self._cap = timeout_s, connect_timeout_s, max_body_bytes
        self._proxy = None if proxy is None else _Proxy(proxy)
        self._context: ssl.SSLContext | None = None
        if self._tls or (self._proxy is not None and self._proxy.tls):
            trusts_this_machine = ca_file is None
            self._context = (
                httpx2.create_ssl_context(trust_env=False)
                if trusts_this_machine
                else ssl.create_default_context(cafile=ca_file)
            )
        absolute = self._proxy is not None and not self._tls
        self._before_target = f"GET {endpoint if absolute else ''}"
        self._after_target = (
            f" HTTP/1.1\r\naccept-encoding: gzip\r\nuser-agent: {user_agent}\r\n"
            f"{self._proxy.header if absolute and self._proxy else ''}"
        )
        self._late = f"no complete answer from {{where}} within {timeout_s:g} s"
        self._slots = asyncio.Semaphore(limit)
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._closed = False

    async def get(self, target: str, lines: str, action: str) -> Reply:
        """One GET and its answer, whatever its status. Redirects are answers like others.

        Args:
            target: path and query, as they are to go on the wire.
            lines: the headers as they are to go on the wire, Host included, each line with its end.
            action: what is asked, for messages. No message repeats headers or body.

        Raises:
            SourceError: there is no answer, or it cannot be read.
        """
        where = f"{self._endpoint} ({action})"
        if self._closed:
            raise Unreachable(f"{action} was not sent: the source is closed")
        request = self._request(target, lines, where)
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        try:
            if self._slots.locked():
                async with asyncio.timeout_at(deadline):
                    await self._slots.acquire()
            else:
                await self._slots.acquire()  # does not wait
        except TimeoutError as exc:
            raise Failed(Unreachable, self._late).error(where) from exc
        try:
            return await self._exchange(request, where, action, deadline)
        finally:
            self._slots.release()

    async def _exchange(self, request: bytes, where: str, action: str, deadline: float) -> Reply:
        loop = asyncio.get_running_loop()
        connection = self._kept(loop.time()) or await self._connected(where, deadline)
        if self._closed:
            connection.abort()
            raise Unreachable(f"{action} was broken off: the source was closed")
        self._busy.add(connection)
        timer = loop.call_at(deadline, self._overdue, connection)
        try:
            reply = await connection.ask(request)
        except Failed as failure:
            connection.abort()
            if self._closed:
                raise Unreachable(f"{action} was broken off: the source was closed") from failure
            raise failure.error(where) from failure
        except BaseException:
            connection.abort()  # an answer that nobody waits for must not become the next one's
            raise
        finally:
            timer.cancel()
            self._busy.discard(connection)
        if connection.reusable and not self._closed:
            connection.idle_since = loop.time()
            self._idle.append(connection)
        else:
            connection.abort()
        return reply

    def _overdue(self, connection: Connection) -> None:
        connection.abort(Failed(Unreachable, self._late))

    def _kept(self, now: float) -> Connection | None:
        """The connection used last, so that those which are not needed grow old."""
        while self._idle:
            connection = self._idle.pop()
            idle = now - connection.idle_since
            kept = connection.open and connection.reusable and idle < _KEEPALIVE_S
            if kept and (idle < _FRESH_S or not connection.spoken_to()):
                return connection
            connection.abort()
        return None

    def _request(self, target: str, lines: str, where: str) -> bytes:
        if not target.isprintable() or " " in target:
            raise InvalidRequest(f"the request could not be sent to {where}: its target holds a space or a line break")
        try:
            return f"{self._before_target}{target}{self._after_target}{lines}\r\n".encode("ascii")
        except UnicodeEncodeError:
            raise InvalidRequest(f"the request could not be sent to {where}: it holds more than ASCII") from None

    # --- connecting -----------------------------------------------------------------------------------------------------------

    async def _connected(self, where: str, deadline: float) -> Connection:
        limit = min(deadline, asyncio.get_running_loop().time() + self._connect_timeout_s)
        try:
            async with asyncio.timeout_at(limit) as timer:
                try:
                    return await (self._direct() if self._proxy is None else self._through(self._proxy))
                except OSError as exc:
                    if timer.expired():
                        raise
                    raise Unreachable(f"cannot connect to {where}: {reason(exc)}") from exc
                except Failed as failure:
                    raise failure.error(where) from failure
        except TimeoutError as exc:
            shortest = min(self._connect_timeout_s, self._timeout_s)
            raise Unreachable(f"cannot connect to {where} within {shortest:g} s") from exc

    async def _open(self, host: str, port: int, context: ssl.SSLContext | None) -> Connection:
        connection, found = Connection(self._cap), await dial(host, port)
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection, sock=found, ssl=context, server_hostname=host if context else None
            )
        except BaseException:
            connection.abort()  # else a TLS connection would first wait for the far side to say goodbye
            raise
        return connection

    async def _direct(self) -> Connection:
        return await self._open(self._host, self._port, self._context)

    async def _through(self, proxy: _Proxy) -> Connection:
        """A connection to the proxy; for HTTPS one through it, which it cannot read."""
        outer = await self._open(proxy.host, proxy.port, self._context if proxy.tls else None)
        if not self._tls:
            return outer
        try:
            return await self._tunnel(outer, proxy)
        except BaseException:
            outer.abort()
            raise

    async def _tunnel(self, outer: Connection, proxy: _Proxy) -> Connection:
        host = f"[{self._host}]" if ":" in self._host else self._host
        there = f"{host}:{self._port}"
        reply = await outer.ask(
            f"CONNECT {there} HTTP/1.1\r\nHost: {there}\r\n{proxy.header}\r\n".encode("ascii"), tunnel=True
        )
        if reply.status // 100 != 2 or outer.transport is None or self._context is None:  # noqa: PLR2004 - 2xx
            raise Failed(Unreachable, f"the proxy did not connect to {{where}} (HTTP {reply.status})")
        inner = Connection(self._cap)
        transport = await asyncio.get_running_loop().start_tls(
            outer.transport, inner, self._context, server_hostname=self._host
        )
        if transport is None:
            raise Failed(Unreachable, "the proxy did not connect to {where}: it closed the connection")
        inner.connection_made(transport)
        return inner

    async def aclose(self) -> None:
        """Drop all connections; exchanges that are under way fail. May be called twice."""
        self._closed = True
        for connection in (*self._idle, *self._busy):
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)  # the transports close their sockets on the loop's next turn

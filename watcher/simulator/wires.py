"""Answers on their way out: the ASGI side of good, slow, broken and hostile ones."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

import anyio
import anyio.lowlevel

from watcher.simulator.faults import Fault, FaultKind, Refusal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CHUNK: Final = 64 << 10
PAGE: Final = (
    b"<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>Sign in to the network</h1></body></html>"
)
JSON_TYPE: Final = b"application/json;charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, not sent yet."""

    status: int
    body: bytes
    headers: Mapping[bytes, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, body: Mapping[str, Any], request_id: str, *, status: int = 200) -> Answer:
        """JSON with its RequestId."""
        told = json.dumps({"RequestId": request_id, **body}, ensure_ascii=False, separators=(",", ":"))
        return cls(status, told.encode(), {b"content-type": JSON_TYPE, b"x-acs-request-id": request_id.encode()})

    @classmethod
    def refused(cls, refusal: Refusal, request_id: str, host: str) -> Answer:
        """The error body all Alibaba Cloud products share."""
        body = {"HostId": host, "Code": refusal.code, "Message": refusal.message}
        return cls.of(body, request_id, status=refusal.status)


class Line:
    """One request's way back to the client: ASGI's send, and the connection itself where the server lends it.

    `SimulatorServer` puts the transport into the scope's state; without it a reset becomes an orderly close.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, date: datetime) -> None:
        self._transport: asyncio.Transport | None = scope.get("state", {}).get("transport")
        self._receive, self._send = receive, send
        self._date = format_datetime(date, usegmt=True).encode()

    async def send(self, answer: Answer) -> None:
        """Send it as it should be."""
        await self._start(answer, len(answer.body))
        await self._body(answer.body, more=False)

    async def send_broken(self, answer: Answer, fault: Fault) -> None:
        """Send it as the fault wants it. The right answer is the material: of some faults nothing of it is left."""
        await self._SENDERS.get(fault.kind, Line._sent_altered)(self, answer, fault)

    async def _sent_altered(self, answer: Answer, fault: Fault) -> None:
        await self.send(altered(answer, fault))

    async def _start(self, answer: Answer, length: int | None) -> None:
        headers = [*answer.headers.items(), (b"date", self._date)]
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})

    async def _body(self, chunk: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": chunk, "more_body": more})

    async def _cut(self) -> None:
        """Let what was written reach the client, then break the connection."""
        if self._transport is None:
            raise ConnectionResetError("reset on request")
        await asyncio.sleep(0.02)
        self._transport.abort()
        while (await self._receive())["type"] != "http.disconnect":  # until the server has noticed
            pass

    @asynccontextmanager
    async def _while_connected(self) -> AsyncIterator[None]:
        """Run the body until the client goes away (which it also does when the server stops)."""

        async def watch(scope: anyio.CancelScope) -> None:
            while (await self._receive())["type"] != "http.disconnect":
                pass
            scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(watch, group.cancel_scope)
            yield
            group.cancel_scope.cancel()

    async def _hung(self, _answer: Answer, fault: Fault) -> None:
        async with self._while_connected():
            await anyio.sleep(fault.span.total_seconds())
        await self._cut()

    async def _slow(self, answer: Answer, fault: Fault) -> None:
        async with self._while_connected():
            await anyio.sleep(fault.span.total_seconds())
            await self.send(answer)

    async def _dripped(self, answer: Answer, fault: Fault) -> None:
        pause = fault.span / max(1, len(answer.body))
        step = 1
        if pause < timedelta(milliseconds=1):  # no timer is finer: more bytes at a time then
            step = int(timedelta(milliseconds=1) / pause) if pause else len(answer.body)
        async with self._while_connected():
            await self._start(answer, len(answer.body))
            for index in range(0, len(answer.body), step):
                await self._body(answer.body[index : index + step], more=True)
                await anyio.sleep(pause.total_seconds() * step)
            await self._body(b"", more=False)

    async def _dropped(self, _answer: Answer, _fault: Fault) -> None:
        await self._cut()

    async def _broken_off(self, answer: Answer, _fault: Fault) -> None:
        await self._start(answer, len(answer.body))
        await self._body(answer.body[: len(answer.body) // 2], more=True)
        await self._cut()

    async def _huge(self, answer: Answer, fault: Fault) -> None:
        start, size = answer.body[:-1] + b',"Padding":"', fault.size_bytes
        async with self._while_connected():
            await self._start(answer, None)
            await self._body(start, more=True)
            left = max(0, size - len(start) - 2)
            while left:
                chunk = min(CHUNK, left)
                await self._body(b"x" * chunk, more=True)
                left -= chunk
                await anyio.lowlevel.checkpoint()
            await self._body(b'"}', more=False)

    async def _bomb(self, answer: Answer, fault: Fault) -> None:
        packer = zlib.compressobj(9, wbits=31)
        start = packer.compress(answer.body[:-1] + b',"Padding":"')
        async with self._while_connected():
            packed = Answer(answer.status, b"", {**answer.headers, b"content-encoding": b"gzip"})
            await self._start(packed, None)
            await self._body(start, more=True)
            left = fault.size_bytes
            while left > 0:
                await self._body(packer.compress(b"x" * min(CHUNK, left)), more=True)
                left -= CHUNK
                await anyio.lowlevel.checkpoint()
            await self._body(packer.compress(b'"}') + packer.flush(), more=False)

    _SENDERS: Final = {
        FaultKind.HANG: _hung,
        FaultKind.SLOW: _slow,
        FaultKind.DRIP: _dripped,
        FaultKind.DROP: _dropped,
        FaultKind.RESET: _broken_off,
        FaultKind.HUGE: _huge,
        FaultKind.GZIP_BOMB: _bomb,
    }


def altered(answer: Answer, fault: Fault) -> Answer:
    """The answer with another content, sent in good order. Pure."""
    match fault.kind:
        case FaultKind.HTML:
            return Answer(200, PAGE, {b"content-type": b"text/html"})
        case FaultKind.EMPTY:
            return Answer(200, b"", {b"content-type": JSON_TYPE})
        case FaultKind.REDIRECT:
            return Answer(302, b"", {b"location": b"/elsewhere"})
        case FaultKind.TRUNCATED:
            return Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers)
        case FaultKind.WRONG_TYPES:
            return Answer(answer.status, json.dumps(_twisted(json.loads(answer.body))).encode(), answer.headers)
        case _:
            return answer


def _twisted(body: Mapping[str, Any]) -> dict[str, Any]:
    """Every member of another type than it should have."""
    return {
        name: [value] if isinstance(value, str | int | float | dict) else str(value) for name, value in body.items()
    }

"""A raw TCP peer that speaks just enough HTTP: it keeps what came over the wire, and answers byte for byte what a test says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import SocketAttribute, SocketStream

from watcher.sources.dlc.acs3 import canonical_request, signature


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def signed_with(self, secret: str) -> bool:
        """Whether the Authorization header fits what really came over the wire."""
        _, _, rest = self.headers["authorization"].partition(" ")
        told = dict(part.partition("=")[::2] for part in rest.split(","))
        names = told["SignedHeaders"].split(";")
        assert {"host", "x-acs-date", "x-acs-signature-nonce"} <= set(names)
        canonical = canonical_request(
            self.method, self.path, self.query, self.headers, names, self.headers["x-acs-content-sha256"]
        )
        return told["Signature"] == signature(secret, canonical)


Answer = Callable[[SocketStream, Asked], Awaitable[None]]


@dataclass
class Peer:
    """The running server: where it is and what it was asked."""

    port: int
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def response(
    status: int = 200, body: bytes | dict[str, object] | str = b"", headers: dict[str, str] | None = None
) -> bytes:
    """A whole HTTP answer as bytes."""
    raw = json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
    lines = {"content-length": str(len(raw)), "content-type": "application/json", **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + raw


def says(*answers: bytes) -> Answer:
    """Give these answers in turn, the last one for ever."""
    left = list(answers)

    async def answer(stream: SocketStream, asked: Asked) -> None:
        await stream.send(left.pop(0) if len(left) > 1 else left[0])

    return answer


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Peer]:
    """Run a peer on a free loopback port until the block ends."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    peer = Peer(listener.extra(SocketAttribute.local_port))

    async def serve(stream: SocketStream) -> None:
        peer.connections += 1
        held = b""
        async with stream:
            try:
                while True:
                    while b"\r\n\r\n" not in held:
                        held += await stream.receive()
                    head, _, held = held.partition(b"\r\n\r\n")
                    first, *lines = head.decode("latin-1").split("\r\n")
                    method, target, _ = first.split(" ")
                    pairs = (line.partition(": ") for line in lines)
                    asked = Asked(method, target, {name.lower(): value for name, _, value in pairs})
                    peer.asked.append(asked)
                    await answer(stream, asked)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield peer
        tasks.cancel_scope.cancel()


KEY_ID, SECRET = "LTAI-fake-id", "fake-secret-0123456789abcdef"
JOB = {"JobId": "dlc1fake", "Status": "Running", "RequestId": "R-1"}


def refusal(status: int, code: str, message: str = "", headers: dict[str, str] | None = None) -> bytes:
    """A refusal as DLC words it."""
    return response(status, {"Code": code, "Message": message, "RequestId": "R-2", "HostId": "h"}, headers)

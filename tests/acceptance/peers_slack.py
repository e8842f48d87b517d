"""The npm Slack emulator as a peer, with a wire before it that can swallow answers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.acceptance.peers_node import EMULATE, free_port, running
from watcher.notifiers.slack_blocks import CARD_TYPE
from watcher.testing.servers import Loopback, serve

TOKEN: Final = "xoxb-0000-test"
READER: Final = "xoxb-0000-reader"
CHANNEL: Final = "ml-jobs"
WEBHOOK: Final = "/services/T000000001/B000000001/X000000001"
"""Every emulated workspace has this one; it posts to #general."""
PUBLIC: Final = ("chat:write", "channels:history", "channels:read")
PRIVATE: Final = (*PUBLIC, "groups:history", "groups:read")


@dataclass
class Emulator:
    """A running emulator, seen by somebody who reads the channel.

    Attributes:
        url: its address.
        reader: a client with a token of its own.
    """

    url: str
    reader: AsyncWebClient

    async def threads(self, channel: str = CHANNEL) -> list[list[dict[str, Any]]]:
        """The channel as its readers see it: threads by their roots, oldest first, each with its replies in order."""
        listed = await self._read("conversations.list", limit="1000", types="public_channel,private_channel")
        there = next(entry["id"] for entry in listed["channels"] if entry["name"] == channel)
        roots: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self._read("conversations.history", channel=there, limit="3", cursor=cursor)
            roots += page["messages"]
            cursor = page["response_metadata"]["next_cursor"]
            if not cursor:
                break
        return [
            (await self._read("conversations.replies", channel=there, ts=root["ts"]))["messages"]
            for root in reversed(roots)
        ]

    async def texts(self, channel: str = CHANNEL) -> dict[str, list[str]]:
        """Job name in the card at the root ("square name: how it stands") -> texts of the replies, in order."""
        threads = await self.threads(channel)
        assert all(is_card(thread[0]) for thread in threads), threads
        texts = {job_of(thread[0]): [str(post["text"]) for post in thread[1:]] for thread in threads}
        assert len(texts) == len(threads), f"two threads about one job: {threads}"
        return texts

    async def said(self) -> int:
        """How many messages there are that are no cards."""
        return sum(not is_card(post) for thread in await self.threads() for post in thread)

    async def _read(self, method: str, **ask: str) -> Any:
        return await self.reader.api_call(method, data=ask)


def is_card(post: Mapping[str, Any]) -> bool:
    """Whether it is a job's living card."""
    return bool(post["metadata"]["event_type"] == CARD_TYPE)


def job_of(card: Mapping[str, Any]) -> str:
    """The job's name on a card."""
    return str(card["text"]).split(": ")[0].split(" ", 1)[1]


@contextlib.asynccontextmanager
async def slack_emulator(
    folder: Path, scopes: tuple[str, ...] = PRIVATE, channels: tuple[str, ...] = (CHANNEL,)
) -> AsyncIterator[Emulator]:
    """Run it on a free port with these channels, and with `scopes` for the token that posts."""
    command = EMULATE.command()
    seed = {
        "slack": {
            "channels": [{"name": name} for name in channels],
            "tokens": [
                {"token": TOKEN, "user": "admin", "scopes": scopes},
                {"token": READER, "user": "admin", "scopes": PRIVATE},
            ],
            "strict_scopes": True,
        }
    }
    folder = folder / "emulator"
    folder.mkdir()
    (folder / "seed.json").write_text(json.dumps(seed))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command += ["start", "--service", "slack", "--port", str(port), "--seed", "seed.json"]
    async with running(command, ready=f"{url}/api/api.test", folder=folder):
        yield Emulator(url, AsyncWebClient(token=READER, base_url=f"{url}/api/", retry_handlers=[]))


@dataclass
class Wire:
    """What lies between us and the emulator.

    Attributes:
        swallows: says of the n-th post, counted from 1, whether its answer gets lost after the emulator has taken it.
        posts: posts that went through, those with lost answers included.
        calls: methods called, in order.
        lost: how many answers were swallowed.
    """

    emulator: str
    swallows: Callable[[int], bool]
    posts: int = 0
    calls: list[str] = field(default_factory=list)
    lost: int = 0
    loopback: Loopback | None = None

    @property
    def base_url(self) -> str:
        """For `base_url` of the Slack receiver."""
        assert self.loopback is not None
        return f"{self.loopback.url}/api/"

    async def pass_on(self, request: Request) -> Response:
        method = request.path_params["method"]
        self.calls.append(method)
        headers = {name: request.headers[name] for name in ("authorization", "content-type") if name in request.headers}
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.post(
                f"{self.emulator}/api/{method}", content=await request.body(), headers=headers, timeout=10
            )
        if method == "chat.postMessage" and answer.json()["ok"]:
            self.posts += 1
            if self.swallows(self.posts):
                self.lost += 1
                assert self.loopback is not None
                self.loopback.reset(request)
        return Response(answer.content, answer.status_code, media_type="application/json")


@contextlib.asynccontextmanager
async def losing_answers(emulator: Emulator, swallows: Callable[[int], bool]) -> AsyncIterator[Wire]:
    """A way to the emulator on which answers get lost."""
    wire = Wire(emulator.url, swallows)
    async with serve(Starlette(routes=[Route("/api/{method}", wire.pass_on, methods=["POST"])])) as loopback:
        wire.loopback = loopback
        yield wire

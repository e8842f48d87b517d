"""A Slack Web API on this machine, for tests and demonstrations: strict where Slack is, and faulty on request.

It checks the token, the channel, the blocks' limits and the pace, keeps what was posted, and answers with Slack's own codes. Not
Slack: no users, no real scopes, no formatting. Over 300 lines because it is one server whose methods share one state.

```
async with serve_slack() as slack:
    notifier = SlackNotifier("team", SlackSettings(token=slack.token, to="#ml-jobs", base_url=slack.base_url))
    ...
    assert [post.text for post in slack.posts] == [...]
```

Long, because each method of Slack's that is used has its double here.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from watcher.testing.servers import Loopback, serve
from watcher.testing.slack_limits import LONGEST_MESSAGE, refuse_blocks

FaultKind = Literal[
    "429", "500", "503", "hang", "reset_before_accept", "reset_after_accept", "hang_after_accept", "html", "code"
]


@dataclass(frozen=True, slots=True)
class Fault:
    """What to do wrong with one request.

    Attributes:
        kind: the fault. `code` refuses with `code`; `*_after_accept` post the message first, so that the sender cannot know.
        code: Slack's error code, for `code`.
        retry_after: seconds, for `429` and `503`.
    """

    kind: FaultKind
    code: str = ""
    retry_after: int = 1


@dataclass(slots=True)
class Post:
    """One message as it stands in a channel."""

    channel: str
    ts: str
    text: str
    blocks: list[dict[str, Any]]
    thread_ts: str
    metadata: dict[str, Any]
    raw: dict[str, Any]
    """All that was sent."""
    updates: int = 0
    """How often it was changed in place."""

    @property
    def card(self) -> bool:
        """Whether it is a job's living card."""
        return self.metadata.get("event_type") == "dlc_watcher_card"

    @property
    def in_full(self) -> bool:
        """Whether it is no message, but the whole of what one cuts."""
        return self.metadata.get("event_type") == "dlc_watcher_whole"

    def shown(self) -> dict[str, Any]:
        """As history gives it back."""
        thread = {"thread_ts": self.thread_ts} if self.thread_ts else {}
        return {
            "type": "message",
            "ts": self.ts,
            "text": self.text,
            "blocks": self.blocks,
            "metadata": self.metadata,
            **thread,
        }


@dataclass(slots=True)
class SlackServer:
    """The server's state, to script it and to look at what arrived.

    Attributes:
        token: the bot token that is accepted.
        channels: id by name.
        scopes: what the token may do; without `channels:history` and `channels:read` the reading methods answer `missing_scope`.
        pace: least seconds between two posts to one channel, else 429; None for no limit.
        hang_seconds: how long a hang lasts.
        posts: messages in order of arrival.
        calls: names of the methods called, refused calls included.
    """

    token: str = "xoxb-0000-test"  # noqa: S105  (accepted nowhere but here)
    app_token: str = "xapp-1-test"  # noqa: S105  (as above)
    socket_url: str = ""
    """Where `apps.connections.open` sends to: a server of the test's own."""
    channels: dict[str, str] = field(default_factory=lambda: {"ml-jobs": "C0ML0JOBS", "oncall": "C0ONCALL0"})
    scopes: set[str] = field(default_factory=lambda: {"chat:write", "channels:history", "channels:read"})
    pace: float | None = None
    hang_seconds: float = 30.0
    clock: Callable[[], float] = time.time
    posts: list[Post] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    hooks: dict[str, str] = field(default_factory=lambda: {"/services/T000/B000/hook-path-secret": "ml-jobs"})
    whispers: list[tuple[str, str]] = field(default_factory=list)
    """User and text of what was shown to one person alone."""
    files: dict[str, bytes] = field(default_factory=dict)
    """What was uploaded, by name."""
    shares: list[dict[str, Any]] = field(default_factory=list)
    """Where uploaded files were shared: the arguments."""
    users: dict[str, str] = field(
        default_factory=lambda: {"ann@example.com": "U0ANN0001", "bob@example.com": "U0BOB0001"}
    )
    """User id by mail address. `D...` with the rest of the id is the direct conversation with the user."""
    archived: set[str] = field(default_factory=set)
    """Ids of channels that take nothing more."""
    deleted: set[str] = field(default_factory=set)
    """`ts` of posts that somebody deleted: they stay in `posts`, and nobody sees them."""
    _faults: deque[Fault] = field(default_factory=deque)
    _look_faults: deque[Fault] = field(default_factory=deque)
    _update_faults: deque[Fault] = field(default_factory=deque)
    _lookup_faults: deque[Fault] = field(default_factory=deque)
    _last_post: dict[str, float] = field(default_factory=dict)
    _count: int = 0
    loopback: Loopback | None = None

    @property
    def base_url(self) -> str:
        """For `base_url` of the Slack receiver."""
        return f"{self._address}/api/"

    @property
    def webhook_url(self) -> str:
        """For `webhook_url` of the Slack receiver."""
        return self._address + next(iter(self.hooks))

    @property
    def _address(self) -> str:
        if self.loopback is None:
            raise RuntimeError("the server is not running")
        return self.loopback.url

    def fail(self, *faults: Fault | FaultKind) -> None:
        """Do these to the next posts, one each, in this order."""
        self._faults.extend(fault if isinstance(fault, Fault) else Fault(fault) for fault in faults)

    def fail_lookup(self, *faults: Fault) -> None:
        """Answer the next questions for users with these, one each."""
        self._lookup_faults.extend(faults)

    def fail_update(self, *faults: Fault | FaultKind) -> None:
        """Do these to the next changes of posts, one each: 429, 500, 503, html, code, reset_before_accept or hang."""
        self._update_faults.extend(fault if isinstance(fault, Fault) else Fault(fault) for fault in faults)

    def fail_look(self, *faults: Fault | FaultKind) -> None:
        """Answer the next requests for a channel's messages with these, one each: 429, 500, 503, html or code."""
        self._look_faults.extend(fault if isinstance(fault, Fault) else Fault(fault) for fault in faults)

    def app(self) -> Starlette:
        """The ASGI application."""
        methods = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "chat.getPermalink": self._permalink,
            "chat.postEphemeral": self._ephemeral,
            "files.getUploadURLExternal": self._upload_url,
            "files.completeUploadExternal": self._uploaded,
            "apps.connections.open": self._connect,
            "users.lookupByEmail": self._lookup,
            "conversations.open": self._open,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "conversations.list": self._list,
        }

        async def api(request: Request) -> Response:
            method = request.path_params["method"]
            self.calls.append(method)
            expected = self.app_token if method == "apps.connections.open" else self.token
            if request.headers.get("authorization") != f"Bearer {expected}":
                return _refusal("invalid_auth" if "authorization" in request.headers else "not_authed")
            if method not in methods:
                return _refusal("unknown_method")
            return await methods[method](request, await _arguments(request))

        return Starlette(
            routes=[
                Route("/api/{method}", api, methods=["GET", "POST"]),
                Route("/upload/{name}", self._upload, methods=["POST"]),
                Route("/services/{path:path}", self._webhook, methods=["POST"]),
            ]
        )

    def find_channel(self, name: str) -> str:
        """The id for an id or a name, with or without `#`; "" when unknown."""
        if name.startswith(("U", "D")) and f"U{name[1:]}" in self.users.values():
            return f"D{name[1:]}"
        return name if name in self.channels.values() else self.channels.get(name.lstrip("#"), "")

    # methods

    async def _auth_test(self, _request: Request, _arguments: dict[str, Any]) -> Response:
        return JSONResponse({"ok": True, "team": "test", "user": "dlc-watcher", "bot_id": "B000"})

    async def _post_message(self, request: Request, arguments: dict[str, Any]) -> Response:
        channel = self.find_channel(str(arguments.get("channel", "")))
        refusal = self._refusal(channel, arguments)

        def accept() -> Post:
            return self._keep(channel, arguments)

        return await self._answer(
            request,
            refusal,
            channel,
            accept,
            lambda post: JSONResponse({"ok": True, "channel": channel, "ts": post.ts, "message": post.shown()}),
        )

    async def _webhook(self, request: Request) -> Response:
        self.calls.append("webhook")
        name = self.hooks.get(request.url.path)
        if name is None:
            return PlainTextResponse("no_service", 404)
        arguments = await _arguments(request)
        channel = self.find_channel(name)
        refusal = self._refusal(channel, arguments)
        if refusal in {"invalid_blocks", "msg_blocks_too_long"}:
            refusal = "invalid_blocks"

        def accept() -> Post:
            return self._keep(channel, arguments)

        return await self._answer(request, refusal, channel, accept, lambda _: PlainTextResponse("ok"), plain=True)

    def _refusal(self, channel: str, arguments: Mapping[str, Any]) -> str:
        if not channel:
            return "channel_not_found"
        if channel in self.archived:
            return "is_archived"
        if not arguments.get("text") and not arguments.get("blocks"):
            return "no_text"
        if len(str(arguments.get("text", ""))) > LONGEST_MESSAGE:
            return "msg_too_long"
        thread = str(arguments.get("thread_ts", ""))
        if thread and not any(post.ts == thread and post.channel == channel for post in self.posts):
            return "thread_not_found"
        return refuse_blocks(arguments["blocks"]) if arguments.get("blocks") else ""

    async def _answer(
        self,
        request: Request,
        refusal: str,
        channel: str,
        accept: Callable[[], Post],
        answer: Callable[[Post], Response],
        *,
        plain: bool = False,
    ) -> Response:
        fault = self._faults.popleft() if self._faults else None
        kind = fault.kind if fault else None
        if kind in {"reset_before_accept", "hang"}:
            return await self._break(request, hang=kind == "hang")
        if fault is not None and kind in {"429", "500", "503", "html", "code"}:
            return _faulty(fault, plain=plain)
        if refusal:
            return PlainTextResponse(refusal, 400) if plain else _refusal(refusal)
        wait = self._too_soon(channel)
        if wait:
            return _faulty(Fault("429", retry_after=wait), plain=plain)
        post = accept()
        if kind in {"reset_after_accept", "hang_after_accept"}:
            return await self._break(request, hang=kind == "hang_after_accept")
        return answer(post)

    async def _break(self, request: Request, *, hang: bool) -> Response:
        if hang:
            await anyio.sleep(self.hang_seconds)
        elif self.loopback is not None:
            self.loopback.reset(request)
        return Response(status_code=500)

    def _too_soon(self, channel: str) -> int:
        """Seconds to wait, as whole as Slack's Retry-After, or 0."""
        now = self.clock()
        if self.pace is not None and now - self._last_post.get(channel, 0.0) < self.pace:
            return max(1, round(self.pace))
        self._last_post[channel] = now
        return 0

    def _keep(self, channel: str, arguments: dict[str, Any]) -> Post:
        self._count += 1
        post = Post(
            channel=channel,
            ts=f"{int(self.clock())}.{self._count:06d}",
            text=str(arguments.get("text", "")),
            blocks=arguments.get("blocks") or [],
            thread_ts=str(arguments.get("thread_ts", "")),
            metadata=arguments.get("metadata") or {},
            raw=arguments,
        )
        self.posts.append(post)
        return post

    async def _update(self, request: Request, arguments: dict[str, Any]) -> Response:
        if self._update_faults:
            fault = self._update_faults.popleft()
            if fault.kind in {"reset_before_accept", "hang"}:
                return await self._break(request, hang=fault.kind == "hang")
            return _faulty(fault, plain=False)
        channel = str(arguments.get("channel", ""))
        if channel not in self.channels.values():
            return _refusal("channel_not_found")  # this method takes ids, never names
        if channel in self.archived:
            return _refusal("is_archived")
        refusal = refuse_blocks(arguments["blocks"]) if arguments.get("blocks") else ""
        if refusal:
            return _refusal(refusal)
        for post in self.posts:
            if post.ts == arguments.get("ts") and post.channel == channel and post.ts not in self.deleted:
                post.text, post.blocks = str(arguments.get("text", "")), arguments.get("blocks") or []
                post.updates += 1
                return JSONResponse({"ok": True, "channel": post.channel, "ts": post.ts, "text": post.text})
        return _refusal("message_not_found")

    async def _ephemeral(self, _request: Request, arguments: dict[str, Any]) -> Response:
        self.whispers.append((str(arguments["user"]), str(arguments["text"])))
        return JSONResponse({"ok": True, "message_ts": "1.0"})

    async def _connect(self, _request: Request, _arguments: dict[str, Any]) -> Response:
        return JSONResponse({"ok": True, "url": self.socket_url})

    async def _upload_url(self, _request: Request, arguments: dict[str, Any]) -> Response:
        if "files:write" not in self.scopes:
            return _refusal("missing_scope")
        self.files[str(arguments["filename"])] = b""
        url = f"{self._address}/upload/{arguments['filename']}"
        return JSONResponse({"ok": True, "upload_url": url, "file_id": f"F{len(self.files)}"})

    async def _upload(self, request: Request) -> Response:
        form = await request.body()
        self.files[request.path_params["name"]] += form
        return PlainTextResponse("OK")

    async def _uploaded(self, _request: Request, arguments: dict[str, Any]) -> Response:
        self.shares.append(dict(arguments))
        files = arguments["files"]
        return JSONResponse({"ok": True, "files": json.loads(files) if isinstance(files, str) else files})

    async def _lookup(self, _request: Request, arguments: dict[str, Any]) -> Response:
        if self._lookup_faults:
            return _faulty(self._lookup_faults.popleft(), plain=False)
        if "users:read.email" not in self.scopes:
            return _refusal("missing_scope")
        user = self.users.get(str(arguments.get("email", "")))
        return _refusal("users_not_found") if user is None else JSONResponse({"ok": True, "user": {"id": user}})

    async def _open(self, _request: Request, arguments: dict[str, Any]) -> Response:
        if "im:write" not in self.scopes:
            return _refusal("missing_scope")
        user = str(arguments.get("users", ""))
        if user not in self.users.values():
            return _refusal("user_not_found")
        return JSONResponse({"ok": True, "channel": {"id": f"D{user[1:]}"}})

    async def _permalink(self, _request: Request, arguments: dict[str, Any]) -> Response:
        channel, ts = str(arguments.get("channel", "")), str(arguments.get("message_ts", ""))
        if not any(post.ts == ts and post.channel == channel and ts not in self.deleted for post in self.posts):
            return _refusal("message_not_found")
        url = f"https://test.slack.com/archives/{channel}/p{ts.replace('.', '')}"
        return JSONResponse({"ok": True, "channel": channel, "permalink": url})

    def delete(self, ts: str) -> None:
        """As if somebody had deleted that message."""
        self.deleted.add(ts)

    async def _history(self, _request: Request, arguments: dict[str, Any]) -> Response:
        roots = [post for post in self._seen() if not post.thread_ts or post.raw.get("reply_broadcast")]
        return self._page(arguments, list(reversed(roots)))

    async def _replies(self, _request: Request, arguments: dict[str, Any]) -> Response:
        root = str(arguments.get("ts", ""))
        return self._page(arguments, [post for post in self._seen() if root in {post.ts, post.thread_ts}])

    def _seen(self) -> list[Post]:
        return [post for post in self.posts if post.ts not in self.deleted]

    def _page(self, arguments: Mapping[str, Any], posts: list[Post]) -> Response:
        if self._look_faults:
            return _faulty(self._look_faults.popleft(), plain=False)
        if "channels:history" not in self.scopes:
            return _refusal("missing_scope")
        if arguments.get("channel") not in self.channels.values():
            return _refusal("channel_not_found")  # reading methods take ids, never names
        oldest = float(arguments.get("oldest") or 0)
        found = [post.shown() for post in posts if post.channel == arguments["channel"] and float(post.ts) > oldest]
        if arguments.get("include_all_metadata") not in {"true", "1", True}:
            found = [{key: value for key, value in post.items() if key != "metadata"} for post in found]
        start, limit = int(arguments.get("cursor") or 0), min(int(arguments.get("limit") or 100), 999)
        cursor = str(start + limit) if start + limit < len(found) else ""
        return JSONResponse(
            {"ok": True, "messages": found[start : start + limit], "response_metadata": {"next_cursor": cursor}}
        )

    async def _list(self, _request: Request, arguments: dict[str, Any]) -> Response:
        scopes = {"public_channel": "channels:read", "private_channel": "groups:read"}
        kinds = str(arguments.get("types") or "public_channel").split(",")
        if not {scopes[kind] for kind in kinds} <= self.scopes:
            return _refusal("missing_scope")
        if "public_channel" not in kinds:
            return JSONResponse({"ok": True, "channels": [], "response_metadata": {"next_cursor": ""}})
        channels = [{"id": channel, "name": name} for name, channel in self.channels.items()]
        return JSONResponse({"ok": True, "channels": channels, "response_metadata": {"next_cursor": ""}})


async def _arguments(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").startswith("application/json"):
        arguments = json.loads(await request.body())
        return arguments if isinstance(arguments, dict) else {}
    return dict(request.query_params) | dict(parse_qsl((await request.body()).decode()))


def _refusal(code: str) -> Response:
    return JSONResponse({"ok": False, "error": code})


def _faulty(fault: Fault, *, plain: bool) -> Response:
    match fault.kind:
        case "429":
            body: Response = (
                PlainTextResponse("rate_limited", 429)
                if plain
                else JSONResponse({"ok": False, "error": "ratelimited"}, 429)
            )
            body.headers["Retry-After"] = str(fault.retry_after)
            return body
        case "503":
            return PlainTextResponse("unavailable", 503, {"Retry-After": str(fault.retry_after)})
        case "html":
            return Response("<html>please log in</html>", media_type="text/html")
        case "code":
            return PlainTextResponse(fault.code, 400) if plain else _refusal(fault.code)
        case _:
            return PlainTextResponse("internal error", 500)


@asynccontextmanager
async def serve_slack(slack: SlackServer | None = None) -> AsyncIterator[SlackServer]:
    """Run it on 127.0.0.1 on a free port, within the caller's event loop, until the block ends."""
    server = slack or SlackServer()
    async with serve(server.app()) as loopback:
        server.loopback = loopback
        yield server
    server.loopback = None

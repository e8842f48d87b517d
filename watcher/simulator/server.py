"""Running a simulator on a port of this machine: uvicorn inside the caller's event loop, or in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any, Self, cast

import anyio
import anyio.to_thread
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

App = Callable[[Any, Any, Any], Awaitable[None]]


class _LendingProtocol(H11Protocol):
    """Puts its transport where the application can reach it, so that a connection can truly be reset.

    Head and body leave in two writes. asyncio turns Nagle's algorithm off only for sockets made with an explicit protocol number,
    which a ready-made listening socket does not hand on; without this each answer would take a delayed ACK (40 ms).
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # narrowed, as in uvicorn
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app_state = {**self.app_state, "transport": transport}


class _Server(uvicorn.Server):
    """Leaves the program's signal handlers alone, and does not wait for answers that hang on purpose."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Aborting is what a client sees of a server that went away; it also ends every answer under way.
        for connection in list(self.server_state.connections):
            if isinstance(connection, H11Protocol) and connection.transport is not None:
                connection.transport.abort()
        await super().shutdown(sockets)


class SimulatorServer:
    """`async with SimulatorServer(app) as server:` serves the app at `server.url` until the block ends.

    Args:
        app: a `Simulator`, a `StaticApp`, or any ASGI application.
        port: 0 picks a free one.
        host: loopback, unless others on the network shall reach it.
        thread: run in a thread with an event loop of its own: for callers that block theirs, such as the official SDK.
        keep_alive_s: how long a connection may be idle.

    Raises:
        OSError: on entering, when the port is taken.
    """

    def __init__(
        self, app: App, port: int = 0, *, host: str = "127.0.0.1", thread: bool = False, keep_alive_s: int = 5
    ) -> None:
        self._keep_alive_s = keep_alive_s
        self._app, self._host, self._wish, self._threaded = app, host, port, thread
        self._socket: socket.socket | None = None
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self.port = port

    @property
    def url(self) -> str:
        """Where it is, for example http://127.0.0.1:40123."""
        return f"http://{self.endpoint}"

    @property
    def endpoint(self) -> str:
        """Host and port."""
        return f"{f'[{self._host}]' if ':' in self._host else self._host}:{self.port}"

    async def __aenter__(self) -> Self:
        """Listen; when this returns, connections are taken."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._socket = socket.create_server((self._host, self._wish), family=family, backlog=1024)
        self.port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            cast("Any", self._app),
            http=_LendingProtocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=False,
            timeout_keep_alive=self._keep_alive_s,
            timeout_graceful_shutdown=2,
        )
        self._server = _Server(config)
        if self._threaded:
            self._thread = threading.Thread(target=self._run, name="dlc-simulator", daemon=True)
            self._thread.start()
        else:
            self._task = asyncio.create_task(self._server.serve([self._socket]))
        while not self._server.started:
            if self._task is not None and self._task.done():
                await self._task
            await anyio.sleep(0.005)
        return self

    def _run(self) -> None:
        assert self._server is not None and self._socket is not None  # noqa: PT018, S101 - set before the thread starts
        asyncio.run(self._server.serve([self._socket]))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop: answers under way are broken off."""
        if self._server is not None:
            self._server.should_exit = True
        with anyio.CancelScope(shield=True):
            if self._task is not None:
                await self._task
            if self._thread is not None:
                await anyio.to_thread.run_sync(self._thread.join)
        if self._socket is not None:
            self._socket.close()

"""An ASGI application on a free port of 127.0.0.1, in the caller's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.types import ASGIApp
from uvicorn.server import ServerState


@dataclass(slots=True)
class Loopback:
    """A running server.

    Attributes:
        port: where it listens.
    """

    port: int
    state: ServerState

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self.port}"

    def reset(self, request: Request) -> None:
        """Cut the connection of a request, without an answer."""
        client = None if request.client is None else (request.client.host, request.client.port)
        for connection in list(self.state.connections):
            protocol: Any = connection
            if protocol.client == client:
                protocol.transport.abort()


@asynccontextmanager
async def serve(app: ASGIApp) -> AsyncIterator[Loopback]:
    """Run the application until the block ends. Requests still under way then are cut off.

    uvicorn's protocol without its server: that one takes over signals, and looks only every tenth of a second whether to stop.
    """
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False)
    config.load()
    state = ServerState()

    def protocol() -> asyncio.Protocol:
        # uvicorn types the class as a bare asyncio.Protocol, whose constructor takes nothing
        made: asyncio.Protocol = config.http_protocol_class(config=config, server_state=state, app_state={})  # type: ignore[call-arg] # see above
        return made

    listener = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    try:
        yield Loopback(port=listener.sockets[0].getsockname()[1], state=state)
    finally:
        listener.close()
        for connection in list(state.connections):
            open_one: Any = connection
            open_one.transport.abort()
        tasks = list(state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

"""uvicorn, inside our own task group: it neither takes over signals nor writes logs."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.applications import Starlette


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the service's."""
        yield


async def serve(
    app: Starlette, *, host: str, port: int, bound: Callable[[str, int], None] = lambda _host, _port: None
) -> None:
    """Serve until cancelled.

    Args:
        app: what to serve.
        host: the address to listen on.
        port: 0 takes a free one.
        bound: told the address and the port once they are ours.

    Raises:
        OSError: the address cannot be bound.
    """
    config = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as exc:
        raise OSError(
            exc.errno, f"service.http cannot listen on {host} port {port}: {os.strerror(exc.errno or 0)}"
        ) from exc
    bound(host, listener.getsockname()[1])
    listener.setsockopt(
        socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
    )  # else each kept-alive answer waits for Nagle's algorithm
    server = _Server(config)
    try:
        await server.serve(sockets=[listener])
    finally:
        server.should_exit = True
        listener.close()

"""The pages of the running service.

`/healthz`: the process turns. `/readyz`: it sees its sources, writes its store and reaches its receivers, or says which not.
`/metrics`: Prometheus text. `/slack/interactions`: presses of buttons, where a receiver has them that way; each is checked for
Slack's signature before anything of it is read.

Answers only to the host names it was bound to, so that a page in somebody's browser cannot read it through DNS rebinding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class Probe(Protocol):
    """What the pages ask the service."""

    registry: CollectorRegistry

    async def health(self) -> Mapping[str, Any]:
        """Facts on the process; `ok` among them."""
        ...

    async def readiness(self) -> Mapping[str, Any]:
        """`ready`, and for each source, the store and each receiver what is wrong with it, in words."""
        ...


_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


Presses = Callable[[Mapping[str, str], bytes], int]
"""Takes a press of a button, by the headers and the body with which it was posted, and gives the HTTP status of the answer."""

_LARGEST_PRESS: Final = 256 * 1024
"""Bytes. Slack sends the whole message along, which has at most a few dozen kilobytes."""


def make_app(probe: Probe, *, host: str, presses: Presses | None = None) -> Starlette:
    """The pages over one probe, for a server bound to `host`; with `presses`, also where Slack posts presses of buttons."""

    async def interactions(request: Request) -> Response:
        assert presses is not None  # noqa: S101 - the route is there only then
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LARGEST_PRESS:
                return Response(status_code=413, headers=_HEADERS)
        return Response(status_code=presses(dict(request.headers), bytes(body)), headers=_HEADERS)

    async def healthz(_request: Request) -> Response:
        facts = await probe.health()
        return JSONResponse(dict(facts), 200 if facts["ok"] else 503, headers=_HEADERS)

    async def readyz(_request: Request) -> Response:
        facts = await probe.readiness()
        return JSONResponse(dict(facts), 200 if facts["ready"] else 503, headers=_HEADERS)

    async def metrics(_request: Request) -> Response:
        await probe.readiness()  # refreshes the gauges that are read from the store
        return Response(generate_latest(probe.registry), headers=_HEADERS | {"Content-Type": CONTENT_TYPE_LATEST})

    loopback = host in {"127.0.0.1", "::1", "localhost"}
    hosts = ["127.0.0.1", "localhost", "[::1]", "::1"] if loopback else ["*"]
    routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
    if presses is not None:
        routes.append(Route("/slack/interactions", interactions, methods=["POST"]))
    return Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)],
    )

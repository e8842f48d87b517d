"""The pages of the running service.

`/healthz`: the process turns. `/readyz`: it sees its sources, writes its store and reaches its receivers, or says which not.
`/metrics`: Prometheus text. `/api/...`: see `watcher.web.api`. `/slack/interactions`: see `watcher.web.presses`.

Answers only to the host names it was bound to, so that a page in somebody's browser cannot read it through DNS rebinding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from watcher.web import api, presses, silences


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


def make_app(
    probe: Probe,
    *,
    host: str,
    desk: api.Desk | None = None,
    silencer: silences.Silences | None = None,
    token: api.Token | None = None,
    taker: presses.Presses | None = None,
) -> Starlette:
    """The pages over one probe, for a server bound to `host`; with a desk, also the interface of `watcher.web.api`.

    Args:
        probe: what the pages show.
        host: the address the server is bound to.
        desk: does what others may ask for; None where there is no such interface.
        silencer: keeps silences, in the same way.
        taker: takes presses of buttons; None where no receiver has them this way.
        token: tells the token of those who may ask; None where nobody may, which the interface says.
    """

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
    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
            *([] if desk is None else api.routes(desk, token, _HEADERS)),
            *([] if taker is None else presses.routes(taker, _HEADERS)),
            *([] if silencer is None else silences.routes(silencer, token, _HEADERS)),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)],
    )

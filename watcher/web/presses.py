"""`POST /slack/interactions`: where Slack posts presses of buttons. Nothing of one is read before its signature was checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Presses = Callable[[Mapping[str, str], bytes], int]
"""Takes a press of a button, by the headers and the body with which it was posted, and gives the HTTP status of the answer."""

LARGEST: Final = 256 * 1024
"""Bytes. Slack sends the whole message along, which has at most a few dozen kilobytes."""


def routes(presses: Presses, headers: Mapping[str, str]) -> list[Route]:
    """The route.

    Args:
        presses: takes what was posted, at once.
        headers: of every answer.
    """

    async def interactions(request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST:
                return Response(status_code=413, headers=dict(headers))
        return Response(status_code=presses(dict(request.headers), bytes(body)), headers=dict(headers))

    return [Route("/slack/interactions", interactions, methods=["POST"])]

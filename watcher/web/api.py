"""The interface for other programs, beside the pages: what changes something, for whoever has the token.

`POST /api/ack` takes on what is wrong, as `dlc-watcher ack` does: `{"which": JOB or NOTIFICATION, "by": NAME, "comment": TEXT}`.
`/api/silences`: see `watcher.web.silences`.

Answers are JSON. The token comes as `Authorization: Bearer ...` and is compared in constant time; without a configured token there
is no such page, and the answer says so. A body must say that it is JSON: a form on somebody's page cannot, so no browser sends it
on that page's behalf.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from watcher.errors import NothingToTakeOn, StoreError, WatcherError

LARGEST: Final = 64 * 1024
"""Bytes of a body."""
_LONGEST: Final = 500
"""Characters of a name or a comment."""


class Desk(Protocol):
    """What the interface asks the service to do."""

    async def take_on(self, which: str, by: str, comment: str) -> Sequence[Mapping[str, Any]]:
        """Take on what is wrong; returns what was taken on.

        Raises:
            NothingToTakeOn: nothing about it is open, or somebody took it on before.
            WatcherError: no job and no notification is meant by that.
        """
        ...


class Refused(Exception):
    """A question that is not answered: the status, and why."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        self.status, self.why = status, why
        super().__init__(why)


Question = Mapping[str, Any]
Token = Callable[[], str]
Answerer = Callable[[Request], Awaitable[tuple[int, Mapping[str, Any]]]]
Page = Callable[[Request], Awaitable[Response]]

_OFF: Final = (
    "there is nothing here: set service.http.api_token_file to a file with a token, and start the watcher anew"
)


def guarded(answerer: Answerer, token: Token | None, headers: Mapping[str, str]) -> Page:
    """A page that answers who has the token, and says to all others, and to what is not understood, why not.

    Args:
        answerer: tells status and content; may raise `Refused`.
        token: tells the token, anew each time, so that a rotated file is used at once; None where there is no such page.
        headers: for every answer.
    """

    async def answer(request: Request) -> Response:
        try:
            _admit(request, token)
            status, content = await answerer(request)
            return JSONResponse(dict(content), status, headers=dict(headers))
        except Refused as refusal:
            more = {"WWW-Authenticate": "Bearer"} if refusal.status is HTTPStatus.UNAUTHORIZED else {}
            return JSONResponse({"error": refusal.why}, refusal.status, headers={**headers, **more})

    return answer


def routes(desk: Desk, token: Token | None, headers: Mapping[str, str]) -> list[Route]:
    """The pages of the interface; `desk` is who does it, for the others see `guarded`."""

    async def ack(request: Request) -> tuple[int, Mapping[str, Any]]:
        return HTTPStatus.OK, {"taken": await _taken(desk, await question(request))}

    return [Route("/api/ack", guarded(ack, token, headers), methods=["POST"])]


def _admit(request: Request, token: Token | None) -> None:
    if token is None:
        raise Refused(HTTPStatus.NOT_FOUND, _OFF)
    try:
        known = token().encode()
    except OSError as exc:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, f"the token cannot be read: {exc.strerror}") from exc
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), known):
        raise Refused(HTTPStatus.UNAUTHORIZED, "send the token as Authorization: Bearer ...")


async def question(request: Request) -> Question:
    """The JSON object in a body.

    Raises:
        Refused: there is none, or it is too large.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send JSON, with Content-Type: application/json")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"no more than {LARGEST // 1024} KiB")
    try:
        asked = json.loads(bytes(body))
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise Refused(HTTPStatus.BAD_REQUEST, "this is no JSON object")
    return asked


async def _taken(desk: Desk, asked: Question) -> list[Mapping[str, Any]]:
    which, by, comment = (_word(asked, name) for name in ("which", "by", "comment"))
    if not which or not by:
        raise Refused(HTTPStatus.BAD_REQUEST, 'say "which" job or notification is meant, and "by" whom, as texts')
    try:
        return list(await desk.take_on(which, by, comment))
    except NothingToTakeOn as exc:
        raise Refused(HTTPStatus.CONFLICT, str(exc)) from exc
    except StoreError as exc:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, str(exc)) from exc
    except WatcherError as exc:
        raise Refused(HTTPStatus.NOT_FOUND, str(exc)) from exc


def _word(asked: Question, name: str) -> str:
    value = asked.get(name, "")
    return " ".join(value.split())[:_LONGEST] if isinstance(value, str) else ""

"""`/api/silences`: what `dlc-watcher silence` does, for programs. Only with a token; without one configured there is no `/api`.

    GET    /api/silences[?all=true]   those in force, or all
    POST   /api/silences              {"match": ["name=prod-*"], "for": "2h", "author": "ann", "comment": "..."}
    DELETE /api/silences/ID[?by=ann]  end one now

The token is read anew for each request, so a rotated file is used at once, and compared in constant time.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from pydantic import Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from watcher.errors import StoreError, WatcherError
from watcher.settings import Duration, Settings

MOST_BYTES: Final = 64 * 1024
_OFF: Final = "there is no API here: set service.http.api_token_file to a file with a token, and start anew"
_WHO: Final = "say who you are: Authorization: Bearer TOKEN, with the token of service.http.api_token_file"
_NOT_IT: Final = "the token is not the one of service.http.api_token_file"
_GONE: Final = "the file of service.http.api_token_file cannot be read any more"


class Asked(Settings):
    """A silence as it is asked for."""

    match: tuple[str, ...] = ()
    """Tests as on the command line: LABEL=GLOB, LABEL!=GLOB, LABEL=~REGEX, LABEL!~REGEX; all must fit."""
    job: str | None = None
    """Only about this job (its id, source/id, or name), and at most until it ends."""
    for_: Duration | None = Field(default=None, alias="for")
    """How long, for example 2h."""
    until: datetime | None = None
    """Its end, with a zone."""
    author: str = Field(default="api", min_length=1, max_length=200)
    """Who says so."""
    comment: str = Field(default="", max_length=2000)
    """Why."""


class Silences(Protocol):
    """What the API asks the service."""

    async def add(self, asked: Asked) -> Mapping[str, Any]:
        """Keep a silence and return it. Raises WatcherError with words for who asked."""
        ...

    async def listed(self, *, everything: bool) -> list[Mapping[str, Any]]:
        """The silences in force, or all."""
        ...

    async def end(self, silence_id: str, by: str) -> bool:
        """End one. False when there was nothing to end."""
        ...


Answer = Callable[[Request], Awaitable[Response]]


class Api:
    """The API over one service.

    Args:
        silences: who keeps them.
        token: tells the token that is asked for; None where there is no API.
        headers: of every answer.
    """

    def __init__(self, silences: Silences, token: Callable[[], str] | None, headers: Mapping[str, str]) -> None:
        self._silences, self._token, self._headers = silences, token, headers

    @property
    def routes(self) -> list[BaseRoute]:
        """Where it is asked."""
        return [
            Route("/api/silences", self._guarded(self._listed), methods=["GET"]),
            Route("/api/silences", self._guarded(self._add), methods=["POST"]),
            Route("/api/silences/{silence_id}", self._guarded(self._end), methods=["DELETE"]),
        ]

    def _guarded(self, answer: Answer) -> Answer:
        async def ask(request: Request) -> Response:
            refusal = self._refusal(request.headers.get("authorization", ""))
            if refusal is not None:
                return refusal
            try:
                return await answer(request)
            except StoreError as exc:
                return self._refused(str(exc), 503)
            except WatcherError as exc:
                return self._refused(str(exc), 400)

        return ask

    def _refusal(self, authorization: str) -> Response | None:
        if self._token is None:
            return self._refused(_OFF, 404)
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            return self._refused(_WHO, 401, **{"WWW-Authenticate": "Bearer"})
        try:
            right = hmac.compare_digest(given.strip().encode(), self._token().encode())
        except (OSError, ValueError):
            return self._refused(_GONE, 503)
        return None if right else self._refused(_NOT_IT, 403)

    async def _add(self, request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                return self._refused(f"the body is larger than {MOST_BYTES} bytes", 413)
        try:
            asked = Asked.model_validate_json(body)
        except ValidationError as exc:
            places = (f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in exc.errors())
            return self._refused("; ".join(places), 400)
        return self._told(await self._silences.add(asked), 201)

    async def _listed(self, request: Request) -> Response:
        everything = request.query_params.get("all", "").lower() in {"1", "true", "yes"}
        return self._told({"silences": await self._silences.listed(everything=everything)})

    async def _end(self, request: Request) -> Response:
        silence_id = request.path_params["silence_id"]
        if await self._silences.end(silence_id, request.query_params.get("by") or "api"):
            return self._told({"id": silence_id, "state": "ended"})
        words = f"no silence {silence_id!r} is there to be ended; GET /api/silences?all=true lists all"
        return self._refused(words, 404)

    def _told(self, content: Any, status: int = 200, **more: str) -> Response:
        return JSONResponse(content, status, headers={**self._headers, **more})

    def _refused(self, words: str, status: int, **more: str) -> Response:
        return self._told({"error": words}, status, **more)

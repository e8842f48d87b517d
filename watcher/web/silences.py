"""`/api/silences`: what `dlc-watcher silence` does, for programs. Only with a token; without one configured there is no `/api`.

    GET    /api/silences[?all=true]   those in force, or all
    POST   /api/silences              {"match": ["name=prod-*"], "for": "2h", "author": "ann", "comment": "..."}
    DELETE /api/silences/ID[?by=ann]  end one now

The same token, bodies and refusals as in `watcher.web.api`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Any, Protocol

from pydantic import Field, ValidationError
from starlette.requests import Request
from starlette.routing import Route

from watcher.errors import StoreError, WatcherError
from watcher.settings import Duration, Settings
from watcher.web.api import Refused, Token, guarded, question


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


def routes(silences: Silences, token: Token | None, headers: Mapping[str, str]) -> list[Route]:
    """The pages; `silences` is who keeps them, for the others see `watcher.web.api.guarded`."""

    async def add(request: Request) -> tuple[int, Mapping[str, Any]]:
        try:
            asked = Asked.model_validate(await question(request))
        except ValidationError as exc:
            places = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in exc.errors())
            raise Refused(HTTPStatus.BAD_REQUEST, "; ".join(places)) from None
        with _told():
            return HTTPStatus.CREATED, await silences.add(asked)

    async def listed(request: Request) -> tuple[int, Mapping[str, Any]]:
        everything = request.query_params.get("all", "").lower() in {"1", "true", "yes"}
        with _told():
            return HTTPStatus.OK, {"silences": await silences.listed(everything=everything)}

    async def end(request: Request) -> tuple[int, Mapping[str, Any]]:
        silence_id = request.path_params["silence_id"]
        with _told():
            if await silences.end(silence_id, request.query_params.get("by") or "api"):
                return HTTPStatus.OK, {"id": silence_id, "state": "ended"}
        words = f"no silence {silence_id!r} is there to be ended; GET /api/silences?all=true lists all"
        raise Refused(HTTPStatus.NOT_FOUND, words)

    return [
        Route("/api/silences", guarded(listed, token, headers), methods=["GET"]),
        Route("/api/silences", guarded(add, token, headers), methods=["POST"]),
        Route("/api/silences/{silence_id}", guarded(end, token, headers), methods=["DELETE"]),
    ]


@contextmanager
def _told() -> Iterator[None]:
    """What the service refuses, as an answer."""
    try:
        yield
    except StoreError as exc:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, str(exc)) from exc
    except WatcherError as exc:
        raise Refused(HTTPStatus.BAD_REQUEST, str(exc)) from exc

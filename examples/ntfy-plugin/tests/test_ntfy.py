"""The notifier keeps dlc-watcher's contract, against a small server that takes what ntfy takes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from dlc_watcher_ntfy.notifier import NtfyNotifier, NtfySettings, classify
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from watcher.testing.notifier_contract import NotifierBench, NotifierContract
from watcher.testing.servers import serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class TestNtfy(NotifierContract):
    longest_wire = 6000

    @asynccontextmanager
    async def open(self) -> AsyncIterator[NotifierBench]:
        got: list[dict[str, object]] = []
        broken: list[bool] = []

        async def take(request: Request) -> Response:
            if request.headers.get("authorization") != "Bearer canary-token":
                return JSONResponse({"code": 40301, "http": 403, "error": "forbidden"}, 403)
            if broken:
                return JSONResponse({"http": 500, "error": "canary-token"}, 500)
            got.append(await request.json())
            return JSONResponse({"id": "msg1", "event": "message"})

        async with serve(Starlette(routes=[Route("/", take, methods=["POST"])])) as server:
            settings = NtfySettings.model_validate({"topic": "dlc", "server": server.url, "token": "canary-token"})
            notifier = NtfyNotifier("phones", settings)

            async def fail() -> None:
                broken.append(True)

            try:
                yield NotifierBench(notifier, lambda: len(got), fail, secrets=("canary-token",))
            finally:
                await notifier.aclose()


@pytest.mark.parametrize(
    ("status", "permanent", "pauses"), [(400, True, False), (403, True, True), (429, False, True), (503, False, False)]
)
def test_what_an_answer_means(status: int, permanent: bool, pauses: bool) -> None:
    told = classify(status, {"retry-after": "7"})
    assert (told.permanent, told.pauses_receiver) == (permanent, pauses)
    assert (told.retry_after is not None) is not permanent

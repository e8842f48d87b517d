"""Taking on what is wrong over HTTP: with the token only, as JSON only, and with an answer that says what came of it."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.shell.service_world import World, job, loaded_of
from tests.shell.test_web import Probe
from watcher.errors import StoreUnavailable
from watcher.service.app import assemble
from watcher.service.taking_on import take_on
from watcher.web import make_app
from watcher.web.api import LARGEST

pytestmark = pytest.mark.anyio

TOKEN = "canary-token"


class Office:
    """A desk over one store."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.broken = False

    async def take_on(self, which: str, by: str, comment: str) -> list[dict[str, Any]]:
        if self.broken:
            raise StoreUnavailable("the disk is full")
        now = self.world.clock.now()
        return [{"id": one.id} for one in await take_on(self.world.store, which, at=now, by=by, comment=comment)]


async def office() -> Office:
    world = World(job("dlc1", name="prod-llm"), rules="  - {use: job-failed}\n", budget={"requests_per_second": 1000})
    await world.poller.load()
    await world.poller.pass_once()
    world.source.put(job("dlc1", "Failed", name="prod-llm", finished_at=world.clock.now()))
    await world.poller.pass_once()
    return Office(world)


def client(desk: Office | None, token: Any = lambda: TOKEN) -> httpx2.AsyncClient:
    app = make_app(Probe(), host="127.0.0.1", desk=desk, token=token)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1")


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_who_has_the_token_takes_on_what_is_wrong_and_the_second_is_told_who_was_first() -> None:
    desk = await office()
    async with client(desk) as http:
        asked = {"which": "prod-llm", "by": "ann\n", "comment": "on it"}
        answer = await http.post("/api/ack", json=asked, headers=bearer())
        assert (answer.status_code, len(answer.json()["taken"])) == (200, 1)
        assert answer.headers["cache-control"] == "no-store"
        (one,) = await desk.world.store.troubles(open_only=False)
        assert (one.acknowledged_by, one.comment) == ("ann", "on it")
        again = await http.post("/api/ack", json={"which": one.id, "by": "bob"}, headers=bearer())
        assert (again.status_code, "taken on already, by ann" in again.json()["error"]) == (409, True)
        nobody = await http.post("/api/ack", json={"which": "nobody", "by": "bob"}, headers=bearer())
        assert (nobody.status_code, "no job 'nobody' has been seen" in nobody.json()["error"]) == (404, True)
        desk.broken = True
        busy = await http.post("/api/ack", json=asked, headers=bearer())
        assert (busy.status_code, busy.json()["error"]) == (503, "the disk is full")


@pytest.mark.parametrize("headers", [{}, bearer("wrong"), {"Authorization": f"Basic {TOKEN}"}, bearer("")])
async def test_without_the_token_nothing_is_done(headers: dict[str, str]) -> None:
    desk = await office()
    async with client(desk) as http:
        answer = await http.post("/api/ack", json={"which": "prod-llm", "by": "eve"}, headers=headers)
        assert (answer.status_code, TOKEN in answer.text) == (401, False)
    assert len(await desk.world.store.troubles()) == 1


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"which": "prod-llm", "by": "eve"}', "text/plain", 415),
        (b"not json", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"which": "prod-llm"}', "application/json", 400),
        (b'{"which": 7, "by": "eve"}', "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b" " * (LARGEST + 1), "application/json", 413),
    ],
)
async def test_what_is_not_understood_is_refused(content: bytes, kind: str, status: int) -> None:
    async with client(await office()) as http:
        answer = await http.post("/api/ack", content=content, headers={**bearer(), "Content-Type": kind})
        assert answer.status_code == status, answer.text
        assert (await http.get("/api/ack", headers=bearer())).status_code == 405


async def test_without_a_configured_token_there_is_no_such_page_and_one_that_cannot_be_read_opens_nothing() -> None:
    async with client(None) as http:
        assert (await http.post("/api/ack", json={}, headers=bearer())).status_code == 404

    def gone() -> str:
        raise FileNotFoundError(2, "No such file or directory")

    async with client(await office(), gone) as http:
        answer = await http.post("/api/ack", json={}, headers=bearer())
        assert (answer.status_code, answer.json()) == (
            503,
            {"error": "the token cannot be read: No such file or directory"},
        )


async def test_the_service_heeds_at_once_what_was_taken_on_so() -> None:
    desk = await office()
    async with assemble(loaded_of(), clock=desk.world.clock, store=desk.world.store) as service:
        await service.keeper.heed()
        assert len(service.ledger.book.troubles) == 1
        (taken,) = await service.take_on("prod-llm", "ann", "")
        assert (taken["acknowledged_by"], len(service.ledger.book.troubles)) == ("ann", 0)

"""Silences by API: with the right token only, with the same sense as the command, heeded at once."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from tests.shell.service_world import START, FlakyStore, World, job
from tests.shell.test_web import Probe
from watcher.core.delivery import DeliveryReason
from watcher.core.model import JobId, JobRef
from watcher.errors import StoreUnavailable
from watcher.service.silencer import Silencer
from watcher.settings import reveal
from watcher.web import make_app

pytestmark = pytest.mark.anyio

RULES = "  - {use: job-started, labels: {topic: starts}}\n  - {use: job-succeeded}\n"
ALLOWED = {"Authorization": "Bearer canary-token"}
JSON = {**ALLOWED, "Content-Type": "application/json"}


@contextlib.asynccontextmanager
async def asking(world: World, token: Path | None) -> AsyncIterator[httpx2.AsyncClient]:
    silencer = Silencer(world.ledger, world.loaded)
    tell = None if token is None else partial(reveal, None, token)
    app = make_app(Probe(), host="127.0.0.1", silencer=silencer, token=tell)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1") as http:
        yield http


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("canary-token\n")
    return file


@pytest.fixture
def world() -> World:
    return World(
        job("dlc1", "Queuing", name="prod-llm"),
        job("dlc2", "Queuing"),
        rules=RULES,
        budget={"requests_per_second": 1000},
    )


async def look(world: World) -> None:
    await world.poller.load()
    await world.poller.pass_once()


async def test_without_a_token_file_there_is_no_api(world: World) -> None:
    async with asking(world, None) as http:
        for method in ("GET", "POST"):
            answer = await http.request(method, "/api/silences", headers=ALLOWED)
            assert answer.status_code == 404
            assert "set service.http.api_token_file" in answer.json()["error"]
        assert (await http.delete("/api/silences/x", headers=ALLOWED)).status_code == 404


async def test_only_who_has_the_token_is_answered(world: World, token: Path) -> None:
    async with asking(world, token) as http:
        for header in ({}, {"Authorization": "Basic canary-token"}, {"Authorization": "Bearer "}):
            nobody = await http.get("/api/silences", headers=header)
            assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, "Bearer")
        for wrong in ("canary-toke", "canary-tokenx", "ÄÖ".encode()):
            value = b"Bearer " + (wrong if isinstance(wrong, bytes) else wrong.encode())
            stranger = await http.get("/api/silences", headers={b"Authorization": value})
            assert stranger.status_code == 401
            assert "canary" not in stranger.text
        assert (await http.get("/api/silences", headers=ALLOWED)).json() == {"silences": []}
        await anyio.Path(token).write_text("another")
        assert (await http.get("/api/silences", headers=ALLOWED)).status_code == 401
        await anyio.Path(token).unlink()
        assert (await http.get("/api/silences", headers=ALLOWED)).status_code == 503


async def test_a_silence_is_heeded_at_once_listed_and_ended(world: World, token: Path) -> None:
    await look(world)
    async with asking(world, token) as http:
        asked = {"match": ["topic=starts"], "for": "2h", "author": "ann", "comment": "quota maintenance"}
        answer = await http.post("/api/silences", json=asked, headers=ALLOWED)
        assert answer.status_code == 201
        made = answer.json()
        assert (made["author"], made["comment"], made["match"]) == ("ann", "quota maintenance", 'topic is "starts"')
        assert (made["state"], made["until"]) == ("in force", "2026-03-01T14:00:00Z")
        world.source.put(job("dlc1", "Running", name="prod-llm"))
        await look(world)
        (row,) = await world.store.deliveries()
        assert row.reason is DeliveryReason.SILENCED
        assert f"silence {made['id']} of ann" in row.error
        assert [one["id"] for one in (await http.get("/api/silences", headers=ALLOWED)).json()["silences"]] == [
            made["id"]
        ]
        ended = await http.delete(f"/api/silences/{made['id']}?by=bob", headers=ALLOWED)
        assert (ended.status_code, ended.json()["state"]) == (200, "ended")
        again = await http.delete(f"/api/silences/{made['id']}", headers=ALLOWED)
        assert (again.status_code, made["id"] in again.json()["error"]) == (404, True)
        assert (await http.get("/api/silences", headers=ALLOWED)).json() == {"silences": []}
        (kept,) = (await http.get("/api/silences?all=true", headers=ALLOWED)).json()["silences"]
        assert kept["state"] == "ended by bob"
        world.source.put(job("dlc2", "Running"))
        await look(world)
        assert (await world.store.deliveries())[-1].reason is DeliveryReason.OWED


async def test_a_silence_of_a_job_ends_with_it(world: World, token: Path) -> None:
    await look(world)
    async with asking(world, token) as http:
        made = (await http.post("/api/silences", json={"job": "prod-llm"}, headers=ALLOWED)).json()
        assert (made["until"], made["author"], made["job"]["job_id"]) == (None, "api", "dlc1")
        world.source.put(job("dlc1", "Succeeded", name="prod-llm", finished_at=START))
        await look(world)
        told = [row for row in await world.store.deliveries() if row.reason is DeliveryReason.OWED]
        assert [row.notification.rule for row in told] == ["job-succeeded"]
        assert (await http.get("/api/silences", headers=ALLOWED)).json() == {"silences": []}


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({}, "name at least one label"),
        ({"for": "1h"}, "name at least one label"),
        ({"match": ["topic=starts"]}, "say either for or until"),
        ({"match": ["topic=starts"], "for": "1h", "until": "2026-03-01T13:00Z"}, "say either for or until"),
        ({"match": ["topic"], "for": "1h"}, "is no test on a label"),
        ({"match": ["topc=starts"], "for": "1h"}, 'unknown label "topc"'),
        ({"match": ["kind=job.strated"], "for": "1h"}, 'unknown kind "job.strated"'),
        ({"match": ["topic=starts"], "until": "2026-03-01T13:00"}, "without its zone"),
        ({"match": ["topic=starts"], "until": "2026-03-01T11:00Z"}, "ends in the future"),
        ({"match": ["topic=starts"], "for": "400d"}, "within a year"),
        ({"match": ["topic=starts"], "for": "soon"}, "for: "),
        ({"job": "nobody"}, "no job 'nobody' has been seen"),
        ({"jobs": "dlc1"}, "jobs: "),
    ],
)
async def test_what_could_not_be_meant_is_refused_in_words(
    world: World, token: Path, asked: dict[str, Any], complaint: str
) -> None:
    async with asking(world, token) as http:
        answer = await http.post("/api/silences", json=asked, headers=ALLOWED)
        assert (answer.status_code, complaint in answer.json()["error"]) == (400, True), answer.text
        assert await world.store.silences() == ()


async def test_what_is_no_json_or_too_much_of_it_is_refused(world: World, token: Path) -> None:
    async with asking(world, token) as http:
        assert (await http.post("/api/silences", content=b"{}", headers=ALLOWED)).status_code == 415
        assert (await http.post("/api/silences", content=b"{", headers=JSON)).status_code == 400
        assert (await http.post("/api/silences", content=b" " * 70_000, headers=JSON)).status_code == 413


async def test_a_store_that_refuses_is_told_as_such(world: World, token: Path) -> None:
    assert isinstance(world.store, FlakyStore)

    async def refuse(*_args: object, **_more: object) -> None:
        raise StoreUnavailable("the disk is full")

    world.store.add_silence = refuse  # type: ignore[method-assign] - a store that fails in this one thing
    async with asking(world, token) as http:
        answer = await http.post("/api/silences", json={"match": ["topic=starts"], "for": "1h"}, headers=ALLOWED)
        assert (answer.status_code, answer.json()["error"]) == (503, "the disk is full")


async def test_a_button_silences_a_job_for_a_time_or_until_it_ends(world: World) -> None:
    await look(world)
    silencer = Silencer(world.ledger, world.loaded)
    ref = JobRef(world.source.name, JobId("dlc1"))
    hour = await silencer.silence_job(ref, length=timedelta(hours=1), author="ann")
    for_good = await silencer.silence_job(ref, length=None, author="ann", comment="I know")
    assert (hour.until, for_good.until, hour.job) == (START + timedelta(hours=1), None, ref)
    assert set(world.ledger.book.silencings) == {hour, for_good}

"""The Alertmanager notifier against a small fake: what is posted where, and what its settings refuse. The real one is asked in
tests/acceptance."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watcher.errors import NotifierError
from watcher.notifiers.alertmanager import (
    MOST_ALERTS,
    AlertmanagerNotifier,
    AlertmanagerSettings,
    at_sending,
    render_alerts,
)
from watcher.testing.messages import SAMPLES
from watcher.testing.servers import serve

pytestmark = pytest.mark.anyio
SINGLE = SAMPLES["single"]
NOW = datetime(2026, 2, 3, 15, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@asynccontextmanager
async def fake(status: int = 200, **settings: Any) -> AsyncIterator[tuple[AlertmanagerNotifier, list[Any]]]:
    got: list[Any] = []

    async def take(request: Request) -> Response:
        got.append((request.headers.get("authorization"), await request.json()))
        return Response(status_code=status)

    async with serve(Starlette(routes=[Route("/prefix/api/v2/alerts", take, methods=["POST"])])) as server:
        made = AlertmanagerSettings.model_validate({"url": f"{server.url}/prefix/", "allow_http": True, **settings})
        notifier = AlertmanagerNotifier("alerts", made, now=lambda: NOW)
        try:
            yield notifier, got
        finally:
            await notifier.aclose()


async def test_alerts_go_to_the_api_behind_the_route_prefix_with_an_end_ahead() -> None:
    async with fake(labels={"cluster": "t"}) as (notifier, got):
        receipt = await notifier.send(notifier.render(SINGLE), SINGLE)
    ((authorization, (alert,)),) = got
    assert (authorization, receipt.place) == (None, "127.0.0.1")
    assert (alert["startsAt"], alert["endsAt"]) == ("2026-02-03T14:03:22.000Z", "2026-02-03T16:00:00.000Z")
    assert (alert["labels"]["alertname"], alert["labels"]["cluster"]) == ("job-failed", "t")


async def test_credentials_are_read_at_the_time_of_sending(tmp_path: Path) -> None:
    file = tmp_path / "word"
    file.write_text("first\n")
    async with fake(token_file=file) as (notifier, got):
        await notifier.send(notifier.render(SINGLE), SINGLE)
        file.write_text("second\n")
        await notifier.send(notifier.render(SINGLE), SINGLE)
    assert [word for word, _ in got] == ["Bearer first", "Bearer second"]
    async with fake(username="dlc", password="pass") as (notifier, got):
        await notifier.send(notifier.render(SINGLE), SINGLE)
    assert got[0][0] == "Basic " + base64.b64encode(b"dlc:pass").decode()


@pytest.mark.parametrize(("status", "permanent"), [(400, True), (401, True), (404, True), (429, False), (503, False)])
async def test_a_refusal_says_what_to_do(status: int, permanent: bool) -> None:
    async with fake(status) as (notifier, _):
        with pytest.raises(NotifierError) as caught:
            await notifier.send(notifier.render(SINGLE), SINGLE)
    assert (caught.value.permanent, caught.value.code) == (permanent, str(status))
    assert caught.value.fix or not permanent


def test_items_with_the_same_labels_are_one_alert_that_says_the_last_and_begins_with_the_first() -> None:
    storm = SAMPLES["storm"]
    (alert,) = render_alerts(storm, {})
    assert alert["annotations"]["summary"] == storm.items[-1].headline
    assert alert["startsAt"] == "2026-02-03T14:03:22.000Z"


def test_labels_that_routes_know_are_labels_there_and_what_changes_is_not() -> None:
    labels = (
        ("workspace", ("268", "vision")),
        ("tag.my-team", ("a",)),
        ("status", ("Failed",)),
        ("phase", ("failed",)),
        ("owner", ("",)),
    )
    told = replace(SINGLE, items=(replace(SINGLE.items[0], labels=labels),))
    (alert,) = render_alerts(told, {})
    assert alert["labels"] == {
        "alertname": "job-failed",
        "severity": "critical",
        "source": "hangzhou",
        "job": "dlc1vpb4vfdd2kr",
        "name": "llama-70b-pretrain",
        "workspace": "vision",
        "tag_my_team": "a",
    }


def test_very_many_alerts_are_bounded() -> None:
    items = tuple(replace(SINGLE.items[0], rule=f"rule-{n}") for n in range(MOST_ALERTS + 50))
    assert len(render_alerts(replace(SINGLE, items=items), {})) == MOST_ALERTS


@pytest.mark.parametrize(
    ("starts", "over", "begins", "ends"),
    [
        (NOW - HOUR, None, NOW - HOUR, NOW + HOUR),
        (NOW + 2 * HOUR, None, NOW, NOW + HOUR),
        (NOW - 2 * HOUR, NOW - HOUR, NOW - 2 * HOUR, NOW - HOUR),
        (NOW - HOUR, NOW - 2 * HOUR, NOW - HOUR, NOW - HOUR),
        (NOW + HOUR, NOW + 2 * HOUR, NOW, NOW),
    ],
)
def test_no_alert_ends_before_it_begins_or_begins_later(
    starts: datetime, over: datetime | None, begins: datetime, ends: datetime
) -> None:
    alert = {"startsAt": starts.isoformat(), **({} if over is None else {"endsAt": over.isoformat()})}
    sent = at_sending(alert, NOW, HOUR)
    assert (datetime.fromisoformat(sent["startsAt"]), datetime.fromisoformat(sent["endsAt"])) == (begins, ends)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"url": "http://a"}, "use https"),
        ({"url": "https://a", "password": "x"}, "needs a username"),
        ({"url": "https://a", "username": "x"}, "exactly one of"),
        ({"url": "https://a", "username": "x", "password": "y", "token": "z"}, "either"),
        ({"url": "https://a", "renew_every": "40m"}, "at most half of resolve_after"),
        ({"url": "https://a", "labels": {"a-b": "c"}}, "pattern"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        AlertmanagerSettings.model_validate(settings)

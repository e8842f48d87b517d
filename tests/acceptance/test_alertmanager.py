"""Our alerts in a real Alertmanager, seen by its own amtool."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from tests.acceptance.peers_alertmanager import Alertmanager, alertmanager
from tests.shell.service_world import World
from watcher.core.grouping import owe
from watcher.core.routing import Route
from watcher.core.trouble import TroubleEnd
from watcher.notifiers.alertmanager import AlertmanagerNotifier, AlertmanagerSettings
from watcher.service.clock import SystemClock
from watcher.service.dispatcher import Dispatcher
from watcher.service.ledger import Ledger
from watcher.service.telemetry import Metrics
from watcher.testing.messages import SAMPLES
from watcher.testing.store_contract import a_trouble, an_observation

pytestmark = pytest.mark.anyio


def notifier(url: str, **more: Any) -> AlertmanagerNotifier:
    settings = {"url": url, "allow_http": True, "labels": {"cluster": "training"}, **more}
    return AlertmanagerNotifier("alerts", AlertmanagerSettings.model_validate(settings))


async def test_a_real_alertmanager_takes_every_kind_of_message(tmp_path: Path) -> None:
    with alertmanager(tmp_path) as real:
        ours = notifier(real.url)
        for sample in SAMPLES.values():
            await ours.send(ours.render(sample), sample)
            await ours.send(ours.render(sample), sample)
        single = SAMPLES["single"]  # others have the same labels; it says what was said last
        await ours.send(ours.render(single), single)
        await ours.aclose()
        shown = {alert["labels"]["alertname"] for alert in real.alerts()}
        assert {"job-failed", "stuck-pending", "watch-blind", "pod-evicted"} <= shown
        (failed,) = real.alerts('alertname="job-failed"', 'job="dlc1vpb4vfdd2kr"', 'name="llama-70b-pretrain"')[:1]
        assert failed["labels"]["cluster"] == "training"
        assert failed["annotations"]["summary"].startswith("Failed after 3h12m")
        assert failed["generatorURL"].startswith("https://")


async def test_an_alert_begins_when_it_happened_and_ends_when_its_time_is_up(tmp_path: Path) -> None:
    with alertmanager(tmp_path) as real:
        ours = notifier(real.url, resolve_after="1h")
        now = datetime.now(UTC)
        sample = SAMPLES["watcher-itself"]
        begun = now - timedelta(minutes=20)
        sample = replace(sample, items=tuple(replace(item, at=begun) for item in sample.items))
        await ours.send(ours.render(sample), sample)
        await ours.aclose()
        (alert,) = real.alerts()
        assert abs(datetime.fromisoformat(alert["startsAt"]) - begun) < timedelta(seconds=1)
        assert timedelta(minutes=59) < datetime.fromisoformat(alert["endsAt"]) - now < timedelta(minutes=61)


async def test_what_dlc_dates_ahead_of_our_clock_fires_now_and_ends_when_it_is_told_to(tmp_path: Path) -> None:
    with alertmanager(tmp_path) as real:
        ours = notifier(real.url, resolve_after="1m", renew_every="5s")
        ahead = datetime.now(UTC) + timedelta(hours=1)
        sample = SAMPLES["watcher-itself"]
        begun = replace(sample, items=tuple(replace(item, at=ahead) for item in sample.items))
        await ours.send(ours.render(begun), begun)
        assert len(real.alerts()) == 1
        over = replace(sample, items=tuple(replace(item, at=ahead, over_at=ahead) for item in sample.items))
        await ours.send(ours.render(over), over)
        await ours.aclose()
        assert real.alerts() == []


async def test_an_alert_fires_while_its_trouble_lasts_also_over_a_restart_of_alertmanager_and_is_resolved_by_its_end(
    tmp_path: Path,
) -> None:
    clock = SystemClock()
    world = World()
    ledger = Ledger(world.store, world.loaded.book, clock, Metrics())
    trouble = a_trouble(1, at=clock.now())
    owed = owe(Route(path="route", receiver="alerts"), trouble.notification, clock.now())

    def firing(real: Alertmanager) -> list[str]:
        return [alert["annotations"]["summary"] for alert in real.alerts()]

    async def until(real: Alertmanager, wanted: list[str]) -> None:
        with anyio.fail_after(20):
            while await anyio.to_thread.run_sync(firing, real) != wanted:
                await anyio.sleep(0.05)

    with alertmanager(tmp_path / "first") as real:
        ours = notifier(real.url)
        ours.renew_every = timedelta(milliseconds=300)
        dispatcher = Dispatcher("alerts", ours, ledger, {})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(dispatcher.dispatch)
            await ledger.commit(replace(an_observation(owed), troubles=(trouble,)))
            await until(real, [trouble.notification.headline])
            (alert,) = real.alerts()
            assert alert["labels"]["alertname"] == trouble.notification.rule
            real.restart()
            await until(real, [trouble.notification.headline])
            over = trouble.ended(TroubleEnd.OVER, clock.now())
            await ledger.commit(replace(an_observation(), troubles=(over,)))
            await until(real, [])
            await anyio.sleep(1)
            assert firing(real) == [], "no renewal brings it back"
            tasks.cancel_scope.cancel()
        await ours.aclose()

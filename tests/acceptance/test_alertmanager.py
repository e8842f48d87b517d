"""Our alerts in a real Alertmanager, seen by its own amtool."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.peers_alertmanager import alertmanager
from watcher.notifiers.alertmanager import AlertmanagerNotifier, AlertmanagerSettings
from watcher.testing.messages import SAMPLES

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

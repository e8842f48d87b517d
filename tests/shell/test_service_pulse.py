"""How late the event loop is."""

from __future__ import annotations

import time

import anyio
import pytest

from watcher.service.pulse import feel_pulse
from watcher.service.telemetry import Metrics

pytestmark = pytest.mark.anyio


async def test_what_holds_the_loop_up_is_seen_in_the_metric() -> None:
    metrics = Metrics()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(feel_pulse, metrics, 0.001)
        await anyio.sleep(0.01)
        time.sleep(0.06)  # noqa: ASYNC251 - this is what must not be done
        await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    count = metrics.registry.get_sample_value("dlc_watcher_loop_lag_seconds_count") or 0
    quick = metrics.registry.get_sample_value("dlc_watcher_loop_lag_seconds_bucket", {"le": "0.05"})
    assert quick is not None
    assert count > quick

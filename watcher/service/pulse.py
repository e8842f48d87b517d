"""Measures how late the event loop is: how long something that is due must wait for its turn, because something else has it."""

from __future__ import annotations

import time
from typing import Final

import anyio

from watcher.service.telemetry import Metrics

BEAT_S: Final = 0.1


async def feel_pulse(metrics: Metrics, beat_s: float = BEAT_S) -> None:
    """Ask for a turn every so often, and note how late it came; until cancelled. In real time, as it is about this process."""
    while True:
        due = time.monotonic() + beat_s
        await anyio.sleep(beat_s)
        metrics.loop_lag.observe(max(0.0, time.monotonic() - due))

"""The service as shipped, hour after hour, in a region with a rate that nobody told it: nothing piles up, nobody starves, all is told.

`make soak` plays a day of 10,000 jobs; the sizes come from SOAK_JOBS, SOAK_HOURS and SOAK_SEED. The store is SQLite: see
`playing`, and docs/performance.md for what that costs. The virtual day holds as much real waiting as an hour: none.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from tests.soak.playing import Soak, size_of

JOBS, HOURS = size_of("SOAK_JOBS", 120), size_of("SOAK_HOURS", 4)
SEED = size_of("SOAK_SEED", 1)
LARGE = JOBS >= 1000

SETTLED = 2
"""Hours after which nothing is new any more: all have been looked at, lists are known, the rate is found."""

THROTTLED_SHARE = 0.01
STALENESS_SLACK = 1.25
"""Of the bound that the allotment promises: what `core.schedule` says that looks which come due together may take of it."""

MEMORY_SLACK = 1.05
THINGS_SLACK = 1.25
FEED_SLACK = 20.0
"""Between two questions of one feed, at most so many times its mean interval: it waits while others have their turn."""


def soaked(folder: Path) -> Soak:
    """A play with the sizes from the environment. The secret rate is half of the configured one: enough for a round of all jobs
    in a thousand seconds."""
    per_second = max(1.0, JOBS / 1000)
    keep = timedelta(hours=6) if HOURS >= 12 else timedelta(hours=1)  # noqa: PLR2004 - a day, and something in little
    return Soak(
        jobs=JOBS, hours=HOURS, seed=SEED, folder=folder, ceiling=2 * per_second, secret=per_second, keep=keep,
        median_s=43_200.0, report=lambda line: print(line, file=sys.stderr, flush=True),
    )  # fmt: skip


@pytest.fixture(scope="module")
def soak(tmp_path_factory: pytest.TempPathFactory) -> Soak:
    soak = soaked(tmp_path_factory.mktemp("soak"))
    print(f"SOAK_JOBS={JOBS} SOAK_HOURS={HOURS} SOAK_SEED={SEED}")
    anyio.run(soak.play)
    print(soak.summary())
    return soak

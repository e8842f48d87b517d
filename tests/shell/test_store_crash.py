"""A process that commits is killed; whatever it had said was committed is there, and the database is sound."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from watcher.core.delivery import DeliveryState
from watcher.store.sql import SqlStore
from watcher.testing.store_contract import JOB

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]

CHILD = """
import sys
import anyio
from dataclasses import replace
from watcher.store.sql import SqlStore
from watcher.testing.store_contract import *

async def main():
    store = SqlStore(sys.argv[1])
    await store.open()
    await store.release(T0)
    held = await store.watch(JOB)
    version = held.version if held else 0
    while True:
        version += 1
        watch = a_watch(version=version, at=T0 + version * MOMENT)
        await store.commit(
            replace(an_observation(*(a_delivery(10 * version + n) for n in range(3)), watch=watch), events=(an_event(version),))
        )
        print("committed", version, flush=True)
        lease = await store.lease("team", T0)
        print("leased", lease.flush_id, flush=True)
        await store.settle(lease, settlement_for(lease, ACCEPTED, T0), ACCEPTED, T0)
        print("settled", lease.flush_id, flush=True)

anyio.run(main)
"""


async def test_nothing_that_was_reported_committed_is_lost_by_kill_9(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    luck = random.Random(seed)
    path = tmp_path / "watcher.db"
    committed, settled, open_leases = 0, set[str](), set[str]()
    for _ in range(5):
        child = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs meanwhile
            [sys.executable, "-c", CHILD, f"sqlite:///{path}"], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        wanted = luck.randrange(1, 120)  # killed after so many lines, a moment of luck later
        with child, child.stdout:
            for _ in range(wanted):
                line = child.stdout.readline()
                assert line, f"seed {seed}: the child ended by itself with {child.wait()}"
                committed, settled, open_leases = _noted(line, committed, settled, open_leases)
            try:
                child.wait(timeout=luck.random() * 0.01)
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
            for line in child.stdout.read().splitlines(keepends=True):
                if line.endswith("\n"):  # a line cut short was not said
                    committed, settled, open_leases = _noted(line, committed, settled, open_leases)
        assert child.wait() == -signal.SIGKILL

        store = SqlStore(f"sqlite:///{path}")
        await store.open()
        watch = await store.watch(JOB)
        assert watch is not None, f"seed {seed}"
        assert watch.version in {committed, committed + 1}, f"seed {seed}: only the one that was under way may be more"
        found = await store.events(limit=10_000_000)
        assert [event.id for event in found] == [f"event-{n}" for n in range(1, watch.version + 1)], f"seed {seed}"
        rows = await store.deliveries(limit=10_000_000)
        assert len(rows) == 3 * watch.version, f"seed {seed}: deliveries are committed with their event, or neither"
        delivered = {row.flush_id for row in rows if row.state is DeliveryState.DELIVERED}
        sending = {row.flush_id for row in rows if row.state is DeliveryState.SENDING}
        assert settled <= delivered, f"seed {seed}"
        assert open_leases <= delivered | sending, f"seed {seed}: what may have been sent is marked so"
        assert len(delivered - settled) + len(sending) <= 1, f"seed {seed}: at most one flush is in doubt"
        await store.aclose()
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)], f"seed {seed}"
        committed, settled, open_leases = watch.version, {f for f in delivered if f}, set()


def _noted(line: str, committed: int, settled: set[str], leases: set[str]) -> tuple[int, set[str], set[str]]:
    word, value = line.split()
    if word == "committed":
        return int(value), settled, leases
    if word == "leased":
        return committed, settled, leases | {value}
    return committed, settled | {value}, leases

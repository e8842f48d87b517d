"""Observations committed per second: a job's new state, its history, an event and what a rule decided, each whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio

from bench.bodies import Bodies
from bench.inside import watch_of
from bench.measure import Spread, cpu_s
from bench.postgres import NoPostgres, serving_postgres
from bench.tables import Table, cell
from watcher.core.events import CauseId
from watcher.core.model import JobId, JobRef, Watch
from watcher.core.observation import first_sight
from watcher.core.rule import Decision, RuleReason
from watcher.ports.store import Observation, Store
from watcher.store import open_store

AT_ONCE = (1, 64)


def observations(made: Sequence[Watch], number: int, prefix: str) -> Iterator[Observation]:
    """First looks at so many jobs that nobody knows yet."""
    cause = CauseId("bench")
    for count in range(number):
        seen = made[count % len(made)].snapshot
        job = replace(seen, ref=JobRef(seen.ref.source, JobId(f"{prefix}{count}")))
        observed = first_sight(job, now=seen.observed_at, cause=cause, watching_since=None)
        yield Observation(
            cause=cause,
            at=seen.observed_at,
            watch=observed.watch,
            snapshot_changed=True,
            events=observed.events,
            decisions=tuple(Decision(event.id, "bench", RuleReason.NOT_CONCERNED) for event in observed.events),
        )


async def _commit_all(store: Store, waiting: Iterator[Observation], at_once: int) -> None:
    async def work() -> None:
        for observation in waiting:
            await store.commit(observation)

    async with anyio.create_task_group() as tasks:
        for _ in range(at_once):
            tasks.start_soon(work)


async def _rounds(urls: dict[str, str], number: int, rounds: int) -> dict[tuple[str, int], list[tuple[float, float]]]:
    made = [watch_of(Bodies(8), count) for count in range(20)]
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    stores = {name: open_store(url) for name, url in urls.items()}
    for store in stores.values():
        await store.open()
    for round_ in range(-1, rounds):  # the first is not counted
        for name, store in stores.items():
            for at_once in AT_ONCE:
                prepared = list(observations(made, number, f"dlc{round_}x{at_once}x"))
                began, used = time.perf_counter(), cpu_s()
                await _commit_all(store, iter(prepared), at_once)
                if round_ >= 0:
                    took = number / (time.perf_counter() - began), (cpu_s() - used) / number * 1e6
                    found.setdefault((name, at_once), []).append(took)
    for store in stores.values():
        await store.aclose()
    return found


def commits(number: int, rounds: int, directory: Path) -> Table:
    """Measure, in turns: SQLite, and PostgreSQL where it is there."""
    urls, notes = {"SQLite": f"sqlite:///{directory / 'commits.db'}"}, []
    place = directory / "pg"
    place.mkdir()
    with ExitStack() as stack:
        try:
            urls["PostgreSQL"] = stack.enter_context(serving_postgres(place))
        except NoPostgres as exc:
            notes.append(f"PostgreSQL is not measured here: {exc}.")
        found = anyio.run(_rounds, urls, number, rounds)
    lines: list[tuple[str, ...]] = []
    data: list[dict[str, Any]] = []
    for (name, at_once), rates in found.items():
        alone = found[name, 1]
        rate, cost = Spread.of([rate for rate, _ in rates]), Spread.of([cost for _, cost in rates])
        ratio = Spread.of([a / b for (a, _), (b, _) in zip(rates, alone, strict=True)])
        lines.append((f"{name}, {at_once} at once", cell(ratio, 2), cell(rate), cell(cost)))
        data.append({"store": name, "at_once": at_once, "per_second": rate.__dict__, "cpu_us": cost.__dict__})
    notes.append(
        f"{number} jobs of 8 pods seen for the first time, {rounds} rounds in turns. Durable: SQLite with synchronous=FULL, "
        "PostgreSQL with its defaults. CPU is this process's own."
    )
    heading = ("committed to", "of one at a time", "observations/s", "CPU µs each")
    return Table("commits", "Observations committed per second", heading, lines, notes, data)

"""`replay --from-db` over a week of many jobs: a changed rule shows exactly the difference that follows from the scripts.

`WEEK_JOBS=2000` makes it the week that a busy team has (`make soak`); it then has to be done within a minute.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from tests.drive import Drive
from tests.shell.service_cli import in_process
from watcher.config.loading import load
from watcher.core.consequence import Book
from watcher.plugins import discover
from watcher.simulator.scenario import Restart, ScriptedJob, Step
from watcher.store import open_store

JOBS = int(os.environ.get("WEEK_JOBS", "80"))
LIMIT_S = 60.0
WEEK = timedelta(days=7)
HEAD = """\
sources: {sim: {kind: dlc, region: cn-hangzhou}}
receivers: {team: {console: {}}, oncall: {console: {}}}
route: {receiver: team, routes: [{receiver: oncall, match: {severity: critical}, continue: true}, {receiver: team}]}
store: {url: 'sqlite:///watcher.db'}
"""
RULES = """\
rules:
  - use: job-failed
  - use: job-succeeded
  - use: job-stopped
  - use: job-started
  - use: job-restarted
  - use: pod-evicted
  - {use: stuck-pending, with: {after: 30m}}
  - {use: running-too-long, with: {after: 24h}}
"""
CHANGED = RULES.replace("after: 30m", "after: 50m").replace("  - use: job-stopped\n", "")


@dataclass(frozen=True)
class Life:
    """What a job's script says, as far as the changed rules are concerned."""

    job: ScriptedJob
    waits: timedelta
    ends: str


def lives(number: int) -> Iterator[Life]:
    chance = random.Random(number)
    for index in range(number):
        waits, runs = timedelta(minutes=chance.randint(2, 90), seconds=30), timedelta(minutes=chance.randint(10, 600))
        ends = chance.choice(("Succeeded", "Succeeded", "Failed", "Stopped"))
        again = timedelta(minutes=1) + waits + runs
        steps = [
            Step(at=timedelta(0), status="Creating"),
            Step(at=timedelta(minutes=1), status="Queuing", reason="JobEnqueue"),
            Step(at=waits, status="EnvPreparing"),
            Step(at=waits + timedelta(minutes=1), status="Running"),
        ]
        if chance.random() < 0.3:
            steps += [
                Step(at=again, pod="master-0", status="Failed", sub_status="Evicted"),
                Step(at=again + timedelta(minutes=1), status="Restarting", restart=Restart(reason="NodeNotReady")),
                Step(at=again + timedelta(minutes=4), status="Running"),
            ]
        steps.append(Step(at=again + timedelta(minutes=9), status=ends))
        begins = WEEK * (index / number)
        yield Life(
            ScriptedJob(id=f"dlc1week{index:06}", name=f"week-{index}", submit_at=begins, life=tuple(steps)),
            waits,
            ends,
        )


async def fill(jobs: tuple[Life, ...]) -> int:
    loaded = load(HEAD + RULES, file="then.yaml", env={}, kinds=discover(), base_dir=Path.cwd())
    store = open_store("sqlite:///watcher.db")
    await store.open()
    try:
        for seen in Drive([life.job for life in jobs], Book(loaded.rules, loaded.route)).run(WEEK + timedelta(days=1)):
            await store.commit(seen)
        return (await store.counts())["events"]
    finally:
        await store.aclose()


def ids(told: list[dict[str, object]]) -> list[str]:
    return sorted(str(one["notification"]["job"]["job_id"]) for one in told)  # type: ignore[index]


def test_a_changed_rule_shows_exactly_the_difference_that_follows_from_the_scripts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    jobs = tuple(lives(JOBS))
    events = anyio.run(fill, jobs)
    assert events > 5 * JOBS
    (tmp_path / "then.yaml").write_text(HEAD + RULES)
    (tmp_path / "new.yaml").write_text(HEAD + CHANGED)
    cli = in_process(monkeypatch, capsys)
    began, worked = time.perf_counter(), time.process_time()
    ended = cli("replay", "--from-db", "-c", "new.yaml", "--json")
    took, worked = time.perf_counter() - began, time.process_time() - worked
    assert ended.code == 1, ended.text
    told = json.loads(ended.out)
    stuck_then = {life.job.id for life in jobs if life.waits > timedelta(minutes=30)}
    stuck_now = {life.job.id for life in jobs if life.waits > timedelta(minutes=50)}
    stopped = {life.job.id for life in jobs if life.ends == "Stopped"}
    assert stuck_now < stuck_then, "the week is too short to tell the two apart"
    removed = {
        rule: [one for one in told["removed"] if one["notification"]["rule"] == rule]
        for rule in ("stuck-pending", "job-stopped")
    }
    assert ids(removed["stuck-pending"]) == sorted(stuck_then - stuck_now)
    assert ids(removed["job-stopped"]) == sorted(stopped)
    assert len(told["removed"]) == len(stuck_then - stuck_now) + len(stopped)
    assert ids([change["now"] for change in told["moved"]]) == sorted(stuck_now)
    assert (told["added"], told["rerouted"], told["regraded"]) == ([], [], [])
    then, now = told["receivers"]["team"]
    assert then - now == len(told["removed"])
    assert told["receivers"]["oncall"][0] == told["receivers"]["oncall"][1]
    assert cli("replay", "--from-db", "-c", "then.yaml").code == 0
    with capsys.disabled():
        if JOBS > 100:
            print(f"\nreplay over {JOBS} jobs, {events} events: {took:.1f} s, {worked:.1f} s CPU")
    assert worked < LIMIT_S, "CPU time, so that other programs on the machine do not decide"

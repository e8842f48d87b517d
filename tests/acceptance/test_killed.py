"""`kill -9`, ten times at random moments, then a restart: nothing is lost, and each kill repeats at most one mail.

On Slack, where history may be read, nothing is there twice: no message, and no card.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process

from tests.acceptance.world import World, world
from watcher.simulator import Simulator

pytestmark = pytest.mark.anyio

KILLS = 10
AT_WORK = 0.7
"""The part of the kills whose moment is counted from the first question to DLC, not from the start of the process."""

SEED = int(os.environ.get("TEST_SEED") or random.SystemRandom().randrange(1 << 32))

EXPECTED = {
    "prod-train": ["Started running", "evicted from node", "Restart 1 of", "Succeeded after"],
    "prod-fail": ["Started running", "Failed after"],
    "prod-stop": ["Started running", "Stopped after"],
} | {f"prod-eval-{number:04d}": ["Started running", "Succeeded after"] for number in range(1, 9)}
ALLOWED = {"prod-train": ["Running again after restart 1"]}
"""Said where a look fell into the second of the restart; else the restart itself says all of it."""


class Stopwatch:
    """The jobs' clock. It stands still while nobody watches, so that a slow machine misses nothing of their lives."""

    def __init__(self) -> None:
        self._gone = datetime.now(UTC)
        self._running_since: float | None = None

    def __call__(self) -> datetime:
        running = 0.0 if self._running_since is None else time.monotonic() - self._running_since
        return self._gone + timedelta(seconds=running)

    def stop(self) -> None:
        self._gone, self._running_since = self(), None

    async def start_when_asked(self, simulator: Simulator) -> None:
        """Go on as soon as the process asks for the first time."""
        before = simulator.counts.total()
        while simulator.counts.total() == before:
            await anyio.sleep(0.01)
        self._running_since = time.monotonic()


@asynccontextmanager
async def running(config: Path, log: Path) -> AsyncIterator[Process]:
    with log.open("ab") as out:
        process = await anyio.open_process(
            [sys.executable, "-m", "watcher", "run", "--config", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def heard(texts: list[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """How often each expected thing was heard: (job, words) -> times."""
    return Counter(
        (job, words)
        for job, said in EXPECTED.items()
        for words in said
        for name, text in texts
        if name == job and words in text
    )


def slack(here: World) -> list[tuple[str, str]]:
    return [(post.text.split(": ")[1], post.text) for post in here.slack_said]


def mail(here: World) -> list[tuple[str, str]]:
    found = []
    for one in here.mail.mails:
        body = one.message.get_body(("plain",))
        assert body is not None
        found.append((str(one.message["Subject"]).split("] ")[1].split(" (")[0], body.get_content()))
    return found


ALL = {(job, words) for job, said in EXPECTED.items() for words in said}


async def test_nothing_is_lost_and_each_kill_repeats_at_most_one_mail_and_nothing_on_slack(tmp_path: Path) -> None:
    print(f"seed {SEED}: replay with TEST_SEED={SEED}")
    chance = random.Random(SEED)
    config, log = tmp_path / "dlc-watcher.yaml", tmp_path / "log"
    lives = Stopwatch()
    async with world(tmp_path, "killed.yaml", clock=lives) as here:
        config.write_text(here.configuration(poll="300ms"))
        for _ in range(KILLS):
            at_work, moment = chance.random() < AT_WORK, chance.uniform(0.3, 4.0)
            async with running(config, log) as process, anyio.create_task_group() as tasks:
                if at_work:
                    with anyio.fail_after(60):
                        await lives.start_when_asked(here.simulator)
                else:  # it may strike while the program starts
                    tasks.start_soon(lives.start_when_asked, here.simulator)
                await anyio.sleep(moment)
                assert process.returncode is None, log.read_text()[-3000:]
                process.send_signal(signal.SIGKILL)
                lives.stop()
                tasks.cancel_scope.cancel()
        async with running(config, log) as process:
            with anyio.move_on_after(120):
                await lives.start_when_asked(here.simulator)
                while not (heard(slack(here)).keys() >= ALL and heard(mail(here)).keys() >= ALL and not late(here)):
                    await anyio.sleep(0.1)
            process.send_signal(signal.SIGTERM)
            with anyio.fail_after(10):
                assert await process.wait() == 0
        for witness, texts in (("Slack", slack(here)), ("mail", mail(here))):
            times = heard(texts)
            assert not (ALL - times.keys()), f"lost on {witness}, seed {SEED}: {sorted(ALL - times.keys())}"
            repeats = sum(times.values()) - len(ALL)
            most = 0 if witness == "Slack" else KILLS
            assert repeats <= most, f"{repeats} repeats on {witness} for {KILLS} kills, seed {SEED}"
            # What happened between two looks is told in one message, so a message may say two of them; none says anything else.
            strange = [
                text
                for name, text in texts
                if not any(words in text for words in (*EXPECTED.get(name, ()), *ALLOWED.get(name, ())))
            ]
            assert not strange, f"said on {witness} what was not expected, seed {SEED}: {strange}"
            for job, said in EXPECTED.items():
                firsts = [
                    next(i for i, (name, text) in enumerate(texts) if name == job and words in text) for words in said
                ]
                assert firsts == sorted(firsts), f"out of order on {witness}, seed {SEED}: {job} {firsts}"
            print(f"{witness}: {len(ALL)} things told in {len(texts)} messages, {repeats} repeats for {KILLS} kills")
        check_cards(here)


def check_cards(here: World) -> None:
    """One card for each job, every reply under the card of its own job, and at the end each shows how its job ended."""
    cards = {post.ts: post for post in here.slack.posts if post.card}
    names = Counter(card.text.split(": ")[0].split(" ", 1)[1] for card in cards.values())
    assert names == Counter(EXPECTED.keys()), f"seed {SEED}"
    for post in here.slack_said:
        assert post.text.split(": ")[1] in cards[post.thread_ts].text, f"under another job's card, seed {SEED}"
    assert not late(here), f"seed {SEED}: {late(here)}"
    print(f"{len(cards)} cards, changed {sum(card.updates for card in cards.values())} times")


def late(here: World) -> list[str]:
    """Cards that do not show yet how their job ended."""
    ends = {"prod-fail": "Failed", "prod-stop": "Stopped"}
    cards = [post.text for post in here.slack.posts if post.card]
    return [text for text in cards if ends.get(text.split()[1].rstrip(":"), "Succeeded") not in text]

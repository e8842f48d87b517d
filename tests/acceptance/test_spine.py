"""The whole path for real: simulator -> service -> Slack and mail; what arrives is compared with the script, in order."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from prometheus_client import generate_latest

from tests.acceptance.world import SMTP_PASSWORD, World, world
from watcher.config.loading import load
from watcher.plugins import discover
from watcher.service.app import assemble, run
from watcher.service.clock import SpedUpClock
from watcher.service.telemetry import set_up_logging
from watcher.simulator import DEMO_KEY, SpeedUp

pytestmark = pytest.mark.anyio

TOLD = {
    "prod-train": [
        "Started running",
        "evicted from node",
        "Restart 1 of",
        "Running again after",
        "Succeeded after 25 m",
    ],
    "prod-fail": ["Started running", "Failed after 14 m"],
    "dev-stop": ["Started running", "Stopped after 9 m"],
    "prod-queue": ["Pending for 30 m", "Started running"],
    "dev-gone": ["Started running", "DLC no longer knows this job"],
}
"""Job -> what its thread must say, in this order and nothing else. `prod-old-news` is not in it."""

BY_MAIL = {name: said for name, said in TOLD.items() if name.startswith("prod-")}
SPEED = 150.0


def wrong(threads: dict[str, list[str]], expected: dict[str, list[str]]) -> list[str]:
    """Where the threads differ from what is expected, in words; empty when they are right."""
    found = []
    for name in sorted(threads.keys() | expected.keys()):
        said, wanted = threads.get(name, []), expected.get(name, [])
        if len(said) != len(wanted) or any(want not in text for want, text in zip(wanted, said, strict=True)):
            found.append(f"{name}: wanted {wanted}, got {said}")
    return found


def by_job(mails: dict[str, list[str]]) -> dict[str, list[str]]:
    """Mail threads by the job's name in the subject."""
    return {subject.split("] ")[1].split(" (")[0]: texts for subject, texts in mails.items()}


async def told_everything(here: World) -> None:
    while len(here.slack_said) < sum(map(len, TOLD.values())) or len(here.mail.mails) < sum(map(len, BY_MAIL.values())):
        await anyio.sleep(0.05)


async def test_each_thing_arrives_once_in_order_and_with_the_right_words_in_slack_and_by_mail(tmp_path: Path) -> None:
    time, log = SpeedUp(SPEED), io.StringIO()
    set_up_logging("debug", "json", log)
    async with world(tmp_path, "spine.yaml", time) as here:
        loaded = load(here.configuration(poll="10s"), file="test", env=os.environ, kinds=discover(), base_dir=tmp_path)
        async with assemble(loaded, clock=SpedUpClock(time)) as service:
            stop = anyio.Event()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run, service, stop)
                with anyio.move_on_after(60):
                    await told_everything(here)
                    await anyio.sleep(1)  # time for anything that should not come
                stop.set()
        assert not (found := wrong(here.slack_threads(), TOLD)), "\n".join(found)
        assert not (found := wrong(by_job(here.mail_threads()), BY_MAIL)), "\n".join(found)
        for mail in here.mail.mails:
            assert mail.over_tls
            assert mail.login == "dlc"
            assert mail.message["Auto-Submitted"] == "auto-generated"
        first, *replies = [m.message for m in here.mail.mails if "prod-train" in str(m.message["Subject"])]
        assert first["In-Reply-To"] is None
        assert {str(reply["References"]).split()[0] for reply in replies} == {first["Message-ID"]}
        failure = next(post for post in here.slack_said if "Failed after" in post.text)
        assert "<!channel>" not in str(failure.raw)
        found = leaks(tmp_path, here, log.getvalue(), generate_latest(service.registry).decode())
        assert found == []


def leaks(folder: Path, here: World, log: str, metrics: str) -> list[str]:
    """Where a secret of a job or of the configuration turned up."""
    canaries = {SMTP_PASSWORD, here.slack.token, DEMO_KEY.secret}
    canaries |= {value for job in here.simulator.scenario.jobs for value in job.canaries}
    assert len(canaries) > 3 * len(here.simulator.scenario.jobs)
    places = {
        "database": "".join(path.read_bytes().decode("latin-1") for path in folder.glob("watcher.db*")),
        "Slack": str([post.raw for post in here.slack.posts]),
        "mail": "".join(mail.raw.decode() for mail in here.mail.mails),
        "log": log,
        "metrics": metrics,
    }
    for command in (
        ["jobs", "--all"],
        ["events", "-n", "1000"],
        ["deliveries", "list", "-n", "1000"],
        ["story", "prod-fail"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "watcher", *command, "--json", "--store", f"sqlite:///{folder}/watcher.db"],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        assert "dlc1prodfail0002" in done.stdout, command
        places[" ".join(command)] = done.stdout + done.stderr
    assert all(len(text) > 1000 for text in places.values()), {place: len(text) for place, text in places.items()}
    return [f"{canary} in {place}" for place, text in places.items() for canary in canaries if canary in text]

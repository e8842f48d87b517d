"""The whole path for real: simulator -> service -> Slack and mail; what arrives is compared with the script, in order."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest

from tests.acceptance.world import SMTP_PASSWORD, World, world
from watcher.config import load
from watcher.plugins import discover
from watcher.service.app import assemble, run
from watcher.service.clock import SpedUpClock
from watcher.simulator import DEMO_KEY, SpeedUp

pytestmark = pytest.mark.anyio

TOLD = {
    "prod-train": ["Started running", "evicted from node", "Restart 1 of", "Succeeded after 25 m"],
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
    while len(here.slack.posts) < sum(map(len, TOLD.values())) or len(here.mail.mails) < sum(
        map(len, BY_MAIL.values())
    ):
        await anyio.sleep(0.05)


async def test_each_thing_arrives_once_in_order_and_with_the_right_words_in_slack_and_by_mail(tmp_path: Path) -> None:
    time = SpeedUp(SPEED)
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
        failure = next(post for post in here.slack.posts if "Failed after" in post.text)
        assert "<!channel>" not in str(failure.raw)
        _no_secret_is_kept(tmp_path, here)


def _no_secret_is_kept(folder: Path, here: World) -> None:
    canaries = {SMTP_PASSWORD, here.slack.token, DEMO_KEY.secret}
    canaries |= {value for job in here.simulator.scenario.jobs for value in job.canaries}
    assert len(canaries) > len(here.simulator.scenario.jobs)
    kept = b"".join(path.read_bytes() for path in folder.glob("watcher.db*"))
    sent = str([post.raw for post in here.slack.posts]) + "".join(mail.raw.decode() for mail in here.mail.mails)
    assert [canary for canary in canaries if canary.encode() in kept or canary in sent] == []

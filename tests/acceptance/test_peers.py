"""The same paths against programs that nobody here wrote: an emulated Slack workspace, and a mail server with its own reader.

Each is skipped, with the reason, where it is not installed; see `peers_node` for how they are found.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from tests.acceptance.peers_node import MAILDEV, free_port, running
from tests.acceptance.peers_slack import CHANNEL, PUBLIC, TOKEN, WEBHOOK, Emulator, losing_answers, slack_emulator
from tests.acceptance.test_spine import SPEED, TOLD, wrong
from tests.acceptance.world import world
from watcher.config.loading import load
from watcher.core.message import Message
from watcher.errors import NotifierError
from watcher.notifiers.email import EmailNotifier, EmailSettings
from watcher.notifiers.slack import SlackNotifier
from watcher.notifiers.slack_settings import SlackSettings
from watcher.plugins import discover
from watcher.service.app import assemble, run
from watcher.service.clock import SpedUpClock
from watcher.simulator import SpeedUp
from watcher.testing.messages import SAMPLES, again, reply
from watcher.testing.slack_limits import refuse_blocks

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

MANY = sum(map(len, TOLD.values()))


async def drive(folder: Path, base_url: str, emulator: Emulator) -> None:
    """The spine's script through a whole service that posts to `base_url`, until everything has arrived."""
    time = SpeedUp(SPEED)
    async with world(folder, "spine.yaml", time) as here:
        text = here.configuration(poll="10s")
        text = text.replace(here.slack.base_url, base_url).replace('"#ml-jobs"', CHANNEL)
        (folder / "slack-token").write_text(TOKEN)
        loaded = load(text, file="test", env=os.environ, kinds=discover(), base_dir=folder)
        async with assemble(loaded, clock=SpedUpClock(time)) as service:
            stop = anyio.Event()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run, service, stop)
                with anyio.move_on_after(60):
                    while await emulator.said() < MANY:
                        await anyio.sleep(0.2)
                    await anyio.sleep(1)  # time for anything that should not come
                stop.set()
        assert here.slack.posts == [], "posted to the built-in server instead"


async def test_the_slack_emulator_shows_each_thread_as_the_script_has_it(tmp_path: Path) -> None:
    async with slack_emulator(tmp_path) as emulator:
        await drive(tmp_path, f"{emulator.url}/api/", emulator)
        assert not (found := wrong(await emulator.texts(), TOLD)), "\n".join(found)
        posts = [post for thread in await emulator.threads() for post in thread]
        assert [refusal for post in posts if (refusal := refuse_blocks(post["blocks"]))] == []
        assert len({post["metadata"]["event_payload"]["message_id"] for post in posts}) == MANY + len(TOLD)
        assert all(post["unfurl_links"] is False and "link_names" not in post for post in posts)
        failure = next(post for post in posts if "Failed after" in post["text"])
        assert "&lt;!channel&gt;" in str(failure)
        assert "<!channel>" not in str(failure)


async def test_the_slack_emulator_has_nothing_twice_though_every_third_answer_gets_lost(tmp_path: Path) -> None:
    async with (
        slack_emulator(tmp_path) as emulator,
        losing_answers(emulator, lambda post: post % 3 == 1) as wire,
    ):
        await drive(tmp_path, wire.base_url, emulator)
        assert wire.lost >= MANY // 3
        assert not (found := wrong(await emulator.texts(), TOLD)), "\n".join(found)
        assert wire.posts == MANY + len(TOLD), "each message and each card once"


@asynccontextmanager
async def slack_notifier(base_url: str) -> AsyncIterator[SlackNotifier]:
    settings = SlackSettings.model_validate({"token": TOKEN, "to": f"#{CHANNEL}", "base_url": base_url})
    notifier = SlackNotifier("team", settings)
    try:
        yield notifier
    finally:
        await notifier.aclose()


async def sent_but_unanswered(base_url: str, message: Message) -> None:
    """A process that posts and dies without having heard that it was posted."""
    async with slack_notifier(base_url) as notifier:
        wire = {**notifier.render(message), "channel": CHANNEL}  # the emulator knows names without their # only
        with pytest.raises(NotifierError) as failure:
            await notifier.send(wire, message)
        assert failure.value.ambiguous


@pytest.mark.parametrize("place", ["in the channel", "in a thread"])
async def test_the_second_attempt_of_a_fresh_process_finds_the_first_post(tmp_path: Path, place: str) -> None:
    await second_attempt_finds_the_first(tmp_path, place)


async def test_the_second_attempt_needs_no_more_scopes_than_are_documented_for_public_channels(tmp_path: Path) -> None:
    await second_attempt_finds_the_first(tmp_path, "in the channel", scopes=PUBLIC)


async def second_attempt_finds_the_first(folder: Path, place: str, **scopes: tuple[str, ...]) -> None:
    async with (
        slack_emulator(folder, **scopes) as emulator,
        losing_answers(emulator, lambda post: post == 2) as wire,
    ):
        async with slack_notifier(wire.base_url) as notifier:
            earlier = SAMPLES["bare"]
            root = await notifier.send({**notifier.render(earlier), "channel": CHANNEL}, earlier)
        message = SAMPLES["single"]
        if place == "in a thread":
            message = reply(message, root.thread_reference, name="again")
        await sent_but_unanswered(wire.base_url, message)
        async with slack_notifier(wire.base_url) as notifier:
            receipt = await notifier.send({**notifier.render(message), "channel": CHANNEL}, again(message))
        assert wire.calls.count("chat.postMessage") == 2, "it was posted again"
        assert "not sent again" in receipt.note
        posts = [post for thread in await emulator.threads() for post in thread]
        assert [post["ts"] for post in posts] == [root.reference, receipt.reference]
        assert receipt.thread_reference == (root.reference if place == "in a thread" else receipt.reference)


async def test_a_second_attempt_posts_what_the_first_could_not(tmp_path: Path) -> None:
    async with slack_emulator(tmp_path) as emulator, slack_notifier(f"{emulator.url}/api/") as notifier:
        message = again(SAMPLES["single"])
        receipt = await notifier.send({**notifier.render(message), "channel": CHANNEL}, message)
        [[post]] = await emulator.threads()
        assert post["ts"] == receipt.reference
        assert receipt.note == ""


async def test_the_emulators_incoming_webhook_takes_every_sample(tmp_path: Path) -> None:
    async with slack_emulator(tmp_path) as emulator:
        notifier = SlackNotifier("team", SlackSettings.model_validate({"webhook_url": emulator.url + WEBHOOK}))
        try:
            for message in SAMPLES.values():
                await notifier.send(notifier.render(message), message)
        finally:
            await notifier.aclose()
        posts = [post for thread in await emulator.threads("general") for post in thread]
        assert [post["text"] for post in posts] == [notifier.render(message)["text"] for message in SAMPLES.values()]


async def test_maildev_shows_every_sample_with_its_subject_its_thread_and_both_parts(tmp_path: Path) -> None:
    smtp, web = free_port(), free_port()
    command = [*MAILDEV.command(), "--smtp", str(smtp), "--web", str(web), "--ip", "127.0.0.1", "--web-ip", "127.0.0.1"]
    settings = {
        "host": "127.0.0.1",
        "port": smtp,
        "tls": "none",
        "from": "DLC <dlc@example.com>",
        "to": "a@example.com",
    }
    url = f"http://127.0.0.1:{web}/api/email"
    async with running(command, ready=url, folder=tmp_path):
        notifier = EmailNotifier("mail", EmailSettings.model_validate(settings))
        receipts = {}
        try:
            with anyio.fail_after(60):
                for name, message in SAMPLES.items():
                    first = await notifier.send(notifier.render(message), message)
                    later = reply(message, first.thread_reference, name=name)
                    receipts[name] = first, await notifier.send(notifier.render(later), later)
        finally:
            await notifier.aclose()
        mails = await mails_shown(url, 2 * len(SAMPLES))
    assert len(mails) == 2 * len(SAMPLES)
    for name, message in SAMPLES.items():
        wire = notifier.render(message)
        root, referring = (mails[receipt.reference] for receipt in receipts[name])
        assert root["subject"] == referring["subject"] == collapsed(wire["headers"]["Subject"])
        assert "references" not in root["headers"]
        assert referring["headers"]["references"] == referring["headers"]["in-reply-to"] == receipts[name][0].reference
        assert root["text"].splitlines() == wire["text"].splitlines()
        assert root["html"].splitlines() == wire["html"].splitlines()
        assert root["headers"]["auto-submitted"] == "auto-generated"
        assert [who["address"] for who in root["to"]] == ["a@example.com"]
        assert "<script" not in root["html"].lower()


async def mails_shown(url: str, many: int) -> dict[str, dict[str, Any]]:
    """What maildev shows, by Message-ID; it reads what it was sent in its own time."""
    shown: list[dict[str, Any]] = []
    async with httpx2.AsyncClient(trust_env=False) as client:
        with anyio.move_on_after(20):
            while len(shown) < many:
                shown = (await client.get(url, timeout=10)).raise_for_status().json()
                await anyio.sleep(0.1)
    return {mail["headers"]["message-id"]: mail for mail in shown}


def collapsed(subject: str) -> str:
    """As one line: folding may turn a space into several."""
    return re.sub(r"\s+", " ", subject).strip()

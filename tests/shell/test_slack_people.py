"""Owners on Slack: named so that they notice, or told alone; and what becomes of the news where nobody finds them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from watcher.core.language import Language, Locale
from watcher.core.people import Person
from watcher.errors import NotifierError
from watcher.notifiers.slack import SlackNotifier
from watcher.notifiers.slack_check import fault
from watcher.notifiers.slack_people import LOOK_AGAIN_AFTER
from watcher.notifiers.slack_settings import SlackSettings
from watcher.testing.messages import SAMPLES, again, reply
from watcher.testing.slack import Fault, SlackServer, serve_slack

pytestmark = pytest.mark.anyio
SINGLE = SAMPLES["single"]
ANN, BOB = Person(name="ann", slack="ann@example.com"), Person(name="bob", slack="U0BOB0001")
EVE = Person(name="eve <!channel>", slack="eve@example.com")


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    scopes = {"chat:write", "channels:history", "channels:read", "users:read.email", "im:write"}
    async with serve_slack(SlackServer(scopes=scopes)) as server:
        yield server


@pytest.fixture
async def notifier(slack: SlackServer) -> AsyncIterator[SlackNotifier]:
    made = SlackNotifier("team", settings(slack))
    yield made
    await made.aclose()


def settings(slack: SlackServer, **more: Any) -> SlackSettings:
    return SlackSettings.model_validate({"token": slack.token, "to": "#ml-jobs", "base_url": slack.base_url, **more})


async def send(notifier: SlackNotifier, message: Any) -> Any:
    return await notifier.send(notifier.render(message), message)


async def test_who_is_to_notice_is_named_first_in_text_and_blocks(slack: SlackServer, notifier: SlackNotifier) -> None:
    receipt = await send(notifier, replace(SINGLE, mentions=(ANN, BOB)))
    (post,) = slack.posts
    assert post.text.startswith("<@U0ANN0001> <@U0BOB0001> ")
    assert post.blocks[0]["text"]["text"] == "<@U0ANN0001> <@U0BOB0001>"
    assert post.blocks[1:] == notifier.render(SINGLE)["blocks"]
    assert (post.channel, receipt.note) == (slack.channels["ml-jobs"], "")


async def test_an_address_is_looked_up_once(slack: SlackServer, notifier: SlackNotifier) -> None:
    for _ in range(3):
        await send(notifier, replace(SINGLE, mentions=(ANN,)))
    assert slack.calls.count("users.lookupByEmail") == 1


async def test_who_is_told_alone_is_told_in_a_conversation_of_their_own_and_in_one_thread(
    slack: SlackServer, notifier: SlackNotifier
) -> None:
    root = await send(notifier, replace(SINGLE, to=ANN))
    later = replace(reply(SINGLE, root.thread_reference, name="later"), to=ANN)
    await send(notifier, later)
    await send(notifier, SAMPLES["bare"])
    assert [(post.channel, bool(post.thread_ts)) for post in slack.posts] == [
        ("D0ANN0001", False),
        ("D0ANN0001", True),
        (slack.channels["ml-jobs"], False),
    ]
    assert "<@" not in slack.posts[0].text
    assert slack.calls.count("conversations.open") == 1


async def test_a_direct_message_that_arrived_unanswered_is_not_sent_again(
    slack: SlackServer, notifier: SlackNotifier
) -> None:
    slack.channels["direct"] = "D0ANN0001"
    slack.fail("reset_after_accept")
    message = replace(SINGLE, to=ANN)
    with pytest.raises(NotifierError):
        await send(notifier, message)
    receipt = await send(notifier, again(message))
    assert len(slack.posts) == 1
    assert "not sent again" in receipt.note


async def test_without_the_right_to_open_conversations_the_users_id_will_do(
    slack: SlackServer, notifier: SlackNotifier
) -> None:
    slack.scopes.discard("im:write")
    receipt = await send(notifier, replace(SINGLE, to=BOB))
    assert (slack.posts[0].raw["channel"], receipt.place) == ("U0BOB0001", "D0BOB0001")


@pytest.mark.parametrize("field", ["to", "mentions"])
async def test_who_is_not_found_is_named_where_the_receiver_sends_and_the_receipt_says_why(
    slack: SlackServer, notifier: SlackNotifier, field: str
) -> None:
    message = replace(SINGLE, to=EVE) if field == "to" else replace(SINGLE, mentions=(EVE, BOB))
    receipt = await send(notifier, message)
    (post,) = slack.posts
    assert post.channel == slack.channels["ml-jobs"]
    assert "for eve &lt;!channel&gt; (not found on Slack)" in post.text
    assert "<!channel>" not in json.dumps(post.blocks) + post.text
    assert "mend `owners`" in receipt.note
    assert fault(post.blocks) == ""
    chinese = replace(message, locale=Locale(Language.ZH))
    await send(notifier, chinese)
    assert "Slack 上未找到" in slack.posts[1].text


async def test_a_missing_scope_is_said_with_its_name_and_not_asked_about_for_an_hour(slack: SlackServer) -> None:
    slack.scopes.discard("users:read.email")
    clock = Clock()
    notifier = SlackNotifier("team", settings(slack), now=clock)
    for _ in range(3):
        assert "users:read.email" in (await send(notifier, replace(SINGLE, mentions=(ANN,)))).note
    assert slack.calls.count("users.lookupByEmail") == 1
    slack.scopes.add("users:read.email")
    clock.at += LOOK_AGAIN_AFTER + timedelta(seconds=1)
    assert (await send(notifier, replace(SINGLE, mentions=(ANN,)))).note == ""
    await notifier.aclose()


async def test_a_look_up_that_fails_in_passing_puts_the_message_off(
    slack: SlackServer, notifier: SlackNotifier
) -> None:
    slack.fail_lookup(Fault("429", retry_after=4))
    with pytest.raises(NotifierError) as caught:
        await send(notifier, replace(SINGLE, mentions=(ANN,)))
    assert (caught.value.retry_after, slack.posts) == (timedelta(seconds=4), [])


async def test_a_webhook_names_those_whose_id_is_written(slack: SlackServer) -> None:
    notifier = SlackNotifier("team", SlackSettings.model_validate({"webhook_url": slack.webhook_url}))
    receipt = await send(notifier, replace(SINGLE, mentions=(ANN, BOB)))
    assert slack.posts[0].text.startswith("<@U0BOB0001> for ann (not found on Slack)")
    assert "incoming webhook" in receipt.note
    await notifier.aclose()

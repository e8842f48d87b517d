"""The Slack notifier's living cards against a local Slack Web API: in place, looked up, healed, simplified."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from watcher.core.living import CardLoss
from watcher.errors import CardLost, NotifierError
from watcher.notifiers.slack import SlackNotifier
from watcher.notifiers.slack_card import SQUARES, render_card
from watcher.notifiers.slack_check import fault
from watcher.notifiers.slack_replies import LOST
from watcher.notifiers.slack_settings import SlackSettings
from watcher.ports.notifier import LivingNotifier
from watcher.testing.cards import CARDS, standing_there
from watcher.testing.messages import HOSTILE, SAMPLES, reply
from watcher.testing.notifier_contract import texts
from watcher.testing.slack import Fault, SlackServer, serve_slack
from watcher.testing.slack_limits import refuse_blocks

pytestmark = pytest.mark.anyio
RUNNING = CARDS["running"]


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with serve_slack() as server:
        yield server


@pytest.fixture
async def notifier(slack: SlackServer) -> AsyncIterator[SlackNotifier]:
    made = SlackNotifier("team", settings(slack))
    yield made
    await made.aclose()


def settings(slack: SlackServer, **more: Any) -> SlackSettings:
    return SlackSettings.model_validate({"token": slack.token, "to": "#ml-jobs", "base_url": slack.base_url, **more})


async def show(notifier: SlackNotifier, view: Any = RUNNING) -> Any:
    return await notifier.show_card(notifier.render_card(view), view)


@pytest.mark.parametrize("name", CARDS)
def test_a_card_is_within_slacks_limits(name: str) -> None:
    blocks = list(render_card(CARDS[name], channel="#x")["blocks"])
    assert refuse_blocks(blocks) == fault(blocks) == ""


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_on_a_card_becomes_a_mention_a_link_or_markup(name: str) -> None:
    wire = render_card(CARDS[f"hostile-{name}"], channel="#x")
    for text in texts({"text": wire["text"], "blocks": wire["blocks"]}):
        for opened in text.split("<")[1:]:
            assert opened.startswith(("!date^", "https://pai.console.aliyun.com/")), text
    assert wire["unfurl_links"] is False
    assert "link_names" not in wire


def test_every_phase_has_a_square_of_its_own_unless_it_means_the_same() -> None:
    assert len(set(SQUARES.values())) >= len(SQUARES) - 1


def test_cards_are_for_tokens_and_may_be_turned_off(tmp_path: Any) -> None:
    def target(**said: Any) -> str:
        notifier = SlackNotifier("team", SlackSettings.model_validate(said))
        assert isinstance(notifier, LivingNotifier)
        return notifier.card_target

    assert target(token="x", to="#ml") == "#ml"
    assert target(token="x", to="#ml", cards=False) == ""
    assert target(webhook_url="https://hooks.slack.com/services/x") == ""


async def test_a_card_is_posted_once_and_changed_in_place(slack: SlackServer, notifier: SlackNotifier) -> None:
    receipt = await show(notifier)
    await show(notifier, standing_there(replace(CARDS["failed"], id=RUNNING.id), receipt))
    (post,) = slack.posts
    assert post.card
    assert post.updates == 1
    assert post.text == "🟥 llama-70b-pretrain: Failed"
    assert (receipt.reference, receipt.place) == (post.ts, slack.channels["ml-jobs"])


async def test_a_root_that_arrived_unanswered_is_found_and_not_posted_again(
    slack: SlackServer, notifier: SlackNotifier
) -> None:
    slack.fail("reset_after_accept")
    with pytest.raises(NotifierError) as caught:
        await show(notifier)
    assert caught.value.ambiguous
    view = replace(RUNNING, attempt=2, since=RUNNING.since)
    receipt = await show(notifier, view)
    assert [post.ts for post in slack.posts] == [receipt.reference]
    assert "not sent again" in receipt.note


@pytest.mark.parametrize("code", LOST)
async def test_what_can_never_be_changed_again_is_said_to_be_lost(
    slack: SlackServer, notifier: SlackNotifier, code: str
) -> None:
    receipt = await show(notifier)
    slack.fail_update(Fault("code", code=code))
    with pytest.raises(CardLost) as caught:
        await show(notifier, standing_there(RUNNING, receipt))
    assert CardLoss(caught.value.loss) is LOST[code]
    assert caught.value.permanent


async def test_deleted_messages_and_archived_channels_are_lost(slack: SlackServer, notifier: SlackNotifier) -> None:
    there = standing_there(RUNNING, await show(notifier))
    slack.archived.add(slack.channels["ml-jobs"])
    with pytest.raises(CardLost, match="is_archived"):
        await show(notifier, there)
    slack.archived.clear()
    slack.delete(there.reference)
    with pytest.raises(CardLost, match="message_not_found"):
        await show(notifier, there)


async def test_other_refusals_of_a_change_mean_what_they_always_do(slack: SlackServer, notifier: SlackNotifier) -> None:
    there = standing_there(RUNNING, await show(notifier))
    slack.fail_update(Fault("429", retry_after=7), Fault("code", code="token_revoked"), "reset_before_accept")
    told = []
    for _ in range(3):
        with pytest.raises(NotifierError) as caught:
            await show(notifier, there)
        assert not isinstance(caught.value, CardLost)
        told.append((caught.value.pauses_receiver, caught.value.permanent, bool(caught.value.fix)))
    assert told == [(True, False, False), (True, True, True), (False, False, False)]


async def test_a_new_root_links_the_old_one_where_it_still_stands(slack: SlackServer, notifier: SlackNotifier) -> None:
    old = await show(notifier)
    new = replace(CARDS["replaced"], previous=old.reference, previous_place=old.place)
    await show(notifier, new)
    assert f"/archives/{old.place}/p{old.reference.replace('.', '')}|earlier card>" in json.dumps(slack.posts[1].blocks)
    assert "the earlier thread has grown too long" in json.dumps(slack.posts[1].blocks)
    slack.delete(old.reference)
    await show(notifier, replace(new, id=RUNNING.id))
    assert "earlier card>" not in json.dumps(slack.posts[2].blocks)


async def test_blocks_that_slack_does_not_take_leave_a_card_of_plain_text(
    slack: SlackServer, notifier: SlackNotifier
) -> None:
    slack.fail(Fault("code", code="invalid_blocks"))
    receipt = await show(notifier)
    assert "plain text" in receipt.note
    assert slack.posts[0].blocks == []
    slack.fail_update(Fault("code", code="msg_blocks_too_long"))
    assert "plain text" in (await show(notifier, standing_there(RUNNING, receipt))).note


async def test_blocks_beyond_the_limits_are_not_even_tried(slack: SlackServer, notifier: SlackNotifier) -> None:
    wire = {
        **notifier.render_card(RUNNING),
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}],
    }
    receipt = await notifier.show_card(wire, RUNNING)
    assert receipt.note.startswith("sent as plain text: block 1")
    assert slack.calls == ["chat.postMessage"]


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ([{"type": "divider"}] * 51, "51 blocks"),
        ([{"type": "nonsense"}], "no known type"),
        ([{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}], "block 1"),
        ([{"type": "section", "text": {"type": "mrkdwn", "text": ""}}], "block 1"),
        ([{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}], "block 1"),
        ([{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3000}}] * 5, "15000 characters"),
        ([{"type": "divider"}], ""),
    ],
)
def test_blocks_are_checked_before_they_are_sent(blocks: Any, words: str) -> None:
    assert words in fault(blocks)
    assert bool(fault(blocks)) == bool(words)


async def test_a_renamed_channel_is_known_by_its_id(slack: SlackServer, notifier: SlackNotifier) -> None:
    root = await show(notifier)
    slack.channels["training"] = slack.channels.pop("ml-jobs")
    later = replace(reply(SAMPLES["single"], root.reference, name="later"), thread_place=root.place)
    assert (await notifier.send(notifier.render(later), later)).place == root.place
    assert (await show(notifier, replace(RUNNING, id=CARDS["failed"].id))).place == root.place
    restarted, fresh = SlackNotifier("team", settings(slack)), SlackNotifier("team", settings(slack))
    assert (await restarted.send(restarted.render(later), later)).place == root.place
    with pytest.raises(NotifierError, match="channel_not_found"):
        await show(fresh)
    await restarted.aclose()
    await fresh.aclose()


async def test_a_reply_goes_to_where_its_thread_is(slack: SlackServer, notifier: SlackNotifier) -> None:
    root = await show(notifier)
    elsewhere = SlackNotifier("team", settings(slack, to="#oncall"))
    later = replace(reply(SAMPLES["single"], root.reference, name="later"), thread_place=root.place)
    assert (await elsewhere.send(elsewhere.render(later), later)).place == root.place
    await elsewhere.aclose()

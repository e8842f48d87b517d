"""Slack's buttons: what they look like, that only Slack can press them, and what is shown of what came of it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import aiohttp
import aiohttp.web
import anyio
import pytest
from pydantic import ValidationError

from watcher.core.answering import Answer, ButtonAction, Press
from watcher.core.language import Language, Locale, say
from watcher.core.rule import NotificationId
from watcher.errors import NotifierError, PressRefused
from watcher.notifiers.slack import SlackNotifier
from watcher.notifiers.slack_check import fault
from watcher.notifiers.slack_settings import SlackSettings
from watcher.ports.notifier import AnsweringNotifier
from watcher.testing.cards import CARDS
from watcher.testing.messages import SAMPLES
from watcher.testing.slack import Fault, SlackServer, serve_slack
from watcher.testing.slack_limits import refuse_blocks

pytestmark = pytest.mark.anyio
SECRET = "canary-signing-secret"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SINGLE = replace(SAMPLES["single"], items=(replace(SAMPLES["single"].items[0], notification_id=NotificationId("n-1")),))


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with serve_slack() as server:
        yield server


def settings(slack: SlackServer, **more: Any) -> SlackSettings:
    said = {
        "token": slack.token,
        "to": "#ml-jobs",
        "base_url": slack.base_url,
        "interactive": {"signing_secret": SECRET},
    }
    return SlackSettings.model_validate({**said, **more})


@pytest.fixture
async def notifier(slack: SlackServer) -> AsyncIterator[SlackNotifier]:
    made = SlackNotifier("team", settings(slack), now=lambda: NOW)
    yield made
    await made.aclose()


def rows(wire: Mapping[str, Any]) -> list[list[tuple[str, str]]]:
    return [
        [(one["text"]["text"], one["action_id"].removeprefix("dlc_watcher:")) for one in block["elements"]]
        for block in wire["blocks"]
        if block["type"] == "actions"
    ]


def payload(action: str = "acknowledge", value: str = "n-1", **more: Any) -> dict[str, Any]:
    return {
        "type": "block_actions",
        "trigger_id": "t1",
        "user": {"id": "U0ANN0001", "name": "ann <!channel>"},
        "container": {"channel_id": "C0ML0JOBS", "message_ts": "171.2"},
        "message": {"text": "it failed", "thread_ts": "171.1", "blocks": []},
        "actions": [{"action_id": f"dlc_watcher:{action}", "value": value}],
        **more,
    }


def posted(
    said: Any, *, secret: str = SECRET, at: datetime = NOW, body: bytes | None = None
) -> tuple[dict[str, str], bytes]:
    made = urlencode({"payload": json.dumps(said)}).encode() if body is None else body
    stamp = str(int(at.timestamp()))
    signature = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + made, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={signature}"}, made


def press(action: ButtonAction = ButtonAction.LOGS, **members: Any) -> Press:
    given = {"id": "t1", "receiver": "team", "action": action, "about": "a/b", "by": "ann", "user": "U1"}
    return Press(**{**given, "place": "C0ML0JOBS", "message": "171.2", "thread": "171.1", **members})


# what they look like


async def test_news_worth_an_answer_can_be_taken_on_and_a_note_cannot(notifier: SlackNotifier) -> None:
    wire = notifier.render(SINGLE)
    assert rows(wire) == [[("Acknowledge", "acknowledge")]]
    assert wire["blocks"][-1]["elements"][0]["value"] == "n-1"
    assert rows(notifier.render(SAMPLES["bare"])) == []
    assert rows(notifier.render(SAMPLES["single"])) == [], "made by hand: there is nothing to take on"
    assert rows(notifier.render(replace(SINGLE, locale=Locale(Language.ZH)))) == [[("我来处理", "acknowledge")]]


async def test_a_living_jobs_card_can_silence_it_and_an_ended_ones_only_shows_the_log(notifier: SlackNotifier) -> None:
    assert [action for _, action in rows(notifier.render_card(CARDS["running"]))[0]] == [
        "silence-hour",
        "silence-job",
        "logs",
    ]
    assert [action for _, action in rows(notifier.render_card(CARDS["failed"]))[0]] == ["logs"]


async def test_no_buttons_unless_they_are_wanted(slack: SlackServer) -> None:
    plain = SlackNotifier("team", settings(slack, interactive=None))
    assert rows(plain.render(SINGLE)) == rows(plain.render_card(CARDS["running"])) == []
    assert isinstance(plain, AnsweringNotifier)
    assert plain.buttons == ""
    with pytest.raises(PressRefused):
        plain.read_press(*posted(payload()))


@pytest.mark.parametrize("name", SAMPLES)
async def test_with_buttons_messages_are_still_within_slacks_limits(notifier: SlackNotifier, name: str) -> None:
    many = tuple(
        replace(item, notification_id=NotificationId(f"{n:036d}")) for n, item in enumerate(SAMPLES[name].items)
    )
    blocks = list(notifier.render(replace(SAMPLES[name], items=many))["blocks"])
    assert refuse_blocks(blocks) == fault(blocks) == ""


async def test_the_way_back_is_one_and_goes_with_a_token(slack: SlackServer) -> None:
    for wrong in ({}, {"signing_secret": "a", "app_token": "b"}):
        with pytest.raises(ValidationError, match="exactly one"):
            settings(slack, interactive=wrong)
    with pytest.raises(ValidationError, match="goes with a token"):
        SlackSettings.model_validate({"webhook_url": slack.webhook_url, "interactive": {"signing_secret": "a"}})
    assert SlackNotifier("team", settings(slack, interactive={"app_token": "b"})).buttons == "own"


# who may press them


async def test_a_press_that_slack_signed_is_read(notifier: SlackNotifier) -> None:
    read = notifier.read_press(*posted(payload("silence-hour", "hz/dlc1")))
    assert read is not None
    assert (read.action, read.about, read.user) == (ButtonAction.SILENCE_HOUR, "hz/dlc1", "U0ANN0001")
    assert (read.place, read.message, read.thread, read.by) == ("C0ML0JOBS", "171.2", "171.1", "ann <!channel>")


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        (posted(payload(), secret="wrong")[0], "signature"),
        (posted(payload(), at=NOW - timedelta(minutes=6))[0], "too old"),
        (posted(payload(), at=NOW + timedelta(minutes=6))[0], "too old"),
        (posted(payload("logs"))[0], "signature"),
        ({}, "time stamp"),
        ({"X-Slack-Request-Timestamp": "9" * 40}, "time stamp"),
        ({"X-Slack-Request-Timestamp": "\u0661\u0662"}, "time stamp"),
        ({"X-Slack-Request-Timestamp": str(int(NOW.timestamp())), "X-Slack-Signature": "v0=\udc80\u00e9"}, "signature"),
    ],
    ids=["another secret", "old", "of the future", "another body", "no headers", "long", "odd digits", "odd signature"],
)
async def test_whatever_slack_does_not_vouch_for_is_refused(notifier: SlackNotifier, headers: Any, words: str) -> None:
    with pytest.raises(PressRefused, match=words) as caught:
        notifier.read_press(headers, posted(payload())[1])
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [b"", b"payload=", b"payload=[]", b"payload=%7Bnonsense", b"\xff\xfe", b"other=1", b"payload=" + b"[" * 5000],
)
async def test_what_is_signed_and_in_no_form_of_slacks_is_refused(notifier: SlackNotifier, body: bytes) -> None:
    with pytest.raises(PressRefused):
        notifier.read_press(*posted(None, body=body))


@pytest.mark.parametrize(
    "said",
    [
        {"type": "view_submission"},
        payload(actions=[]),
        payload(actions=None),
        payload(actions=[{"action_id": "another_app"}, "x"]),
        payload("unheard-of"),
    ],
)
async def test_what_is_no_button_of_ours_is_nothing(notifier: SlackNotifier, said: Any) -> None:
    assert notifier.read_press(*posted(said)) is None


@pytest.mark.parametrize("lacking", ["user", "container"])
async def test_a_press_without_who_or_where_is_refused(notifier: SlackNotifier, lacking: str) -> None:
    with pytest.raises(PressRefused):
        notifier.read_press(*posted({**payload(), lacking: None}))


# what is shown


async def test_what_is_settled_stands_in_place_of_the_button(slack: SlackServer, notifier: SlackNotifier) -> None:
    receipt = await notifier.send(notifier.render(SINGLE), SINGLE)
    post = slack.posts[0]
    pressed = press(ButtonAction.ACKNOWLEDGE, message=receipt.reference, shown=post.shown())
    await notifier.answer(pressed, Answer(said=say("Acknowledged by {who}", who="<!channel>"), settles=True))
    assert rows({"blocks": post.blocks}) == []
    assert post.blocks[-1]["elements"][0]["text"] == "Acknowledged by &lt;!channel&gt;"
    assert len(post.blocks) == len(notifier.render(SINGLE)["blocks"])
    assert post.text.endswith("Acknowledged by &lt;!channel&gt;")


async def test_what_concerns_one_person_is_whispered(slack: SlackServer, notifier: SlackNotifier) -> None:
    await notifier.answer(press(), Answer(said="nothing to do", private=True))
    assert slack.whispers == [("U1", "nothing to do")]
    assert slack.posts == []


async def test_a_short_log_is_a_reply_and_a_long_one_a_file_in_the_thread(
    slack: SlackServer, notifier: SlackNotifier
) -> None:
    root = await notifier.send(notifier.render(SINGLE), SINGLE)
    pressed = press(thread=root.reference)
    await notifier.answer(pressed, Answer(said="the end of it", name="w-0.log", text="a < b\n```\nlast"))
    assert slack.posts[1].thread_ts == root.reference
    assert slack.posts[1].blocks[0]["text"]["text"] == "the end of it\n```a &lt; b\n'''\nlast```"
    slack.scopes.add("files:write")
    long = "\n".join(f"line {number}" for number in range(200))
    await notifier.answer(pressed, Answer(said="the end of it", name="w-0.log", text=long))
    assert len(slack.posts) == 2
    assert long.encode() in slack.files["w-0.log"]
    assert [(share["channel_id"], share["thread_ts"]) for share in slack.shares] == [("C0ML0JOBS", root.reference)]


@pytest.mark.parametrize("log", ["\n".join(f"line {n}" for n in range(200)), "&" * 100_000, "x\n" * 19 + "<&>" * 9000])
async def test_without_the_right_to_upload_only_the_end_of_a_long_log_is_told(
    slack: SlackServer, notifier: SlackNotifier, log: str
) -> None:
    root = await notifier.send(notifier.render(SINGLE), SINGLE)
    await notifier.answer(press(thread=root.reference), Answer(said="the end of it", name="w-0.log", text=log))
    assert refuse_blocks(slack.posts[1].blocks) == ""
    assert slack.posts[1].blocks[0]["text"]["text"].count("\n") <= 20
    assert slack.files == {}


async def test_an_answer_that_cannot_be_shown_is_a_notifier_error(slack: SlackServer, notifier: SlackNotifier) -> None:
    slack.fail_update(Fault("code", code="token_revoked"))
    with pytest.raises(NotifierError, match="token_revoked"):
        await notifier.answer(press(), Answer(said="x", settles=True))


# Socket Mode


@asynccontextmanager
async def socket(slack: SlackServer, *said: dict[str, Any]) -> AsyncIterator[list[dict[str, Any]]]:
    """Slack's side of a socket: says these envelopes and keeps what is acknowledged."""
    acknowledged: list[dict[str, Any]] = []

    async def serve(request: aiohttp.web.Request) -> aiohttp.web.WebSocketResponse:
        ws = aiohttp.web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_json({"type": "hello"})
        for number, one in enumerate(said):
            await ws.send_json({"type": "interactive", "envelope_id": f"e{number}", "payload": one})
        async for message in ws:
            if message.type is aiohttp.WSMsgType.TEXT:
                acknowledged.append(json.loads(message.data))  # noqa: PERF401 - each as it comes
        return ws

    app = aiohttp.web.Application()
    app.router.add_get("/link", serve)
    runner = aiohttp.web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    slack.socket_url = f"ws://127.0.0.1:{port}/link"
    try:
        yield acknowledged
    finally:
        await runner.cleanup()


async def test_presses_are_heard_over_a_socket_and_acknowledged_once_they_are_taken(slack: SlackServer) -> None:
    notifier = SlackNotifier("team", settings(slack, interactive={"app_token": slack.app_token}), now=lambda: NOW)
    heard: list[Press] = []

    def take(one: Press) -> bool:
        heard.append(one)
        return one.action is not ButtonAction.LOGS

    async with socket(slack, payload(), payload("logs"), {"type": "other"}, payload(user=None)) as acknowledged:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(notifier.listen, take)
            with anyio.fail_after(10):
                while len(acknowledged) < 3:
                    await asyncio.sleep(0.01)
            tasks.cancel_scope.cancel()
        assert [one.action for one in heard] == [ButtonAction.ACKNOWLEDGE, ButtonAction.LOGS]
        assert sorted(one["envelope_id"] for one in acknowledged) == ["e0", "e2", "e3"], "there was no room for e1"
    await notifier.aclose()


async def test_a_socket_that_cannot_be_opened_is_a_notifier_error_without_the_token(slack: SlackServer) -> None:
    notifier = SlackNotifier("team", settings(slack, interactive={"app_token": "xapp-canary"}))
    with pytest.raises(NotifierError) as caught:
        await notifier.listen(lambda _press: True)
    assert caught.value.code == "invalid_auth"
    assert "canary" not in str(caught.value)
    await notifier.aclose()

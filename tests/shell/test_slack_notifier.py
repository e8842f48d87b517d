"""The Slack notifier against a local Slack Web API: threads, escaping, faults, look-ups."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest
from pydantic import ValidationError
from slack_sdk.models.blocks import Block

from watcher.core.language import Language, Locale
from watcher.core.rule import Severity
from watcher.errors import NotifierError
from watcher.notifiers.slack import SlackNotifier
from watcher.notifiers.slack_blocks import blocks, render_slack
from watcher.notifiers.slack_replies import CODES, TOO_ELABORATE, classify, classify_answer
from watcher.notifiers.slack_settings import SlackSettings
from watcher.testing.messages import HOSTILE, SAMPLES, again, reply
from watcher.testing.notifier_contract import texts
from watcher.testing.slack import Fault, SlackServer, serve_slack
from watcher.testing.slack_limits import refuse_blocks

pytestmark = pytest.mark.anyio
SINGLE = SAMPLES["single"]


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with serve_slack() as server:
        yield server


@pytest.fixture
async def notifier(slack: SlackServer) -> AsyncIterator[SlackNotifier]:
    made = SlackNotifier("team", _settings(slack))
    yield made
    await made.aclose()


def _settings(slack: SlackServer, **more: Any) -> SlackSettings:
    return SlackSettings.model_validate({"token": slack.token, "to": "#ml-jobs", "base_url": slack.base_url, **more})


async def _fail(notifier: SlackNotifier, message: Any = SINGLE) -> NotifierError:
    with pytest.raises(NotifierError) as caught:
        await notifier.send(notifier.render(message), message)
    return caught.value


# what it says


@pytest.mark.parametrize("name", SAMPLES)
def test_blocks_are_within_slacks_limits(name: str) -> None:
    made = blocks(SAMPLES[name])
    assert refuse_blocks(made) == ""
    parsed = Block.parse_all(made)
    assert len(parsed) == len(made)
    for block in parsed:
        block.validate_json()


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_becomes_a_mention_a_link_or_markup(name: str) -> None:
    wire = render_slack(SAMPLES[f"hostile-{name}"], channel="#x", broadcast_from=None)
    for text in texts({"text": wire["text"], "blocks": wire["blocks"]}):
        # The only things in angle brackets are our own: the time, and the link to the console.
        for opened in text.split("<")[1:]:
            assert opened.startswith(("!date^", "https://pai.console.aliyun.com/")), text
    assert "link_names" not in wire
    assert wire["unfurl_links"] is False
    assert wire["unfurl_media"] is False


def test_every_text_object_is_verbatim() -> None:
    def objects(node: Any) -> Any:
        if isinstance(node, dict):
            if node.get("type") == "mrkdwn":
                yield node
            for value in node.values():
                yield from objects(value)
        elif isinstance(node, list):
            for value in node:
                yield from objects(value)

    found = list(objects(blocks(SAMPLES["several-jobs"])))
    assert found
    assert all(entry["verbatim"] is True for entry in found)


def test_severity_is_a_sign_and_a_word() -> None:
    assert (
        render_slack(SINGLE, channel="#x", broadcast_from=None)["text"]
        == "🔴 Critical: llama-70b-pretrain: Failed after 3h12m"
    )


def test_what_does_not_fit_is_counted() -> None:
    assert "… and 100 more" in json.dumps(blocks(SAMPLES["storm"]), ensure_ascii=False)
    assert "… and 4990 more facts" in json.dumps(blocks(SAMPLES["five-thousand-pods"]), ensure_ascii=False)


# threads


async def test_the_first_message_is_the_root_and_the_rest_reply(slack: SlackServer, notifier: SlackNotifier) -> None:
    root = await notifier.send(notifier.render(SINGLE), SINGLE)
    later = reply(SINGLE, root.thread_reference, name="later")
    receipt = await notifier.send(notifier.render(later), later)
    assert root.reference == root.thread_reference == slack.posts[0].ts
    assert receipt.thread_reference == root.reference
    assert receipt.reference == slack.posts[1].ts != root.reference
    assert [post.thread_ts for post in slack.posts] == ["", root.reference]
    assert receipt.place == slack.channels["ml-jobs"]


@pytest.mark.parametrize(("broadcast", "severity", "shown"), [
    ("critical", Severity.CRITICAL, True),
    ("critical", Severity.WARNING, False),
    ("warning", Severity.WARNING, True),
    ("warning", Severity.INFO, False),
    ("never", Severity.CRITICAL, False),
])  # fmt: skip
async def test_loud_replies_are_shown_in_the_channel_too(
    slack: SlackServer, broadcast: str, severity: Severity, shown: bool
) -> None:
    notifier = SlackNotifier("team", _settings(slack, broadcast=broadcast))
    message = replace(reply(SINGLE, "1.1", name="loud"), severity=severity)
    assert notifier.render(message).get("reply_broadcast", False) is shown
    assert "reply_broadcast" not in notifier.render(replace(SINGLE, severity=severity))


async def test_a_webhook_has_no_threads_and_no_reference(slack: SlackServer) -> None:
    notifier = SlackNotifier("team", SlackSettings.model_validate({"webhook_url": slack.webhook_url}))
    receipt = await notifier.send(notifier.render(SINGLE), again(SINGLE))
    assert (receipt.reference, receipt.thread_reference) == ("", "")
    assert set(slack.posts[0].raw) == {"text", "blocks", "unfurl_links", "unfurl_media"}
    assert slack.calls == ["webhook"]
    await notifier.aclose()


# doubtful outcomes


@pytest.mark.parametrize("fault", ["reset_after_accept", "hang_after_accept"])
async def test_a_message_that_arrived_unseen_is_found_and_not_sent_again(slack: SlackServer, fault: Any) -> None:
    notifier = SlackNotifier("team", _settings(slack, timeout="1s"))
    slack.fail(fault)
    error = await _fail(notifier)
    assert error.ambiguous
    assert not error.permanent
    receipt = await notifier.send(notifier.render(SINGLE), again(SINGLE))
    assert [post.ts for post in slack.posts] == [receipt.reference]
    assert receipt.thread_reference == receipt.reference
    assert "conversations.list" in slack.calls
    await notifier.aclose()


async def test_a_reply_that_arrived_unseen_is_found_in_its_thread(slack: SlackServer, notifier: SlackNotifier) -> None:
    root = await notifier.send(notifier.render(SINGLE), SINGLE)
    later = reply(SINGLE, root.reference, name="later")
    slack.fail("reset_after_accept")
    await _fail(notifier, later)
    receipt = await notifier.send(notifier.render(later), again(later))
    assert len(slack.posts) == 2
    assert receipt.reference == slack.posts[1].ts
    assert receipt.thread_reference == root.reference
    assert slack.calls[-1] == "conversations.replies"


async def test_a_message_that_did_not_arrive_is_sent_again(slack: SlackServer, notifier: SlackNotifier) -> None:
    slack.fail("reset_before_accept")
    error = await _fail(notifier)
    assert error.ambiguous
    await notifier.send(notifier.render(SINGLE), again(SINGLE))
    assert len(slack.posts) == 1


async def test_a_copy_is_found_behind_many_other_messages(slack: SlackServer, notifier: SlackNotifier) -> None:
    slack.fail("reset_after_accept")
    await _fail(notifier)
    for n in range(250):
        slack._keep(slack.channels["ml-jobs"], {"text": f"chatter {n}"})
    await notifier.send(notifier.render(SINGLE), again(SINGLE))
    assert sum(1 for post in slack.posts if post.metadata) == 1


@pytest.mark.parametrize("missing", ["channels:history", "channels:read"])
async def test_without_the_right_to_look_it_is_sent_again(
    slack: SlackServer, notifier: SlackNotifier, missing: str
) -> None:
    slack.scopes.discard(missing)
    slack.fail("reset_after_accept")
    await _fail(notifier)
    await notifier.send(notifier.render(SINGLE), again(SINGLE))
    assert len(slack.posts) == 2
    assert len({post.raw["client_msg_id"] for post in slack.posts}) == 1


@pytest.mark.parametrize("fault", ["429", "500", "503", "html"])
async def test_while_it_cannot_be_looked_for_it_is_put_off_and_not_sent_twice(
    slack: SlackServer, notifier: SlackNotifier, fault: Any
) -> None:
    slack.fail("reset_after_accept")
    await _fail(notifier)
    slack.fail_look(fault)
    error = await _fail(notifier, again(SINGLE))
    assert (error.ambiguous, error.permanent) == (True, False)
    receipt = await notifier.send(notifier.render(SINGLE), again(again(SINGLE)))
    assert [post.ts for post in slack.posts] == [receipt.reference]


async def test_what_can_never_be_looked_for_is_sent_in_the_end(slack: SlackServer, notifier: SlackNotifier) -> None:
    slack.fail("reset_before_accept")
    await _fail(notifier)
    late = replace(SINGLE, attempt=7)
    slack.fail_look("500")
    await notifier.send(notifier.render(late), late)
    assert len(slack.posts) == 1


# refusals


async def test_a_refused_connection_is_not_doubtful(slack: SlackServer) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}/api/"
        notifier = SlackNotifier("team", _settings(slack, base_url=address))
        error = await _fail(notifier)
    assert (error.code, error.ambiguous, error.permanent) == ("connect", False, False)
    await notifier.aclose()


async def test_429_waits_as_long_as_slack_says_and_pauses_all(slack: SlackServer, notifier: SlackNotifier) -> None:
    slack.fail(Fault("429", retry_after=17))
    error = await _fail(notifier)
    assert error.retry_after == timedelta(seconds=17)
    assert (error.pauses_receiver, error.permanent, error.ambiguous) == (True, False, False)


async def test_the_servers_pace_is_told_as_429(slack: SlackServer, notifier: SlackNotifier) -> None:
    slack.pace = 1.0
    slack.clock = lambda: 1000.0
    await notifier.send(notifier.render(SINGLE), SINGLE)
    error = await _fail(notifier, SAMPLES["bare"])
    assert error.retry_after == timedelta(seconds=1)
    slack.clock = lambda: 1001.0
    await notifier.send(notifier.render(SAMPLES["bare"]), SAMPLES["bare"])
    assert len(slack.posts) == 2


@pytest.mark.parametrize("code", ["channel_not_found", "not_in_channel", "is_archived"])
async def test_a_wrong_channel_is_permanent_and_says_how_to_mend_it(
    slack: SlackServer, notifier: SlackNotifier, code: str
) -> None:
    slack.fail(Fault("code", code=code))
    error = await _fail(notifier)
    assert (error.permanent, error.pauses_receiver, error.code) == (True, False, code)
    assert error.fix
    assert "#ml-jobs" in str(error)


async def test_a_channel_that_does_not_exist_is_told(slack: SlackServer) -> None:
    notifier = SlackNotifier("team", _settings(slack, to="#nowhere"))
    assert (await _fail(notifier)).code == "channel_not_found"
    await notifier.aclose()


async def test_a_wrong_token_is_permanent_and_pauses_the_receiver(slack: SlackServer) -> None:
    notifier = SlackNotifier("team", _settings(slack, token="xoxb-wrong-canary"))
    error = await _fail(notifier)
    assert (error.code, error.permanent, error.pauses_receiver) == ("invalid_auth", True, True)
    assert "xoxb-wrong-canary" not in f"{error!r} {error} {error.__cause__!r} {error.__cause__}"
    await notifier.aclose()


@pytest.mark.parametrize("code", ["invalid_blocks", "msg_blocks_too_long"])
async def test_blocks_that_are_refused_are_left_out(slack: SlackServer, notifier: SlackNotifier, code: str) -> None:
    slack.fail(Fault("code", code=code))
    receipt = await notifier.send(notifier.render(SINGLE), SINGLE)
    assert "plain text" in receipt.note
    assert [(post.blocks, post.text) for post in slack.posts] == [([], notifier.render(SINGLE)["text"])]


async def test_a_plain_text_that_is_refused_too_ends_it(slack: SlackServer, notifier: SlackNotifier) -> None:
    slack.fail(Fault("code", code="invalid_blocks"), Fault("code", code="invalid_blocks"))
    error = await _fail(notifier)
    assert error.permanent
    assert slack.calls.count("chat.postMessage") == 2


@pytest.mark.parametrize(("fault", "code"), [("500", "500"), ("html", "garbled")])
async def test_what_is_no_slack_answer_is_tried_again(
    slack: SlackServer, notifier: SlackNotifier, fault: Any, code: str
) -> None:
    slack.fail(fault)
    error = await _fail(notifier)
    assert (error.permanent, error.ambiguous, error.code) == (False, True, code)


async def test_503_carries_its_retry_after(slack: SlackServer, notifier: SlackNotifier) -> None:
    slack.fail(Fault("503", retry_after=40))
    assert (await _fail(notifier)).retry_after == timedelta(seconds=40)


async def test_nothing_is_repeated_by_the_library(slack: SlackServer, notifier: SlackNotifier) -> None:
    slack.fail("reset_before_accept", "reset_before_accept")
    await _fail(notifier)
    assert slack.calls == ["chat.postMessage"]


async def test_a_removed_webhook_is_permanent(slack: SlackServer) -> None:
    address = slack.webhook_url + "-gone-canary"
    notifier = SlackNotifier("team", SlackSettings.model_validate({"webhook_url": address}))
    error = await _fail(notifier)
    assert (error.code, error.permanent, error.pauses_receiver) == ("no_service", True, True)
    assert "canary" not in str(error)
    await notifier.aclose()


async def test_a_webhooks_429_and_reset(slack: SlackServer) -> None:
    notifier = SlackNotifier("team", SlackSettings.model_validate({"webhook_url": slack.webhook_url}))
    slack.fail(Fault("429", retry_after=3), "reset_after_accept")
    slow = await _fail(notifier)
    assert (slow.retry_after, slow.pauses_receiver) == (timedelta(seconds=3), True)
    assert (await _fail(notifier)).ambiguous
    await notifier.aclose()


# secrets and settings


async def test_a_changed_token_file_is_used_at_once(slack: SlackServer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("xoxb-old")
    settings = SlackSettings.model_validate({"token_file": file, "to": "#ml-jobs", "base_url": slack.base_url})
    notifier = SlackNotifier("team", settings)
    assert (await _fail(notifier)).code == "invalid_auth"
    file.write_text(slack.token + "\n")
    await notifier.send(notifier.render(SINGLE), SINGLE)
    file.unlink()
    error = await _fail(notifier)
    assert (error.permanent, error.code) == (False, "secret_file")
    await notifier.aclose()


async def test_neither_token_nor_webhook_address_is_logged(
    slack: SlackServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for settings in (_settings(slack), SlackSettings.model_validate({"webhook_url": slack.webhook_url})):
        notifier = SlackNotifier("team", settings)
        await notifier.send(notifier.render(SINGLE), SINGLE)
        await notifier.aclose()
    ours = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith("uvicorn")
    )  # the far side
    assert "httpcore2" in {record.name.partition(".")[0] for record in caplog.records}, (
        "nothing was logged, nothing was tested"
    )
    assert slack.token not in ours
    assert "hook-path-secret" not in ours
    assert "Failed after 3h12m" not in ours


async def test_proxies_of_the_environment_are_not_used(
    slack: SlackServer, notifier: SlackNotifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    await notifier.send(notifier.render(SINGLE), SINGLE)
    assert len(slack.posts) == 1


@pytest.mark.parametrize(("settings", "told"), [
    ({}, "exactly one of"),
    ({"token": "x", "webhook_url": "https://hooks.slack.com/x", "to": "#a"}, "exactly one of"),
    ({"token": "x"}, "`to` is missing"),
    ({"webhook_url": "https://hooks.slack.com/services/x", "to": "#a"}, "has its channel built in"),
    ({"token": "x", "to": "#a", "base_url": "http://slack.com/api/"}, "plain http"),
    ({"webhook_url": "http://hooks.slack.com/canary"}, "plain http"),
    ({"token": "x", "to": "#a", "broadcast": "always"}, "never"),
    ({"token": "x", "to": "#a", "chanel": "y"}, "Extra inputs"),
    ({"token": "x", "to": "#a", "timeout": "0s"}, "greater than"),
])  # fmt: skip
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SlackSettings.model_validate(settings)
    assert told in str(caught.value)
    assert "canary" not in str(caught.value)


# the tables


def test_every_permanent_code_says_how_to_mend_it() -> None:
    assert [code for code, meaning in CODES.items() if meaning.permanent and not meaning.fix] == []


@pytest.mark.parametrize("code", sorted(CODES))
def test_no_code_is_both_permanent_and_waits(code: str) -> None:
    error = classify_answer(code, 200, {"Retry-After": "5"})
    assert not (error.permanent and (error.retry_after or error.ambiguous))


@pytest.mark.parametrize(
    "code", ["invalid_auth", "account_inactive", "token_revoked", "token_expired", "missing_scope", "not_authed"]
)
def test_trouble_with_the_token_pauses_the_receiver(code: str) -> None:
    error = classify_answer(code, 200, {})
    assert (error.permanent, error.pauses_receiver) == (True, True)


def test_a_code_that_is_new_to_us_is_tried_again() -> None:
    error = classify_answer("brand_new_error", 200, {})
    assert not error.permanent
    assert "brand_new_error" in str(error)


@pytest.mark.parametrize("code", sorted(TOO_ELABORATE))
def test_refused_blocks_are_known_codes(code: str) -> None:
    assert CODES[code].permanent


@pytest.mark.parametrize(("failure", "ambiguous"), [
    (TimeoutError(), True),
    (aiohttp.ServerDisconnectedError(), True),
    (aiohttp.ClientOSError(104, "reset"), True),
    (aiohttp.ConnectionTimeoutError(), False),
    (AttributeError("str has no get"), True),
])  # fmt: skip
def test_which_broken_exchanges_are_doubtful(failure: Exception, ambiguous: bool) -> None:
    error = classify(failure)
    assert (error.ambiguous, error.permanent) == (ambiguous, False)


# what is too long for a message

LOG = "\n".join(f"step {number}: loss < {number} & <!channel>" for number in range(150))
LONG = replace(SINGLE, items=(replace(SINGLE.items[0], detail=LOG),))


@pytest.fixture
def quick(notifier: SlackNotifier) -> SlackNotifier:
    notifier.pace = timedelta(0)
    return notifier


async def test_a_long_context_stands_in_the_thread_as_a_file(slack: SlackServer, quick: SlackNotifier) -> None:
    slack.scopes.add("files:write")
    receipt = await quick.send(quick.render(LONG), LONG)
    (post,) = slack.posts
    assert "step 149" not in json.dumps(post.blocks)
    assert LOG.encode() in slack.files["context.txt"]
    assert [(share["channel_id"], share["thread_ts"]) for share in slack.shares] == [("C0ML0JOBS", post.ts)]
    assert receipt.note == ""


async def test_without_the_right_to_upload_it_is_one_reply_as_long_as_slack_takes(
    slack: SlackServer, quick: SlackNotifier
) -> None:
    receipt = await quick.send(quick.render(LONG), LONG)
    post, more = slack.posts
    text = more.blocks[0]["text"]["text"]
    assert (more.thread_ts, more.raw.get("reply_broadcast"), receipt.note) == (post.ts, None, "")
    assert refuse_blocks(more.blocks) == ""
    assert text.startswith("In full\n```")
    assert text.endswith("…```")
    assert "<!channel>" not in text


async def test_the_context_of_a_reply_stands_in_the_same_thread(slack: SlackServer, quick: SlackNotifier) -> None:
    root = await quick.send(quick.render(SINGLE), SINGLE)
    later = reply(LONG, root.thread_reference, name="later")
    await quick.send(quick.render(later), later)
    assert [post.thread_ts for post in slack.posts] == ["", root.reference, root.reference]


@pytest.mark.parametrize("name", ["single", "several-jobs"])
async def test_what_a_message_shows_whole_is_not_told_again(
    slack: SlackServer, quick: SlackNotifier, name: str
) -> None:
    await quick.send(quick.render(SAMPLES[name]), SAMPLES[name])
    assert len(slack.posts) == 1
    assert "files.getUploadURLExternal" not in slack.calls


async def test_a_list_of_pods_is_there_whole(slack: SlackServer, quick: SlackNotifier) -> None:
    slack.scopes.add("files:write")
    pods = SAMPLES["five-thousand-pods"]
    await quick.send(quick.render(pods), pods)
    assert b"Pod 4999: worker-4999 on 10.0." in slack.files["context.txt"]


async def test_among_several_only_what_is_cut_is_told_whole(slack: SlackServer, quick: SlackNotifier) -> None:
    slack.scopes.add("files:write")
    two = replace(SINGLE, items=(replace(SINGLE.items[0], headline="short one", detail="short"), LONG.items[0]))
    await quick.send(quick.render(two), two)
    assert LOG.encode() in slack.files["context.txt"]
    assert b"short one" not in slack.files["context.txt"]


@pytest.mark.parametrize(
    "fault",
    [Fault("500"), Fault("429", retry_after=7), Fault("code", code="is_archived"), Fault("reset_before_accept")],
)
async def test_when_the_context_fails_the_message_stands_and_says_so(
    slack: SlackServer, quick: SlackNotifier, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    uploaded = quick._uploaded

    async def then_fails(*upload: str) -> bool:
        slack.fail(fault)
        return await uploaded(*upload)

    monkeypatch.setattr(quick, "_uploaded", then_fails)
    receipt = await quick.send(quick.render(LONG), LONG)
    (post,) = slack.posts
    assert receipt.reference == post.ts
    assert receipt.note.startswith("its context in full was not added: ")


async def test_a_repeat_that_finds_the_message_adds_no_second_context(slack: SlackServer, quick: SlackNotifier) -> None:
    first = await quick.send(quick.render(LONG), LONG)
    repeated = again(LONG)
    found = await quick.send(quick.render(repeated), repeated)
    assert found.reference == first.reference
    assert len(slack.posts) == 2


async def test_a_context_that_never_ends_does_not_hold_up_what_follows(
    slack: SlackServer, quick: SlackNotifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watcher.notifiers.slack._IN_FULL_WITHIN", timedelta(seconds=0.2))
    monkeypatch.setattr(quick, "pace", timedelta(hours=1))
    receipt = await quick.send(quick.render(LONG), LONG)
    assert receipt.note.startswith("its context in full was not added: ")
    assert len(slack.posts) == 1


async def test_a_context_is_given_up_before_the_senders_own_limit_takes_the_receipt(
    slack: SlackServer, quick: SlackNotifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "pace", timedelta(hours=1))
    with anyio.fail_after(3):
        receipt = await quick.send(quick.render(LONG), LONG)
    assert receipt.reference == slack.posts[0].ts
    assert receipt.note.startswith("its context in full was not added: ")


async def test_it_is_said_in_the_readers_language(slack: SlackServer, quick: SlackNotifier) -> None:
    read = replace(LONG, locale=Locale(Language.ZH))
    await quick.send(quick.render(read), read)
    assert slack.posts[1].text == "完整内容"

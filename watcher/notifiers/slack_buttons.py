"""Slack's buttons: what they look like, how a press comes back, and how one knows that it comes from Slack. Pure.

https://docs.slack.dev/authentication/verifying-requests-from-slack
https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs

from watcher.core.answering import ButtonAction, Press, about_job, about_news
from watcher.core.card import Card
from watcher.core.language import Locale, Said, spoken
from watcher.core.message import Message
from watcher.core.rule import Severity
from watcher.errors import PressRefused
from watcher.notifiers.slack_blocks import Block, context, escape, section
from watcher.notifiers.text import one_line

WINDOW: Final = timedelta(minutes=5)
"""How old a press may be, and how far clocks may differ; what is older may be somebody's recording."""

LABELS: Final[Mapping[ButtonAction, Said]] = {
    ButtonAction.ACKNOWLEDGE: Said("Acknowledge", "我来处理"),
    ButtonAction.SILENCE_HOUR: Said("Silence 1 h", "静默 1 小时"),
    ButtonAction.SILENCE_JOB: Said("Silence until it ends", "静默至作业结束"),
    ButtonAction.LOGS: Said("Show log", "查看日志"),
}

_MOST_LINES: Final = 20
_LONGEST_LOG: Final = 2500
"""Lines and characters of a log that may stand in a thread: more would be a wall."""

_PREFIX: Final = "dlc_watcher:"
"""Before the action in an `action_id`, so that other buttons of the same app are told from ours."""


def news_buttons(message: Message) -> list[Block]:
    """Under a message: to take it on, where it has something in it that is worse than a note."""
    loud = [item.notification_id for item in message.items if item.severity is not Severity.INFO]
    about = about_news(loud)
    return [_row([ButtonAction.ACKNOWLEDGE], about, message.locale)] if about else []


def card_buttons(card: Card, locale: Locale) -> list[Block]:
    """Under a job's card: to silence it while it lives, and to see a log."""
    silences = [] if card.ended else [ButtonAction.SILENCE_HOUR, ButtonAction.SILENCE_JOB]
    return [_row([*silences, ButtonAction.LOGS], about_job(card.ref), locale)]


def _row(actions: Sequence[ButtonAction], about: str, locale: Locale) -> Block:
    return {
        "type": "actions",
        "elements": [
            {
                "type": "button",
                "text": {"type": "plain_text", "text": spoken(LABELS[action], locale)},
                "action_id": f"{_PREFIX}{action.value}",
                "value": about,
            }
            for action in actions
        ],
    }


def verify(headers: Mapping[str, str], body: bytes, *, secret: str, now: datetime) -> None:
    """Make sure that Slack sent this, and now.

    Raises:
        PressRefused: it did not, or long ago.
    """
    told = {name.lower(): value for name, value in headers.items()}
    stamp, signature = told.get("x-slack-request-timestamp", ""), told.get("x-slack-signature", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 12):  # noqa: PLR2004 - seconds of centuries to come
        raise PressRefused("a press without a time stamp")
    if abs(now.timestamp() - int(stamp)) > WINDOW.total_seconds():
        raise PressRefused("a press that is too old, or this machine's clock is wrong (NTP)")
    made = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(f"v0={made}".encode(), signature.encode("utf-8", "replace")):
        raise PressRefused("a press whose signature is not Slack's; check the signing secret")


def payload_of(body: bytes) -> Mapping[str, Any]:
    """What a form post of Slack's carries.

    Raises:
        PressRefused: it carries nothing of the kind.
    """
    try:
        payload = json.loads(parse_qs(body.decode())["payload"][0])
    except (ValueError, KeyError, RecursionError) as exc:
        raise PressRefused("a press that is not in Slack's form") from exc
    if not isinstance(payload, dict):
        raise PressRefused("a press that is not in Slack's form")
    return payload


def press_of(payload: Mapping[str, Any], *, receiver: str) -> Press | None:
    """The press that a payload tells of; None for what is no button of ours.

    Raises:
        PressRefused: it has one of our buttons, and lacks what every press has.
    """
    actions = payload.get("actions") if payload.get("type") == "block_actions" else None
    ours = [one for one in actions or () if isinstance(one, dict) and str(one.get("action_id")).startswith(_PREFIX)]
    if not ours:
        return None
    try:
        action = ButtonAction(str(ours[0]["action_id"]).removeprefix(_PREFIX))
    except ValueError:
        return None
    try:
        user, container = payload["user"], payload["container"]
        message = payload.get("message") or {}
        return Press(
            id=str(payload.get("trigger_id") or ours[0].get("action_ts") or ""),
            receiver=receiver,
            action=action,
            about=str(ours[0].get("value", "")),
            by=one_line(str(user.get("name") or user.get("username") or user["id"]), 80),
            user=str(user["id"]),
            place=str(container["channel_id"]),
            message=str(container["message_ts"]),
            thread=str(message.get("thread_ts") or container["message_ts"]),
            shown=dict(message),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        raise PressRefused("a press that lacks who pressed, or where") from exc


def settled_wire(press: Press, said: str) -> Mapping[str, Any]:
    """The arguments of `chat.update` with which the message shows what came of it, in place of its button."""
    kept = [block for block in press.shown.get("blocks") or () if not _ours(block)]
    metadata = {"metadata": press.shown["metadata"]} if press.shown.get("metadata") else {}
    text = str(press.shown.get("text", ""))
    return {
        "channel": press.place,
        "ts": press.message,
        "text": f"{text}\n{said}".strip(),
        "blocks": [*kept, context(said)],
        **metadata,
    }


def told_wire(press: Press, said: str, log: str) -> Mapping[str, Any]:
    """The arguments of `chat.postMessage` with which it is told in the thread, the end of a short log below it."""
    shown = f"{said}\n```{_fenced(log)}```" if log else said
    return {
        "channel": press.place,
        "thread_ts": press.thread,
        "text": said,
        "blocks": [section(shown)],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def fits_a_reply(log: str) -> bool:
    """Whether it is short enough to stand in a thread; what is longer is a file."""
    return log.count("\n") < _MOST_LINES and len(_escaped(log)) <= _LONGEST_LOG


def _fenced(log: str) -> str:
    """The end of it, as it can stand between fences."""
    lines = log.splitlines()[-_MOST_LINES:]
    while lines and len(_escaped("\n".join(lines))) > _LONGEST_LOG:
        lines = lines[1:] or [lines[0][-_LONGEST_LOG // 6 :]]
    return _escaped("\n".join(lines))


def _escaped(log: str) -> str:
    return escape(log.replace("`", "'"), 100 * _LONGEST_LOG)


def _ours(block: Any) -> bool:
    elements = block.get("elements") if isinstance(block, dict) and block.get("type") == "actions" else None
    return any(str(one.get("action_id")).startswith(_PREFIX) for one in elements or ())

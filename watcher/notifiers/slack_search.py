"""Looks through a Slack channel for a message that an earlier attempt may have left there.

Whatever slack-sdk and what is under it raise goes through; the notifier says what it means.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Final

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from watcher.notifiers.slack_blocks import CARD_TYPE, EVENT_TYPE

_MOST_PAGES: Final = 5


async def find_copy(
    client: AsyncWebClient, channel: str, message_id: str, oldest: datetime, *, thread: str = ""
) -> str | None:
    """The `ts` of a post that carries the message's id; None when there is none among the newest ones.

    Args:
        client: to ask with; it needs `channels:history` or `groups:history`.
        channel: its id, as reading methods take no names.
        message_id: of what is looked for.
        oldest: posts before it are left out.
        thread: the thread to look in; "" for the channel itself.
    """
    ask = {"channel": channel, "include_all_metadata": "true", "limit": "200", "oldest": f"{oldest.timestamp():.6f}"}
    method = "conversations.history"
    if thread:
        method, ask["ts"] = "conversations.replies", thread
    async for post in _listed(client, method, ask, "messages"):
        if _carries(post, message_id):
            return str(post["ts"])
    return None


async def channel_id(client: AsyncWebClient, name: str) -> str:
    """The id of the channel of that name (without `#`); "" when it is not found.

    Public and private channels are listed apart, since each takes a scope of its own (`channels:read`, `groups:read`).
    """
    for kind in ("public_channel", "private_channel"):
        ask = {"exclude_archived": "true", "limit": "1000", "types": kind}
        try:
            async for channel in _listed(client, "conversations.list", ask, "channels"):
                if channel.get("name") == name:
                    return str(channel["id"])
        except SlackApiError as exc:
            if (exc.response or {}).get("error") != "missing_scope":
                raise
    return ""


async def _listed(
    client: AsyncWebClient, method: str, ask: Mapping[str, str], under: str
) -> AsyncIterator[dict[str, Any]]:
    """What a method lists under a key, page after page, up to a number of pages."""
    page = dict(ask)
    for _ in range(_MOST_PAGES):
        answer = await client.api_call(method, data=dict(page))  # as a form: reading methods do not take JSON
        for item in answer.get(under) or []:
            yield item
        cursor = (answer.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return
        page["cursor"] = cursor


def _carries(post: Mapping[str, Any], message_id: str) -> bool:
    metadata = post.get("metadata") or {}
    return (
        metadata.get("event_type") in {EVENT_TYPE, CARD_TYPE}
        and (metadata.get("event_payload") or {}).get("message_id") == message_id
    )

"""Slack: a bot token and `chat.postMessage`, one thread for each job; or an incoming webhook, without threads."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar, Final, Literal
from urllib.parse import urlsplit

import aiohttp
import httpx2
from pydantic import Field, SecretStr, field_validator, model_validator
from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from watcher import settings as _settings
from watcher.core.delivery import GIVE_UP_AFTER, Receipt
from watcher.core.message import Message
from watcher.core.rule import Severity
from watcher.errors import NotifierError
from watcher.notifiers.addresses import LOOPBACK, Timeout, check_web_address, reveal_now
from watcher.notifiers.outgoing import AddressRefused, Outgoing, Unconnected, classify_broken
from watcher.notifiers.slack_blocks import plain_wire, render_slack
from watcher.notifiers.slack_replies import TOO_ELABORATE, classify, classify_answer, webhook_code
from watcher.notifiers.slack_search import channel_id, find_copy
from watcher.ports import Capabilities, Wire
from watcher.settings import SecretFile, exactly_one

_CHANNEL_ID: Final = re.compile(r"[CDG][A-Z0-9]{6,}")

_LOOK_BACK: Final = GIVE_UP_AFTER + timedelta(hours=1)
"""How old a copy can be: deliveries are not tried for longer. An hour more, for clocks that differ."""

_LOOKS: Final = 6
"""Attempts that are put off when the look-up fails in passing; after them at least once counts for more than at most once."""

# Everything that slack-sdk lets through: its own errors, those of aiohttp, and for a 200 that is not JSON an AttributeError or
# ValueError from its insides.
_FOREIGN: Final = (SlackClientError, aiohttp.ClientError, OSError, TimeoutError, AttributeError, ValueError)

# slack-sdk writes whole requests to its debug log. Messages and addresses do not belong there, whatever the root logger says.
_QUIET: Final = logging.getLogger("watcher.notifiers.slack.sdk")
_QUIET.setLevel(logging.WARNING)


class SlackSettings(_settings.Settings):
    """A Slack receiver: either a bot token with `to`, or the address of an incoming webhook.

    The app needs the scope `chat:write`. With `channels:history` (`groups:history` for private channels) and `channels:read`
    too, a message whose outcome is not known is looked up before it is sent again, so that nobody reads it twice.
    """

    token: SecretStr | None = None
    """Bot token (xoxb-...). Prefer `token_file`, or `${VARIABLE}`."""
    token_file: SecretFile | None = None
    """File with the bot token. Read anew for each message, so that a changed token is used at once."""
    webhook_url: SecretStr | None = None
    """Address of an incoming webhook, instead of a token. It is a secret. No threads, and no look-up before a repeat."""
    webhook_url_file: SecretFile | None = None
    to: str | None = Field(default=None, min_length=1, max_length=120)
    """Channel: #name or id (the id survives a renaming), or a user's id. A webhook has its channel built in."""
    broadcast: Literal["critical", "warning", "never"] = "critical"
    """How loud a reply in a thread must be to show in the channel too: threads are easily overlooked, failures must not be."""
    timeout: Timeout = timedelta(seconds=30)
    """For one whole request."""
    proxy: SecretStr | None = None
    """Address of an HTTP proxy for requests to Slack. Proxies of the environment are not used."""
    base_url: str = "https://slack.com/api/"
    """Slack's API, or one that speaks the same (GovSlack, a test server). Plain http is allowed to this machine only."""

    @model_validator(mode="after")
    def _one_way_in(self) -> SlackSettings:
        exactly_one(self, "token_file", "token", "webhook_url_file", "webhook_url")
        if self.by_webhook and self.to is not None:
            raise ValueError("`to` goes with a token; an incoming webhook has its channel built in")
        if not self.by_webhook and self.to is None:
            raise ValueError('`to` is missing: name the channel, for example to: "#ml-jobs"')
        return self

    @field_validator("webhook_url")
    @classmethod
    def _webhook_is_web(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            check_web_address(url.get_secret_value(), allow_http=_on_this_machine(url.get_secret_value()))
        return url

    @field_validator("webhook_url_file")
    @classmethod
    def _file_is_web(cls, file: Path | None) -> Path | None:
        if file is not None:
            url = file.read_text(encoding="utf-8").strip()
            check_web_address(url, allow_http=_on_this_machine(url))
        return file

    @field_validator("base_url")
    @classmethod
    def _base_is_web(cls, url: str) -> str:
        check_web_address(url, allow_http=_on_this_machine(url))
        return url if url.endswith("/") else url + "/"

    @property
    def by_webhook(self) -> bool:
        """Whether it posts through an incoming webhook."""
        return self.webhook_url is not None or self.webhook_url_file is not None


def _on_this_machine(url: str) -> bool:
    try:
        return urlsplit(url).hostname in LOOPBACK
    except ValueError:
        return False


class SlackNotifier:
    """Sends to one Slack channel. The first message of a thread is its root, the rest reply to it."""

    kind: ClassVar[str] = "slack"
    Settings: ClassVar[type[_settings.Settings]] = SlackSettings
    capabilities: ClassVar[Capabilities] = Capabilities(
        shows="Block Kit with a text fallback; bot token or incoming webhook",
        threads="one for each job (bot token)",
        receipt="channel and time stamp (bot token)",
        repeats="looked up and suppressed where the bot may read history",
    )
    pace: timedelta = timedelta(seconds=1)
    """Slack takes about one message per second and channel (https://docs.slack.dev/apis/web-api/rate-limits)."""

    def __init__(
        self, name: str, settings: SlackSettings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.name, self._settings, self._now = name, settings, now
        self._session: aiohttp.ClientSession | None = None
        self._outgoing = Outgoing(timeout=settings.timeout, allow_private=True)
        self._channel_id = settings.to if settings.to and _CHANNEL_ID.fullmatch(settings.to) else ""

    def __repr__(self) -> str:
        return f"SlackNotifier({self.name!r}, to={self._settings.to or 'webhook'!r})"

    def render(self, message: Message) -> Wire:
        """The arguments of `chat.postMessage`; for a webhook, those that it takes."""
        loud = self._settings.broadcast
        wire = render_slack(
            message, channel=self._settings.to or "", broadcast_from=None if loud == "never" else Severity(loud)
        )
        if self._settings.by_webhook:
            return {key: wire[key] for key in ("text", "blocks", "unfurl_links", "unfurl_media")}
        return wire

    async def send(self, wire: Wire, message: Message) -> Receipt:
        """Post it. On a repeat it is looked for first; blocks that Slack does not take are left out and the text is sent.

        Raises:
            NotifierError: see `watcher.notifiers.slack_replies` for which answer means what.
        """
        post = self._post_to_webhook if self._settings.by_webhook else self._post_message
        if message.attempt > 1 and not self._settings.by_webhook:
            found = await self._look_up(message)
            if found is not None:
                return found
        try:
            return await post(wire, message)
        except NotifierError as refusal:
            if refusal.code not in TOO_ELABORATE:
                raise
        # A refusal of this kind means that nothing was posted, so this is no repeat.
        receipt = await post(plain_wire(wire), message)
        return Receipt(
            reference=receipt.reference,
            thread_reference=receipt.thread_reference,
            place=receipt.place,
            note="sent as plain text: Slack did not take the blocks",
        )

    async def aclose(self) -> None:
        """Let go of connections. May be called twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        await self._outgoing.aclose()

    async def _post_message(self, wire: Wire, message: Message) -> Receipt:
        client = self._client()
        try:
            answer = await client.api_call("chat.postMessage", json=dict(wire))
            ts, channel = str(answer["ts"]), str(answer["channel"])
        except _FOREIGN as exc:
            raise classify(exc, place=f"Slack channel {self._settings.to}") from exc
        self._channel_id = channel
        return Receipt(reference=ts, thread_reference=message.thread_reference or ts, place=channel)

    async def _post_to_webhook(self, wire: Wire, message: Message) -> Receipt:  # noqa: ARG002 (the same shape as its sibling)
        url = reveal_now(self._settings.webhook_url, self._settings.webhook_url_file, "webhook_url_file")
        place = "the Slack webhook"
        body = json.dumps(dict(wire), ensure_ascii=False).encode()
        try:
            answer = await self._outgoing.post(url, body, {"Content-Type": "application/json; charset=utf-8"})
        except (AddressRefused, Unconnected, TimeoutError, httpx2.HTTPError) as exc:
            raise classify_broken(exc, place) from exc
        if answer.status == HTTPStatus.OK:
            return Receipt(place="incoming webhook")
        raise classify_answer(webhook_code(answer.body), answer.status, answer.headers, place=place)

    def _client(self) -> AsyncWebClient:
        token = reveal_now(self._settings.token, self._settings.token_file, "token_file")
        if self._session is None:
            # A fresh connection for each request. At one message per second the handshake costs nothing, and a kept connection
            # that the far side has just closed would make an outcome doubtful where there is no need.
            length = self._settings.timeout.total_seconds()
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=length, sock_connect=min(length, 10.0)),
                connector=aiohttp.TCPConnector(force_close=True),
            )
        client = AsyncWebClient(
            token=token, base_url=self._settings.base_url, session=self._session, retry_handlers=[], logger=_QUIET
        )
        # The client takes a proxy from the environment when it is given none.
        client.proxy = None if self._settings.proxy is None else self._settings.proxy.get_secret_value()
        return client

    async def _look_up(self, message: Message) -> Receipt | None:
        """The receipt of a copy that an earlier attempt has left there; None when there is none, or when we may not look.

        Raises:
            NotifierError: the look-up failed in passing, so nobody knows yet; ambiguous, as it was before.
        """
        try:
            client = self._client()
            channel = self._channel_id or await channel_id(client, (self._settings.to or "").lstrip("#"))
            if not channel:
                return None
            self._channel_id = channel
            ts = await find_copy(client, channel, message, self._now() - _LOOK_BACK)
        except _FOREIGN as exc:
            refusal = classify(exc, place=f"Slack channel {self._settings.to}, looked through for an earlier copy,")
            if refusal.permanent or message.attempt > _LOOKS:
                return None  # at least once: where nobody may look, the message must not be kept back
            refusal.ambiguous = True
            raise refusal from exc
        if ts is None:
            return None
        return Receipt(
            reference=ts,
            thread_reference=message.thread_reference or ts,
            place=channel,
            note="found there from an earlier attempt, not sent again",
        )

"""Slack: a bot token, one thread for each job under its living card; or an incoming webhook, without threads.

Long, because it is one notifier with all four of its parts: messages, cards, buttons and the look-up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, ClassVar, Final, Literal

import anyio
import httpx2
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from watcher import settings as _settings
from watcher.core.answering import Answer, Press
from watcher.core.delivery import GIVE_UP_AFTER, Receipt
from watcher.core.language import spoken
from watcher.core.living import CardView
from watcher.core.message import Message
from watcher.core.rule import Severity
from watcher.errors import NotifierError, PressRefused
from watcher.notifiers.addresses import reveal_now
from watcher.notifiers.outgoing import AddressRefused, Outgoing, Unconnected, classify_broken
from watcher.notifiers.slack_blocks import MOST_BLOCKS, escape, naming, plain_wire, render_slack
from watcher.notifiers.slack_buttons import (
    card_buttons,
    fits_a_reply,
    news_buttons,
    payload_of,
    press_of,
    settled_wire,
    told_wire,
    verify,
)
from watcher.notifiers.slack_card import render_card, with_previous
from watcher.notifiers.slack_check import fault
from watcher.notifiers.slack_people import NOT_ALLOWED, SlackPeople, by_id, told
from watcher.notifiers.slack_replies import (
    TOO_ELABORATE,
    classify,
    classify_answer,
    classify_update,
    error_code,
    webhook_code,
)
from watcher.notifiers.slack_search import channel_id, find_copy
from watcher.notifiers.slack_settings import SlackSettings
from watcher.notifiers.slack_socket import hear
from watcher.notifiers.slack_web import FOREIGN, SlackWeb
from watcher.notifiers.slack_whole import FILE_NAME, whole_said, whole_text, whole_wire
from watcher.notifiers.text import link as shown_link
from watcher.ports.notifier import Capabilities, Wire

_CHANNEL_ID: Final = re.compile(r"[CDG][A-Z0-9]{6,}")

_CLOCKS: Final = timedelta(hours=1)
"""So far clocks may differ."""

_LOOK_BACK: Final = GIVE_UP_AFTER + _CLOCKS
"""How old a copy can be: deliveries are not tried for longer."""

_IN_FULL_WITHIN: Final = timedelta(seconds=15)
"""For all requests that add a long context: what comes next waits for it."""

_MARGIN: Final = timedelta(seconds=2)
"""So long before the caller's own limit a long context is given up: the receipt must not be lost for it."""

_LOOKS: Final = 6
"""Attempts that are put off when the look-up fails in passing; after them at least once counts for more than at most once."""


class SlackNotifier:
    """Sends to one Slack channel. A job's card, or else the first message, is the root of its thread; the rest reply to it."""

    kind: ClassVar[str] = "slack"
    Settings: ClassVar[type[_settings.Settings]] = SlackSettings
    capabilities: ClassVar[Capabilities] = Capabilities(
        shows="Block Kit with a text fallback; bot token or incoming webhook",
        threads="one for each job (bot token)",
        updates="the job's card, the root of its thread (bot token)",
        receipt="channel and time stamp (bot token)",
        buttons="acknowledge, silence, show a log (`interactive`)",
        reaches="slack",
        repeats="looked up and suppressed where the bot may read history",
    )
    pace: timedelta = timedelta(seconds=1)
    """Slack takes about one message per second and channel (https://docs.slack.dev/apis/web-api/rate-limits)."""
    card_pace: timedelta = timedelta(seconds=1.5)
    """`chat.update` is of tier 3: 50 a minute, for the app in all."""

    def __init__(
        self, name: str, settings: SlackSettings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.name, self._settings, self._now = name, settings, now
        self._web = SlackWeb(
            settings.token,
            settings.token_file,
            base_url=settings.base_url,
            timeout=settings.timeout,
            proxy=settings.proxy,
        )
        self._people = SlackPeople(now)
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
        return wire if self._settings.interactive is None else with_buttons(wire, news_buttons(message))

    async def send(self, wire: Wire, message: Message) -> Receipt:
        """Post it. On a repeat it is looked for first; blocks that Slack does not take are left out and the text is sent.

        Raises:
            NotifierError: see `watcher.notifiers.slack_replies` for which answer means what.
        """
        wire, place, note = await self._addressed(wire, message)
        if self._settings.by_webhook:
            return _noting(await _simplified(self._post_to_webhook, wire), note)
        root = message.thread_reference
        if message.attempt > 1:
            oldest = self._now() - _LOOK_BACK
            found = await self._look_up(message.id, message.attempt, oldest, place=place, thread=root)
            if found is not None:
                return replace(found, thread_reference=root or found.reference)
        receipt = _noting(await _simplified(self._post_message, wire), note)
        receipt = replace(receipt, thread_reference=root or receipt.reference)
        return _noting(receipt, await self._told_in_full(message, receipt))

    async def _told_in_full(self, message: Message, receipt: Receipt) -> str:
        """Put what the message cuts into its thread, once, after it was taken; returns what a person should know of it.

        Nothing that goes wrong here is a failure of the message: that stands there, and is never sent again for this. So a message
        that is found from an earlier attempt gets none either: whether it has it, nobody knows.
        """
        text = whole_text(message)
        if not text:
            return ""
        place, thread = receipt.place, receipt.thread_reference
        try:
            left = anyio.current_effective_deadline() - anyio.current_time() - _MARGIN.total_seconds()
            with anyio.fail_after(min(left, _IN_FULL_WITHIN.total_seconds())):
                if await self._uploaded(place, thread, FILE_NAME, text, whole_said(message.locale)):
                    return ""
                await anyio.sleep(self.pace.total_seconds())
                wire = whole_wire(message, text, place=place, thread=thread)
                await self._web.client().api_call("chat.postMessage", json=dict(wire))
        except (
            *FOREIGN,
            NotifierError,
            LookupError,
            TypeError,
        ) as exc:  # the last two: slack-sdk, of an answer it did not expect
            why = exc if isinstance(exc, NotifierError) else classify(exc, place=f"Slack channel {place}")
            return f"its context in full was not added: {why}"
        return ""

    @property
    def card_target(self) -> str:
        """The channel, where there are to be cards."""
        return self._settings.to or "" if self._settings.cards and not self._settings.by_webhook else ""

    def render_card(self, view: CardView) -> Wire:
        """The arguments of `chat.postMessage`, or of `chat.update` for a card that stands."""
        wire = render_card(view, channel=self._settings.to or "")
        return wire if self._settings.interactive is None else with_buttons(wire, card_buttons(view.card, view.locale))

    async def show_card(self, wire: Wire, view: CardView) -> Receipt:
        """Post the card, or change it where it stands; as `send` in every other respect.

        Raises:
            CardLost: it cannot be changed there any more.
            NotifierError: as `send`.
        """
        if view.reference:
            return await _simplified(self._update, wire)
        if view.attempt > 1:
            found = await self._look_up(view.id, view.attempt, view.since - _CLOCKS, place=view.place)
            if found is not None:
                return found
        if view.previous and (link := await self._permalink(view)):
            wire = with_previous(wire, link, view.locale)
        return await _simplified(self._post_message, wire)

    @property
    def buttons(self) -> Literal["", "http", "own"]:
        """Posted to us by Slack, or heard over Socket Mode."""
        if self._settings.interactive is None:
            return ""
        return "http" if self._settings.interactive.by_http else "own"

    def read_press(self, headers: Mapping[str, str], body: bytes) -> Press | None:
        """The press that Slack posted.

        Raises:
            PressRefused: not Slack, too late, or in no form of Slack's.
        """
        ways = self._settings.interactive
        if ways is None or not ways.by_http:
            raise PressRefused("this receiver takes no presses by HTTP")
        secret = reveal_now(ways.signing_secret, ways.signing_secret_file, "signing_secret_file")
        verify(headers, body, secret=secret, now=self._now())
        return press_of(payload_of(body), receiver=self.name)

    async def listen(self, take: Callable[[Press], bool]) -> None:
        """Over Socket Mode, until cancelled.

        Raises:
            NotifierError: the connection could not be opened.
        """
        ways = self._settings.interactive
        assert ways is not None  # noqa: S101 - only asked where `buttons` is "own"

        def heard(payload: Mapping[str, Any]) -> bool:
            try:
                press = press_of(payload, receiver=self.name)
            except PressRefused:
                return True  # taken note of: telling it again would help nobody
            return press is None or take(press)

        try:
            token = reveal_now(ways.app_token, ways.app_token_file, "app_token_file")
            await hear(token, self._web.client(), heard)
        except FOREIGN as exc:
            raise classify(exc, place="Slack, asked for a connection for buttons,") from exc

    async def answer(self, press: Press, answer: Answer) -> None:
        """In place of the button, in the thread, to one person alone, or as a file in the thread.

        Raises:
            NotifierError: as `send`.
        """
        said = escape(spoken(answer.said, press.locale), 1000)
        try:
            client = self._web.client()
            if answer.settles:
                await client.api_call("chat.update", json=dict(settled_wire(press, said)))
            elif answer.private:
                whom = {"channel": press.place, "user": press.user, "thread_ts": press.thread, "text": said}
                await client.api_call("chat.postEphemeral", json=whom)
            elif fits_a_reply(answer.text) or not await self._uploaded(
                press.place, press.thread, answer.name, answer.text, said
            ):
                await client.api_call("chat.postMessage", json=dict(told_wire(press, said, answer.text)))
        except FOREIGN as exc:
            raise classify(exc, place=f"Slack channel {press.place}") from exc

    async def _uploaded(self, place: str, thread: str, name: str, text: str, said: str) -> bool:
        """Put a long text into the thread as a file. False where the app may not."""
        try:
            await self._web.client().files_upload_v2(
                channel=place, thread_ts=thread, content=text, filename=name, title=name, initial_comment=said
            )
        except SlackApiError as exc:
            if error_code(exc) not in NOT_ALLOWED:
                raise
            return False
        return True

    async def aclose(self) -> None:
        """Let go of connections. May be called twice."""
        await self._web.aclose()
        await self._outgoing.aclose()

    async def _post_message(self, wire: Wire) -> Receipt:
        try:
            answer = await self._post(wire)
            ts, channel = str(answer["ts"]), str(answer["channel"])
        except FOREIGN as exc:
            raise classify(exc, place=f"Slack channel {self._settings.to}") from exc
        if wire["channel"] == self._settings.to:
            self._channel_id = channel
        return Receipt(reference=ts, thread_reference=ts, place=channel)

    async def _post(self, wire: Wire) -> AsyncSlackResponse:
        client = self._web.client()
        try:
            return await client.api_call("chat.postMessage", json=dict(wire))
        except SlackApiError as exc:
            ours = wire["channel"] == self._settings.to and self._channel_id not in {"", self._settings.to}
            if error_code(exc) != "channel_not_found" or not ours:
                raise
        # Renamed since: its id stays. Nothing was posted yet.
        return await client.api_call("chat.postMessage", json={**wire, "channel": self._channel_id})

    async def _update(self, wire: Wire) -> Receipt:
        try:
            await self._web.client().api_call("chat.update", json=dict(wire))
        except FOREIGN as exc:
            raise classify_update(exc, place=f"Slack channel {self._settings.to}") from exc
        return Receipt(reference=str(wire["ts"]), thread_reference=str(wire["ts"]), place=str(wire["channel"]))

    async def _addressed(self, wire: Wire, message: Message) -> tuple[Wire, str, str]:
        """The message for those it is meant for; where that is, if not where the receiver sends; what a person should know of it.

        Whom nobody finds on Slack is told where the receiver sends, by name: news is not dropped for a wrong address.

        Raises:
            NotifierError: the look-up failed in passing.
        """
        self._channel_id = self._channel_id or message.thread_place
        people = message.mentions if message.to is None else (message.to,)
        if not people:
            return wire, message.thread_place, ""
        if self._settings.by_webhook:
            found = by_id(people)
            return naming(wire, found.ids, [name for name, _ in found.missing], message.locale), "", told(found)
        try:
            client = self._web.client()
            found = await self._people.find(client, people)
            if message.to is not None and found.ids:
                place = await self._people.conversation(client, found.ids[0])
                return {**wire, "channel": place}, place, ""
        except FOREIGN as exc:
            raise classify(exc, place="Slack, asked for the person it is for,") from exc
        named = naming(wire, found.ids, [name for name, _ in found.missing], message.locale)
        return named, message.thread_place, told(found)

    async def _permalink(self, view: CardView) -> str:
        """Where people find the card before this one; "" when it is nowhere any more."""
        ask = {"channel": view.previous_place, "message_ts": view.previous}
        try:
            answer = await self._web.client().api_call("chat.getPermalink", data=ask)
            return shown_link(str(answer["permalink"]))
        except (*FOREIGN, NotifierError):
            return ""  # a link is a comfort; the card goes without it

    async def _post_to_webhook(self, wire: Wire) -> Receipt:
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

    async def _look_up(
        self, message_id: str, attempt: int, oldest: datetime, *, place: str = "", thread: str = ""
    ) -> Receipt | None:
        """The receipt of a copy that an earlier attempt has left there; None when there is none, or when we may not look.

        Raises:
            NotifierError: the look-up failed in passing, so nobody knows yet; ambiguous, as it was before.
        """
        try:
            client = self._web.client()
            channel = place or self._channel_id or await channel_id(client, (self._settings.to or "").lstrip("#"))
            if not channel:
                return None
            self._channel_id = self._channel_id or ("" if place else channel)
            ts = await find_copy(client, channel, message_id, oldest, thread=thread)
        except FOREIGN as exc:
            refusal = classify(exc, place=f"Slack channel {self._settings.to}, looked through for an earlier copy,")
            if refusal.permanent or attempt > _LOOKS:
                return None  # at least once: where nobody may look, the message must not be kept back
            refusal.ambiguous = True
            raise refusal from exc
        if ts is None:
            return None
        note = "found there from an earlier attempt, not sent again"
        return Receipt(reference=ts, thread_reference=ts, place=channel, note=note, earlier=True)


def with_buttons(wire: Wire, rows: Sequence[Mapping[str, Any]]) -> Wire:
    """The same with rows of buttons at its end."""
    return {**wire, "blocks": [*wire["blocks"][: MOST_BLOCKS - len(rows)], *rows]}


def _noting(receipt: Receipt, note: str) -> Receipt:
    return replace(receipt, note="; ".join(filter(None, (receipt.note, note))))


async def _simplified(post: Callable[[Wire], Awaitable[Receipt]], wire: Wire) -> Receipt:
    """Post it; where Slack would refuse the blocks, or does, once without them. Such a refusal means that nothing was posted."""
    why = fault(wire.get("blocks", ()))
    if not why:
        try:
            return await post(wire)
        except NotifierError as refusal:
            if refusal.code not in TOO_ELABORATE:
                raise
            why = f"Slack did not take the blocks: {refusal.code}"
    return replace(await post(plain_wire(wire)), note=f"sent as plain text: {why}")

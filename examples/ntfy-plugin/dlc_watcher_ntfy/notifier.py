"""Messages on phones, through ntfy: https://docs.ntfy.sh/publish/#publish-as-json."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final

import httpx2
from pydantic import Field, SecretStr, model_validator

from watcher import api

PRIORITIES: Final = {api.Severity.INFO: 2, api.Severity.WARNING: 3, api.Severity.CRITICAL: 5}
"""ntfy's, from 1 (min) to 5 (max): 2 makes no sound, 5 rings for long."""
TAGS: Final = {
    api.Severity.INFO: "information_source",
    api.Severity.WARNING: "warning",
    api.Severity.CRITICAL: "red_circle",
}
"""Shown as emoji before the title."""

_MOST_BYTES: Final = 3800
"""ntfy makes an attachment of what is longer than 4,096 bytes."""
_MOST_ITEMS: Final = 12
_MOST_FACTS: Final = 6


class NtfySettings(api.Settings):
    """An ntfy receiver."""

    topic: Annotated[str, Field(pattern=r"^[-_A-Za-z0-9]{1,64}$")]
    """Where to publish. Whoever knows the name can read a topic that is not protected."""
    server: str = "https://ntfy.sh"
    """Base address of the server."""
    token: SecretStr | None = None
    """Access token, for protected topics. Prefer `token_file`."""
    token_file: api.SecretFile | None = None
    """Read anew for each message."""
    timeout: Annotated[api.Duration, Field(gt=timedelta(0), le=timedelta(seconds=50))] = timedelta(seconds=20)
    """For the whole exchange."""

    @model_validator(mode="after")
    def _usable(self) -> NtfySettings:
        if not api.link(self.server):
            raise ValueError("server must be a web address, for example https://ntfy.example.com")
        if self.token is not None or self.token_file is not None:
            api.exactly_one(self, "token_file", "token")
        return self


class NtfyNotifier:
    """Publishes to one topic."""

    kind: ClassVar[str] = "ntfy"
    Settings: ClassVar[type[api.Settings]] = NtfySettings
    capabilities: ClassVar[api.Capabilities] = api.Capabilities(
        shows="messages on phones and desktops, through ntfy.sh or a server of your own",
        receipt="ntfy's id of the message",
    )
    pace: timedelta = timedelta(seconds=1)
    """ntfy.sh lets 60 at once, and then one each 5 s; it says 429 when that is too much."""

    def __init__(self, name: str, settings: NtfySettings) -> None:
        self.name, self._settings = name, settings
        self._client: httpx2.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"NtfyNotifier({self.name!r})"

    def render(self, message: api.Message) -> api.Wire:
        """What is published. Pure."""
        return render(message, self._settings.topic)

    async def send(self, wire: api.Wire, message: api.Message) -> api.Receipt:  # noqa: ARG002 (the port's shape)
        """Publish it.

        Raises:
            NotifierError: see `classify`.
        """
        try:
            headers = self._headers()
        except (OSError, UnicodeDecodeError) as exc:
            fix = "Put the token file back; it is read anew for each message"
            raise api.NotifierError("the token cannot be read", fix=fix, pauses_receiver=True) from exc
        if self._client is None:
            # No proxy and no credentials from the environment, no redirects: it goes where the configuration says, or not at all.
            self._client = httpx2.AsyncClient(trust_env=False, follow_redirects=False)
        try:
            answer = await self._client.post(
                self._settings.server, json=dict(wire), headers=headers, timeout=self._settings.timeout.total_seconds()
            )
        except httpx2.ConnectError as exc:
            raise api.NotifierError("ntfy cannot be reached", fix="Check `server` and the network") from exc
        except httpx2.HTTPError as exc:
            raise api.NotifierError("the connection to ntfy broke before it answered", ambiguous=True) from exc
        if not answer.is_success:
            raise classify(answer.status_code, answer.headers)
        return api.Receipt(reference=_id_of(answer), place=self._settings.topic)

    async def aclose(self) -> None:
        """Let go of connections. May be called twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _headers(self) -> dict[str, str]:
        own = self._settings
        if own.token is None and own.token_file is None:
            return {}
        return {"Authorization": f"Bearer {api.reveal(own.token, own.token_file)}"}


def render(message: api.Message, topic: str) -> dict[str, Any]:
    """The message for ntfy. Pure; what comes from jobs is cleaned and bounded."""
    lines = [line for item in message.items[:_MOST_ITEMS] for line in _lines(item, named=message.job is None)]
    if len(message.items) > _MOST_ITEMS:
        lines.append(f"... and {len(message.items) - _MOST_ITEMS} more")
    shown: dict[str, Any] = {
        "topic": topic,
        "title": api.one_line(message.title, 200),
        "message": "\n".join(lines).encode()[:_MOST_BYTES].decode("utf-8", "ignore"),
        "priority": PRIORITIES[message.severity],
        "tags": [TAGS[message.severity]],
    }
    if message.job is not None and api.link(message.job.url):
        shown["click"] = message.job.url
    return shown


def _lines(item: api.Item, *, named: bool) -> list[str]:
    about = f"{api.one_line(item.job.title, 60)}: " if named and item.job else ""
    facts = [f"{api.one_line(label, 30)}: {api.one_line(value, 100)}" for label, value in item.facts[:_MOST_FACTS]]
    return [about + api.one_line(item.headline, 300), *facts, *([api.block(item.detail, 400)] if item.detail else [])]


def _id_of(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["id"])
    except (ValueError, KeyError, TypeError):
        return "accepted"


def classify(status: int, headers: Mapping[str, str]) -> api.NotifierError:
    """What an answer other than 2xx means. Pure."""
    told = f"ntfy answered {status}"
    if status in {401, 403}:
        fix = "Check the token and its right to the topic"
        return api.NotifierError(told, permanent=True, code=str(status), fix=fix, pauses_receiver=True)
    if status == 429 or status >= 500:  # noqa: PLR2004 (HTTP's own numbers)
        wish = headers.get("retry-after", "")
        wait = timedelta(seconds=int(wish)) if wish.isdecimal() else None
        slow = status == 429  # noqa: PLR2004 (as above)
        return api.NotifierError(told, ambiguous=not slow, retry_after=wait, code=str(status), pauses_receiver=slow)
    return api.NotifierError(told, permanent=True, code=str(status), fix="ntfy does not take the message: see its log")

"""A webhook: one POST of a CloudEvent in JSON, signed as Standard Webhooks are.

Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlsplit

import httpx2
from pydantic import SecretStr, model_validator
from standardwebhooks import Webhook

from watcher import settings as _settings
from watcher.core.delivery import Receipt
from watcher.core.message import Message
from watcher.errors import NotifierError
from watcher.notifiers.addresses import Timeout, check_web_address, reveal_now
from watcher.notifiers.cloud_events import CONTENT_TYPE, render_event
from watcher.notifiers.outgoing import AddressRefused, Outgoing, Unconnected, classify_broken
from watcher.notifiers.statuses import classify
from watcher.notifiers.text import one_line
from watcher.ports.notifier import Capabilities, Wire
from watcher.settings import SecretFile, exactly_one, left_alone

FIXES: Final[Mapping[int, str]] = {
    400: "The receiver does not understand the message: it must take CloudEvents in JSON",
    415: f"The receiver must take the content type {CONTENT_TYPE.partition(';')[0]}",
}
"""What a person can do about statuses that mean something of their own for webhooks."""

_MOST_SECRETS: Final = 2
_SHORTEST_SECRET: Final = 16


class WebhookSettings(_settings.Settings):
    """A webhook receiver."""

    url: SecretStr | None = None
    """Where to POST. Kept like a secret, for many such addresses are one."""
    url_file: SecretFile | None = None
    secret: SecretStr | None = None
    """Signing secret, `whsec_` and base64. While it is being changed: the new and the old one, separated by a space."""
    secret_file: SecretFile | None = None
    allow_http: bool = False
    """Whether plain http is allowed: the network can then read the messages."""
    allow_private: bool = True
    """Whether private and loopback addresses are allowed; many receivers are internal. Metadata addresses never are."""
    timeout: Timeout = timedelta(seconds=20)
    """For the whole exchange."""

    @model_validator(mode="after")
    def _usable(self) -> WebhookSettings:
        exactly_one(self, "url_file", "url")
        check_web_address(_read(self.url, self.url_file), allow_http=self.allow_http)
        if self.secret is not None or self.secret_file is not None:
            exactly_one(self, "secret_file", "secret")
            secrets = _read(self.secret, self.secret_file)
            if not left_alone(secrets):
                signers(secrets)
        return self

    @property
    def signed(self) -> bool:
        """Whether there is a signing secret."""
        return self.secret is not None or self.secret_file is not None


def _read(value: SecretStr | None, file: Path | None) -> str:
    return (
        value.get_secret_value().strip()
        if value is not None
        else file.read_text("utf-8").strip()
        if file is not None
        else ""
    )


def signers(secrets: str) -> tuple[Webhook, ...]:
    """One signer for each secret, of which there may be two while they are being changed.

    Raises:
        ValueError: a secret has not the form `whsec_` and base64, or is too short to be one. The text does not repeat it.
    """
    words = secrets.split()
    if not 1 <= len(words) <= _MOST_SECRETS:
        raise ValueError("give one signing secret, or two separated by a space")
    for word in words:
        try:
            key = base64.b64decode(word.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not word.startswith("whsec_") or len(key) < _SHORTEST_SECRET:
            raise ValueError(f"a signing secret is whsec_ and the base64 of at least {_SHORTEST_SECRET} random bytes")
    return tuple(Webhook(word) for word in words)


class WebhookNotifier:
    """Posts to one address. The receiver tells a repeat by `webhook-id`, which is the event's `id` too."""

    kind: ClassVar[str] = "webhook"
    Settings: ClassVar[type[_settings.Settings]] = WebhookSettings
    capabilities: ClassVar[Capabilities] = Capabilities(
        shows="CloudEvents 1.0 JSON with a Standard Webhooks signature",
        receipt="our own `webhook-id`, once 2xx came back",
        repeats="same `webhook-id`; yours to collapse",
    )
    pace: timedelta = timedelta(0)
    """The receiver says 429 when it wants it slower."""

    def __init__(
        self, name: str, settings: WebhookSettings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.name, self._settings, self._now = name, settings, now
        self._outgoing = Outgoing(timeout=settings.timeout, allow_private=settings.allow_private)

    def __repr__(self) -> str:
        return f"WebhookNotifier({self.name!r})"

    def render(self, message: Message) -> Wire:
        """The CloudEvent."""
        return render_event(message)

    async def send(self, wire: Wire, message: Message) -> Receipt:
        """POST it.

        Raises:
            NotifierError: see `classify`.
        """
        url = reveal_now(self._settings.url, self._settings.url_file, "url_file")
        host = urlsplit(url).hostname or ""
        place = f"the webhook at {one_line(host, 100)}"
        body = json.dumps(dict(wire), ensure_ascii=False, separators=(",", ":"))
        headers = {"Content-Type": CONTENT_TYPE, "User-Agent": "dlc-watcher", **self._signature(message, body)}
        try:
            answer = await self._outgoing.post(url, body.encode(), headers)
        except (AddressRefused, Unconnected, TimeoutError, httpx2.HTTPError) as exc:
            raise classify_broken(exc, place) from exc
        if HTTPStatus(200) <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return Receipt(reference=message.id, place=host)
        raise classify(answer.status, answer.headers, self._now(), place=place, fixes=FIXES)

    async def aclose(self) -> None:
        """Let go of connections. May be called twice."""
        await self._outgoing.aclose()

    def _signature(self, message: Message, body: str) -> dict[str, str]:
        # The library takes the time's clock face as UTC, whatever its zone; so it must be UTC.
        now = self._now().astimezone(UTC)
        headers = {
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "idempotency-key": message.id,
        }
        if self._settings.signed:
            secrets = reveal_now(self._settings.secret, self._settings.secret_file, "secret_file")
            try:
                signing = signers(secrets)
            except ValueError as exc:
                raise NotifierError(
                    "the webhook cannot be signed",
                    code="secret",
                    fix=f"Mend `secret_file`: {exc}",
                    pauses_receiver=True,
                ) from exc
            headers["webhook-signature"] = " ".join(signer.sign(message.id, now, body) for signer in signing)
        return headers

"""A webhook: one POST of a CloudEvent in JSON, signed as Standard Webhooks are.

CloudEvents 1.0, structured mode: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import httpx2
from pydantic import SecretStr, model_validator
from standardwebhooks import Webhook

from watcher import settings as _settings
from watcher.core.delivery import Receipt
from watcher.core.message import Item, JobCard, Message
from watcher.core.rule import Facts
from watcher.errors import NotifierError
from watcher.notifiers.addresses import Timeout, check_web_address, reveal_now
from watcher.notifiers.outgoing import AddressRefused, Outgoing, Unconnected, classify_broken
from watcher.notifiers.replies import seconds
from watcher.notifiers.text import block, one_line
from watcher.ports import Wire
from watcher.settings import SecretFile, exactly_one

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
EVENT_TYPE: Final = "dlc-watcher.message.v1"

_DETAIL_ALONE: Final = 16_000
_DETAIL_AMONG: Final = 1000
_VALUE: Final = 500
_MOST_FACTS_ALONE: Final = 200
_MOST_FACTS_AMONG: Final = 16
_MOST_SECRETS: Final = 2
_SHORTEST_SECRET: Final = 16


class WebhookSettings(_settings.ReceiverSettings):
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
            signers(_read(self.secret, self.secret_file))
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
        raise classify(answer.status, answer.headers, self._now(), place=place)

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


def render_event(message: Message) -> Mapping[str, Any]:
    """The message as a CloudEvent whose `data` is the message as plain data. Pure."""
    job = message.job
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": message.id,
        "source": f"dlc-watcher/{one_line(job.ref.source, 100)}" if job else "dlc-watcher",
        "type": EVENT_TYPE,
        "time": _time(max(item.at for item in message.items)),
        "datacontenttype": "application/json",
    }
    if job:
        event["subject"] = one_line(job.ref.job_id, 200)
    event["data"] = {
        "receiver": one_line(message.receiver, 100),
        "severity": message.severity.value,
        "title": one_line(message.title, 500),
        "thread": {"key": one_line(message.thread_key, 300), "title": one_line(message.thread_title, 300)},
        "items": [_item(item, alone=len(message.items) == 1) for item in message.items],
    }
    return event


def _item(item: Item, *, alone: bool) -> dict[str, Any]:
    told: dict[str, Any] = {
        "at": _time(item.at),
        "severity": item.severity.value,
        "kind": one_line(item.kind, 100),
        "rule": one_line(item.rule, 100),
        "headline": one_line(item.headline, 500),
        "facts": _facts(item.facts, _MOST_FACTS_ALONE if alone else _MOST_FACTS_AMONG),
        "detail": block(item.detail, _DETAIL_ALONE if alone else _DETAIL_AMONG),
        "job": _job(item.job),
    }
    if item.away is not None:
        told["away"] = {"since": _time(item.away.since), "until": _time(item.away.until)}
    return told


def _job(job: JobCard | None) -> dict[str, Any] | None:
    if job is None:
        return None
    return {
        "source": one_line(job.ref.source, 200),
        "id": one_line(job.ref.job_id, 200),
        "title": one_line(job.title, 300),
        "url": one_line(job.url, 2000),
        "status": one_line(job.status, 100),
        "facts": _facts(job.facts, _MOST_FACTS_AMONG),
    }


def _facts(facts: Facts, most: int) -> list[dict[str, str]]:
    return [{"label": one_line(label, 200), "value": one_line(value, _VALUE)} for label, value in facts[:most]]


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class _Meaning:
    permanent: bool = True
    pauses: bool = False
    ambiguous: bool = False
    fix: str = ""


_MOVED: Final = _Meaning(pauses=True, fix="Redirects are not followed: write the address it leads to")
_REFUSED: Final = _Meaning(
    pauses=True, fix="The receiver wants other credentials: check the address and the signing secret on both sides"
)

STATUSES: Final[Mapping[int, _Meaning]] = {
    400: _Meaning(fix="The receiver does not understand the message: it must take CloudEvents in JSON"),
    401: _REFUSED,
    403: _REFUSED,
    404: _Meaning(pauses=True, fix="There is nothing at that address: check it"),
    405: _Meaning(pauses=True, fix="The address takes no POST: check it"),
    408: _Meaning(permanent=False, ambiguous=True),
    410: _Meaning(pauses=True, fix="The receiver says this address is gone for good: remove it or put in a new one"),
    413: _Meaning(fix="The receiver finds the message too large"),
    415: _Meaning(fix=f"The receiver must take the content type {CONTENT_TYPE.partition(';')[0]}"),
    425: _Meaning(permanent=False),
    429: _Meaning(permanent=False, pauses=True),
    # A gateway that heard nothing from behind it does not know either.
    502: _Meaning(permanent=False, ambiguous=True),
    503: _Meaning(permanent=False, pauses=True),
    504: _Meaning(permanent=False, ambiguous=True),
}
"""What single statuses mean. Of the rest, the hundreds decide: see `classify`."""

_CLASSES: Final[Mapping[int, _Meaning]] = {
    1: _Meaning(permanent=False),
    3: _MOVED,
    4: _Meaning(fix="The receiver refuses the message: see its log"),
    5: _Meaning(permanent=False, ambiguous=True),
}


def classify(status: int, headers: Mapping[str, str], now: datetime, *, place: str) -> NotifierError:
    """What an answer other than 2xx means. Pure.

    Args:
        status: the HTTP status.
        headers: of the answer; only Retry-After is read.
        now: for a Retry-After that is a date.
        place: where it was going, for the sentence.
    """
    known = STATUSES.get(status) or _CLASSES.get(status // 100) or _Meaning(permanent=False, ambiguous=True)
    return NotifierError(
        f"{place} answered {status}",
        permanent=known.permanent,
        ambiguous=known.ambiguous,
        retry_after=None if known.permanent else seconds(headers, now),
        code=str(status),
        fix=known.fix,
        pauses_receiver=known.pauses,
    )

"""Alerts for an Alertmanager of your own: its routes, silences and receivers go on where ours end.

API v2: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml (POST /api/v2/alerts). An alert is known by its
labels: the same labels again are the same alert, so a repeat is no second one. Alertmanager forgets alerts when it starts anew, and
takes an alert for over at its `endsAt`. So each is sent with an end that lies ahead, and what goes on is renewed before.
"""

from __future__ import annotations

import base64
import json
import re
import ssl
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, Final
from urllib.parse import urlsplit

import httpx2
from pydantic import Field, SecretStr, model_validator

from watcher import settings as _settings
from watcher.core.delivery import Receipt
from watcher.core.message import Item, Message
from watcher.notifiers.addresses import Timeout, check_web_address, reveal_now
from watcher.notifiers.outgoing import AddressRefused, Outgoing, Unconnected, classify_broken
from watcher.notifiers.statuses import classify
from watcher.notifiers.text import block, link, one_line
from watcher.ports.notifier import Capabilities, Wire
from watcher.settings import CertificateFile, Duration, SecretFile, exactly_one

API: Final = "/api/v2/alerts"

_LABEL: Final = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
_VALUE: Final = 200
_DETAIL: Final = 4000
_MOST_FACTS: Final = 16
MOST_ALERTS: Final = 100

NOT_LABELS: Final = frozenset({"kind", "status", "phase", "type", "rule", "severity"})
"""Labels of ours that do not tell one trouble from another, that change while it lasts, or that have a name of their own there."""

FIXES: Final[Mapping[int, str]] = {
    400: "Alertmanager does not take the alert: see its log",
    401: "Alertmanager, or the proxy before it, wants other credentials: check `username` and `password`, or `token`",
    403: "Alertmanager, or the proxy before it, wants other credentials: check `username` and `password`, or `token`",
    404: f"`url` must be Alertmanager's own address; {API} is put behind it",
}


class AlertmanagerSettings(_settings.Settings):
    """An Alertmanager receiver."""

    url: SecretStr
    """Alertmanager's address, for example https://alertmanager.example.com, with its route prefix if it has one."""
    username: str = ""
    """Name for basic authentication. Left out: none."""
    password: SecretStr | None = None
    """Prefer `password_file`, or `${VARIABLE}`."""
    password_file: SecretFile | None = None
    """Read anew for each message."""
    token: SecretStr | None = None
    """Bearer token, instead of a name and password. Prefer `token_file`."""
    token_file: SecretFile | None = None
    """Read anew for each message."""
    labels: dict[Annotated[str, Field(pattern=_LABEL)], str] = Field(default={})
    """Labels of your own on every alert: `{cluster: training}`."""
    resolve_after: Annotated[Duration, Field(ge=timedelta(minutes=1), le=timedelta(days=7))] = timedelta(hours=1)
    """How long an alert fires that has no end of its own (a job succeeded, a priority changed), and how long one that goes on
    outlives this watcher: what goes on is renewed long before. The default is long enough for Alertmanager's own group waits."""
    renew_every: Annotated[Duration, Field(ge=timedelta(seconds=5), le=timedelta(hours=1))] = timedelta(minutes=1)
    """How often what goes on is sent again, so that it neither times out nor is lost when Alertmanager starts anew: it keeps
    alerts in memory only. Must be well below `resolve_after`. The default is that of Prometheus."""
    allow_http: bool = False
    """Whether plain http is allowed: the network can then read the alerts."""
    allow_private: bool = True
    """Whether private and loopback addresses are allowed; most Alertmanagers are internal. Metadata addresses never are."""
    ca_file: CertificateFile | None = None
    """Certificates of the authorities to trust (PEM), in place of this machine's; for a server with a private one."""
    timeout: Timeout = timedelta(seconds=20)
    """For the whole exchange."""

    @model_validator(mode="after")
    def _usable(self) -> AlertmanagerSettings:
        if self.renew_every * 2 > self.resolve_after:
            raise ValueError(
                "renew_every must be at most half of resolve_after, or alerts that go on would come and go"
            )
        check_web_address(self.url.get_secret_value(), allow_http=self.allow_http)
        if self.username:
            exactly_one(self, "password_file", "password")
        elif self.password is not None or self.password_file is not None:
            raise ValueError("a password needs a username beside it")
        if self.token is not None or self.token_file is not None:
            exactly_one(self, "token_file", "token")
            if self.username:
                raise ValueError("give either username and password, or a token")
        return self


class AlertmanagerNotifier:
    """Posts alerts to one Alertmanager."""

    kind: ClassVar[str] = "alertmanager"
    Settings: ClassVar[type[_settings.Settings]] = AlertmanagerSettings
    capabilities: ClassVar[Capabilities] = Capabilities(
        shows="alerts in your own Alertmanager (API v2), for its routes and silences",
        ends="each alert fires until its trouble is over or taken on",
        repeats="no: the same labels are the same alert",
    )
    pace: timedelta = timedelta(0)
    renew_most: int = MOST_ALERTS

    def __init__(
        self, name: str, settings: AlertmanagerSettings, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.name, self._settings, self._now = name, settings, now
        self.renew_every = settings.renew_every
        verify = None if settings.ca_file is None else ssl.create_default_context(cafile=settings.ca_file)
        self._outgoing = Outgoing(timeout=settings.timeout, allow_private=settings.allow_private, verify=verify)

    def __repr__(self) -> str:
        return f"AlertmanagerNotifier({self.name!r})"

    def render(self, message: Message) -> Wire:
        """The alerts, but for ends that lie ahead: those are so far from the time of sending."""
        return {"alerts": render_alerts(message, self._settings.labels)}

    async def send(self, wire: Wire, message: Message) -> Receipt:  # noqa: ARG002 (the port's shape)
        """POST them.

        Raises:
            NotifierError: see `watcher.notifiers.statuses.classify`.
        """
        url = self._settings.url.get_secret_value().rstrip("/") + API
        host = urlsplit(url).hostname or ""
        place = f"the Alertmanager at {one_line(host, 100)}"
        alerts = [at_sending(alert, self._now(), self._settings.resolve_after) for alert in wire["alerts"]]
        headers = {"Content-Type": "application/json", "User-Agent": "dlc-watcher", **self._authorization()}
        try:
            answer = await self._outgoing.post(url, json.dumps(alerts, ensure_ascii=False).encode(), headers)
        except (AddressRefused, Unconnected, TimeoutError, httpx2.HTTPError) as exc:
            raise classify_broken(exc, place) from exc
        if HTTPStatus(200) <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return Receipt(place=host)
        raise classify(answer.status, answer.headers, self._now(), place=place, fixes=FIXES)

    async def aclose(self) -> None:
        """Let go of connections. May be called twice."""
        await self._outgoing.aclose()

    def _authorization(self) -> dict[str, str]:
        own = self._settings
        if own.username:
            password = reveal_now(own.password, own.password_file, "password_file")
            word = base64.b64encode(f"{own.username}:{password}".encode()).decode()
            return {"Authorization": f"Basic {word}"}
        if own.token is not None or own.token_file is not None:
            return {"Authorization": f"Bearer {reveal_now(own.token, own.token_file, 'token_file')}"}
        return {}


def render_alerts(message: Message, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """One alert for each item; items with the same labels are one alert, which says what the last of them says. Pure.

    Args:
        message: what to say.
        labels: those of the configuration.
    """
    alerts: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for item in message.items:
        own = {**labels_of(item), **labels}
        key = tuple(sorted(own.items()))
        begun = alerts[key]["startsAt"] if key in alerts else _time(item.at)
        alert: dict[str, Any] = {"labels": own, "annotations": _annotations(item), "startsAt": begun}
        if item.over_at is not None:
            alert["endsAt"] = _time(item.over_at)
        if item.job is not None and link(item.job.url):
            alert["generatorURL"] = link(item.job.url)
        alerts[key] = alert
    return list(alerts.values())[-MOST_ALERTS:]


def at_sending(alert: Mapping[str, Any], now: datetime, resolve_after: timedelta) -> dict[str, Any]:
    """The alert with its end. Pure.

    Alertmanager refuses an alert that ends before it begins, and shows none that begins later: where DLC's clock is ahead of ours,
    what happened begins, or is over, now.
    """
    begins = min(datetime.fromisoformat(alert["startsAt"]), now)
    over = alert.get("endsAt")
    ends = now + resolve_after if over is None else max(begins, min(datetime.fromisoformat(over), now))
    return {**alert, "startsAt": _time(begins), "endsAt": _time(ends)}


def labels_of(item: Item) -> dict[str, str]:
    """What the alert is known by: the rule, the severity, and the labels that the notification was routed by."""
    found = {
        re.sub(r"[^a-zA-Z0-9_]", "_", label): one_line(_best(values), _VALUE)
        for label, values in item.labels
        if label not in NOT_LABELS
    }
    if item.job is not None:
        about = {"source": item.job.ref.source, "job": item.job.ref.job_id, "name": item.job.title}
        found |= {label: one_line(value, _VALUE) for label, value in about.items()}
    found |= {"alertname": one_line(item.rule, _VALUE) or "dlc-watcher", "severity": item.severity.value}
    return {label: value for label, value in sorted(found.items()) if value}


def _best(values: Iterable[str]) -> str:
    """Of an id and a name, the name."""
    return ([value for value in values if value] or [""])[-1]


def _annotations(item: Item) -> dict[str, str]:
    facts = "\n".join(f"{one_line(label, 40)}: {one_line(value, _VALUE)}" for label, value in item.facts[:_MOST_FACTS])
    told = {
        "summary": one_line(item.headline, 500),
        "description": "\n\n".join(filter(None, (facts, block(item.detail, _DETAIL)))),
        "status": one_line(item.job.status, 100) if item.job else "",
    }
    return {name: text for name, text in told.items() if text}


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

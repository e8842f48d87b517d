"""Everything else (DingTalk, Feishu, WeCom, Teams, PagerDuty ...) through Apprise, an optional extra.

Apprise tells success from failure and no more: no reason, no reference, no threads. So every failure counts as passing, its
outcome as unknown, and after `MOST_BLIND_ATTEMPTS` it is given up.
https://github.com/caronc/apprise/wiki lists the addresses it knows.
"""

from __future__ import annotations

import logging
import warnings
from datetime import timedelta
from functools import cache
from importlib import import_module
from typing import Any, ClassVar, Final

import anyio.to_thread
from pydantic import SecretStr, model_validator

from watcher import settings as _settings
from watcher.core.catalog import phrase, severity_in
from watcher.core.delivery import MOST_BLIND_ATTEMPTS, Receipt
from watcher.core.language import time_in
from watcher.core.message import Message
from watcher.core.rule import Severity
from watcher.errors import NotifierError
from watcher.notifiers.addresses import Timeout, reveal_now
from watcher.notifiers.text import MARKS, block, one_line, several_jobs
from watcher.ports.notifier import Capabilities, Wire
from watcher.settings import SecretFile, exactly_one

_MOST_ITEMS: Final = 20
_MOST_FACTS: Final = 8
_DETAIL: Final = 400
_KINDS: Final = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}


class AppriseSettings(_settings.Settings):
    """An Apprise receiver."""

    url: SecretStr | None = None
    """An address in Apprise's form, for example `dingtalk://token/`. It holds secrets: prefer `url_file`."""
    url_file: SecretFile | None = None
    timeout: Timeout = timedelta(seconds=60)
    """How long a sending is waited for."""

    @model_validator(mode="after")
    def _known(self) -> AppriseSettings:
        exactly_one(self, "url_file", "url")
        library = _library()
        address = (
            self.url.get_secret_value()
            if self.url
            else self.url_file.read_text("utf-8").strip()
            if self.url_file
            else ""
        )
        if library.Apprise.instantiate(address, suppress_exceptions=True) is None:
            raise ValueError("Apprise does not know an address of this form")
        return self


@cache
def _library() -> Any:
    """Apprise itself, imported only when a receiver wants it, with all its plug-ins.

    Raises:
        ValueError: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # its own imports are its own affair
            library = import_module("apprise")
            library.Apprise.instantiate(
                "json://localhost", suppress_exceptions=True
            )  # the first one loads the plug-ins
    except ImportError:
        raise ValueError("this receiver needs the extra `apprise`: install dlc-watcher[apprise]") from None
    # It logs addresses and answers. Whether it worked is told by its return value.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    return library


class AppriseNotifier:
    """Sends title and body through one Apprise address."""

    kind: ClassVar[str] = "apprise"
    Settings: ClassVar[type[_settings.Settings]] = AppriseSettings
    capabilities: ClassVar[Capabilities] = Capabilities(
        shows="DingTalk, Feishu, WeCom, Teams, PagerDuty ... (`pip install 'dlc-watcher[apprise]'`)"
    )
    pace: timedelta = timedelta(seconds=1)
    """The services behind it differ; most take a message per second."""

    def __init__(self, name: str, settings: AppriseSettings) -> None:
        self.name, self._settings = name, settings

    def __repr__(self) -> str:
        return f"AppriseNotifier({self.name!r})"

    def render(self, message: Message) -> Wire:
        """Title, body and kind of the notification, as plain text."""
        return render_plain(message)

    async def send(self, wire: Wire, message: Message) -> Receipt:  # noqa: ARG002 (the port's shape)
        """Hand it to Apprise, in a thread: its own asynchronous way blocks too.

        Raises:
            NotifierError: it said no, or did not come back in time.
        """
        url = reveal_now(self._settings.url, self._settings.url_file, "url_file")

        def notify() -> bool:
            library = _library()
            service = library.Apprise.instantiate(url, suppress_exceptions=True)
            if service is None:
                return False
            return bool(service.notify(title=wire["title"], body=wire["body"], notify_type=wire["type"]))

        try:
            with anyio.fail_after(self._settings.timeout.total_seconds()):
                accepted = await anyio.to_thread.run_sync(notify, abandon_on_cancel=True)
        except Exception as exc:  # noqa: BLE001  (a hundred services behind one call: their exceptions have nothing in common)
            raise classify(exc) from None  # its text and chain may hold the address
        if not accepted:
            raise classify(None)
        return Receipt(place="apprise")

    async def aclose(self) -> None:
        """Nothing is held."""


def classify(failure: Exception | None) -> NotifierError:
    """What a failure means: Apprise does not say why, so it may pass, and whether it arrived is not known. Pure."""
    if isinstance(failure, TimeoutError):
        return NotifierError(
            "Apprise did not come back in time", ambiguous=True, code="timeout", most_attempts=MOST_BLIND_ATTEMPTS
        )
    told = "Apprise could not send the message" + (f" ({type(failure).__name__})" if failure else "")
    return NotifierError(
        told,
        ambiguous=True,
        code="apprise",
        fix="Check the address with the `apprise` command, which says more",
        most_attempts=MOST_BLIND_ATTEMPTS,
    )


def render_plain(message: Message) -> dict[str, str]:
    """Title and body in plain text. Pure."""
    named = several_jobs(message)
    lines: list[str] = []
    locale = message.locale
    for item in message.items[:_MOST_ITEMS]:
        headline = one_line(item.headline, 200)
        if named and item.job:
            headline = phrase("title", locale, job=one_line(item.job.title, 80), headline=headline)
        lines.append(f"{time_in(item.at, locale.zone)}  {headline}")
        for label, value in item.facts[:_MOST_FACTS]:
            lines.append(f"  {phrase('labelled', locale, label=one_line(label, 40), text=one_line(value, 120))}")
        lines += [f"  {block(item.detail, _DETAIL)}"] if item.detail else []
    if len(message.items) > _MOST_ITEMS:
        lines.append(phrase("and-more", locale, n=len(message.items) - _MOST_ITEMS))
    if message.job and message.job.url:
        lines.append(one_line(message.job.url, 600))
    title = phrase("labelled", locale, label=severity_in(message.severity, locale), text=one_line(message.title, 200))
    return {"title": f"{MARKS[message.severity]} {title}", "body": "\n".join(lines), "type": _KINDS[message.severity]}

"""What each notifier makes of each sample, compared with files.

After a wanted change: `UPDATE_GOLDEN=1 pytest tests/shell/test_notifier_goldens.py`, then read the difference as a reader would.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from tests.shell.installed import installed_kinds
from watcher.core.language import Language, Locale
from watcher.core.living import CardView
from watcher.core.message import Message
from watcher.core.rule import Severity
from watcher.notifiers.alertmanager import render_alerts
from watcher.notifiers.apprise import render_plain
from watcher.notifiers.cloud_events import render_event
from watcher.notifiers.console import ConsoleNotifier, ConsoleSettings
from watcher.notifiers.mail import parse_address, render_mail
from watcher.notifiers.slack_blocks import render_slack
from watcher.notifiers.slack_card import render_card
from watcher.testing.cards import CARDS
from watcher.testing.messages import SAMPLES, reply
from watcher.testing.previews import message_kinds

pytestmark = pytest.mark.anyio

GOLDEN = Path(__file__).parent.parent / "golden"
MESSAGES = {name: sample for name, sample in SAMPLES.items() if name != "very-long"}
"""`very-long` would be a megabyte that nobody reads; the contract tests hold its bounds."""
MESSAGES["reply"] = reply(SAMPLES["single"], "<root@example.com>", name="reply")


def slack(message: Message) -> Mapping[str, str]:
    return {"json": _json(render_slack(message, channel="#ml-jobs", broadcast_from=Severity.CRITICAL))}


def email(message: Message) -> Mapping[str, str]:
    addresses = (parse_address("oncall@example.com"), parse_address("Lead <lead@example.com>"))
    wire = render_mail(message, sender=parse_address("DLC <dlc@example.com>"), recipients=addresses)
    return {"headers.json": _json(wire["headers"]), "txt": wire["text"], "html": wire["html"] + "\n"}


def webhook(message: Message) -> Mapping[str, str]:
    return {"json": _json(render_event(message))}


def alertmanager(message: Message) -> Mapping[str, str]:
    return {"json": _json(render_alerts(message, {"cluster": "training"}))}


def apprise(message: Message) -> Mapping[str, str]:
    return {"json": _json(render_plain(message))}


def console(message: Message) -> Mapping[str, str]:
    file = io.StringIO()
    terminal = Console(file=file, force_terminal=True, width=100, color_system=None, legacy_windows=False, _environ={})
    notifier = ConsoleNotifier("tty", ConsoleSettings(), console=terminal, zone=UTC)
    for line in notifier.render(message)["lines"]:
        notifier._print(line)
    return {"txt": file.getvalue()}


def _json(data: object) -> str:
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def slack_card(view: CardView) -> Mapping[str, str]:
    return {"json": _json(render_card(view, channel="#ml-jobs"))}


def console_card(view: CardView) -> Mapping[str, str]:
    file = io.StringIO()
    notifier = ConsoleNotifier("file", ConsoleSettings(cards=True), console=Console(file=file), zone=UTC)
    notifier._print(notifier.render_card(view))
    return {"txt": file.getvalue()}


CARD_RENDERERS: Mapping[str, Callable[[CardView], Mapping[str, str]]] = {
    "slack-card": slack_card,
    "slack-card-zh": lambda view: slack_card(replace(view, locale=Locale(Language.ZH))),
    "console-card": console_card,
    "console-card-zh": lambda view: console_card(replace(view, locale=Locale(Language.ZH))),
}


RENDERERS: Mapping[str, Callable[[Message], Mapping[str, str]]] = {
    function.__name__: function for function in (slack, email, webhook, alertmanager, apprise, console)
}


LANGUAGES = {"en": Locale(), "zh": Locale(Language.ZH, ZoneInfo("Asia/Shanghai"))}
KINDS = {
    f"{function.__name__}-kinds-{language}": (function, message_kinds(installed_kinds().rules, locale))
    for function in (slack, email, webhook, apprise, console)
    for language, locale in LANGUAGES.items()
}
"""One message of each kind, of what the built-in rules say, in each language."""


@pytest.mark.parametrize("folder", KINDS)
@pytest.mark.parametrize("name", next(iter(KINDS.values()))[1])
def test_each_kind_of_message_reads_as_it_did_in_each_language(folder: str, name: str) -> None:
    renderer, messages = KINDS[folder]
    _compare(folder, name, renderer(messages[name]))


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("kind", RENDERERS)
def test_each_message_reads_as_it_did(kind: str, name: str) -> None:
    _compare(kind, name, RENDERERS[kind](MESSAGES[name]))


@pytest.mark.parametrize("name", [name for name in CARDS if name != "very-long"])
@pytest.mark.parametrize("kind", CARD_RENDERERS)
def test_each_card_reads_as_it_did(kind: str, name: str) -> None:
    _compare(kind, name, CARD_RENDERERS[kind](CARDS[name]))


def _compare(kind: str, name: str, made: Mapping[str, str]) -> None:
    for suffix, text in made.items():
        path = GOLDEN / kind / f"{name}.{suffix}"
        if os.environ.get("UPDATE_GOLDEN"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        assert path.exists(), f"no golden file {path.name}: make it with UPDATE_GOLDEN=1"
        assert path.read_bytes().decode() == text


def test_no_golden_file_is_left_over() -> None:
    wanted = {
        f"{kind}/{name}.{suffix}"
        for kind in RENDERERS
        for name in MESSAGES
        for suffix in RENDERERS[kind](MESSAGES[name])
    }
    wanted |= {
        f"{folder}/{name}.{suffix}"
        for folder, (renderer, messages) in KINDS.items()
        for name, message in messages.items()
        for suffix in renderer(message)
    }
    folders = (GOLDEN / kind for kind in (*RENDERERS, *KINDS))
    assert {path.relative_to(GOLDEN).as_posix() for folder in folders for path in folder.iterdir()} == wanted

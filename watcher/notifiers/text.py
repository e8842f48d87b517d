"""What several notifiers show alike: signs and words for severities, times. What makes text safe is `core.safe_text`'s."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from watcher.core.message import Message
from watcher.core.rule import Severity
from watcher.core.safe_text import ELLIPSIS, block, clean, cut, link, one_line

__all__ = [
    "ELLIPSIS",
    "MARKS",
    "WORDS",
    "block",
    "clean",
    "cut",
    "link",
    "one_line",
    "several_jobs",
    "utc",
]

MARKS: Final[Mapping[Severity, str]] = {Severity.INFO: "🔵", Severity.WARNING: "🟡", Severity.CRITICAL: "🔴"}
"""A sign for each severity that is seen without reading. Never alone: colour is not legible to everybody."""

WORDS: Final[Mapping[Severity, str]] = {
    Severity.INFO: "Info",
    Severity.WARNING: "Warning",
    Severity.CRITICAL: "Critical",
}


def utc(at: datetime) -> str:
    """A time as mails and fallbacks show it, for example `2026-02-03 14:03:22 UTC`."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def several_jobs(message: Message) -> bool:
    """Whether each item must name its job because the message is not about one alone."""
    return message.job is None and any(item.job is not None for item in message.items)

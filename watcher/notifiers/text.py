"""What several notifiers show alike: signs for severities. What makes text safe is `core.safe_text`'s."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from watcher.core.message import Message
from watcher.core.rule import Severity
from watcher.core.safe_text import ELLIPSIS, block, clean, cut, link, one_line

__all__ = [
    "ELLIPSIS",
    "MARKS",
    "block",
    "clean",
    "cut",
    "link",
    "one_line",
    "several_jobs",
]

MARKS: Final[Mapping[Severity, str]] = {Severity.INFO: "🔵", Severity.WARNING: "🟡", Severity.CRITICAL: "🔴"}
"""A sign for each severity that is seen without reading. Never alone: colour is not legible to everybody."""


def several_jobs(message: Message) -> bool:
    """Whether each item must name its job because the message is not about one alone."""
    return message.job is None and any(item.job is not None for item in message.items)

"""A message in a receiver's own words, where it has templates for them. Pure.

Headline, detail and title are put into the message itself, so every kind of notifier shows them; a mail's subject, text and page go
beside it, in `Message.wording`. A template that fails costs its part's wording and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from watcher.core.message import Item, Message, with_items
from watcher.core.shown import Shown, ShownItem
from watcher.notifiers.showing import show
from watcher.templates import TemplateFault, Templates

Faults = tuple[tuple[str, str], ...]
"""Part and what went wrong, with file and line."""


def in_own_words(message: Message, templates: Templates) -> tuple[Message, Faults]:
    """The message as this receiver wants it worded, and which parts could not be made."""
    faults: dict[tuple[str, str], None] = {}

    def fill(part: str, shown: Shown, plain: str, item: ShownItem | None = None) -> str:
        if part not in templates.parts:
            return plain
        try:
            return templates.fill(part, shown, item) or plain
        except TemplateFault as fault:
            faults[part, str(fault)] = None
            return plain

    def items(shown: Shown) -> Iterator[Item]:
        for item, seen in zip(message.items, shown.items, strict=False):  # what is too much to be shown keeps its words
            headline = fill("headline", shown, item.headline, seen)
            yield replace(item, headline=headline, detail=fill("detail", shown, item.detail, seen))
        yield from message.items[len(shown.items) :]

    if templates.parts.keys() & {"headline", "detail"}:
        message = with_items(message, tuple(items(show(message))))
    if "title" in templates.parts:
        message = replace(message, title=fill("title", show(message), message.title))
    shown = show(message) if templates.parts.keys() & {"subject", "text", "html"} else None
    if shown is not None:
        made = {part: fill(part, shown, "") for part in ("subject", "text", "html")}
        message = replace(message, wording={part: text for part, text in made.items() if text})
    return message, tuple(faults)

"""A job's living card as Slack shows it: Block Kit with a text fallback. Pure.

Made for a phone: a row of coloured squares as the phase bar, then a few short lines, no columns. Times that run on ("running since
3 hours ago") are left to Slack, which counts them on by itself; so the card stays true without being changed.

What comes from the job is escaped and marked `verbatim`, as in `slack_blocks`, whose limits hold here, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from watcher.core.card import Card, cells
from watcher.core.catalog import PHASES
from watcher.core.language import Locale, spoken, time_in
from watcher.core.living import CardView
from watcher.core.phases import Phase
from watcher.notifiers import card_words as words
from watcher.notifiers.slack_blocks import (
    CARD_TYPE,
    Block,
    client_msg_id,
    context,
    escape,
    line,
    linked_name,
    message_metadata,
    quoted,
    section,
)

SQUARES: Final[Mapping[Phase, str]] = {
    Phase.PENDING: "⬜",
    Phase.STARTING: "🟦",
    Phase.RUNNING: "🟩",
    Phase.RESTARTING: "🟧",
    Phase.STOPPING: "🟫",
    Phase.RESERVED_SUCCEEDED: "🟪",
    Phase.RESERVED_FAILED: "🟪",
    Phase.SUCCEEDED: "✅",
    Phase.FAILED: "🟥",
    Phase.STOPPED: "⬛",
    Phase.UNKNOWN: "❔",
}
"""A square for each phase; each is also named in words, as colour is not legible to everybody."""

_WIDTH: Final = 14
"""Squares of the bar: what fits into one line of a narrow phone."""
_REASON: Final = 400
_VALUE: Final = 80
_PREVIOUS: Final = "previous"
"""Id of the block that names the card before this one."""


def render_card(view: CardView, *, channel: str) -> Mapping[str, Any]:
    """The arguments of `chat.postMessage` or, where the message stands already, of `chat.update`.

    Args:
        view: what to show.
        channel: where to post it; a message that stands is changed where it stands.
    """
    headline = words.headline(view.card, view.locale)
    wire: dict[str, Any] = {
        "channel": view.place if view.reference else channel,
        "text": f"{SQUARES[view.card.phase]} {line(view.card.title, _VALUE)}: {line(headline, 200)}",
        "blocks": list(_blocks(view)),
        "unfurl_links": False,
        "unfurl_media": False,
        "metadata": message_metadata(view.id, CARD_TYPE),
    }
    if view.reference:
        return {**wire, "ts": view.reference}
    return {**wire, "client_msg_id": client_msg_id(view.id)}


def with_previous(wire: Mapping[str, Any], url: str, locale: Locale) -> Mapping[str, Any]:
    """The same with a link to the card before this one."""
    link = context(f"<{escape(url, 600)}|{spoken(words.EARLIER_CARD, locale)}>")["elements"]

    def linked(block: Block) -> Block:
        return {**block, "elements": [*block["elements"], *link]} if block.get("block_id") == _PREVIOUS else block

    return {**wire, "blocks": [linked(block) for block in wire["blocks"]]}


def _blocks(view: CardView) -> Iterator[Block]:
    card, locale = view.card, view.locale
    yield section(f"{SQUARES[card.phase]}  {linked_name(card.title, card.url)}\n{_standing(card, locale)}")
    yield section(_bar(card, locale))
    lines = (
        words.pods(card, locale),
        words.size(card, locale),
        [*words.wait(card, locale), *words.place(card, locale)],
    )
    facts = [" · ".join(line(part, _VALUE) for part in said) for said in lines if said]
    if facts:
        yield section("\n".join(facts))
    if reason := words.reason(card):
        yield section(quoted(reason, _REASON))
    as_of = words.phrase(words.AS_OF, locale, at=_date(card.as_of, "{date_short_pretty} {time}", locale))
    yield context(as_of, f"`{line(str(card.ref), 120).replace('`', '')}`")
    if view.why is not None:
        why = words.phrase(words.NEW_CARD, locale, why=spoken(words.LOSSES[view.why], locale))
        yield {**context(why), "block_id": _PREVIOUS}


def _standing(card: Card, locale: Locale) -> str:
    """How it stands and since when."""
    said = f"*{line(words.headline(card, locale), 200)}*"
    if card.since is None:
        return said
    at = _date(card.since, "{date_short_pretty} {time}", locale)
    return f"{said} · {at if card.ended else words.phrase(words.SINCE, locale, at=at)}"


def _bar(card: Card, locale: Locale) -> str:
    """The bar and what its stretches are; Slack counts on how long ago the present one began."""
    row = "".join(SQUARES[phase] for phase in cells(card.bar, _WIDTH))
    earlier = [words.phrase(words.LEFT_OUT, locale, n=card.left_out)] if card.left_out else []
    present = f"*{spoken(PHASES[card.phase], locale)}*"
    if card.since is not None and not card.ended:
        present += f" ({words.phrase(words.BEGAN, locale, ago=_date(card.since, '{ago}', locale))})"
    said = [words.stretch(one, locale) for one in card.bar[:-1]]
    return f"{row}\n{' → '.join([*earlier, *said, present])}"


def _date(at: datetime, form: str, locale: Locale) -> str:
    """A time as each reader's Slack shows it (https://docs.slack.dev/messaging/formatting-message-text#date-formatting)."""
    return f"<!date^{int(at.timestamp())}^{form}|{time_in(at, locale.zone)}>"

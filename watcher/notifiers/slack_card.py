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
from watcher.notifiers.text import utc

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
    wire: dict[str, Any] = {
        "channel": view.place if view.reference else channel,
        "text": f"{SQUARES[view.card.phase]} {line(view.card.title, _VALUE)}: {line(words.headline(view.card), 200)}",
        "blocks": list(_blocks(view)),
        "unfurl_links": False,
        "unfurl_media": False,
        "metadata": message_metadata(view.id, CARD_TYPE),
    }
    if view.reference:
        return {**wire, "ts": view.reference}
    return {**wire, "client_msg_id": client_msg_id(view.id)}


def with_previous(wire: Mapping[str, Any], url: str) -> Mapping[str, Any]:
    """The same with a link to the card before this one."""

    def linked(block: Block) -> Block:
        if block.get("block_id") != _PREVIOUS:
            return block
        return {**block, "elements": [*block["elements"], *context(f"<{escape(url, 600)}|earlier card>")["elements"]]}

    return {**wire, "blocks": [linked(block) for block in wire["blocks"]]}


def _blocks(view: CardView) -> Iterator[Block]:
    card = view.card
    yield section(f"{SQUARES[card.phase]}  {linked_name(card.title, card.url)}\n{_standing(card)}")
    yield section(_bar(card))
    lines = (words.pods(card), words.size(card), words.place(card))
    facts = [" · ".join(line(part, _VALUE) for part in said) for said in lines if said]
    if facts:
        yield section("\n".join(facts))
    if reason := words.reason(card):
        yield section(quoted(reason, _REASON))
    yield context(
        f"as of {_date(card.as_of, '{date_short_pretty} {time}')}", f"`{line(str(card.ref), 120).replace('`', '')}`"
    )
    if view.why is not None:
        yield {**context(f"New card: {words.LOSSES[view.why]}."), "block_id": _PREVIOUS}


def _standing(card: Card) -> str:
    """How it stands and since when; Slack counts the time on."""
    said = f"*{line(words.headline(card), 200)}*"
    since = "" if card.ended else "since "
    return said if card.since is None else f"{said} · {since}{_date(card.since, '{date_short_pretty} {time}')}"


def _bar(card: Card) -> str:
    row = "".join(SQUARES[phase] for phase in cells(card.bar, _WIDTH))
    said = [words.stretch(one) for one in card.bar[:-1]]
    present = words.PHASES[card.bar[-1].phase]
    since = card.since
    if since is not None and not card.ended:
        present += f"* (began {_date(since, '{ago}')})"
    else:
        present += "*"
    earlier = [f"… {card.left_out} earlier"] if card.left_out else []
    return f"{row}\n{' → '.join([*earlier, *said, f'*{present}'])}"


def _date(at: datetime, form: str) -> str:
    """A time as each reader's Slack shows it (https://docs.slack.dev/messaging/formatting-message-text#date-formatting)."""
    return f"<!date^{int(at.timestamp())}^{form}|{utc(at)}>"

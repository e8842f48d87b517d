"""A message as Slack shows it: Block Kit with a text fallback. Pure.

Slack's limits: https://docs.slack.dev/reference/block-kit/blocks (header 150, section text 3000, ten fields of 2000, 50 blocks,
context ten elements) and about 12 000 characters over all. All are counted in characters, after escaping.

Everything from a job is escaped (`& < >` is all that Slack's markup asks for) and marked `verbatim`, so that neither `<!channel>`
nor `#general` nor a bare address in a job's name becomes a mention, a link or an unfurl:
https://docs.slack.dev/messaging/formatting-message-text

Over 300 lines, as every limit of a message stands beside the block it bounds, with what is cut by it.

Long, because every block is made here, so that their limits are held in one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from watcher.core.catalog import phrase, severity_in
from watcher.core.language import PLAIN, Locale, say, spoken, time_in
from watcher.core.message import Item, JobCard, Message
from watcher.core.rule import Severity, Shown
from watcher.notifiers.text import ELLIPSIS, MARKS, block, clean, link, one_line, several_jobs

EVENT_TYPE: Final = "dlc_watcher_message"
"""Type of the metadata that carries the message's id, by which a copy is found again."""

CARD_TYPE: Final = "dlc_watcher_card"
"""The same for living cards."""

LONGEST_SECTION: Final = 3000
LONGEST_FIELD: Final = 2000
MOST_FIELDS: Final = 10
MOST_BLOCKS: Final = 50

_MOST_ITEMS: Final = 20
_MOST_TEXT: Final = 9000
_NAME: Final = 150
_LONGEST_LINK: Final = 600
_HEADLINE: Final = 300
_VALUE: Final = 300
_LABEL: Final = 60
_DETAIL_ALONE: Final = 2400
_DETAIL_AMONG: Final = 240
_MOST_FACTS_AMONG: Final = 4
_ROOMY: Final = 20 * LONGEST_SECTION
"""More than any section takes: what differs at this limit is cut."""

Block = dict[str, Any]


def escape(text: str, limit: int) -> str:
    """Cleaned and escaped, at most `limit` characters after escaping, never cut inside an entity."""
    written: list[str] = []
    length = 0
    plain = clean(text)
    for position, mark in enumerate(plain):
        entity = _ENTITIES.get(mark, mark)
        room = limit - (0 if position == len(plain) - 1 else len(ELLIPSIS))
        if length + len(entity) > room:
            return "".join(written) + ELLIPSIS
        written.append(entity)
        length += len(entity)
    return "".join(written)


_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def line(text: str, limit: int) -> str:
    """One escaped line."""
    return escape(one_line(text, limit), limit)


def client_msg_id(message_id: str) -> str:
    """A UUID for the message, the same on every attempt; the message's id itself where that is one already."""
    try:
        return str(UUID(message_id))
    except ValueError:
        return str(uuid5(NAMESPACE_URL, f"dlc-watcher:{message_id}"))


def message_metadata(message_id: str, event_type: str = EVENT_TYPE) -> Mapping[str, Any]:
    """What a copy is found again by. Everybody in the workspace may read it."""
    return {"event_type": event_type, "event_payload": {"message_id": message_id}}


def render_slack(message: Message, *, channel: str, broadcast_from: Severity | None) -> Mapping[str, Any]:
    """The arguments of `chat.postMessage`.

    Args:
        message: what to say.
        channel: where to; a reply goes to where its thread is.
        broadcast_from: replies this loud or louder are shown in the channel too, not only in their thread; None for none.
    """
    wire: dict[str, Any] = {
        "channel": message.thread_place or channel,
        "text": fallback(message),
        "blocks": blocks(message),
        "unfurl_links": False,
        "unfurl_media": False,
        "client_msg_id": client_msg_id(message.id),
        "metadata": message_metadata(message.id),
    }
    if message.thread_reference:
        wire["thread_ts"] = message.thread_reference
        if broadcast_from is not None and _LOUDNESS.index(message.severity) >= _LOUDNESS.index(broadcast_from):
            wire["reply_broadcast"] = True
    return wire


_LOUDNESS: Final = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)


def fallback(message: Message) -> str:
    """What notifications on a phone and screen readers say; with several items, each headline on a line."""
    locale = message.locale
    title = phrase("labelled", locale, label=severity_in(message.severity, locale), text=line(message.title, _HEADLINE))
    lines = [f"{MARKS[message.severity]} {title}"]
    if len(message.items) > 1:
        named = several_jobs(message)
        lines += [
            f"• {_about(item, line(item.headline, 120), locale, named=named)}" for item in message.items[:_MOST_ITEMS]
        ]
        lines += _left_out(message, _MOST_ITEMS)
    return "\n".join(lines)


def _about(item: Item, headline: str, locale: Locale, *, named: bool) -> str:
    return phrase("title", locale, job=line(item.job.title, 80), headline=headline) if named and item.job else headline


def naming(
    wire: Mapping[str, Any], users: Sequence[str], missing: Sequence[str], locale: Locale = PLAIN
) -> Mapping[str, Any]:
    """The same message with people named at its head so that they notice; of those who are not found, their names as text.

    Args:
        wire: the message.
        users: their Slack user ids.
        missing: names of people who are not on Slack, as far as we can find out.
        locale: in which language that is said.
    """
    said = [f"<@{user}>" for user in users]
    if missing:
        names = ", ".join(line(name, 80) for name in missing)
        said.append(
            spoken(say("for {names} (not found on Slack)", zh="致 {names}（Slack 上未找到）", names=names), locale)
        )
    if not said:
        return wire
    head = " ".join(said)
    named = {**wire, "text": f"{head} {wire['text']}"}
    return {**named, "blocks": [section(head), *wire["blocks"][: MOST_BLOCKS - 1]]} if wire.get("blocks") else named


def plain_wire(wire: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same message without blocks, for when Slack does not take them."""
    return {key: value for key, value in wire.items() if key != "blocks"}


def blocks(message: Message) -> list[Block]:
    """The blocks, never more than Slack takes."""
    made = list(_alone(message, message.items[0]) if len(message.items) == 1 else _together(message))
    return made[:MOST_BLOCKS]


def _alone(message: Message, item: Item) -> Iterator[Block]:
    locale = message.locale
    yield section(f"{_loudness(item.severity, locale)}{_title(item.job)}\n{line(item.headline, _HEADLINE)}")
    if item.facts:
        yield from _fields(item.facts, locale)
    if item.detail:
        yield section(quoted(item.detail, _DETAIL_ALONE))
    rule = phrase("rule", locale, name=line(item.rule, 80))
    yield context(_when(item, locale), *_footnotes(message, item.job), rule)


def _together(message: Message) -> Iterator[Block]:
    named = several_jobs(message)
    yield section(
        f"{_loudness(message.severity, message.locale)}{_title(message.job)}\n{line(message.title, _HEADLINE)}"
    )
    shown = length = 0
    for item in message.items[:_MOST_ITEMS]:
        entry = _entry(item, message.locale, named=named)
        length += len(entry)
        if length > _MOST_TEXT:
            break
        shown += 1
        yield section(entry)
    notes = [*_left_out(message, shown), *_footnotes(message, message.job)]
    if notes:
        yield context(*notes)


def _entry(item: Item, locale: Locale, *, named: bool) -> str:
    headline = line(item.headline, 200)
    if named and item.job:
        headline = phrase("title", locale, job=_name(item.job), headline=headline)
    lines = [f"{MARKS[item.severity]} {_when(item, locale)}  {headline}"]
    shown = [
        phrase("labelled", locale, label=line(label, 30), text=line(value, 60))
        for label, value in item.facts[:_MOST_FACTS_AMONG]
    ]
    if shown:
        lines.append(" · ".join(shown))
    if item.detail:
        lines.append(quoted(one_line(item.detail, _DETAIL_AMONG), _DETAIL_AMONG + 20))
    return "\n".join(lines)


def is_cut(item: Item, *, alone: bool) -> bool:
    """Whether a message, in which it stands alone or among others, shows only a part of the item's detail or of a long list."""
    if len(item.facts) > MOST_FIELDS or any(len(one_line(value, _ROOMY)) > _VALUE for _, value in item.facts):
        return True
    if alone:
        return quoted(item.detail, _DETAIL_ALONE) != _quote_lines(block(item.detail, _ROOMY).split("\n"), _ROOMY)
    return len(one_line(item.detail, _ROOMY)) > _DETAIL_AMONG


def _loudness(severity: Severity, locale: Locale) -> str:
    return f"{MARKS[severity]} *{severity_in(severity, locale)}*"


def _title(job: JobCard | None) -> str:
    return f"  {_name(job)}" if job else ""


def _name(job: JobCard) -> str:
    return linked_name(job.title, job.url)


def linked_name(title: str, address: str) -> str:
    """A job's name in bold, linked to its page."""
    # It stands between * and *, in a link before >: a star or a bar of its own would end them early.
    shown = line(title, _NAME).replace("*", "\N{ASTERISK OPERATOR}").replace("|", "\N{BROKEN BAR}")
    url = link(address)
    return f"*<{escape(url, 5 * _LONGEST_LINK)}|{shown}>*" if url and len(url) <= _LONGEST_LINK else f"*{shown}*"


def _when(item: Item, locale: Locale) -> str:
    """The time, shown by Slack in each reader's own time zone (https://docs.slack.dev/messaging/formatting-message-text#date-formatting)."""
    otherwise = time_in(item.at, locale.zone)
    return f"<!date^{int(item.at.timestamp())}^{{date_short_pretty}} {{time_secs}}|{otherwise}>"


def quoted(text: str, limit: int) -> str:
    """The text as a quotation that fits into a section."""
    # Counted after escaping and with the marks at the start of each line, so that the section's limit holds.
    lines = block(text, limit).split("\n")
    return _quote_lines(lines, LONGEST_SECTION)


def _quote_lines(lines: list[str], limit: int) -> str:
    """The lines as a quotation, as many as fit."""
    written: list[str] = []
    length = 0
    for text in lines:
        room = limit - length - len("> \n")
        if room < len(ELLIPSIS) + 5:
            break
        quoted = f"> {escape(text, room)}"
        written.append(quoted)
        length += len(quoted) + 1
    return "\n".join(written)


def _footnotes(message: Message, job: JobCard | None) -> list[str]:
    """What is known of the job: all of it at the start of a thread, in a reply only the status."""
    if job is None:
        return []
    ref = f"`{line(str(job.ref), 120).replace('`', '')}`"
    status = [phrase("status", message.locale, status=line(job.status, 60))] if job.status else []
    if message.thread_reference:
        return [*status, ref]
    about = [f"{line(label, _LABEL)} {line(value, 100)}" for label, value in job.facts]
    return [" · ".join(part) for part in (about, [*status, ref]) if part]


def _left_out(message: Message, shown: int) -> list[str]:
    more = len(message.items) - shown
    return [phrase("and-more", message.locale, n=more)] if more > 0 else []


def _fields(facts: Shown, locale: Locale) -> Iterator[Block]:
    shown, more = facts[:MOST_FIELDS], len(facts) - MOST_FIELDS
    yield {
        "type": "section",
        "fields": [_mrkdwn(f"*{line(label, _LABEL)}*\n{line(value, _VALUE)}") for label, value in shown],
    }
    if more > 0:
        yield context(phrase("and-more-facts", locale, n=more))


def section(text: str) -> Block:
    """A paragraph."""
    return {"type": "section", "text": _mrkdwn(text)}


def context(*texts: str) -> Block:
    """A line in small print."""
    return {"type": "context", "elements": [_mrkdwn(text) for text in texts[:10]]}


def _mrkdwn(text: str) -> Block:
    return {"type": "mrkdwn", "text": text, "verbatim": True}

"""The whole of what a Slack message shows only the beginning of: a log excerpt, a long reason, a list of pods. Pure.

It goes into the message's thread after the message was taken: as a file, else as one reply in a code block. Texts are redacted
where they are read; here they are cleaned and kept within a limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from watcher.core.catalog import phrase
from watcher.core.language import Locale, say, spoken, time_in
from watcher.core.message import Item, Message
from watcher.notifiers.slack_blocks import LONGEST_SECTION, client_msg_id, escape, is_cut, message_metadata, section
from watcher.notifiers.text import block, one_line

LONGEST_FILE: Final = 200_000
"""Characters of the file. What 5,000 pods come to."""

WHOLE_TYPE: Final = "dlc_watcher_whole"
"""Type of the metadata of the reply. Not that of messages: a look-up for a message must not find it."""

FILE_NAME: Final = "context.txt"
_SAID: Final = say("In full", zh="完整内容")
_LONGEST_LINE: Final = 1000


def whole_text(message: Message) -> str:
    """All that is said of the items that the blocks cut; "" where they cut none."""
    alone = len(message.items) == 1
    items = [item for item in message.items if is_cut(item, alone=alone)]
    return block("\n\n".join("\n".join(_lines(item, message.locale)) for item in items), LONGEST_FILE)


def _lines(item: Item, locale: Locale) -> Iterator[str]:
    headline = one_line(item.headline, _LONGEST_LINE)
    if item.job is not None:
        headline = phrase("title", locale, job=one_line(item.job.title, _LONGEST_LINE), headline=headline)
    yield f"{time_in(item.at, locale.zone)}  {headline}"
    for label, value in item.facts:
        yield phrase("labelled", locale, label=one_line(label, _LONGEST_LINE), text=one_line(value, _LONGEST_LINE))
    if item.detail:
        yield ""
        yield block(item.detail, LONGEST_FILE)


def whole_said(locale: Locale) -> str:
    """What stands above it."""
    return spoken(_SAID, locale)


def whole_wire(message: Message, text: str, *, place: str, thread: str) -> Mapping[str, Any]:
    """The arguments of `chat.postMessage` for it as one reply, as much of it as a section takes.

    Args:
        message: which.
        text: the whole.
        place: id of the channel.
        thread: the root of the thread.
    """
    said = whole_said(message.locale)
    room = LONGEST_SECTION - len(f"{said}\n``````")
    return {
        "channel": place,
        "thread_ts": thread,
        "text": said,
        "blocks": [section(f"{said}\n```{escape(text.replace('`', chr(39)), room)}```")],
        "unfurl_links": False,
        "unfurl_media": False,
        "client_msg_id": client_msg_id(f"{message.id} in full"),
        "metadata": message_metadata(message.id, WHOLE_TYPE),
    }

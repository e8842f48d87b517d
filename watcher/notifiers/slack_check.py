"""Would Slack take these blocks? Asked before they are sent: slack-sdk's own models, and the limits that those do not know. Pure.

Our renderers keep within the limits; this is for what they overlooked, and costs less than a refusal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

from watcher.notifiers.slack_blocks import LONGEST_FIELD, LONGEST_SECTION, MOST_BLOCKS

LONGEST_MESSAGE: Final = 12_000
"""Characters of all blocks' texts together; a little more is answered with msg_blocks_too_long."""


def fault(blocks: Sequence[dict[str, Any]]) -> str:
    """What Slack would not take, in words; "" when nothing is wrong."""
    if len(blocks) > MOST_BLOCKS:
        return f"{len(blocks)} blocks, allowed are {MOST_BLOCKS}"
    for number, block in enumerate(blocks, start=1):
        parsed = Block.parse(block)
        if parsed is None:
            return f"block {number} is of no known type"
        try:
            parsed.validate_json()
        except SlackObjectFormationError as exc:
            return f"block {number}: {exc}"
        limit = LONGEST_FIELD if "fields" in block else LONGEST_SECTION
        if any(not 0 < len(text) <= limit for text in _texts(block)):
            return f"block {number}: a text that is empty or longer than {limit}"
    length = sum(len(text) for block in blocks for text in _texts(block))
    return f"{length} characters in all, allowed are {LONGEST_MESSAGE}" if length > LONGEST_MESSAGE else ""


def _texts(node: object) -> Iterator[str]:
    match node:
        case {"text": str(text)}:
            yield text
        case dict():
            for value in node.values():
                yield from _texts(value)
        case list():
            for value in node:
                yield from _texts(value)

"""What Slack takes in a message's blocks, as far as this project uses them.

https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_SECTION_TEXT: Final = 3000
_FIELD_TEXT: Final = 2000
_HEADER_TEXT: Final = 150
_MOST: Final = {"blocks": 50, "fields": 10, "elements": 10}
_MOST_BUTTONS: Final = 25
LONGEST_MESSAGE: Final = 40_000
"""Characters of `text`."""
_ALL_BLOCKS: Final = 13_200
"""Characters of all blocks' texts together at which Slack was seen to answer msg_blocks_too_long."""


def refuse_blocks(blocks: object) -> str:
    """The code with which Slack would refuse these blocks; "" when it would take them."""
    if not isinstance(blocks, list) or len(blocks) > _MOST["blocks"]:
        return "invalid_blocks"
    if not all(isinstance(block, dict) and _fits(block) for block in blocks):
        return "invalid_blocks"
    return "msg_blocks_too_long" if sum(len(text) for text in _texts(blocks)) > _ALL_BLOCKS else ""


def _texts(node: object) -> list[str]:
    match node:
        case {"text": str(text)}:
            return [text]
        case dict():
            return [text for value in node.values() for text in _texts(value)]
        case list():
            return [text for value in node for text in _texts(value)]
        case _:
            return []


def _fits(block: Mapping[str, Any]) -> bool:
    match block:
        case {"type": "header", "text": {"type": "plain_text", "text": str(text)}}:
            return 0 < len(text) <= _HEADER_TEXT
        case {"type": "section"} if "text" in block or "fields" in block:
            fields = block.get("fields", [])
            text_fits = "text" not in block or _is_text(block["text"], _SECTION_TEXT)
            return (
                text_fits and len(fields) <= _MOST["fields"] and all(_is_text(entry, _FIELD_TEXT) for entry in fields)
            )
        case {"type": "context", "elements": list(elements)}:
            return 0 < len(elements) <= _MOST["elements"] and all(_is_text(entry, _SECTION_TEXT) for entry in elements)
        case {"type": "actions", "elements": list(elements)}:
            return 0 < len(elements) <= _MOST_BUTTONS and all(map(_is_button, elements))
        case {"type": "divider"}:
            return True
        case _:
            return False


def _is_button(node: object) -> bool:
    match node:
        case {"type": "button", "text": {"type": "plain_text"} as text, "action_id": str(action), "value": str(value)}:
            return _is_text(text, 75) and 0 < len(action) <= 255 and len(value) <= 2000  # noqa: PLR2004 - Slack's limits
        case _:
            return False


def _is_text(node: object, limit: int) -> bool:
    match node:
        case {"type": "mrkdwn" | "plain_text", "text": str(text)}:
            return 0 < len(text) <= limit
        case _:
            return False

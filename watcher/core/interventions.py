"""What a person did about deliveries and receivers, past rules and schedules: who, when, and why stays on record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class Action(StrEnum):
    """What was done."""

    RETRY = "retry"
    """A dead letter was taken up again."""
    DROP = "drop"
    """What was not told yet was dropped."""
    ENABLE = "enable"
    """A receiver that was held off or disabled may be sent to again."""


_WORDS: Final = {
    Action.RETRY: "taken up again by",
    Action.DROP: "dropped by",
    Action.ENABLE: "enabled by",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """One word of a person, about one or many.

    Attributes:
        at: when.
        action: what is to be done.
        subjects: ids of deliveries, or names of receivers where the action is about those.
        author: who says so.
        comment: why.
    """

    at: datetime
    action: Action
    subjects: tuple[str, ...]
    author: str
    comment: str = ""

    @property
    def word(self) -> str:
        """For the rows it changes."""
        return f"{_WORDS[self.action]} {self.author}" + (f": {self.comment}" if self.comment else "")

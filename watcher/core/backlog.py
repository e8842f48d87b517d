"""When a receiver's backlog becomes one message: many groups whose news has waited for long, as after an outage.

Each group speaks for itself as long as it can speak in time. When a receiver comes back after hours, its hundred groups would bring
a hundred messages, each about what was. So what has waited longer than `after`, and would be more than `over` messages, leaves as
one, and `core.compaction` leaves in it what still matters. That is read from the queue alone, so it is the same after a restart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Backlog:
    """What counts as one, as configured for a receiver.

    Attributes:
        after: how long news must have waited.
        over: how many messages it may still be.
    """

    after: timedelta
    over: int

    def is_one(self, created: dict[str, datetime], now: datetime) -> bool:
        """Whether these groups are a backlog.

        Args:
            created: group -> since when its oldest news waits.
            now: now.
        """
        return sum(now - since >= self.after for since in created.values()) > self.over


_BEGINS: Final = "waiting since "


def is_gathered(group: str) -> bool:
    """Whether this is the group of a backlog."""
    return group.startswith(_BEGINS)


def group_of(since: datetime, person: str = "") -> str:
    """The name of the group in which a backlog leaves: a thread of its own, for the one person it is for where it is for one."""
    return f"{_BEGINS}{since.astimezone(UTC).isoformat(timespec='minutes')}" + (f" for {person}" if person else "")

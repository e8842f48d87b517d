"""What the engine asks of time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The time, and waiting for it. The demo runs an accelerated one, tests a virtual one."""

    def now(self) -> datetime:
        """Now, aware, in UTC."""
        ...

    async def sleep(self, length: timedelta) -> None:
        """Wait for that long on this clock; at once when it is zero or negative."""
        ...

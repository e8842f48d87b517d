"""Which jobs are meant, from the settings to the core."""

from __future__ import annotations

from watcher.core.selection import Selection
from watcher.settings import Select


def selection_of(select: Select) -> Selection:
    """The settings as the core's value."""
    return Selection(
        name=select.name,
        user=select.user,
        status=select.status,
        quota=select.quota,
        type=select.type,
        tags=dict(select.tags),
        jobs=select.jobs,
    )

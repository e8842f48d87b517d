from __future__ import annotations

from tests.core.strategies import job
from tests.core.test_history import past, watched
from watcher.core.attempts import broken_off
from watcher.core.model import Course


def test_what_broke_off_the_attempt_before_is_the_entry_into_restarting() -> None:
    assert broken_off(Course()) is None
    history = past(("Running", -9), ("Restarting", 10), ("Running", 20))
    held, _ = watched(job("Running", status_history=history[:1]), job("Running", seconds=60, status_history=history))
    entry = broken_off(held.course)
    assert entry is not None
    assert entry.status == "Restarting"

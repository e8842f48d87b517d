from __future__ import annotations

from datetime import timedelta

from tests.core.strategies import NOW
from watcher.core.backlog import Backlog, group_of, is_gathered

HOUR = timedelta(hours=1)
BACKLOG = Backlog(after=HOUR, over=2)


def test_many_old_groups_are_a_backlog_and_few_or_young_ones_are_not() -> None:
    old, young = NOW - HOUR, NOW - HOUR / 2
    assert BACKLOG.is_one({"a": old, "b": old, "c": old}, NOW)
    assert not BACKLOG.is_one({"a": old, "b": old}, NOW)
    assert not BACKLOG.is_one({"a": old, "b": old, "c": young, "d": young}, NOW)
    assert not BACKLOG.is_one({}, NOW)


def test_its_group_names_since_when_and_for_whom() -> None:
    assert group_of(NOW).startswith("waiting since 20")
    assert [is_gathered(group) for group in (group_of(NOW), "route{job='a'}")] == [True, False]
    assert group_of(NOW, "ann") == f"{group_of(NOW)} for ann"

"""`digest:` of receivers as written -> the core's schedules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, time

from watcher.config.findings import Findings, as_mapping
from watcher.config.matches import LABELS_OF_JOBS, Vocabulary, check_match
from watcher.config.receivers import ConfiguredReceiver
from watcher.core.digest import Schedule
from watcher.core.matching import Matcher
from watcher.settings import WEEKDAYS


def schedules_of(receivers: Mapping[str, ConfiguredReceiver]) -> dict[str, Schedule]:
    """Receiver -> when it wants its digest; without those that want none."""
    return {
        name: Schedule(
            zone=digest.zone or receiver.common.zone or UTC,
            at=time.fromisoformat(digest.at),
            weekday=WEEKDAYS.index(digest.weekday) if digest.every == "week" else None,
            match=Matcher.of(digest.match),
        )
        for name, receiver in receivers.items()
        if (digest := receiver.common.digest) is not None
    }


def check_digests(found: Findings, words: Vocabulary) -> None:
    """What digests match, and a weekday for one that comes every day."""
    for name, written in as_mapping(found.document.data.get("receivers")).items():
        place = ("receivers", name, "digest")
        digest = as_mapping(as_mapping(written).get("digest"))
        check_match(found, (*place, "match"), LABELS_OF_JOBS, words)
        if "weekday" in digest and digest.get("every") != "week":
            found.add_at_key("it comes every day; for once a week write every: week", (*place, "weekday"))

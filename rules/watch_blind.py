"""Tell when the watcher cannot see, and when it sees again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from watcher.api import (
    Context,
    Event,
    Intent,
    NoOptions,
    Notify,
    Severity,
    Silence,
    WatchBlind,
    WatchRecovered,
    spell_duration,
)


class WatchBlindRule:
    """Tell when the watcher cannot see a source's jobs, and when it sees them again.

    When:
        Every question to a source fails for longer than its `blind_after`, or fails in a way that will not pass by itself (a
        wrong key, a missing right). And when it answers again; that is `info`.

    Why you want to know:
        While the watcher is blind it is silent, and silence must not be taken for good news.

    What it says:
        Which source, since when, the error and what can be done about it; and that this says nothing about the jobs.

    Options:
        None. How long is too long is the source's own setting, `blind_after`.
    """

    name: ClassVar[str] = "watch-blind"
    on: ClassVar[tuple[type[Event], ...]] = (WatchBlind, WatchRecovered)
    severity: ClassVar[Severity] = Severity.CRITICAL
    Options: ClassVar[type[NoOptions]] = NoOptions

    def __init__(self, options: NoOptions | None = None) -> None:
        self.options = options or NoOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:  # noqa: ARG002 - the event says it all
        """Speak about blindness and its end."""
        match event:
            case WatchBlind():
                yield Notify(
                    headline=f"We cannot see the jobs of {event.source}; this says nothing about your jobs",
                    facts=(
                        ("Blind since", f"{event.since:%Y-%m-%d %H:%M:%S} UTC"),
                        (
                            "Passes by itself",
                            "no, somebody must act" if event.permanent else "perhaps; we go on asking",
                        ),
                    ),
                    detail=event.error,
                )
            case WatchRecovered():
                blind_for = spell_duration(event.when.at - event.blind_since)
                yield Notify(
                    headline=f"We see the jobs of {event.source} again, after {blind_for}",
                    facts=(("Blind since", f"{event.blind_since:%Y-%m-%d %H:%M:%S} UTC"),),
                    detail="What DLC still shows of the time between is told now.",
                    severity=Severity.INFO,
                )
            case _:
                yield Silence("not about our sight")

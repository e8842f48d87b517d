"""Tell when the watcher cannot see, and when it sees again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from watcher.api import (
    Context,
    Event,
    Intent,
    Moment,
    NoOptions,
    Notify,
    Severity,
    Silence,
    WatchBlind,
    WatchRecovered,
    say,
)

_MUST_ACT = say("no, somebody must act", zh="不能，需要人工处理")
_GO_ON = say("perhaps; we go on asking", zh="可能，仍在重试")


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
                    headline=say(
                        "We cannot see the jobs of {source}; this says nothing about your jobs",
                        zh="无法查看 {source} 的作业；这不说明作业本身有问题",
                        source=event.source,
                    ),
                    facts=(
                        ("Blind since", Moment(event.since, seconds=True)),
                        ("Passes by itself", _MUST_ACT if event.permanent else _GO_ON),
                    ),
                    detail=event.error,
                )
            case WatchRecovered():
                yield Notify(
                    headline=say(
                        "We see the jobs of {source} again, after {blind_for}",
                        zh="已恢复查看 {source} 的作业，中断了 {blind_for}",
                        source=event.source,
                        blind_for=event.when.at - event.blind_since,
                    ),
                    facts=(("Blind since", Moment(event.blind_since, seconds=True)),),
                    detail=say(
                        "What DLC still shows of the time between is told now.",
                        zh="中断期间的变化，凡 DLC 仍有记录的，现在补发。",
                    ),
                    severity=Severity.INFO,
                )
            case _:
                yield Silence("not about our sight")

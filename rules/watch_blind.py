"""Tell when the watcher cannot see, or not in time, and when that is over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from watcher.api import (
    Context,
    Event,
    Intent,
    Length,
    Moment,
    NoOptions,
    Notify,
    Severity,
    Silence,
    WatchBehind,
    WatchBlind,
    WatchCaughtUp,
    WatchRecovered,
    say,
)

_MUST_ACT = say("no, somebody must act", zh="不能，需要人工处理")
_TOO_SMALL = say(
    "Ends and changes of status are still seen in lists; what pods do is seen late. Raise budget.requests_per_second of the source "
    "if the account bears it, select fewer jobs, or raise stale_after.",
    zh="作业结束和状态变化仍可从列表及时看到，Pod 的变化会晚些看到。如账号允许，请调高该来源的 budget.requests_per_second，"
    "或减少所选作业，或调大 stale_after。",
)
_GO_ON = say("perhaps; we go on asking", zh="可能，仍在重试")


class WatchBlindRule:
    """Tell when the watcher cannot see a source's jobs, or looks at them too rarely, and when that is over.

    When:
        Every question to a source fails for longer than its `blind_after`, or fails in a way that will not pass by itself (a
        wrong key, a missing right). And when it answers again; that is `info`. Also when the request budget does not suffice to
        look at every live job within `stale_after` (`warning`), and when it does again (`info`).

    Why you want to know:
        While the watcher is blind it is silent, and silence must not be taken for good news.

    What it says:
        Which source, since when, the error and what can be done about it; and that this says nothing about the jobs. Of a budget
        that is too small: how many jobs there are, and how many requests per second would do.

    Options:
        None. How long is too long are the source's own settings, `blind_after` and `stale_after`.
    """

    name: ClassVar[str] = "watch-blind"
    on: ClassVar[tuple[type[Event], ...]] = (WatchBlind, WatchRecovered, WatchBehind, WatchCaughtUp)
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
            case WatchBehind():
                yield Notify(
                    headline=say(
                        "Jobs of {source} are looked at too rarely: the request budget is too small",
                        zh="{source} 的作业查看得太少：请求预算不足",
                        source=event.source,
                    ),
                    facts=(
                        ("Live jobs", f"{event.live_jobs}"),
                        ("Oldest look", Moment(event.oldest_at, seconds=True)),
                        ("Promised within", Length(event.stale_after)),
                        ("Requests per second", f"{event.rate:.3g}"),
                        ("Would suffice", f"{event.needed:.3g}"),
                    ),
                    detail=_TOO_SMALL,
                    severity=Severity.WARNING,
                )
            case WatchCaughtUp():
                yield Notify(
                    headline=say(
                        "All jobs of {source} are looked at in time again",
                        zh="{source} 的所有作业已恢复按时查看",
                        source=event.source,
                    ),
                    facts=(("Too rarely since", Moment(event.behind_since, seconds=True)),),
                    severity=Severity.INFO,
                )
            case _:
                yield Silence("not about our sight")

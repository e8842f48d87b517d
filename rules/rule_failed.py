"""Tell when a rule failed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from watcher.api import (
    Context,
    Event,
    Intent,
    NoOptions,
    Notify,
    RuleFailed,
    Severity,
    Silence,
    say,
)


class RuleFailedRule:
    """Tell when a rule failed.

    When:
        A rule raised, a `when` came to neither true nor false, or a `summary` could not be rendered. The same error of the same
        rule is told once a day for each job.

    Why you want to know:
        What that rule would have said was not said. The other rules went on.

    What it says:
        Which rule, and the error.

    Options:
        None.
    """

    name: ClassVar[str] = "rule-failed"
    on: ClassVar[tuple[type[Event], ...]] = (RuleFailed,)
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[NoOptions]] = NoOptions

    def __init__(self, options: NoOptions | None = None) -> None:
        self.options = options or NoOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:  # noqa: ARG002 - the event says it all
        """Speak about a rule that could not."""
        if not isinstance(event, RuleFailed):
            yield Silence("no rule failed")
            return
        day = event.when.observed_at.date().isoformat()
        yield Notify(
            headline=say(
                "Rule {rule} failed; what it would have said was not said",
                zh="规则 {rule} 执行出错，它要发出的通知未能发出",
                rule=event.rule,
            ),
            facts=(("Rule", event.rule), ("Event", event.event_id)),
            detail=event.error,
            dedup_key=f"{event.rule}/{event.error}/{day}",
        )

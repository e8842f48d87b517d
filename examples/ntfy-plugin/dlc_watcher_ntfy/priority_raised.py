"""Somebody moved a job to the front of the queue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import Field

from watcher import api


class PriorityRaisedOptions(api.RuleOptions):
    """Options of `priority-raised`."""

    by: Annotated[int, Field(ge=1)] = 1
    """By how much at least."""


class PriorityRaisedRule:
    """Tell when a job's priority is raised.

    When:
        DLC shows a priority that is higher than the one before, by at least `by`.

    Why you want to know:
        Other jobs in the same quota wait longer now.

    What it says:
        The old and the new priority.

    Options:
        See `PriorityRaisedOptions`.
    """

    name: ClassVar[str] = "priority-raised"
    on: ClassVar[tuple[type[api.Event], ...]] = (api.JobPriorityChanged,)
    severity: ClassVar[api.Severity] = api.Severity.INFO
    Options: ClassVar[type[api.RuleOptions]] = PriorityRaisedOptions

    def __init__(self, options: PriorityRaisedOptions | None = None) -> None:
        self.options = options or PriorityRaisedOptions()

    def consider(self, event: api.Event, context: api.Context) -> Iterable[api.Intent]:  # noqa: ARG002 (the port's shape)
        """Speak about a priority that was raised."""
        if not isinstance(event, api.JobPriorityChanged):
            yield api.Silence("not a priority")
            return
        old, new = event.old_priority, event.new_priority
        if old is None or new is None or new - old < self.options.by:
            yield api.Silence("the priority was not raised so much")
            return
        yield api.Notify(
            headline=api.say("Priority raised from {old} to {new}", zh="优先级由 {old} 提高到 {new}", old=old, new=new),
            facts=(("Priority", f"{old} -> {new}"),),
        )

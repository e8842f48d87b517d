"""Tell when a pod was taken off its node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from watcher.api import (
    YES,
    Context,
    Event,
    Facts,
    Intent,
    JobSnapshot,
    NoOptions,
    Notify,
    PodEvicted,
    Severity,
    Silence,
    known,
    restarts,
    say,
)

_OVERSOLD = {
    "ForceQuotaOverSold": say("yes, always", zh="是，始终使用"),
    "AcceptQuotaOverSold": say("yes, when needed", zh="是，需要时使用"),
}


class PodEvictedRule:
    """Tell when a pod was taken off its node.

    When:
        DLC says that a pod was evicted. Each incarnation of a pod is told once; a pod that is put back and evicted again is
        told again.

    Why you want to know:
        Somebody else got the machine: a job of higher priority, the owner of borrowed capacity, a spot market; or the node is
        being repaired. The job restarts, or ends, through no fault of its own.

    What it says:
        Which pod, and from which node; as facts its role, and what makes eviction likely: spot instances, idle resources of
        other quotas, the priority; DLC's reason message in full.

    Options:
        None.
    """

    name: ClassVar[str] = "pod-evicted"
    on: ClassVar[tuple[type[Event], ...]] = (PodEvicted,)
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[NoOptions]] = NoOptions

    def __init__(self, options: NoOptions | None = None) -> None:
        self.options = options or NoOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Speak about one eviction."""
        if not isinstance(event, PodEvicted):
            yield Silence("not an eviction")
            return
        headline = say(
            "Pod {pod} was evicted{node}",
            zh="实例 {pod} 被驱逐{node}",
            pod=event.pod.pod_id,
            node=say(" from node {node}", zh="（节点 {node}）", node=event.node) if event.node else "",
        )
        own = known(("Role", event.role), ("Address", event.ip))
        facts = own if context.job is None else own + _facts(context.job)
        yield Notify(headline=headline, facts=facts, detail=event.reason_message)


def _facts(job: JobSnapshot) -> Facts:
    return known(
        ("Spot", YES if any(role.spot for role in job.roles) else ""),
        ("On idle resources of others", _OVERSOLD.get(job.settings.oversold_type, "")),
        ("Priority", "" if job.priority is None else str(job.priority)),
        ("Restarts", restarts(job.restarts)),
    )

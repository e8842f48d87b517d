"""Labels, and globs over them: how routes and rules choose.

A notification or event is described by flat text labels (see `labels_of`). A matcher maps label names to patterns: all named
labels must match, a list of patterns means any of them. Patterns are shell globs (`*`, `?`, `[a-z]`), compared with case, the whole
value. An absent label is "".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from watcher.core.events import Event, WatchBlind, WatchRecovered, pod_of
from watcher.core.model import JobSnapshot

LABELS: Final[Mapping[str, str]] = {
    "source": "name of the source in the configuration",
    "kind": "event kind, for example pod.evicted",
    "rule": "name of the rule that spoke (routes only)",
    "severity": "info, warning or critical (routes only)",
    "name": "job name (DisplayName)",
    "job": "job id",
    "workspace": "workspace id or workspace name",
    "user": "user id or user name",
    "quota": "quota id or quota name",
    "type": "job type, for example PyTorchJob",
    "status": "raw status of the job",
    "phase": "folded status, for example pending",
    "pod": "pod id",
    "node": "node name",
    "owner": "who the job belongs to by its tag dlc-watcher/owner, where `service.job_wishes` allows that",
    "tag.<key>": "value of that tag",
}
"""Label name -> what it holds. Names with two meanings hold both values; a pattern may match either."""

Labels = Mapping[str, tuple[str, ...]]


def labels_of(event: Event, job: JobSnapshot | None, owner: str = "") -> Labels:
    """The labels of an event and the job it is about.

    Args:
        event: what happened.
        job: whose news it is, if anybody's.
        owner: who the job says it belongs to, or "".
    """
    pod = pod_of(event)
    labels: dict[str, tuple[str, ...]] = {"kind": (event.kind,)}
    if isinstance(event, WatchBlind | WatchRecovered):
        labels["source"] = (event.source,)
    elif event.job is not None:
        labels["source"] = (event.job.source,)
        labels["job"] = (event.job.job_id,)
    if pod is not None:
        labels["pod"] = (pod.pod_id,)
        labels["node"] = (getattr(event, "node", ""),)
    if job is not None:
        labels |= {
            "name": (job.name,),
            "workspace": (job.workspace_id, job.workspace_name),
            "user": (job.user_id, job.user_name),
            "quota": (job.quota_id, job.quota_name),
            "type": (job.job_type,),
            "status": (job.status,),
            "phase": (job.phase.value,),
        }
        if owner:
            labels["owner"] = (owner,)
        labels |= {f"tag.{key}": (value,) for key, value in job.settings.tags}
    return labels


@dataclass(frozen=True, slots=True)
class Matcher:
    """All of these label patterns. The empty matcher matches everything."""

    patterns: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, patterns: Mapping[str, str | tuple[str, ...] | list[str]]) -> Matcher:
        """From a mapping of label name to one pattern or several."""
        return cls(
            tuple(
                (label, (allowed,) if isinstance(allowed, str) else tuple(allowed))
                for label, allowed in patterns.items()
            )
        )

    def mismatch(self, labels: Labels) -> str:
        """The first label that does not match, or "" when all do: the reason a rule or route stayed out."""
        for label, allowed in self.patterns:
            values = labels.get(label) or ("",)
            if not any(fnmatchcase(value, pattern) for value in values for pattern in allowed):
                return label
        return ""

    def matches(self, labels: Labels) -> bool:
        """Whether all patterns match."""
        return not self.mismatch(labels)

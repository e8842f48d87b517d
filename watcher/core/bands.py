"""What is usual: the band of a length of time among jobs of the same sort.

Jobs of one sort share quota, priority and GPUs. Where too few of them are known, wider sorts are asked in turn: quota and GPUs,
then the quota alone. The band that is used says which sort it is of and how many jobs it rests on, so that nobody takes seven jobs
for a law. A quota belongs to its source: equal ids of two sources, "" for public resources among them, are two quotas.

What a band rests on is what the store still holds, and it holds what came to an end of its waiting: a job that was stopped in the
queue has no waiting time, only a lower bound of one. So a band errs on the short side where many give up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from watcher.core.fleet import Member
from watcher.core.language import Text, joined, say

Measure = Callable[[Member], timedelta | None]
"""The length in question of one job; None where it is not known."""


@dataclass(frozen=True, slots=True)
class Band:
    """The lengths of jobs of one sort.

    Attributes:
        lengths: in order, the shortest first; at least one.
        sort: what these jobs have in common, for people: "quota q, priority 5, 8 GPUs".
    """

    lengths: tuple[timedelta, ...]
    sort: Text

    def at(self, part: float) -> timedelta:
        """The length that this part of the jobs, above 0 and at most 1, did not exceed (nearest rank: a length that was seen)."""
        # The product of two floats may lie a hair above the whole number that is meant: 0.7 * 10 is one.
        return self.lengths[max(1, ceil(round(part * len(self.lengths), 9))) - 1]

    @property
    def spread(self) -> Text:
        """The usual lengths, for a fact: "half within 4 m, 90 % within 20 m, 95 % within 35 m"."""
        return say(
            "half within {half}, 90 % within {most}, 95 % within {nearly_all}",
            zh="一半在 {half}内，90% 在 {most}内，95% 在 {nearly_all}内",
            half=self.at(0.5),
            most=self.at(0.9),
            nearly_all=self.at(0.95),
        )


@dataclass(frozen=True, slots=True)
class TooFew:
    """No sort has enough jobs.

    Attributes:
        jobs: how many the widest one has.
        sort: what they have in common.
    """

    jobs: int
    sort: Text


def learn(job: Member, fleet: Iterable[Member], measure: Measure, least: int) -> Band | TooFew:
    """The band of the narrowest sort of this job that at least so many others of known length belong to.

    Args:
        job: the job in question; its own length does not count.
        fleet: every job that is known.
        measure: the length in question.
        least: how many jobs a band must rest on; at least 1.
    """
    home, traits = _quota(job), _traits(job)
    others = [
        (_traits(other), length)
        for other in fleet
        if _quota(other) == home and other.ref != job.ref and (length := measure(other)) is not None
    ]
    for shared in range(len(traits), -1, -1):
        alike = [length for theirs, length in others if theirs[:shared] == traits[:shared]]
        if len(alike) >= least:
            return Band(tuple(sorted(alike)), _words(job, shared))
    return TooFew(len(others), _words(job, 0))


def _quota(job: Member) -> tuple[str, str]:
    return job.ref.source, job.quota_id


def _traits(job: Member) -> tuple[float, int | None]:
    """What narrows a sort within its quota, what is given up last first."""
    return job.gpus or 0.0, job.priority


def _words(job: Member, shared: int) -> Text:
    quota = (
        say("quota {name}", zh="资源配额 {name}", name=job.quota_name or job.quota_id)
        if job.quota_id
        else say("public resources", zh="公共资源")
    )
    size = (
        say("{n} GPU" if job.gpus == 1 else "{n} GPUs", zh="{n} 个 GPU", n=f"{job.gpus:g}")
        if job.gpus
        else say("no GPUs", zh="无 GPU")
    )
    urgency = (
        say("no priority", zh="无优先级")
        if job.priority is None
        else say("priority {n}", zh="优先级 {n}", n=job.priority)
    )
    return joined(((quota,), (quota, size), (quota, urgency, size))[shared])

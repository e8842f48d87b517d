"""What a source's lists can do, learnt from their answers; documentation and recordings leave it open.

Theory. Every belief is held for one reason only: an answer that cannot be explained otherwise. A job in a list by finish time that
was created before the window shows that the window is on the finish time; one that has not ended shows that it is not. A job that
nobody asked for shows that JobIds changes nothing. A question that is refused is as good as ignored. Until then the question is
asked, as it costs one request and a wrong hope loses nothing: what a feed leaves out is found by sweeps, rounds and passes. What
was found to be ignored is tried again after `AGAIN`: services learn.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from watcher.core.feeds import MARGIN, ListAnswer, ListQuestion
from watcher.core.model import JobId, JobSummary
from watcher.core.phases import TERMINAL

AGAIN: Final = timedelta(hours=6)
"""After so long a question that was ignored is asked again."""

MISSES: Final = 3
"""So many ends that a window on the finish time left out, and none that it showed: it is not honoured."""

ENOUGH: Final = 200
"""Of list items that were compared, before anything is concluded from how many of them stirred; older ones fade out."""
RESTLESS: Final = 0.2
"""Where more items than this share differ from the ones before though nothing that we watch does, that says nothing."""

FULL: Final = frozenset({"Pods", "StatusHistory"})
"""Items that carry these tell as much of a live job as GetJob does, but for its restart records."""

WATCHED: Final = ("SubStatus", "ReasonCode", "RestartTimes", "GmtModifiedTime", "Pods", "StatusHistory")
"""Members of list items that matter, and of which it is not known whether lists carry them."""


class Belief(StrEnum):
    """What is thought of a question."""

    UNKNOWN = "unknown"
    HONOURED = "honoured"
    IGNORED = "ignored"


class Ability(StrEnum):
    """What lists may be able to do."""

    FINISH_WINDOW = "finish_window"
    """TimeRangeField=GmtFinishTime moves the window to the finish time."""
    JOB_IDS = "job_ids"
    """JobIds names the jobs to show."""
    STATUSES = "statuses"
    """Status takes several, separated by commas."""


@dataclass(frozen=True, slots=True)
class Held:
    """A belief, and since when it is held."""

    belief: Belief = Belief.UNKNOWN
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What was learnt of one source's lists.

    Attributes:
        finish_window: see `Ability`.
        job_ids: likewise.
        statuses: likewise.
        misses: ends that a window on the finish time left out.
        carries: members of `WATCHED` that items were seen to carry.
        items: how many items were looked at for that.
        calm: items that said the same as the ones before, of late.
        stirred: items that did not, though nothing that we compare was another.
    """

    finish_window: Held = Held()
    job_ids: Held = Held()
    statuses: Held = Held()
    misses: int = 0
    carries: frozenset[str] = frozenset()
    items: int = 0
    calm: float = 0.0
    stirred: float = 0.0

    def belief(self, ability: Ability) -> Belief:
        """What is thought of an ability."""
        return self._held(ability).belief

    def worth_asking(self, ability: Ability, now: datetime) -> bool:
        """Whether to ask in this way: it was honoured, or nothing speaks against it, or that was long ago."""
        held = self._held(ability)
        return held.belief is not Belief.IGNORED or (held.since is not None and now - held.since >= AGAIN)

    @property
    def full(self) -> bool:
        """Whether items tell as much as GetJob, and can be trusted to stay the same while nothing happens."""
        return self.carries >= FULL and self.telling

    @property
    def telling(self) -> bool:
        """Whether an item that is another than before says that something happened."""
        seen = self.calm + self.stirred
        return seen >= ENOUGH / 10 and self.stirred <= seen * RESTLESS

    def _held(self, ability: Ability) -> Held:
        return {
            Ability.FINISH_WINDOW: self.finish_window,
            Ability.JOB_IDS: self.job_ids,
            Ability.STATUSES: self.statuses,
        }[ability]


def found(learnt: Capabilities, ability: Ability, belief: Belief, now: datetime) -> Capabilities:
    """Hold a belief from now on. That something is ignored was seen; that it is honoured was only not contradicted so far."""
    held = Held(belief, now)
    if ability is Ability.FINISH_WINDOW:
        return replace(learnt, finish_window=held, misses=0)
    return replace(learnt, job_ids=held) if ability is Ability.JOB_IDS else replace(learnt, statuses=held)


def ability_of(question: ListQuestion) -> Ability | None:
    """What a question puts to the test."""
    if question.window == "finished":
        return Ability.FINISH_WINDOW
    if question.jobs:
        return Ability.JOB_IDS
    return Ability.STATUSES if len(question.statuses) > 1 else None


def refused(learnt: Capabilities, question: ListQuestion, now: datetime) -> Capabilities:
    """The question was refused as wrong."""
    ability = ability_of(question)
    return learnt if ability is None else found(learnt, ability, Belief.IGNORED, now)


def heard(learnt: Capabilities, question: ListQuestion, answer: ListAnswer, now: datetime) -> Capabilities:
    """What an answer shows of the abilities that its question put to the test, and of what items carry."""
    learnt = replace(
        learnt,
        items=learnt.items + len(answer.jobs),
        carries=learnt.carries.union(*(job.carries for job in answer.jobs)),
    )
    ability = ability_of(question)
    if ability is None:
        return learnt
    shown = _shown(question, answer)
    return learnt if shown is Belief.UNKNOWN else found(learnt, ability, shown, now)


def _shown(question: ListQuestion, answer: ListAnswer) -> Belief:
    if question.window == "finished":
        return _finish_window(question.since, answer.jobs)
    if question.jobs:
        return _job_ids(question.jobs, answer.named)
    foreign = any(job.status not in question.statuses for job in answer.jobs)
    if foreign:
        return Belief.IGNORED
    return Belief.HONOURED if answer.jobs else Belief.UNKNOWN


def _finish_window(since: datetime | None, jobs: Collection[JobSummary]) -> Belief:
    if since is None:
        return Belief.UNKNOWN
    if any(job.phase not in TERMINAL or (job.finished_at and job.finished_at < since - MARGIN) for job in jobs):
        return Belief.IGNORED
    return Belief.HONOURED if any(job.created_at and job.created_at < since for job in jobs) else Belief.UNKNOWN


def _job_ids(asked: Collection[JobId], named: Collection[JobId]) -> Belief:
    if not named:
        return Belief.UNKNOWN
    return Belief.HONOURED if set(named) <= set(asked) else Belief.IGNORED


def left_out(learnt: Capabilities, now: datetime) -> Capabilities:
    """A window on the finish time was answered without a job that ended in it."""
    if learnt.finish_window.belief is not Belief.UNKNOWN:
        return learnt
    if learnt.misses + 1 < MISSES:
        return replace(learnt, misses=learnt.misses + 1)
    return found(learnt, Ability.FINISH_WINDOW, Belief.IGNORED, now)


def compared(learnt: Capabilities, *, calm: int, stirred: int) -> Capabilities:
    """So many items said the same as the ones before, so many did not, though nothing that we compare was another."""
    seen = learnt.calm + learnt.stirred + calm + stirred
    fade = min(1.0, ENOUGH / seen) if seen else 1.0
    return replace(learnt, calm=(learnt.calm + calm) * fade, stirred=(learnt.stirred + stirred) * fade)

"""Cohorts: jobs that belong together, as those of one sweep do.

What makes jobs kin is written as one text:

- `pipeline`: DLC's pipeline id (`Settings.PipelineId`);
- `template`: the id of the job template they were made from (`TemplateId`, which only lists tell);
- `tag:KEY`: the value of that tag;
- `name:GLOB`: every job whose name fits the glob; they are one cohort, named by the glob;
- `regex:PATTERN`: the part of the name that the pattern's one group catches; the pattern must fit the whole name.

Kin live in one workspace of one source. A name may be used again weeks later, so a cohort ends in time, too: a job that was made
longer than `apart` after all earlier kin had ended begins a new cohort. What belongs to a cohort is found anew at each look, from
the jobs that are still stored, and nothing of it is kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from watcher.core.fleet import Member
from watcher.core.phases import TERMINAL, Phase

_FOR_EVER: Final = datetime.max.replace(tzinfo=UTC)

_WAYS: Final[Mapping[Phase, str]] = {Phase.SUCCEEDED: "succeeded", Phase.FAILED: "failed", Phase.STOPPED: "stopped"}
_GONE: Final = "vanished"

_LONGEST_NAME: Final = 256
"""A pattern sees no more of a name: it is the configuration's, the name is anybody's."""


class Tie(StrEnum):
    """The ways in which jobs can be kin."""

    PIPELINE = "pipeline"
    TEMPLATE = "template"
    TAG = "tag"
    NAME = "name"
    REGEX = "regex"


_BARE: Final = frozenset({Tie.PIPELINE, Tie.TEMPLATE})
"""Ties that are DLC's own; the others need to be told of what."""


@dataclass(frozen=True, slots=True)
class Kinship:
    """What makes jobs kin.

    Attributes:
        tie: the way.
        of: the tag's key, the glob or the pattern; "" for DLC's own ties.
    """

    tie: Tie = Tie.PIPELINE
    of: str = ""

    @classmethod
    def parse(cls, text: str) -> Kinship:
        """Read `tag:sweep` and the like.

        Raises:
            ValueError: with a sentence that says what is allowed.
        """
        word, _, of = text.partition(":")
        if word not in set(Tie) or (word in _BARE) == bool(of):
            raise ValueError("jobs are kin by pipeline, template, tag:KEY, name:GLOB or regex:PATTERN")
        if word == Tie.REGEX:
            try:
                groups = re.compile(of).groups
            except re.error as exc:
                raise ValueError(f"{of!r} is not a regular expression: {exc}") from None
            if groups != 1:
                raise ValueError(
                    f"{of!r} needs exactly one group, which catches what kin have in common; it has {groups}"
                )
        return cls(Tie(word), of)

    def __str__(self) -> str:
        return f"{self.tie}:{self.of}" if self.of else self.tie.value

    def family(self, job: Member) -> str:
        """What the job has in common with its kin; "" for a job that has none."""
        match self.tie:
            case Tie.PIPELINE:
                return job.pipeline_id
            case Tie.TEMPLATE:
                return job.template_id
            case Tie.TAG:
                return dict(job.tags).get(self.of, "")
            case Tie.NAME:
                return self.of if fnmatchcase(job.title, self.of) else ""
            case _:
                found = re.fullmatch(self.of, job.title[:_LONGEST_NAME])
                return (found[1] or "") if found else ""


@dataclass(frozen=True, slots=True)
class Cohort:
    """Kin of one time.

    Attributes:
        family: what they have in common.
        members: in the order in which they were made; at least one.
    """

    family: str
    members: tuple[Member, ...]

    @property
    def key(self) -> str:
        """Names the cohort for as long as its first job is stored; also when others join."""
        first = self.members[0].ref
        return f"{first.source}/{self.family}/{first.job_id}"

    @property
    def roll(self) -> str:
        """Names the cohort as it is now: another when a job has joined."""
        return ",".join(sorted(job.ref.job_id for job in self.members))

    @property
    def ended(self) -> tuple[Member, ...]:
        """Those that are over, in whatever way."""
        return tuple(job for job in self.members if is_over(job))

    @property
    def share_ended(self) -> float:
        """The part of them that is over, 0 to 1."""
        return len(self.ended) / len(self.members)

    @property
    def counts(self) -> tuple[tuple[str, int], ...]:
        """How they ended, each way that there was, with words for people."""
        ways = Counter(_WAYS.get(job.phase, _GONE) for job in self.ended)
        return tuple((way, ways[way]) for way in (*_WAYS.values(), _GONE) if ways[way])

    @property
    def failed(self) -> tuple[Member, ...]:
        """Those that failed."""
        return tuple(job for job in self.members if job.phase is Phase.FAILED)

    @property
    def gpu_hours(self) -> tuple[float, int]:
        """GPU-hours from the (last told) start to the end of those that are over; and of how many of them that cannot be told.

        A job that never ran has none. How long a job was down in between is not taken off.
        """
        total, unknown = 0.0, 0
        for job in self.ended:
            ran = _ran(job)
            if ran is None or (job.gpus is None and ran):
                unknown += 1
            else:
                total += (job.gpus or 0.0) * (ran / timedelta(hours=1))
        return total, unknown

    @property
    def longest(self) -> tuple[Member, timedelta] | None:
        """The one that ran for longest, of those that are over."""
        known = [(job, ran) for job in self.ended if (ran := _ran(job))]
        return max(known, key=lambda pair: pair[1], default=None)

    @property
    def began_at(self) -> datetime:
        """When the first of them was made."""
        return _made_at(self.members[0])

    @property
    def ended_at(self) -> datetime | None:
        """When the last of them ended; None while one is live."""
        ends = [_ended_at(job) for job in self.ended]
        return max(ends) if len(ends) == len(self.members) else None


def is_over(job: Member) -> bool:
    """Whether a job is of the past: ended, or gone from DLC."""
    return job.vanished or job.phase in TERMINAL


def cohort_of(job: Member, fleet: Iterable[Member], kinship: Kinship, apart: timedelta) -> Cohort | None:
    """The cohort that a job belongs to; None where it has no kin by nature.

    Args:
        job: the job; must be in the fleet.
        fleet: every job that is known.
        kinship: what makes jobs kin.
        apart: how long after the end of all earlier kin a new cohort begins.
    """
    family = kinship.family(job)
    if not family:
        return None
    home = (job.ref.source, job.workspace_id)
    kin = (
        other for other in fleet if (other.ref.source, other.workspace_id) == home and kinship.family(other) == family
    )
    members: list[Member] = []
    over_at = _FOR_EVER
    for other in sorted(kin, key=lambda one: (_made_at(one), one.ref)):
        if members and _made_at(other) - over_at > apart:
            if any(one.ref == job.ref for one in members):
                break
            members = []
        ends_at = _ended_at(other) if is_over(other) else _FOR_EVER
        over_at = max(over_at, ends_at) if members else ends_at
        members.append(other)
    return Cohort(family, tuple(members))


def _made_at(job: Member) -> datetime:
    return job.created_at or job.phase_since


def _ended_at(job: Member) -> datetime:
    return job.ended_at or job.phase_since


def _ran(job: Member) -> timedelta | None:
    if job.running_at is None:
        return timedelta(0)
    ran = _ended_at(job) - job.running_at
    return ran if ran >= timedelta(0) else None

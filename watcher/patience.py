"""How long a rule waits before it speaks: a fixed time, or what is usual among jobs of the same sort.

Options that several rules share, with what they come to for one job. Beside `settings`, because options are written by people, and
not in the core, because they are made of its values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

from watcher.core.bands import Measure, TooFew, learn
from watcher.core.language import Text, say
from watcher.core.model import JobSnapshot
from watcher.core.rule import Context, Deadline, Facts, Intent, RuleOptions, Silence
from watcher.settings import Duration

LOOK_AGAIN: Final = timedelta(hours=1)
"""How soon a job is looked at again of whose sort too few are known."""

_PERCENTILE: Final = re.compile(r"\s*p(\d{1,2}(?:\.\d{1,3})?)\s*")


def _quantile(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _PERCENTILE.fullmatch(value)
    if match is None:
        raise ValueError("a part of the jobs is written p95, p99.5 or 0.95")
    return float(match[1]) / 100


Quantile = Annotated[
    float,
    BeforeValidator(_quantile),
    Field(gt=0, lt=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\s*p\d{1,2}(\.\d{1,3})?\s*$", "examples": ["p90", "p95", "p99"]},
                {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            ]
        }
    ),
]
"""A part of the jobs, written `p95` or 0.95; above 0 and below 1."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How long is too long, and why.

    Attributes:
        length: the limit itself.
        because: the words to end a headline with: "; 95 % of 143 such jobs (...) waited no longer than 35 m"; "" for a fixed time.
        facts: what the band looks like; empty for a fixed time.
    """

    length: timedelta
    because: Text = ""
    facts: Facts = ()


class Patience(RuleOptions):
    """Options of rules that speak of what takes too long: by a fixed time, or by what is usual.

    A rule derives its options from this and gives `after` its default. That default is for those who name neither: with `beyond`,
    the fixed time holds only where it is written.
    """

    after: Duration
    """How long is too long, fixed. With `beyond`, it holds only where it is given, and for jobs of which too few are known."""
    beyond: Quantile | None = None
    """Too long is what this part of the jobs of the same sort (quota, priority, GPUs; else quota, GPUs; else quota) did not
    exceed, as far as they are stored: `p95` or 0.95. Jobs of which too few are known are passed over, unless `after` is given."""
    factor: Annotated[float, Field(ge=0.1, le=100)] = 1.0
    """How many times the usual length is too long; for `beyond`."""
    at_least: Duration = timedelta(minutes=5)
    """However short the usual length is, less than this is never too long; for `beyond`."""
    least_jobs: Annotated[int, Field(ge=2, le=100_000)] = 20
    """How many jobs a usual length must rest on; for `beyond`."""

    def limit(self, job: JobSnapshot, context: Context, measure: Measure, verb: Text) -> Limit | TooFew:
        """How long is too long for this job, by what is known now.

        Args:
            job: the job in question.
            context: what the rule is asked in.
            measure: the length in question.
            verb: what the other jobs did for so long, for people: "waited".

        Returns:
            The limit; or, where there is none for lack of such jobs, how many there are.
        """
        if self.beyond is None:
            return Limit(self.after)
        member = context.fleet.members.get(job.ref)
        found = (
            TooFew(0, "") if member is None else learn(member, context.fleet.members.values(), measure, self.least_jobs)
        )
        if isinstance(found, TooFew):
            return Limit(self.after) if "after" in self.model_fields_set else found
        usual, jobs = found.at(self.beyond), len(found.lengths)
        return Limit(
            max(self.at_least, usual * self.factor),
            say(
                "; {part} % of {jobs} such jobs ({sort}) {verb} no longer than {usual}",
                zh="；{jobs} 个同类作业（{sort}）中 {part}% 的{verb}时间不超过 {usual}",
                part=f"{self.beyond * 100:.4g}",
                jobs=jobs,
                sort=found.sort,
                verb=verb,
                usual=usual,
            ),
            (("Usual", found.spread),),
        )


def passed_over(few: TooFew, key: str, now: datetime) -> Iterator[Intent]:
    """What a rule answers where there is no limit: silence with its reason, and another look, for more jobs come to be known."""
    yield Silence(f"only {few.jobs} such jobs are known" + (f" ({few.sort})" if few.sort else ""))
    yield Deadline(key, now + LOOK_AGAIN)

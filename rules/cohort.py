"""Tell of jobs that belong together: how far they are, the first failure, many failures, and when the last one has ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar

from watcher.api import (
    Cohort,
    Context,
    Duration,
    Event,
    Facts,
    Intent,
    JobFailed,
    JobStopped,
    JobSucceeded,
    JobVanished,
    Kinship,
    Member,
    Notify,
    RuleOptions,
    Severity,
    Silence,
    Text,
    cohort_of,
    joined,
    known,
    say,
)

_MOST_NAMES = 3


class CohortOptions(RuleOptions):
    """Options of `cohort`."""

    by: str = "pipeline"
    """What makes jobs of one workspace a cohort: `pipeline` (DLC's pipeline id), `template` (the job template), `tag:KEY`
    (the same value of that tag), `name:GLOB` (all whose name fits), or `regex:PATTERN` (the same text in the pattern's one group;
    it must fit the whole name)."""
    least: int = 3
    """Of fewer jobs than this nothing is said."""
    progress: tuple[float, ...] = (0.25, 0.5, 0.75)
    """At which parts that have ended progress is told, each above 0 and below 1. Empty: never."""
    first_failure: bool = True
    """Whether the first failure is told."""
    failed_at: float | None = 0.2
    """Which part of the jobs must have failed to be told as critical, above 0 and at most 1. null: never."""
    apart: Duration = timedelta(days=1)
    """A job that is made so long after all earlier ones had ended begins a new cohort: names are used again."""

    def model_post_init(self, _: object, /) -> None:
        """Refuse what could never be meant."""
        Kinship.parse(self.by)
        if self.least < 1:
            raise ValueError("least is at least 1")
        if not all(0 < part < 1 for part in self.progress):
            raise ValueError("progress is a list of parts above 0 and below 1, for example [0.5, 0.9]")
        if self.failed_at is not None and not 0 < self.failed_at <= 1:
            raise ValueError("failed_at is a part of the jobs, above 0 and at most 1")


class CohortRule:
    """Tell of jobs that belong together: how far they are, the first failure, many failures, and when the last one has ended.

    When:
        A job of the cohort ends, and with it one of the parts in `progress` is reached, or it is the first that failed, or the part
        `failed_at` has failed, or no other is live any more. Each is told once for each cohort. If jobs join after the last one had
        ended, the end is told again when those have ended, too. A job that has vanished counts as ended. Jobs of other sources and
        workspaces never belong together; `match` chooses whose end is looked at, not who belongs to the cohort.

    Why you want to know:
        Of a sweep of fifty jobs nobody wants fifty messages. What counts is whether it gets on, whether something is wrong with all
        of it (then stop it before it has burnt its GPUs), and when the results are complete.

    What it says:
        How many have ended, and how; as facts, at the end, the GPU-hours where known, the longest job, when the first was made and
        the last one ended; which jobs failed.

    Options:
        `by` (pipeline): what makes jobs a cohort, or template, tag:KEY, name:GLOB, regex:PATTERN. `least` (3): the smallest
        cohort to speak of. `progress` (0.25, 0.5, 0.75) and `failed_at` (0.2): the parts to tell. `first_failure` (true): whether
        to tell the first failure. `apart` (1d): how long after the end of all a job of the same name begins another cohort.
    """

    name: ClassVar[str] = "cohort"
    on: ClassVar[tuple[type[Event], ...]] = (JobSucceeded, JobFailed, JobStopped, JobVanished)
    severity: ClassVar[Severity] = Severity.INFO
    Options: ClassVar[type[CohortOptions]] = CohortOptions

    def __init__(self, options: CohortOptions | None = None) -> None:
        self.options = options or CohortOptions()
        self._kinship = Kinship.parse(self.options.by)

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Look at the whole cohort when one of its jobs has ended."""
        job = None if context.job is None else context.fleet.members.get(context.job.ref)
        if job is None or not isinstance(event, self.on):
            yield Silence("no job of which a cohort is known")
            return
        cohort = cohort_of(job, context.fleet.members.values(), self._kinship, self.options.apart)
        if cohort is None or len(cohort.members) < self.options.least:
            yield Silence("no cohort" if cohort is None else f"a cohort of {len(cohort.members)}, too few to speak of")
            return
        if isinstance(event, JobFailed):
            yield from self._failures(cohort, event)
        if cohort.ended_at is not None:
            yield _end(cohort)
            return
        reached = [part for part in self.options.progress if part <= cohort.share_ended]
        if reached:
            yield Notify(
                headline=_about(cohort, _so_far(cohort)),
                facts=_failed(cohort),
                dedup_key=f"{cohort.key}/progress/{max(reached)}",
                across_jobs=True,
                series=cohort.key,
            )
        else:
            yield Silence(f"cohort {cohort.family}: {_so_far(cohort)}")

    def _failures(self, cohort: Cohort, event: JobFailed) -> Iterator[Notify]:
        failed, size = len(cohort.failed), len(cohort.members)
        share = self.options.failed_at
        if share is not None and failed >= share * size:
            yield Notify(
                headline=_about(cohort, say("{n} of {all} failed", zh="{all} 个中有 {n} 个失败", n=failed, all=size)),
                facts=_failed(cohort),
                detail=event.reason_message,
                severity=Severity.CRITICAL,
                dedup_key=f"{cohort.key}/failed/{share}",
                across_jobs=True,
                series=cohort.key,
            )
        elif self.options.first_failure and failed == 1:
            yield Notify(
                headline=_about(
                    cohort, say("first failure, {so_far}", zh="出现首个失败，{so_far}", so_far=_so_far(cohort))
                ),
                facts=_failed(cohort),
                detail=event.reason_message,
                severity=Severity.WARNING,
                dedup_key=f"{cohort.key}/first-failure",
                across_jobs=True,
                series=cohort.key,
            )


_WAYS_ZH = {"succeeded": "{n} 个成功", "failed": "{n} 个失败", "stopped": "{n} 个停止", "vanished": "{n} 个消失"}


def _about(cohort: Cohort, told: Text) -> Text:
    return say("Cohort {family}: {told}", zh="作业组 {family}：{told}", family=cohort.family, told=told)


def _so_far(cohort: Cohort) -> Text:
    return say(
        "{n} of {all} ended, {ways}",
        zh="{all} 个中已结束 {n} 个，{ways}",
        n=len(cohort.ended),
        all=len(cohort.members),
        ways=_ways(cohort),
    )


def _ways(cohort: Cohort) -> Text:
    return joined([say(f"{{n}} {way}", zh=_WAYS_ZH[way], n=count) for way, count in cohort.counts])


def _end(cohort: Cohort) -> Notify:
    hours, unknown = cohort.gpu_hours
    longest, took = cohort.longest, None if cohort.ended_at is None else cohort.ended_at - cohort.began_at
    found = (
        (
            "GPU-hours",
            say(
                "about {hours}{unknown}",
                zh="约 {hours}{unknown}",
                hours=f"{hours:.1f}",
                unknown=say(", {n} jobs not known", zh="，另有 {n} 个作业未知", n=unknown) if unknown else "",
            ),
        ),
        ("Longest", say("{job}, {took}", zh="{job}，{took}", job=longest[0].title, took=longest[1]) if longest else ""),
        ("First made", cohort.began_at),
        ("Last ended", cohort.ended_at),
        ("Took", took or ""),
    )
    return Notify(
        headline=_about(
            cohort,
            say(
                "the last of {all} has ended, {ways}",
                zh="{all} 个作业已全部结束，{ways}",
                all=len(cohort.members),
                ways=_ways(cohort),
            ),
        ),
        facts=known(*found) + _failed(cohort),
        severity=Severity.WARNING if cohort.failed else Severity.INFO,
        dedup_key=f"{cohort.key}/ended/{cohort.roll}",
        across_jobs=True,
        series=cohort.key,
    )


def _failed(cohort: Cohort) -> Facts:
    names = [_called(job) for job in cohort.failed]
    return (("Failed", joined(names, most=_MOST_NAMES)),) if names else ()


def _called(job: Member) -> str:
    return f"{job.title} ({job.reason_code})" if job.reason_code else job.title

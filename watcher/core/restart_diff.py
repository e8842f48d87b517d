"""Restarts of the whole job between two snapshots. Part of `core.diff`; see there for the laws.

One event for each restart, however many members of DLC's answers show it:

- The counter (`RestartTimes`) counts. Where there is none, records of restarts of the whole job that bear their number do.
- Where neither was ever told, each entry into the status Restarting is one restart, inferred. A counter or records that come up
  later tell only what was not inferred, by count, as nothing says which is which.

A SubStatus of Restarting is no evidence of its own: DLC does not date it, so that it could not be told from the entry into the
status Restarting that a lagging history brings later, and one restart would be told twice.

Nor is a status of Restarting beside a counter that stands still: the counter may have counted it before the first look or may do so
at any later one, so a restart inferred from it could be told twice, or bear the number of another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from watcher.core.events import EventId, JobRestarted, JobRestartExplained, Provenance, When, deterministic_id
from watcher.core.identity import Look
from watcher.core.model import JobSnapshot, RestartRecord, StatusEntry
from watcher.core.order import Rank, Told
from watcher.core.phases import Phase
from watcher.core.restart_records import by_number, counts_no_restarts, culprit, explanation, job_records
from watcher.core.times import dated, no_later_than

MOST_RESTARTS: Final = 100
"""One event for each restart up to here; a counter that leaps further is told once, with its count."""


def job_restarts(look: Look) -> Iterator[Told]:
    """The restarts that are new, with what their records say, and the records that came after their restarts."""
    yield from _explained(look)
    if _absent(look.old) and _absent(look.new):
        yield from _uncounted(look)
    else:
        yield from _counted(look)


def _absent(job: JobSnapshot) -> bool:
    return job.restarts.used is None and not job.restarts.text


def _uncounted(look: Look) -> Iterator[Told]:
    """Restarts by their records, else by the status."""
    told, records, inferred = by_number(look.old), by_number(look.new), look.progress.course.restarts_inferred
    fresh = sorted(number for number in records if number not in told)
    for number in fresh if told else fresh[inferred:]:
        yield _restarted(look, number, records[number], look.when, counted=False)
    if counts_no_restarts(look.new):
        entries = [step.entry for step in look.progress.steps if step.entry.phase is Phase.RESTARTING]
        for number, entry in enumerate(entries, start=inferred - len(entries) + 1):
            yield _inferred(look, number, entry)


def _counted(look: Look) -> Iterator[Told]:
    """Restarts by the counter. From a text that cannot be read nothing can be counted."""
    old, new, when = look.old, look.new, look.when
    records = by_number(new)
    absent = _absent(old)
    before = max(look.progress.course.restarts_inferred, *by_number(old), 0) if absent else old.restarts.used
    used = new.restarts.used
    if before is None or used is None or used <= before:
        return
    if absent:  # the restarts may be older than our last look: they must have happened, no more is known
        when = replace(when, not_before=None, provenance=Provenance.INFERRED)
    leap = used - before
    if leap > MOST_RESTARTS:
        yield _restarted(look, used, None, when, count=leap)
        return
    in_time = _in_time(old, new, before, used)
    for number in range(before + 1, used + 1):
        yield _restarted(look, number, records.get(number) or in_time.get(number), when)


def _in_time(old: JobSnapshot, new: JobSnapshot, before: int, used: int) -> Mapping[int, RestartRecord]:
    """Number of a restart -> its record, by time; empty unless as many new records bear a time, but no number, as restarted."""
    known = {record.key for record in old.restart_records}
    unnumbered = (record for record in job_records(new) if not record.job_restart_count)
    fresh = [record for record in unnumbered if record.occurred_at and record.key not in known]
    return dict(zip(range(before + 1, used + 1), fresh, strict=True)) if len(fresh) == used - before else {}


def _restarted(
    look: Look, number: int, record: RestartRecord | None, when: When, *, count: int = 1, counted: bool = True
) -> Told:
    record = record or RestartRecord()
    event = JobRestarted(
        **look.event("job.restarted", number, when=dated(when, record.occurred_at)),
        used=number,
        limit=look.new.restarts.limit,
        count=count,
        counted=counted,
        reason_code=look.new.reason_code,
        reason_message=look.new.reason_message,
        culprit_pod=culprit(record).pod,
        **explanation(record),
    )
    return Told(Rank.JOB_RESTART, event, step=number)


def _inferred(look: Look, number: int, entry: StatusEntry) -> Told:
    """A restart that only the status shows: it had happened when the job was Restarting."""
    when = replace(no_later_than(look.when, entry.started_at), provenance=Provenance.INFERRED)
    event = JobRestarted(
        **look.event("job.restarted", entry.status, entry.key, when=when),
        used=number,
        limit=None,
        counted=False,
        reason_code=look.new.reason_code,
        reason_message=look.new.reason_message,
    )
    return Told(Rank.JOB_RESTART, event, step=number)


def _explained(look: Look) -> Iterator[Told]:
    """Records that are new, or say more, of restarts that were told earlier."""
    old, new = look.old, look.new
    if old.restart_records == new.restart_records:
        return
    told, seen = by_number(old), frozenset(old.restart_records)
    for number, record in by_number(new).items():
        counted = number in told if old.restarts.used is None else number <= old.restarts.used
        was = told.get(number)
        news = record not in seen and (was is None or explanation(was) != explanation(record))
        named_so = number > look.progress.course.restarts_inferred
        if counted and named_so and news and look.told_since(record.occurred_at):
            corrected = EventId(deterministic_id("job.restarted", new.ref, number))
            yield explained(look, record, corrected, used=number)


def explained(
    look: Look, record: RestartRecord, corrected: EventId, *, nameless: str = "", used: int = 0, pod_id: str = ""
) -> Told:
    """A record that came after its restart was told."""
    said = explanation(record)
    when = dated(look.when, record.occurred_at)
    event = JobRestartExplained(
        **look.event("job.restart_explained", corrected, *said.values(), when=when),
        corrected=corrected,
        corrected_nameless=nameless,
        used=used,
        pod_id=pod_id,
        culprit_pod=culprit(record).pod,
        **said,
    )
    return Told(Rank.CORRECTION, event, pod_id=pod_id, step=used)

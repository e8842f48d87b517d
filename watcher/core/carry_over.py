"""What an answer leaves out stays as it was held. Part of `core.observation`, which says why.

The name of an incarnation (uid, creation time) and its place are carried over as long as it is the same incarnation; earlier lives
that DLC no longer lists stay known, so that one which is listed again is not told as a new one. An answer that shows an earlier
incarnation as the live one is older than what is held, as far as that pod goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from operator import attrgetter
from typing import Final

from watcher.core.incarnations import lives, pair, pods_by_id
from watcher.core.model import JobSettings, JobSnapshot, PodSnapshot, RestartRecord
from watcher.core.roles import carried_replicas, carried_roles


def carry_over(held: JobSnapshot, answer: JobSnapshot, doubted: Iterable[str]) -> tuple[JobSnapshot, tuple[str, ...]]:
    """The answer, completed by what it does not speak of.

    Args:
        held: what is held.
        answer: what DLC says.
        doubted: pod ids that the answer before this one left out.

    Returns:
        What is to be held, and the pod ids whose absence is in doubt from now on. Pods left out a second time are not in it.
    """
    pods, missing = held.pods, tuple(doubted)
    if answer.pods is not None:
        pods, missing = _pods(held.pods, answer.pods, frozenset(doubted))
    known, told = held.restarts.used, answer.restarts.used
    fewer = told is None and not answer.restarts.text if known is None else told is None or told < known
    return replace(
        answer,
        pods=pods,
        roles=carried_roles(held, answer),
        replicas=carried_replicas(held, answer),
        restart_records=_records(held, answer),
        restarts=held.restarts if fewer else answer.restarts,
        priority=held.priority if answer.priority is None else answer.priority,
        user_name=answer.user_name or held.user_name,
        quota_name=answer.quota_name or held.quota_name,
        template_id=answer.template_id or held.template_id,
        max_running_time=answer.max_running_time or held.max_running_time,
        modified_at=answer.modified_at or held.modified_at,
    ), missing


def _records(held: JobSnapshot, answer: JobSnapshot) -> tuple[RestartRecord, ...]:
    """All restarts that were ever on record: a list that got shorter for a moment must not make old ones new."""
    if not held.restart_records or held.restart_records == answer.restart_records:
        return answer.restart_records
    told = {record.key for record in answer.restart_records}
    return (*answer.restart_records, *(record for record in held.restart_records if record.key not in told))


def _pods(
    held: tuple[PodSnapshot, ...] | None, answer: tuple[PodSnapshot, ...], doubted: frozenset[str]
) -> tuple[tuple[PodSnapshot, ...], tuple[str, ...]]:
    known, told = pods_by_id(held), pods_by_id(answer)
    missing = tuple(pod_id for pod_id in known if pod_id not in told and pod_id not in doubted)
    return (
        *(_carried(known[pod_id], pod) if pod_id in known else pod for pod_id, pod in told.items()),
        *(known[pod_id] for pod_id in missing),
        *(pod for pod in answer if not pod.pod_id),
    ), missing


def _carried(old: PodSnapshot, new: PodSnapshot) -> PodSnapshot:
    """A pod with what the answer left out: names and places of the same incarnation, and lives that are no longer listed."""
    if new is old or (
        old.uid == new.uid
        and old.created_at == new.created_at
        and (new.node or not old.node)
        and (new.ip or not old.ip)
        and old.history == new.history
        and (new.sub_status == old.sub_status or new.evicted or not old.evicted)
    ):
        return new
    before, after = lives(old), lives(new)
    known = pair(before, after)
    after = tuple(_still_evicted(life, was) for life, was in zip(after, known, strict=True))
    new = after[-1]
    listed = {id(life) for life in known}
    unlisted = [replace(life, history=()) for life in before if id(life) not in listed]
    if known[-1] is old:
        return replace(
            new,
            uid=new.uid or old.uid,
            created_at=new.created_at or old.created_at,
            node=new.node or old.node,
            ip=new.ip or old.ip,
            history=(*after[:-1], *unlisted),
        )
    if known[-1] is None and not _older(new, old):
        return replace(new, history=(*after[:-1], *unlisted))
    former = (replace(life, history=()) for life, was in zip(after, known, strict=True) if was is not old)
    present = replace(old, history=())
    return replace(old, history=(*former, *(life for life in unlisted if life != present)))


def _still_evicted(life: PodSnapshot, was: PodSnapshot | None) -> PodSnapshot:
    """An incarnation that was taken off its node does not come back."""
    if was is None or life.evicted or not was.evicted:
        return life
    return replace(life, status=was.status, sub_status=was.sub_status)


def _older(new: PodSnapshot, old: PodSnapshot) -> bool:
    return new.created_at is not None and old.created_at is not None and new.created_at < old.created_at


_CLOCKS: Final = frozenset({"observed_at", "modified_at", "duration"})
"""What changes without anything having happened."""

_LISTS: Final = ("roles", "status_history", "restart_records", "replicas")
"""Lists whose order means nothing."""

_job_facts = attrgetter(
    *(name for name in JobSnapshot.__dataclass_fields__ if name not in {*_CLOCKS, *_LISTS, "pods", "settings"})
)
_job_lists = attrgetter(*_LISTS)
_pod_facts = attrgetter(*(name for name in PodSnapshot.__dataclass_fields__ if name not in {*_CLOCKS, "history"}))


def differ(old: JobSnapshot, new: JobSnapshot) -> bool:
    """Whether anything but clocks and the order of lists differs."""
    if (old.pods is None) != (new.pods is None) or _job_facts(old) != _job_facts(new):
        return True
    if _settings(old) != _settings(new) or any(
        before != after and frozenset(before) != frozenset(after)
        for before, after in zip(_job_lists(old), _job_lists(new), strict=True)
    ):
        return True
    before, after = pods_by_id(old.pods), pods_by_id(new.pods)
    return before.keys() != after.keys() or any(
        (now := after[pod_id]) is not pod and _pods_differ(pod, now) for pod_id, pod in before.items()
    )


def _settings(job: JobSnapshot) -> JobSettings:
    return replace(job.settings, tags=tuple(sorted(job.settings.tags)))


def _pods_differ(old: PodSnapshot, new: PodSnapshot) -> bool:
    if _pod_facts(old) != _pod_facts(new):
        return True
    return old.history != new.history and frozenset(old.history) != frozenset(new.history)

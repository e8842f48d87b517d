"""What GetJob would answer about a life, and how much of it that shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any, Final, TypeVar

from watcher.core.model import (
    ElasticSpec,
    JobSettings,
    JobSnapshot,
    PodSnapshot,
    ReplicaStatus,
    RestartCause,
    RestartCount,
    RestartRecord,
    RoleSpec,
    StatusPeriod,
)
from watcher.testing.lives.truth import REF, RESTART_LIMIT, Life, PodLife, Stay, chance, moment


@dataclass(frozen=True, slots=True)
class View:
    """How much of the truth the answers tell.

    Attributes:
        history: there is a StatusHistory.
        present_listed: it names the present status.
        ends: its periods bear their ends.
        depth: only so many of the newest periods are listed; 0 for all.
        lag: so many seconds it may be behind the status.
        gmt_times: the job bears GmtRunningTime and its like.
        counter: there is a RestartTimes.
        counter_from: it is there from this second on.
        records: there is a RestartRecord.
        record_lag: so many seconds a record comes after its restart.
        former_pods: pods bear HistoryPods.
        former_missing: how likely an entry of HistoryPods is left out.
        uids: "yes", "no", "late" (a Pending pod has none yet), or "repeated" (all incarnations of a pod bear one uid).
        elastic: the job breathes: the specification keeps its first count of workers, only JobReplicaStatuses follows.
        shuffled: lists come in any order.
        repeated: entries of lists may come twice.
        missing: how likely a member that may be missing is missing. (Not the end of the newest period: without it nobody could
            tell whether the status or the history is behind.)
        stale: how likely a whole answer is an old one.
    """

    history: bool = True
    present_listed: bool = True
    ends: bool = True
    depth: int = 0
    lag: int = 0
    gmt_times: bool = True
    counter: bool = True
    counter_from: int = 0
    records: bool = True
    record_lag: int = 0
    former_pods: bool = True
    former_missing: float = 0.0
    uids: str = "yes"
    elastic: bool = False
    shuffled: bool = False
    repeated: bool = False
    missing: float = 0.0
    stale: float = 0.0


def random_view(dice: Random) -> View:
    """Any view in which it can be told what is late: without the present status in it, a history is whole and answers are fresh."""
    present_listed = chance(dice, 0.7)
    lag = dice.choice((0, 0, 5, 60)) if present_listed else 0
    return View(
        history=chance(dice, 0.8),
        present_listed=present_listed,
        ends=chance(dice, 0.7),
        depth=dice.choice((0, 1, 3, 6)) if present_listed and not lag else 0,
        lag=lag,
        gmt_times=chance(dice, 0.7),
        counter=chance(dice, 0.8),
        counter_from=dice.choice((0, 0, 0, dice.randint(1, 3000))),
        records=chance(dice, 0.5),
        record_lag=dice.choice((0, 0, 30, 500)),
        former_pods=chance(dice, 0.7),
        former_missing=dice.choice((0.0, 0.0, 0.3)),
        uids=dice.choice(("yes", "yes", "no", "late", "repeated")),
        elastic=chance(dice, 0.3),
        shuffled=chance(dice, 0.5),
        repeated=chance(dice, 0.3),
        missing=dice.choice((0.0, 0.0, 0.3)),
        stale=dice.choice((0.0, 0.0, 0.2)) if present_listed else 0.0,
    )


def answer(
    life: Life, at: float, view: View, dice: Random, *, seen_at: float | None = None, lag: int = 0
) -> JobSnapshot:
    """What GetJob would answer.

    Args:
        life: the truth.
        at: the second it tells of.
        view: how much it tells.
        dice: decides on order, repetition and what is missing.
        seen_at: the second at which it is answered, where that is later: a stale answer.
        lag: how many seconds its history is behind.
    """
    present = life.present(at)
    return JobSnapshot(
        ref=REF,
        observed_at=moment(at if seen_at is None else seen_at),
        status=present.status,
        name="hidden truth",
        job_type="PyTorchJob",
        reason_code=present.reason,
        created_at=moment(0),
        priority=None if _missing(view, dice) else now(life.priorities, at),
        restarts=_counter(life, at) if view.counter and at >= view.counter_from else RestartCount(),
        elastic=ElasticSpec(elastic_training=view.elastic),
        roles=(RoleSpec("Master", 1), RoleSpec("Worker", asked_workers(life, at, view))),
        settings=JobSettings(reserved_minutes=life.reserved_minutes),
        replicas=() if _missing(view, dice) else tuple(_listed((replica(life, at),), view, dice)),
        pods=tuple(_listed(_pods(life, at, view, dice), view, dice, once=True)),
        status_history=tuple(_listed(_periods(life, at - lag, view, dice), view, dice)) if view.history else (),
        restart_records=tuple(_listed(_records(life, at - view.record_lag), view, dice)) if view.records else (),
        **(_gmt_times(life, at) if view.gmt_times else {}),
    )


def listed_stays(life: Life, at: float, view: View) -> tuple[Stay, ...]:
    """The stays that StatusHistory names at that second."""
    if not view.history:
        return ()
    stays = [stay for stay in life.stays if stay.began <= at]
    if not view.present_listed:
        stays = stays[:-1]
    return tuple(stays[-view.depth :] if view.depth else stays)


def _periods(life: Life, at: float, view: View, dice: Random) -> Iterator[StatusPeriod]:
    ends = {stay: later.began for stay, later in zip(life.stays, life.stays[1:], strict=False)}
    stays = listed_stays(life, at, view)
    for stay in stays:
        end = ends.get(stay)
        over = view.ends and end is not None and end <= at and (stay is stays[-1] or not _missing(view, dice))
        yield StatusPeriod(
            stay.status,
            moment(stay.began),
            moment(end) if over and end is not None else None,
            "" if _missing(view, dice) else stay.reason,
        )


def _counter(life: Life, at: float) -> RestartCount:
    return RestartCount.parse(f"{sum(restart.second <= at for restart in life.restarts)}/{RESTART_LIMIT}")


def _records(life: Life, at: float) -> Iterator[RestartRecord]:
    for restart in life.restarts:
        if restart.second <= at:
            yield RestartRecord(
                trigger_id=f"trigger-{restart.number}",
                occurred_at=moment(restart.second),
                level="job-level",
                reason=restart.reason,
                duration=timedelta(seconds=restart.took),
                job_restart_count=restart.number,
                causes=(RestartCause(error_code=restart.reason, node=restart.node, pod=restart.pod_id),),
            )
    for pod_restart in life.pod_restarts:
        if pod_restart.second <= at:
            pod_id = f"{REF.job_id}-{pod_restart.pod_id}"
            yield RestartRecord(
                trigger_id=f"pod-trigger-{pod_restart.second}",
                occurred_at=moment(pod_restart.second),
                level="pod-level",
                reason=pod_restart.reason,
                causes=(RestartCause(node=pod_restart.node, pod=pod_id, triggered_restart=True),),
            )


_END_TIMES: Final = {"Succeeded": "succeeded_at", "Failed": "failed_at", "Stopped": "stopped_at"}


def _gmt_times(life: Life, at: float) -> dict[str, Any]:
    times: dict[str, Any] = {}
    for number, stay in enumerate(stay for stay in life.stays if stay.began <= at):
        if number == 1 and stay.status == "Queuing":
            times["submitted_at"] = moment(stay.began)
        if stay.status == "Running":
            times["running_at"] = moment(stay.began)
        if stay.status in _END_TIMES:
            times[_END_TIMES[stay.status]] = times["finished_at"] = moment(stay.began)
    return times


_Value = TypeVar("_Value")


def now(values: Iterable[tuple[int, _Value]], at: float) -> _Value:
    """Which of these holds at that second."""
    return [value for second, value in values if second <= at][-1]


def asked_workers(life: Life, at: float, view: View) -> int:
    """How many workers the specification asks for."""
    return now(life.workers, 0 if view.elastic else at)


def replica(life: Life, at: float) -> ReplicaStatus:
    """The counters of the workers."""
    size, waits = now(life.workers, at), life.present(at).status == "Queuing"
    return ReplicaStatus(
        "Worker",
        active=0 if waits else size,
        queuing=size if waits else 0,
        dequeued=0,
        spot_instance_type=now(life.spot_types, at),
    )


def shown_lives(life: Life, at: float) -> dict[str, list[PodLife]]:
    """The lives of each pod that DLC knows at that second, oldest first. A pod that comes back has no former lives."""
    born: dict[str, list[PodLife]] = {}
    for pod in sorted(life.pods, key=lambda pod: pod.created):
        if pod.created <= at and (pod.gone is None or pod.gone > at):
            born.setdefault(pod.pod_id, []).append(pod)
    return born


def _pods(life: Life, at: float, view: View, dice: Random) -> Iterator[PodSnapshot]:
    for lives in shown_lives(life, at).values():
        *former, live = (_pod(pod, at, view, lives[0].uid, dice) for pod in lives)
        kept = [each for each in former if not (view.former_missing and chance(dice, view.former_missing))]
        yield replace(live, history=tuple(_listed(kept, view, dice)) if view.former_pods else ())


def _pod(pod: PodLife, at: float, view: View, first_uid: str, dice: Random) -> PodSnapshot:
    over = pod.ended is not None and pod.ended <= at
    late = "" if at < pod.started else pod.uid
    # where uids do not tell lives apart, their times must
    timeless = view.uids == "yes" and _missing(view, dice)
    return PodSnapshot(
        pod_id=f"{REF.job_id}-{pod.pod_id}",
        uid={"yes": pod.uid, "repeated": first_uid, "late": late}.get(view.uids, ""),
        role=pod.role,
        status=pod.outcome if over else "Running" if pod.started <= at else "Pending",
        sub_status="Evicted" if over and pod.evicted else "Normal",
        node=pod.node,
        created_at=moment(pod.created),
        started_at=moment(pod.started) if pod.started <= at and not timeless else None,
        finished_at=moment(pod.ended) if over and pod.ended is not None and not timeless else None,
    )


def _missing(view: View, dice: Random) -> bool:
    return view.missing > 0 and chance(dice, view.missing)


def _listed(entries: Any, view: View, dice: Random, *, once: bool = False) -> Sequence[Any]:
    listed = list(entries)
    if view.repeated and listed and not once:
        listed.append(dice.choice(listed))
    if view.shuffled:
        dice.shuffle(listed)
    return listed

"""Made-up true lives of jobs, and what GetJob would answer about them at any moment: a hidden truth to test a watcher against.

    dice = random.Random(seed)
    life = random_life(dice)
    told = answer(life, at=120, view=random_view(dice), dice=dice)    # a JobSnapshot

A `Life` is what really happened, to the second. A `View` says how much of it DLC tells, and how badly: without histories, cut
off, behind its own status, shuffled, repeated, with members missing, or with a whole answer that is older than the one before.
`shown` says which entries into a status such an answer shows; nobody can know more than that, and nobody should tell less.

Everything here is made up: no recorded answer of a living job was at hand. Lives are made from `random.Random(seed)` alone, so a
seed that fails replays.

Long, because a life and what an answer shows of it are written side by side, to be checked against each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from watcher.core.model import (
    JobId,
    JobRef,
    JobSnapshot,
    PodSnapshot,
    ReplicaStatus,
    RestartCause,
    RestartCount,
    RestartRecord,
    RoleSpec,
    SourceName,
    StatusPeriod,
)

BEGINNING: Final = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""Second 0 of every life."""

REF: Final = JobRef(SourceName("hidden"), JobId("dlc1hiddentruth0"))
"""The job of every life."""

RESTART_LIMIT: Final = 10


def moment(second: float) -> datetime:
    """That second of a life as a time."""
    return BEGINNING + timedelta(seconds=second)


@dataclass(frozen=True, slots=True)
class Stay:
    """A stay in a status: from `began` until the next stay begins."""

    status: str
    began: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PodLife:
    """One incarnation of a pod; `ended` and `gone` are None while nothing ends it.

    Attributes:
        pod_id: of the pod.
        uid: of this incarnation.
        role: lower-case role.
        node: where it runs.
        created: when it was created, Pending.
        started: when it began to run.
        ended: when it ended.
        outcome: its status from then on.
        evicted: it was taken off its node.
        gone: when DLC stops to list the pod, because the job was scaled down.
    """

    pod_id: str
    uid: str
    role: str
    node: str
    created: int
    started: int
    ended: int | None = None
    outcome: str = ""
    evicted: bool = False
    gone: int | None = None


@dataclass(frozen=True, slots=True)
class TrueRestart:
    """A restart of the whole job."""

    number: int
    second: int
    reason: str
    node: str
    pod_id: str
    took: int


@dataclass(frozen=True, slots=True)
class Life:
    """What really happened to one job."""

    stays: tuple[Stay, ...]
    pods: tuple[PodLife, ...]
    restarts: tuple[TrueRestart, ...]
    workers: tuple[tuple[int, int], ...]
    """(second, how many workers from then on)."""

    @property
    def length(self) -> int:
        """A second after everything has happened."""
        return self.stays[-1].began + 60

    def present(self, second: float) -> Stay:
        """The stay at that second."""
        return [stay for stay in self.stays if stay.began <= second][-1]


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
        records: there is a RestartRecord.
        former_pods: pods bear HistoryPods.
        uids: "yes", "no", or "repeated" (all incarnations of a pod bear one uid).
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
    records: bool = True
    former_pods: bool = True
    uids: str = "yes"
    shuffled: bool = False
    repeated: bool = False
    missing: float = 0.0
    stale: float = 0.0


def random_view(dice: Random) -> View:
    """Any view in which it can be told what is late: without the present status in it, a history is whole and answers are fresh."""
    present_listed = _chance(dice, 0.7)
    lag = dice.choice((0, 0, 5, 60)) if present_listed else 0
    return View(
        history=_chance(dice, 0.8),
        present_listed=present_listed,
        ends=_chance(dice, 0.7),
        depth=dice.choice((0, 1, 3, 6)) if present_listed and not lag else 0,
        lag=lag,
        gmt_times=_chance(dice, 0.7),
        counter=_chance(dice, 0.8),
        records=_chance(dice, 0.5),
        former_pods=_chance(dice, 0.7),
        uids=dice.choice(("yes", "yes", "no", "repeated")),
        shuffled=_chance(dice, 0.5),
        repeated=_chance(dice, 0.3),
        missing=dice.choice((0.0, 0.0, 0.3)),
        stale=dice.choice((0.0, 0.2)) if present_listed else 0.0,
    )


def _chance(dice: Random, likely: float) -> bool:
    return dice.random() < likely


# --- the truth ----------------------------------------------------------------------------------------------------------------


def random_life(dice: Random) -> Life:
    """Any life: it waits, starts, runs, is restarted, loses pods, is scaled, is stopped at any point, or ends by itself."""
    return _Author(dice).write()


class _Author:
    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.clock = 0
        self.stays: list[Stay] = []
        self.pods: list[PodLife] = []
        self.alive: dict[str, PodLife] = {}
        self.restarts: list[TrueRestart] = []
        self.workers = dice.randint(0, 3)
        self.sizes = [(0, self.workers)]
        self.born = 0
        self.checked = _chance(dice, 0.3)

    def write(self) -> Life:
        stopped_at = self.dice.choice((None, None, self.dice.randint(1, 12)))
        for number, status in enumerate(self.script()):
            if number == stopped_at:
                break
            self.enter(status)
        else:
            return self.end(self.dice.choice(("Succeeded", "Failed")), reserved=_chance(self.dice, 0.3))
        if _chance(self.dice, 0.7):
            self.enter("Stopping")
        return self.end("Stopped", reserved=False)

    def script(self) -> Iterator[str]:
        yield "Creating"
        yield from self.starting(spot=_chance(self.dice, 0.2))
        for _ in range(self.dice.choice((0, 0, 1, 2, 4))):
            self.restart()
            yield "Restarting"
            if _chance(self.dice, 0.5):
                yield from self.starting(spot=False)
            else:
                yield "Running"

    def starting(self, *, spot: bool) -> Iterator[str]:
        if _chance(self.dice, 0.9):
            yield "Queuing"
        if spot:
            yield "Bidding"
        if _chance(self.dice, 0.1):
            yield "Levitating"
        if _chance(self.dice, 0.8):
            yield "EnvPreparing"
        if self.checked:
            yield "SanityChecking"
        yield "Running"

    def enter(self, status: str) -> None:
        if self.stays:
            self.clock += self.dice.choice((1, 2, self.dice.randint(3, 100), self.dice.randint(60, 4000)))
        self.stays.append(Stay(status, self.clock, self.dice.choice(("", f"Reason{len(self.stays)}"))))
        if status == "Running":
            self.run()

    def run(self) -> None:
        names = ["master-0", *(f"worker-{number}" for number in range(self.workers))]
        for name in names:
            if name not in self.alive:
                self.bear(name)
        for _ in range(self.dice.choice((0, 0, 1, 3))):
            self.clock += self.dice.randint(2, 200)
            name = self.dice.choice(sorted(self.alive))
            self.lose(name, evicted=_chance(self.dice, 0.5))
            self.bear(name)
        if _chance(self.dice, 0.2):
            self.scale()

    def scale(self) -> None:
        self.clock += self.dice.randint(2, 200)
        before, self.workers = self.workers, self.dice.randint(0, 4)
        self.sizes.append((self.clock, self.workers))
        for number in range(before, self.workers):
            self.bear(f"worker-{number}")
        for number in range(self.workers, before):
            name = f"worker-{number}"
            self.lose(name, evicted=False)
            self.pods = [replace(pod, gone=self.clock) if pod.pod_id == name else pod for pod in self.pods]

    def bear(self, name: str) -> None:
        self.born += 1
        pod = PodLife(
            name,
            f"uid-{self.born}",
            name.partition("-")[0],
            f"node-{self.dice.randint(0, 9)}",
            self.clock,
            self.clock + 1,
        )
        self.alive[name] = pod
        self.clock += self.dice.randint(0, 1)

    def lose(self, name: str, *, evicted: bool, outcome: str = "Failed") -> None:
        self.pods.append(replace(self.alive.pop(name), ended=self.clock, outcome=outcome, evicted=evicted))
        self.clock += 1

    def restart(self) -> None:
        self.clock += self.dice.randint(1, 100)
        culprit = self.dice.choice(sorted(self.alive))
        number = len(self.restarts) + 1
        node = self.alive[culprit].node
        reason = self.dice.choice(("Evicted", "NodeFault", "ProcessExit"))
        self.restarts.append(TrueRestart(number, self.clock + 1, reason, node, culprit, self.dice.randint(1, 300)))
        for name in sorted(self.alive):
            self.lose(name, evicted=reason == "Evicted" and name == culprit)

    def end(self, status: str, *, reserved: bool) -> Life:
        if reserved:
            self.enter(f"{status}Reserving")
        self.enter(status)
        for name in sorted(self.alive):
            self.lose(name, evicted=False, outcome="Failed" if status == "Failed" else "Succeeded")
        return Life(tuple(self.stays), tuple(self.pods), tuple(self.restarts), tuple(self.sizes))


# --- what DLC says of it ------------------------------------------------------------------------------------------------------


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
        restarts=_counter(life, at) if view.counter else RestartCount(),
        roles=(RoleSpec("Master", 1), RoleSpec("Worker", _size(life, at))),
        replicas=tuple(_listed((ReplicaStatus("Worker", active=_size(life, at)),), view, dice)),
        pods=tuple(_listed(_pods(life, at, view, dice), view, dice, once=True)),
        status_history=tuple(_listed(_periods(life, at - lag, view, dice), view, dice)) if view.history else (),
        restart_records=tuple(_listed(_records(life, at), view, dice)) if view.records else (),
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


def _size(life: Life, at: float) -> int:
    return [size for second, size in life.workers if second <= at][-1]


def _pods(life: Life, at: float, view: View, dice: Random) -> Iterator[PodSnapshot]:
    born: dict[str, list[PodLife]] = {}
    for pod in life.pods:
        if pod.created <= at and (pod.gone is None or pod.gone > at):  # a pod that comes back has no former lives
            born.setdefault(pod.pod_id, []).append(pod)
    for lives in born.values():
        lives.sort(key=lambda pod: pod.created)
        *former, live = (_pod(pod, at, view, lives[0].uid) for pod in lives)
        history = _listed(former, view, dice) if view.former_pods else ()
        yield replace(live, history=tuple(history))


def _pod(pod: PodLife, at: float, view: View, first_uid: str) -> PodSnapshot:
    over = pod.ended is not None and pod.ended <= at
    return PodSnapshot(
        pod_id=f"{REF.job_id}-{pod.pod_id}",
        uid={"yes": pod.uid, "repeated": first_uid}.get(view.uids, ""),
        role=pod.role,
        status=pod.outcome if over else "Running" if pod.started <= at else "Pending",
        sub_status="Evicted" if over and pod.evicted else "Normal",
        node=pod.node,
        created_at=moment(pod.created),
        started_at=moment(pod.started) if pod.started <= at else None,
        finished_at=moment(pod.ended) if over and pod.ended is not None else None,
    )


def _missing(view: View, dice: Random) -> bool:
    return view.missing > 0 and _chance(dice, view.missing)


def _listed(entries: Any, view: View, dice: Random, *, once: bool = False) -> Sequence[Any]:
    listed = list(entries)
    if view.repeated and listed and not once:
        listed.append(dice.choice(listed))
    if view.shuffled:
        dice.shuffle(listed)
    return listed

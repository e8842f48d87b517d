"""What really happens to a job, to the second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from watcher.core.model import JobId, JobRef, SourceName

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
class TruePodRestart:
    """A restart of one pod that is on record."""

    second: int
    pod_id: str
    reason: str
    node: str
    created: int
    """When the life began that it brought."""


@dataclass(frozen=True, slots=True)
class Life:
    """What really happened to one job."""

    stays: tuple[Stay, ...]
    pods: tuple[PodLife, ...]
    restarts: tuple[TrueRestart, ...]
    pod_restarts: tuple[TruePodRestart, ...]
    workers: tuple[tuple[int, int], ...]
    """(second, how many workers from then on); likewise the others."""
    priorities: tuple[tuple[int, int], ...]
    spot_types: tuple[tuple[int, str], ...]
    reserved_minutes: int

    @property
    def length(self) -> int:
        """A second after everything has happened."""
        return self.stays[-1].began + 60

    def present(self, second: float) -> Stay:
        """The stay at that second."""
        return [stay for stay in self.stays if stay.began <= second][-1]


def chance(dice: Random, likely: float) -> bool:
    """Whether something that is this likely happens."""
    return dice.random() < likely


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
        self.checked = chance(dice, 0.3)
        self.unfit = False
        self.pod_restarts: list[TruePodRestart] = []
        self.priorities = [(0, dice.randint(1, 9))]
        self.spot_types = [(0, "ecs.a")]

    def write(self) -> Life:
        outcome = self.dice.choice(("Succeeded", "Failed"))
        stopped_at = self.dice.choice((None, None, self.dice.randint(1, 12)))
        for number, status in enumerate(self.script()):
            if number == stopped_at:
                break
            self.enter(status)
        else:
            return self.end("Failed" if self.unfit else outcome, reserved=chance(self.dice, 0.3))
        if chance(self.dice, 0.7):
            self.enter("Stopping")
        return self.end("Stopped", reserved=False)

    def script(self) -> Iterator[str]:
        yield "Creating"
        yield from self.starting(spot=chance(self.dice, 0.2))
        for _ in range(self.dice.choice((0, 0, 1, 2, 4))):
            if self.unfit:
                return
            self.restart()
            yield "Restarting"
            if chance(self.dice, 0.5):
                yield from self.starting(spot=False)
            else:
                yield "Running"

    def starting(self, *, spot: bool) -> Iterator[str]:
        if chance(self.dice, 0.9):
            yield "Queuing"
        if spot:
            yield "Bidding"
        if chance(self.dice, 0.1):
            yield "Levitating"
        if chance(self.dice, 0.8):
            yield "EnvPreparing"
        if self.checked:
            yield "SanityChecking"
            if chance(self.dice, 0.15):
                self.unfit = True
                return
            if chance(self.dice, 0.15):
                self.restart()
                yield "Restarting"
                yield "SanityChecking"
        yield "Running"

    def enter(self, status: str) -> None:
        if self.stays:
            self.clock += self.dice.choice((1, 2, self.dice.randint(3, 100), self.dice.randint(60, 4000)))
        self.stays.append(Stay(status, self.clock, self.dice.choice(("", f"Reason{len(self.stays)}"))))
        if chance(self.dice, 0.1):
            self.priorities.append((self.clock, self.dice.randint(1, 9)))
        if chance(self.dice, 0.1):
            self.spot_types.append((self.clock, self.dice.choice(("ecs.a", "ecs.b", "ecs.c"))))
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
            self.lose(name, evicted=chance(self.dice, 0.5))
            second, node = self.clock - 1, self.pods[-1].node
            self.clock += self.dice.choice((0, 0, self.dice.randint(1, 300)))
            if chance(self.dice, 0.5):
                reason = self.dice.choice(("ProcessExit", "NodeFault"))
                self.pod_restarts.append(TruePodRestart(second, name, reason, node, self.clock))
            self.bear(name)
        if chance(self.dice, 0.2):
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
        culprit = self.dice.choice(sorted(self.alive) or [""])
        number = len(self.restarts) + 1
        node = self.alive[culprit].node if culprit else "node-0"
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
        return Life(
            tuple(self.stays),
            tuple(self.pods),
            tuple(self.restarts),
            tuple(self.pod_restarts),
            tuple(self.sizes),
            tuple(self.priorities),
            tuple(self.spot_types),
            self.dice.choice((10, 60)),
        )

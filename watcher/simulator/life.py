"""What is true of a job at a time: the steps of its script, folded one by one into states. Pure.

All times are offsets from the scenario's start. `states(job)` is the whole life; `state_at` picks the one that holds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as evolve
from datetime import timedelta
from hashlib import blake2s
from types import MappingProxyType
from typing import Final
from uuid import NAMESPACE_OID, uuid5

from watcher.core.phases import TERMINAL, Phase, phase_of
from watcher.simulator.scenario import Restart, ScriptedJob, Step

ENDED_POD: Final = frozenset({"Succeeded", "Failed"})

_PODS_END_AS: Final[Mapping[Phase, str]] = MappingProxyType(
    {
        Phase.SUCCEEDED: "Succeeded",
        Phase.FAILED: "Failed",
        Phase.STOPPED: "Failed",  # what DLC says of pods it killed for a user is not known
        Phase.PENDING: "Failed",  # back to the queue: preempted
    }
)
_USUAL_REASONS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "Succeeded": ("JobSucceeded", "{type} {id} is successfully completed."),
        "Failed": ("JobFailed", "{type} {id} is failed."),
        "Stopped": ("JobStoppedByUser", "Job is stopped by user."),
    }
)
_BEFORE_SUBMITTED: Final = frozenset({"Creating", "Created"})


@dataclass(frozen=True, slots=True)
class Pod:
    """One incarnation of a pod, with the earlier ones of its name."""

    name: str
    uid: str
    created: timedelta
    status: str = "Pending"
    sub_status: str = "Normal"
    node: str = ""
    ip: str = ""
    started: timedelta | None = None
    finished: timedelta | None = None
    history: tuple[Pod, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self.status in ENDED_POD


@dataclass(frozen=True, slots=True)
class Period:
    """A status and since when."""

    status: str
    since: timedelta
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Restarted:
    """A restart that happened: what the script says, when, out of which status, and when the job ran again."""

    restart: Restart
    at: timedelta
    status_before: str
    resumed: timedelta | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What is true of a job from `at` on.

    Attributes:
        submitted, running_first, running_last, succeeded, failed, stopped, finished: when it happened; None: not yet.
        pods: None before any were created.
        periods: every status it was in, the present one last.
        spot_instance: the type that its spot roles run on.
    """

    at: timedelta
    status: str
    priority: int
    sub_status: str = ""
    reason: str = ""
    message: str = ""
    restarts: tuple[Restarted, ...] = ()
    submitted: timedelta | None = None
    running_first: timedelta | None = None
    running_last: timedelta | None = None
    succeeded: timedelta | None = None
    failed: timedelta | None = None
    stopped: timedelta | None = None
    finished: timedelta | None = None
    pods: tuple[Pod, ...] | None = None
    periods: tuple[Period, ...] = ()
    spot_instance: str = ""
    deleted: bool = False


def states(job: ScriptedJob) -> tuple[State, ...]:
    """Every state of the job's life: the first when it is submitted, then one per step."""
    state = State(job.submit_at, "Creating", job.priority, periods=(Period("Creating", job.submit_at, "", ""),))
    told = [state]
    for step in job.life:
        state = advance(job, state, step)
        told.append(state)
    return tuple(told)


def state_at(told: Sequence[State], elapsed: timedelta) -> State | None:
    """The state that holds at a scenario time; None while the job is not submitted yet or when it was deleted."""
    index = bisect_right(told, elapsed, key=lambda state: state.at)
    return told[index - 1] if index and not told[index - 1].deleted else None


def advance(job: ScriptedJob, state: State, step: Step) -> State:
    """The state after a step."""
    now = job.submit_at + step.at
    state = evolve(state, at=now)
    if step.delete:
        return evolve(state, deleted=True)
    if step.pod is not None:
        return evolve(state, pods=_pod_fact(job, state.pods, step, now))
    if step.priority is not None:
        state = evolve(state, priority=step.priority)
    if step.spot_instance is not None:
        state = evolve(state, spot_instance=step.spot_instance)
    if step.restart is not None:
        state = evolve(state, restarts=(*state.restarts, Restarted(step.restart, now, state.status)))
    before = phase_of(state.status)
    state = _told(job, state, step) if step.status is None else _entered(job, state, step, step.status, now)
    state = _with_pods(job, state, step, before, now)
    if step.drop and state.pods is not None:
        state = evolve(state, pods=tuple(pod for pod in state.pods if pod.name not in step.drop))
    return state


def _told(job: ScriptedJob, state: State, step: Step) -> State:
    state = evolve(
        state,
        sub_status=state.sub_status if step.sub_status is None else step.sub_status,
        reason=state.reason if step.reason is None else step.reason,
        message=state.message if step.message is None else _fill(step.message, job),
    )
    last = evolve(state.periods[-1], reason=state.reason, message=state.message)
    return evolve(state, periods=(*state.periods[:-1], last))


def _entered(job: ScriptedJob, state: State, step: Step, status: str, now: timedelta) -> State:
    usual = _USUAL_REASONS.get(status, ("", ""))
    reason = usual[0] if step.reason is None else step.reason
    message = _fill(usual[1] if step.message is None else step.message, job)
    past = state.periods[:-1] if state.periods[-1].status == status else state.periods
    since = state.periods[-1].since if state.periods[-1].status == status else now
    phase = phase_of(status)
    running = phase is Phase.RUNNING
    restarts = state.restarts
    if running and restarts and restarts[-1].resumed is None:
        restarts = (*restarts[:-1], evolve(restarts[-1], resumed=now))
    return evolve(
        state,
        status=status,
        sub_status=step.sub_status or "",
        reason=reason,
        message=message,
        restarts=restarts,
        periods=(*past, Period(status, since, reason, message)),
        submitted=_first(state.submitted, now, happened=status not in _BEFORE_SUBMITTED),
        running_first=_first(state.running_first, now, happened=running),
        running_last=now if running else state.running_last,
        succeeded=_first(state.succeeded, now, happened=phase is Phase.SUCCEEDED),
        failed=_first(state.failed, now, happened=phase is Phase.FAILED),
        stopped=_first(state.stopped, now, happened=phase is Phase.STOPPED),
        finished=_first(state.finished, now, happened=phase in TERMINAL),
    )


def _first(known: timedelta | None, now: timedelta, *, happened: bool) -> timedelta | None:
    return now if known is None and happened else known


def _fill(text: str, job: ScriptedJob) -> str:
    return text.replace("{type}", job.type).replace("{id}", job.id)


def _with_pods(job: ScriptedJob, state: State, step: Step, before: Phase, now: timedelta) -> State:
    phase = phase_of(state.status)
    pods = state.pods
    starts = step.status is not None and phase in (Phase.STARTING, Phase.RUNNING)
    if starts and pods is None:
        pods = tuple(_made(job, name, 0, now) for name in job.pod_names)
    elif pods is not None:
        chosen = _to_replace(state, step, pods, before) if starts or step.replace else frozenset()
        pods = tuple(_replaced(job, pod, now) if pod.name in chosen else pod for pod in pods)
    if pods is not None and phase is Phase.RUNNING:
        pods = tuple(
            evolve(pod, status="Running", started=now, ip=_address(job, pod)) if pod.status == "Pending" else pod
            for pod in pods
        )
    end = _PODS_END_AS.get(phase)
    if pods is not None and end is not None and step.status is not None:
        pods = tuple(pod if pod.ended else evolve(pod, status=end, finished=now) for pod in pods)
    return evolve(state, pods=pods)


def _to_replace(state: State, step: Step, pods: tuple[Pod, ...], before: Phase) -> frozenset[str]:
    if step.replace == "all":
        return frozenset(pod.name for pod in pods)
    if step.replace:
        return frozenset(step.replace)
    if before in (Phase.STARTING, Phase.RUNNING):
        return frozenset()
    whole = bool(state.restarts) and state.restarts[-1].restart.level == "Job"
    return frozenset(pod.name for pod in pods if pod.ended or whole)


def _pod_fact(job: ScriptedJob, pods: tuple[Pod, ...] | None, step: Step, now: timedelta) -> tuple[Pod, ...]:
    if pods is None:
        pods = tuple(_made(job, name, 0, now) for name in job.pod_names)
    return tuple(_changed(job, pod, step, now) if pod.name == step.pod else pod for pod in pods)


def _changed(job: ScriptedJob, pod: Pod, step: Step, now: timedelta) -> Pod:
    status = pod.status if step.status is None else step.status
    node = pod.node if step.node is None else step.node
    ip = pod.ip if step.ip is None else step.ip
    if node != pod.node and step.ip is None:
        ip = _digits(f"{job.id}-{pod.name}@{node}", "10.230")
    pod = evolve(
        pod, status=status, sub_status=pod.sub_status if step.sub_status is None else step.sub_status, node=node, ip=ip
    )
    if status == "Running" and pod.started is None:
        pod = evolve(pod, started=now, ip=ip or _address(job, pod))
    if pod.ended and pod.finished is None:
        pod = evolve(pod, finished=now)
    return pod


def _replaced(job: ScriptedJob, pod: Pod, now: timedelta) -> Pod:
    past = evolve(pod, history=())
    if not pod.ended:
        past = evolve(past, status="Failed", finished=now)
    return evolve(_made(job, pod.name, len(pod.history) + 1, now), history=(*pod.history, past))


def _made(job: ScriptedJob, name: str, generation: int, now: timedelta) -> Pod:
    what = f"{job.id}-{name}#{generation}"
    node = f"cn-hangzhou.{_digits(f'node {what}', '10.0')}"
    return Pod(name, str(uuid5(NAMESPACE_OID, what)), now, node=node)


def _address(job: ScriptedJob, pod: Pod) -> str:
    return _digits(f"{job.id}-{pod.name}#{len(pod.history)}", "10.224")


def _digits(what: str, network: str) -> str:
    """An address in a /16, always the same for the same words."""
    high, low = blake2s(what.encode(), digest_size=2).digest()
    return f"{network}.{high}.{max(1, low)}"

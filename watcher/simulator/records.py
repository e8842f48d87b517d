"""GetJobEvents, GetPodEvents, GetPodLogs: lines of text, as the API has them. Pure. The real line format is not documented."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from watcher.errors import WatcherError
from watcher.simulator.answers import Moment, Wire
from watcher.simulator.faults import Refusal
from watcher.simulator.life import Pod, State
from watcher.simulator.scenario import ScriptedJob
from watcher.simulator.transitions import Transition

WEEK: Final = timedelta(days=7)
MOST_EVENTS: Final = 10_000
DEFAULT_LINES: Final = 2000
LOG_EVERY: Final = timedelta(seconds=30)
"""A running pod writes one line in this scenario time."""


class Refused(WatcherError):
    """The request is answered with an error."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.code)


def invalid(name: str, why: str) -> Refused:
    """The answer to a parameter that is not as documented."""
    return Refused(Refusal(400, "InvalidParameter", f"The specified parameter {name} is not valid: {why}."))


def time_of(params: Mapping[str, str], name: str, otherwise: datetime) -> datetime:
    """A time parameter, aware.

    Raises:
        Refused: it is not a time.
    """
    text = params.get(name, "")
    if not text:
        return otherwise
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(name, "write a time as 2020-11-08T16:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def number_of(params: Mapping[str, str], name: str, otherwise: int, most: int) -> int:
    """A number parameter between 1 and `most`.

    Raises:
        Refused: it is not.
    """
    text = params.get(name, "")
    if not text:
        return otherwise
    if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= most:  # noqa: PLR2004
        raise invalid(name, f"it must be 1 to {most}")
    return int(text)


def job_events(job: ScriptedJob, told: tuple[Transition, ...], params: Mapping[str, str], moment: Moment) -> Wire:
    """GetJobEvents' body, without RequestId.

    Args:
        job: the job.
        told: everything that happens to it.
        params: StartTime, EndTime, MaxEventsNum.
        moment: now.
    """
    return {"JobId": job.id, "Events": _event_lines(job, told, params, moment, pod_id=None)}


def pod_events(
    job: ScriptedJob, pod: Pod, told: tuple[Transition, ...], params: Mapping[str, str], moment: Moment
) -> Wire:
    """GetPodEvents' body, without RequestId."""
    pod_id = f"{job.id}-{pod.name}"
    lines = _event_lines(job, told, params, moment, pod_id=pod_id)
    return {"JobId": job.id, "PodId": pod_id, "PodUid": pod.uid, "Events": lines}


def _event_lines(
    job: ScriptedJob, told: tuple[Transition, ...], params: Mapping[str, str], moment: Moment, *, pod_id: str | None
) -> list[str]:
    start, end = _window(params, moment)
    most = number_of(params, "MaxEventsNum", DEFAULT_LINES, MOST_EVENTS)
    lines = [(one.at, str(one.kind), f"{one.old} -> {one.new}") for one in told if pod_id in (None, one.pod)]
    lines += [
        (job.submit_at + step.at, "Normal", step.event)
        for step in job.life
        if step.event is not None and (pod_id is None or (step.pod and f"{job.id}-{step.pod}" == pod_id))
    ]
    lines.sort(key=lambda line: line[0])
    return [f"{moment.stamp(at)} {kind} {text}" for at, kind, text in lines if start <= at <= end][-most:]


def _window(params: Mapping[str, str], moment: Moment) -> tuple[timedelta, timedelta]:
    now = moment.origin + moment.elapsed
    start = time_of(params, "StartTime", now - WEEK) - moment.origin
    return start, min(time_of(params, "EndTime", now) - moment.origin, moment.elapsed)


def incarnation(state: State, name: str, uid: str) -> Pod | None:
    """The pod of that name, or with a uid that very incarnation of it; None when there is none."""
    for pod in state.pods or ():
        if pod.name == name:
            return next((one for one in (pod, *pod.history) if uid in ("", one.uid)), None)
    return None


def pod_logs(job: ScriptedJob, pod: Pod, params: Mapping[str, str], moment: Moment) -> Wire:
    """GetPodLogs' body, without RequestId: the last lines of the window, at most MaxLines."""
    most = number_of(params, "MaxLines", DEFAULT_LINES, DEFAULT_LINES)
    start, end = _window(params, moment)
    newest_first = _log_lines(job, pod, moment, (start, end), most)
    return {
        "JobId": job.id,
        "PodId": f"{job.id}-{pod.name}",
        "PodUid": pod.uid,
        "Logs": list(newest_first)[::-1],
        "ContainerInfo": {"MainContainer": "main", "SidecarContainers": []},
    }


def _log_lines(
    job: ScriptedJob, pod: Pod, moment: Moment, window: tuple[timedelta, timedelta], most: int
) -> Iterator[str]:
    start, end = window
    if pod.started is None:
        return
    end = end if pod.finished is None else min(end, pod.finished)
    scripted = [
        (job.submit_at + step.at, step.log)
        for step in job.life
        if step.log is not None and step.pod == pod.name and start <= job.submit_at + step.at <= end
    ]
    steps = (end - pod.started) // LOG_EVERY
    regular = (
        (pod.started + LOG_EVERY * step, f"step={step} loss={2.5 / (1 + step / 40):.4f}")
        for step in range(steps, max(-1, steps - most), -1)
    )
    lines = sorted(
        [*(line for line in regular if line[0] >= max(start, pod.started)), *scripted], key=lambda line: line[0]
    )
    for at, text in lines[: -most - 1 : -1]:
        yield f"{moment.stamp(at)} {text}"

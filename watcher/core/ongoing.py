"""What goes on being wrong: the state of affairs that loud news tells of, and when it is over.

Theory. Most news is of a change, and what people have to do about it lasts: a failure until somebody has looked or the job lives
again, a wait until the job has its machines, blindness until we see. So a notification that is a warning or louder names what goes
on, and that is a question to the job as it is held: does this still hold? That it asks the state, and not the events, makes it the
same whatever was missed in between.

| goes on        | opened by news of                                       | holds while                                          |
|----------------|---------------------------------------------------------|------------------------------------------------------|
| `waiting`      | a job in a pending phase                                | it is pending                                        |
| `starting`     | a job that starts                                       | it starts                                            |
| `down`         | a restart, or a check of its machines that failed       | it is not running again                              |
| `overlong`     | a deadline of a rule about a job that runs              | it runs                                              |
| `silent`       | a job that runs and of which nothing is heard           | it runs, and no sign of activity was found           |
| `pod-lost`     | a pod                                                   | that pod is not running, and its job is in between   |
| `pods-waiting` | pods that wait while the job runs                       | a pod waits and the job runs                         |
| `held`         | a job whose result is decided and that holds machines   | it holds them                                        |
| `failed`       | a failure, final or decided                             | nobody took it on, and it does not live again        |
| `vanished`     | a job that DLC no longer knows                          | nobody took it on, and it does not come back         |
| `blind`        | a source that we cannot see                             | we do not see it                                     |
| `unanswered`   | anything else that is critical                          | nobody took it on                                    |

News of the other kinds that is a mere warning, such as a change of priority, is told and over. In a phase that we cannot name,
everything goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from watcher.core.model import JobSnapshot
from watcher.core.phases import RESERVED, Phase, PodPhase


class Ongoing(StrEnum):
    """What goes on being wrong."""

    WAITING = "waiting"
    STARTING = "starting"
    DOWN = "down"
    OVERLONG = "overlong"
    SILENT = "silent"
    POD_LOST = "pod-lost"
    PODS_WAITING = "pods-waiting"
    HELD = "held"
    FAILED = "failed"
    VANISHED = "vanished"
    BLIND = "blind"
    UNANSWERED = "unanswered"


_BETWEEN: Final = frozenset({Phase.PENDING, Phase.STARTING, Phase.RESTARTING})

HOLDS: Final[Mapping[Ongoing, frozenset[Phase]]] = MappingProxyType(
    {
        Ongoing.WAITING: frozenset({Phase.PENDING}),
        Ongoing.STARTING: frozenset({Phase.STARTING}),
        Ongoing.DOWN: _BETWEEN,
        Ongoing.OVERLONG: frozenset({Phase.RUNNING}),
        Ongoing.SILENT: frozenset({Phase.RUNNING}),
        Ongoing.POD_LOST: _BETWEEN | {Phase.RUNNING},
        Ongoing.PODS_WAITING: frozenset({Phase.RUNNING}),
        Ongoing.HELD: RESERVED,
        Ongoing.FAILED: frozenset({Phase.FAILED, Phase.RESERVED_FAILED}),
    }
)
"""Phases of the job in which it can go on. What is not here does not go by the phase."""

UNTIL_ANSWERED: Final = frozenset({Ongoing.FAILED, Ongoing.VANISHED, Ongoing.UNANSWERED})
"""What is over once somebody has taken it on: nothing else may ever end it."""

AWAITED: Final = frozenset(HOLDS) - UNTIL_ANSWERED - {Ongoing.OVERLONG}
"""What looks will show to be over: who was told of it waits for that. (Nobody expects what runs too long to end at any moment.)"""

_BY_KIND: Final[Mapping[str, Ongoing]] = MappingProxyType(
    {
        "watch.blind": Ongoing.BLIND,
        "job.vanished": Ongoing.VANISHED,
        "job.restarted": Ongoing.DOWN,
        "job.sanity_check_failed": Ongoing.DOWN,
        "job.activity_checked": Ongoing.SILENT,
        "pod.appeared": Ongoing.POD_LOST,
        "pod.status_changed": Ongoing.POD_LOST,
        "pod.evicted": Ongoing.POD_LOST,
        "pod.restarted": Ongoing.POD_LOST,
    }
)
"""News that says by its kind what it is about."""

_DEADLINE: Final = "deadline.passed"

_BY_PHASE: Final = frozenset(
    {
        "job.appeared",
        "job.resumed",
        "job.status_changed",
        "job.sub_status_changed",
        "job.reason_changed",
        "job.reservation_decided",
        "job.failed",
        "job.reappeared",
        "job.cause_found",
        _DEADLINE,
    }
)
"""News about the state the job is in: the state says what goes on."""

_OF_PHASE: Final[Mapping[Phase, Ongoing]] = MappingProxyType(
    {
        Phase.PENDING: Ongoing.WAITING,
        Phase.STARTING: Ongoing.STARTING,
        Phase.RESTARTING: Ongoing.DOWN,
        Phase.RESERVED_SUCCEEDED: Ongoing.HELD,
        Phase.RESERVED_FAILED: Ongoing.FAILED,
        Phase.FAILED: Ongoing.FAILED,
    }
)


def described(kind: str, job: JobSnapshot | None, pod_id: str = "", *, critical: bool = False) -> Ongoing | None:
    """What goes on, of which news of this kind tells; None when it is over with the telling.

    Args:
        kind: of the event.
        job: whose news it is, as it is held after the event; None for news about no job, or about many.
        pod_id: the pod it is about, or "".
        critical: whether the news is critical: then somebody is to answer it, whatever it is.
    """
    found = _BY_KIND.get(kind)
    if found is None and job is not None and kind in _BY_PHASE:
        found = _OF_PHASE.get(job.phase)
        if job.phase is Phase.RUNNING and kind == _DEADLINE:
            found = Ongoing.OVERLONG
    about_a_job = found not in {None, Ongoing.BLIND}
    if about_a_job and (job is None or (found is not None and not holds(found, job, pod_id))):
        found = None
    return Ongoing.UNANSWERED if found is None and critical else found


def holds(ongoing: Ongoing, job: JobSnapshot, pod_id: str = "") -> bool:
    """Whether it still goes on, as far as the job's snapshot tells.

    Args:
        ongoing: which.
        job: as it is held.
        pod_id: the pod it is about; only for `pod-lost`.
    """
    phases = HOLDS.get(ongoing)
    if phases is None or job.phase is Phase.UNKNOWN:
        return True
    return job.phase in phases and _POD_TESTS.get(ongoing, _always)(job, pod_id)


def _always(_job: JobSnapshot, _pod_id: str) -> bool:
    return True


def _lost(job: JobSnapshot, pod_id: str) -> bool:
    """Whether the pod is not in its place. Where DLC does not speak of pods, nothing says that it is back."""
    return job.pods is None or any(
        pod.pod_id == pod_id and (pod.evicted or pod.phase not in {PodPhase.RUNNING, PodPhase.SUCCEEDED})
        for pod in job.pods
    )


def _some_wait(job: JobSnapshot, _pod_id: str) -> bool:
    return job.pods is None or any(pod.phase is PodPhase.PENDING for pod in job.pods)


_POD_TESTS: Final = MappingProxyType({Ongoing.POD_LOST: _lost, Ongoing.PODS_WAITING: _some_wait})

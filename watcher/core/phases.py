"""What DLC's statuses mean: raw text -> `Phase`, as a table.

Theory. DLC's `Status` is an open set: the current documentation names 13 values, an older edition of the GetJob page 9 (two of
them, Created and Dequeued, are gone from the newer one), an official skill speaks of 14 without naming the last, and other
clients guard for more (see each entry). The raw text is therefore always kept, and every decision is taken on the folded
`Phase`. A status that is not in the table is `Phase.UNKNOWN`: alive, reported, never an error.

The usual order of a life:

    PENDING -> STARTING -> RUNNING <-> RESTARTING -> STOPPING -> SUCCEEDED | FAILED | STOPPED
                               `-> RESERVED_SUCCEEDED -> SUCCEEDED,  RESERVED_FAILED -> FAILED

It is not monotonic: a restart goes back through PENDING and STARTING, and a short job skips whatever fell between two polls, so
nothing in this program requires adjacency. The reserved phases have their result decided while pods are kept for
`JobReservedMinutes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Phase(StrEnum):
    """A job's status, folded to what people ask about."""

    PENDING = "pending"
    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    RESERVED_SUCCEEDED = "reserved-succeeded"
    RESERVED_FAILED = "reserved-failed"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    UNKNOWN = "unknown"

    __hash__ = str.__hash__  # that of enumerations is a call of Python: for each job, some times a look


class PodPhase(StrEnum):
    """A pod's status, folded. DLC documents Pending, Running, Succeeded, Failed and Unknown."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


JOB_PHASES: Final[Mapping[str, Phase]] = MappingProxyType(
    {
        # documented today
        "Creating": Phase.PENDING,
        "Queuing": Phase.PENDING,
        "Bidding": Phase.PENDING,  # Lingjun spot only
        "EnvPreparing": Phase.STARTING,
        "SanityChecking": Phase.STARTING,  # only with Settings.EnableSanityCheck; also after a restart
        "Running": Phase.RUNNING,
        "Restarting": Phase.RESTARTING,
        "Stopping": Phase.STOPPING,
        "SucceededReserving": Phase.RESERVED_SUCCEEDED,
        "FailedReserving": Phase.RESERVED_FAILED,
        "Succeeded": Phase.SUCCEEDED,
        "Failed": Phase.FAILED,
        "Stopped": Phase.STOPPED,
        # the GetJob page's older edition
        "Created": Phase.PENDING,
        "Dequeued": Phase.PENDING,
        # guarded for by other public clients
        "Submitted": Phase.PENDING,
        "Queued": Phase.PENDING,
        "Pending": Phase.PENDING,
        "SubmitFailed": Phase.FAILED,
    }
)

POD_PHASES: Final[Mapping[str, PodPhase]] = MappingProxyType(
    {
        "Pending": PodPhase.PENDING,
        "Running": PodPhase.RUNNING,
        "Succeeded": PodPhase.SUCCEEDED,
        "Failed": PodPhase.FAILED,
        "Unknown": PodPhase.UNKNOWN,
    }
)

TERMINAL: Final = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.STOPPED})
"""Phases a job does not leave. A new run of the same work is a new job id."""

LIVE: Final = frozenset(Phase) - TERMINAL
"""Everything else, `UNKNOWN` included: what we cannot name we go on watching."""

RESERVED: Final = frozenset({Phase.RESERVED_SUCCEEDED, Phase.RESERVED_FAILED})
"""The result is decided, the machines are still held."""

EVICTED_POD_SUB_STATUSES: Final = frozenset({"Evicted"})
"""Pod SubStatus values that mean: taken off its node. Documented values are Normal and Evicted."""


def phase_of(status: str) -> Phase:
    """Fold a raw job status; anything unlisted, the empty text included, is `Phase.UNKNOWN`."""
    return JOB_PHASES.get(status, Phase.UNKNOWN)


def pod_phase_of(status: str) -> PodPhase:
    """Fold a raw pod status; anything unlisted is `PodPhase.UNKNOWN`."""
    return POD_PHASES.get(status, PodPhase.UNKNOWN)

"""What is held about a job, as small as can be had in some microseconds: its JSON, compressed with typical jobs as dictionary.

Between two changes a watch only lies there, and as objects one with eight pods takes some fifteen kilobytes and 200 objects that
the garbage collector walks over. Packed it is 400 to 800 bytes in one piece, not looked at by any. Unpacking costs about as much as
reading an answer, and is done when an answer is read. Packed bytes mean something in this run of the program only.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from watcher.core.codec import watch_from_json, watch_to_json
from watcher.core.model import (
    Course,
    JobId,
    JobRef,
    JobSettings,
    JobSnapshot,
    PodSnapshot,
    ReplicaStatus,
    Resources,
    RestartCount,
    RoleSpec,
    SourceName,
    StatusEntry,
    StatusPeriod,
    Watch,
)

_LEVEL: Final = 6
_LARGE_BYTES: Final = 128 * 1024
_QUICK_LEVEL: Final = 1
"""For the few jobs of hundreds of pods."""
_MOST_BYTES: Final = 30_000
"""Of a dictionary; no more than its window of 32 KiB is looked at."""


class Packer:
    """Packs the jobs of one roster: what it packed, it alone unpacks. It learns from the first job how jobs look here."""

    def __init__(self) -> None:
        self._dictionary = b""

    def pack(self, watch: Watch) -> bytes:
        """A watch, packed."""
        text = watch_to_json(watch)
        if not self._dictionary:
            self._dictionary = (_typical() + text)[-_MOST_BYTES:]
        level = _LEVEL if len(text) < _LARGE_BYTES else _QUICK_LEVEL
        packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=self._dictionary)
        return packer.compress(text) + packer.flush()

    def unpack(self, packed: bytes) -> Watch:
        """The watch."""
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS, zdict=self._dictionary)
        return watch_from_json(unpacker.decompress(packed) + unpacker.flush())


@cache
def _typical() -> bytes:
    """The text of a job as most are, in the form of this version: what a packed job need not hold itself."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    way = ("Creating", "Queuing", "EnvPreparing", "Running")
    pods = tuple(
        PodSnapshot(
            pod_id=f"dlc0000000000000-{role}-{number}",
            uid="00000000-0000-4000-8000-000000000000",
            role=role,
            status="Running",
            node="cn-hangzhou.10.0.0.1",
            ip="10.0.0.1",
            resource_type="ECS",
            created_at=at,
            started_at=at,
            duration=timedelta(hours=1),
        )
        for number, role in ((0, "master"), (0, "ps"), (0, "worker"), (1, "worker"))
    )
    job = JobSnapshot(
        ref=JobRef(SourceName("default"), JobId("dlc0000000000000")),
        observed_at=at,
        status="Running",
        job_type="PyTorchJob",
        reason_code="JobRunning",
        reason_message="Job is running",
        priority=1,
        restarts=RestartCount("0/10", 0, 10),
        region="cn-hangzhou",
        resource_level="default",
        resource_type="ECS",
        accessibility="PUBLIC",
        created_at=at,
        submitted_at=at,
        running_at=at,
        modified_at=at,
        duration=timedelta(hours=1),
        roles=(RoleSpec("Worker", 2, Resources("12", "8", "GPU", "100Gi", "50Gi"), restart_policy="OnFailure"),),
        requested_cpu=24.0,
        requested_gpu=16.0,
        requested_memory="200Gi",
        settings=JobSettings(oversold_type="ForbiddenQuotaOverSold"),
        pods=pods,
        status_history=tuple(StatusPeriod(status, at, at, "Job" + status, "Job is") for status in way),
        replicas=(ReplicaStatus("Worker", 2, 0, 0, 2),),
    )
    entries = tuple(StatusEntry(status, at.isoformat(), 1, at, at, at, listed=True, told=True) for status in way)
    course = Course(entries, since=at, lists_present=True)
    return watch_to_json(Watch(job, 1, at, at, course=course))

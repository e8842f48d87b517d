"""What is held about a job, as small as can be had in some microseconds: its JSON, compressed with typical jobs as dictionary.

Between two changes a watch only lies there, and as objects one with eight pods takes some fifteen kilobytes and 200 objects that
the garbage collector walks over. Packed it is 400 to 800 bytes in one piece, not looked at by any. Unpacking costs about as much as
reading an answer, and is done when an answer is read. The few jobs of very many pods are an exception (`Packer`). Packed bytes mean
something in this run of the program only.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from watcher.core.codec import pods_from_json, pods_to_json, watch_from_json, watch_to_json
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
_DICTIONARY: Final = "dictionary"
_LONG_BYTES: Final = 16 * 1024
"""Packed, so much takes some milliseconds to unpack."""

MANY_PODS: Final = 500
_MOST_OPEN: Final = 20_000
"""Pods of all jobs that lie open, which take about a kilobyte each."""


class Open:
    """A job of very many pods that was looked at lately.

    Attributes:
        watch: what is held about it; None once it is packed.
        packed: the same, packed; empty until others took its place.
    """

    __slots__ = ("packed", "watch")

    def __init__(self, watch: Watch) -> None:
        self.watch: Watch | None = watch
        self.packed = b""


Packed = bytes | Open


def takes_long(packed: Packed) -> bool:
    """Whether unpacking it takes so long that it is better done in a thread."""
    return len(packed) > _LONG_BYTES if isinstance(packed, bytes) else packed.watch is None


class Packer:
    """Packs the jobs of one roster: what it packed, it alone unpacks. It learns from the first job how jobs look here.

    To pack and unpack thousands of pods takes longer than to read and compare them. So jobs of many pods lie open, as long as all
    of them together are not too many: then the one is packed that was not looked at for longest. Threads may share a packer.
    """

    def __init__(self) -> None:
        self._learnt: dict[str, bytes] = {}
        self._open: dict[JobRef, tuple[Open, Watch]] = {}

    def pack(self, watch: Watch) -> Packed:
        """A watch, packed or to be packed."""
        ref = watch.snapshot.ref
        self._open.pop(ref, None)
        if len(watch.snapshot.pods or ()) <= MANY_PODS:
            return self._pack(watch)
        held = Open(watch)
        self._open[ref] = (held, watch)
        self._close_some()
        return held

    def _close_some(self) -> None:
        # Other threads may do the same meanwhile: then a job is packed twice, or one that was just opened is not counted.
        lying = tuple(self._open.items())
        over = sum(len(watch.snapshot.pods or ()) for _, (_, watch) in lying) - _MOST_OPEN
        for ref, (held, watch) in lying:
            if over <= 0:
                break
            over -= len(watch.snapshot.pods or ())
            self._open.pop(ref, None)
            held.packed = self._pack(watch)
            held.watch = None

    def unpack(self, packed: Packed) -> Watch:
        """The watch."""
        if isinstance(packed, bytes):
            return self._unpack(packed)
        watch = packed.watch
        return self._unpack(packed.packed) if watch is None else watch

    def _pack(self, watch: Watch) -> bytes:
        text = _text_of(watch)
        if not self._learnt:
            self._learnt.setdefault(
                _DICTIONARY, (_typical() + text)[-_MOST_BYTES:]
            )  # the first one's, of several threads
        level = _LEVEL if len(text) < _LARGE_BYTES else _QUICK_LEVEL
        packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=self._learnt[_DICTIONARY])
        return packer.compress(text) + packer.flush()

    def _unpack(self, packed: bytes) -> Watch:
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS, zdict=self._learnt.get(_DICTIONARY, b""))
        head, *slices = (unpacker.decompress(packed) + unpacker.flush()).split(b"\n")
        watch = watch_from_json(head)
        if not slices:
            return watch
        pods = tuple(pod for text in slices for pod in pods_from_json(text))
        return replace(watch, snapshot=replace(watch.snapshot, pods=pods))


def _text_of(watch: Watch) -> bytes:
    """Its JSON, on one line; the pods, where they are many, in slices on further lines: nothing then takes long in one go."""
    pods = watch.snapshot.pods or ()
    if len(pods) <= MANY_PODS:
        return watch_to_json(watch)
    head = replace(watch, snapshot=replace(watch.snapshot, pods=None))
    slices = (pods_to_json(pods[start : start + MANY_PODS]) for start in range(0, len(pods), MANY_PODS))
    return b"\n".join((watch_to_json(head), *slices))


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

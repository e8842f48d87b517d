"""What a line of a log or event gives away: a table of signs, read from top to bottom, the first that fits wins.

A sign is a few literal words (compared without case) and, where these alone would take in too much, a pattern. Finding literal
words takes time that grows with the line and no faster, and the patterns are bounded, so no line can make reading it slow.

The words are those of the kernel, the NVIDIA driver, CUDA, NCCL, PyTorch, TensorFlow, Kubernetes and DLC. Four strengths:

- DECISIVE: it names the cause.
- TELLING: it names a fault that may have another behind it.
- SECONDARY: the process died of another's death, or was told to end.
- HINT: only a number, or words from long before the end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from watcher.core.causes import FaultClass as F


class Strength(StrEnum):
    """How much a sign says."""

    DECISIVE = "decisive"
    TELLING = "telling"
    SECONDARY = "secondary"
    HINT = "hint"


@dataclass(frozen=True, slots=True)
class Sign:
    """One row.

    Attributes:
        fault: the class it stands for.
        strength: how much it says.
        words: any of these is in the line, in lower case.
        pattern: and this is found in it; None: the words suffice.
        platform: only believed of DLC's own texts (events, records, reasons): a program may use such words of its own affairs.
    """

    fault: F
    strength: Strength
    words: tuple[str, ...]
    pattern: re.Pattern[str] | None = None
    platform: bool = False


def _has(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_SURE, _TELLS, _AFTER = Strength.DECISIVE, Strength.TELLING, Strength.SECONDARY

SIGNS: Final[tuple[Sign, ...]] = (
    # memory of the GPU
    Sign(
        F.GPU_MEMORY,
        _SURE,
        (
            "cuda out of memory",
            "hip out of memory",
            "cuda error: out of memory",
            "cuda_error_out_of_memory",
            "cudaerrormemoryallocation",
            "cublas_status_alloc_failed",
            "failed to allocate memory on device",
            "outofmemoryerror: cuda",
            "torch.outofmemoryerror",
        ),
    ),
    Sign(F.GPU_MEMORY, _SURE, ("oom when allocating tensor", "resource_exhausted: out of memory")),
    # hardware of the GPU, as the driver tells it
    Sign(F.GPU_ECC, _SURE, ("xid",), _has(r"\bXid\b[^,\n]{0,60}?[:\s](?:48|63|64|92|94|95)\b")),
    Sign(F.GPU_ECC, _SURE, ("uncorrectable ecc", "double bit ecc", "uncorrectable dram error", "row remap failure")),
    # 13, 31, 43, 45: the driver's word for what a program did, or for its end
    Sign(F.GPU_XID, _TELLS, ("xid",), _has(r"\bXid\b[^,\n]{0,60}?[:\s](?:13|31|43|45)\b")),
    Sign(F.GPU_XID, _SURE, ("xid",), _has(r"\bXid\b[^,\n]{0,60}?[:\s]\d{1,3}\b")),
    Sign(
        F.GPU_XID, _SURE, ("gpu has fallen off the bus", "gpu is lost", "uncorrectable nvlink", "cudaerrordevicelost")
    ),
    # memory of the machine
    Sign(F.HOST_MEMORY, _SURE, ("oomkilled", "oom-kill", "memory cgroup out of memory", "out of memory: kill")),
    Sign(F.HOST_MEMORY, _SURE, ("dataloader worker",), _has(r"killed by signal: (?:Killed|Bus error)")),
    Sign(F.HOST_MEMORY, _SURE, ("insufficient shared memory", "cannot allocate memory", "can't allocate memory")),
    Sign(F.HOST_MEMORY, _SURE, ("std::bad_alloc", "_arraymemoryerror", "unable to allocate")),
    Sign(F.HOST_MEMORY, _SURE, ("memoryerror",), _has(r"(?<![\w.])MemoryError\b")),
    # storage
    Sign(
        F.STORAGE,
        _SURE,
        (
            "no space left on device",
            "disk quota exceeded",
            "stale file handle",
            "transport endpoint is not connected",
            "read-only file system",
            "input/output error",
            "nosuchbucket",
            "nosuchkey",
        ),
    ),
    Sign(
        F.STORAGE,
        _SURE,
        ("failedmount", "failedattachvolume", "mountvolume", "unable to attach or mount", "dataset mount"),
        platform=True,
    ),
    # the image
    Sign(
        F.IMAGE_PULL,
        _SURE,
        (
            "errimagepull",
            "imagepullbackoff",
            "errimageneverpull",
            "invalidimagename",
            "failed to pull",
            "failed pulling image",
            "pull access denied",
            "manifest unknown",
            "imagepullfailed",
        ),
        platform=True,
    ),
    # what the platform does
    Sign(F.USER_STOPPED, _SURE, ("stoppedbyuser", "stopped by user", "stopped by the user"), platform=True),
    Sign(
        F.TIME_LIMIT,
        _SURE,
        ("max running time", "maxrunningtime", "maximum running time", "deadlineexceeded"),
        platform=True,
    ),
    Sign(
        F.SPOT_RECLAIMED,
        _SURE,
        ("spot", "preemptible"),
        _has(r"reclaim|interrupt|releas|recycl|stockout|terminat"),
        platform=True,
    ),
    Sign(
        F.NODE_FAULT,
        _SURE,
        (
            "nodenotready",
            "node not ready",
            "node is not ready",
            "nodelost",
            "nodefailure",
            "node_fault",
            "node fault",
            "nodeunhealthy",
            "nodeshutdown",
            "kubelet stopped posting",
            "hardware failure",
            "hardware fault",
            "gpuunhealthy",
            "gpu unhealthy",
        ),
        platform=True,
    ),
    Sign(F.NODE_FAULT, _SURE, ("sanity", "check"), _has(r"sanity.{0,20}check.{0,60}(?:fail|abnormal)"), platform=True),
    Sign(F.PREEMPTED, _SURE, ("preempted", "preemption", "evicted", "evicting", "eviction"), platform=True),
    Sign(
        F.QUOTA_EXCEEDED,
        _SURE,
        ("exceeded quota", "quota exceeded", "exceeds quota", "quotaexceeded", "resourceallocatefailed", "outofquota"),
        platform=True,
    ),
    # died of another's death, or was told to end; before the words that are wider
    Sign(
        F.NCCL_ERROR,
        _AFTER,
        (
            "caught collective operation timeout",
            "ncclremoteerror",
            "remote process exited",
            "connection closed by remote peer",
            "connection closed by peer",
            "watchdog thread terminated",
            "nccl communicator was aborted",
            "heartbeat monitor timed out",
            "store is broken",
        ),
    ),
    Sign(F.NCCL_ERROR, _AFTER, ("connection reset by peer", "broken pipe", "connection refused", "socket timeout")),
    Sign(
        F.EXIT_CODE,
        _AFTER,
        (
            "sigterm",
            "signal: 15",
            "signalexception",
            "keyboardinterrupt",
            "childfailederror",
            "processexitedexception",
            "processraisedexception",
            "calledprocesserror",
            "systemexit",
            "rendezvousconnectionerror",
        ),
    ),
    # CUDA and NCCL
    Sign(
        F.CUDA_ERROR,
        _SURE,
        (
            "cuda error",
            "cuda runtime error",
            "cuda_error_",
            "cudnn_status_",
            "cublas_status_",
            "cusolver_status_",
            "cusparse_status_",
            "device-side assert",
            "illegal memory access",
            "unspecified launch failure",
            "no cuda-capable device",
            "cuda driver version is insufficient",
            "no cuda gpus are available",
        ),
    ),
    Sign(
        F.NCCL_ERROR,
        _TELLS,
        (
            "nccl error",
            "ncclsystemerror",
            "ncclinternalerror",
            "ncclinvalidusage",
            "ncclunhandledcudaerror",
            "nccl failure",
            "got completion with error",
            "got completion from peer",
            "ib: got async event",
        ),
    ),
    Sign(
        F.SEGMENTATION_FAULT,
        _TELLS,
        ("segmentation fault", "sigsegv", "segfault at", "fatal python error: bus error"),
    ),
)


def read_sign(line: str, *, platform: bool) -> Sign | None:
    """The first sign that the line shows, or None.

    Args:
        line: one line.
        platform: it is DLC's own: an event, a record, a reason.
    """
    low = line.lower()
    for sign in SIGNS:
        if sign.platform and not platform:
            continue
        if any(word in low for word in sign.words) and (sign.pattern is None or sign.pattern.search(line)):
            return sign
    return None


_EXIT: Final = re.compile(
    r"\bexit(?:ed)?(?:[ _-]{0,2}with)?[ _-]{0,2}(?:non-?zero )?(?:code|status)?(?: is| was)?['\")\]]{0,2}[ \t]{0,8}[:=]?[ \t]{0,8}"
    r"[\[(]?(?P<code>-?\d{1,3})(?![\d.])",
    re.IGNORECASE,
)

EXIT_CODES: Final[Mapping[int, tuple[F, str]]] = MappingProxyType(
    {
        134: (F.EXIT_CODE, "aborted (SIGABRT)"),
        137: (F.HOST_MEMORY, "killed (SIGKILL), most often for want of memory"),
        139: (F.SEGMENTATION_FAULT, "segmentation fault (SIGSEGV)"),
        143: (F.EXIT_CODE, "told to end (SIGTERM)"),
        245: (F.NCCL_ERROR, "NCCL timeout"),
        255: (F.EXIT_CODE, "MPI could not reach a machine, or the program says so itself"),
    }
)
"""What codes mean, by the official diagnostics skill and by signal numbers."""


def exit_code_of(line: str) -> int | None:
    """The code with which a process ended, where the line tells one other than 0. A signal, told as -9, is 137."""
    if "exit" not in line and "Exit" not in line:
        return None
    found = _EXIT.search(line)
    code = int(found["code"]) if found else 0
    return (128 - code if code < 0 else code) or None

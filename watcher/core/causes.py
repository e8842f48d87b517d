"""What went wrong, as classes, and how sure that is. Closed: they are labels, table keys and texts of a story."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class FaultClass(StrEnum):
    """The kinds of cause that are told apart."""

    PYTHON_EXCEPTION = "python-exception"
    GPU_MEMORY = "out-of-memory-gpu"
    HOST_MEMORY = "out-of-memory-host"
    CUDA_ERROR = "cuda-error"
    NCCL_ERROR = "nccl-error"
    GPU_XID = "gpu-xid"
    """The driver reports a fault of the GPU (Xid) other than of its memory."""
    GPU_ECC = "gpu-ecc"
    """The GPU's memory has errors that could not be corrected."""
    SEGMENTATION_FAULT = "segmentation-fault"
    IMAGE_PULL = "image-pull"
    STORAGE = "storage"
    NODE_FAULT = "node-fault"
    QUOTA_EXCEEDED = "quota-exceeded"
    PREEMPTED = "preempted"
    SPOT_RECLAIMED = "spot-reclaimed"
    TIME_LIMIT = "time-limit"
    USER_STOPPED = "user-stopped"
    EXIT_CODE = "exit-code"
    """A process ended with a code, and nothing says why."""
    UNKNOWN = "unknown"


class Confidence(StrEnum):
    """How sure a cause is. By which evidence it is which stands in `core.root_cause`."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    def reaches(self, least: Confidence) -> bool:
        """Whether it is at least so sure."""
        order = tuple(Confidence)
        return order.index(self) >= order.index(least)


WORDS: Final[Mapping[FaultClass, str]] = MappingProxyType(
    {
        FaultClass.PYTHON_EXCEPTION: "Python exception",
        FaultClass.GPU_MEMORY: "CUDA out of memory",
        FaultClass.HOST_MEMORY: "out of memory",
        FaultClass.CUDA_ERROR: "CUDA error",
        FaultClass.NCCL_ERROR: "NCCL error",
        FaultClass.GPU_XID: "GPU fault (Xid)",
        FaultClass.GPU_ECC: "GPU memory fault (ECC)",
        FaultClass.SEGMENTATION_FAULT: "segmentation fault",
        FaultClass.IMAGE_PULL: "image cannot be pulled",
        FaultClass.STORAGE: "storage",
        FaultClass.NODE_FAULT: "fault of the node",
        FaultClass.QUOTA_EXCEEDED: "quota exceeded",
        FaultClass.PREEMPTED: "preempted",
        FaultClass.SPOT_RECLAIMED: "spot instance reclaimed",
        FaultClass.TIME_LIMIT: "running time used up",
        FaultClass.USER_STOPPED: "stopped by a user",
        FaultClass.EXIT_CODE: "the process ended with an error",
        FaultClass.UNKNOWN: "unknown",
    }
)
"""Each class in a few words, as they stand in a sentence."""

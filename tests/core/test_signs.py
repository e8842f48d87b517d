"""What single lines give away."""

from __future__ import annotations

import time

import pytest

from watcher.core.causes import WORDS, Confidence, FaultClass
from watcher.core.causes import FaultClass as F
from watcher.core.signs import EXIT_CODES, SIGNS, Strength, exit_code_of, read_sign

D, T, S = Strength.DECISIVE, Strength.TELLING, Strength.SECONDARY

LOG_LINES: list[tuple[str, FaultClass | None, Strength | None]] = [
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB (GPU 3; 79.15 GiB total capacity)", F.GPU_MEMORY, D),
    ("RuntimeError: CUDA error: out of memory", F.GPU_MEMORY, D),
    ("framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor with shape[64,1024]", F.GPU_MEMORY, D),
    ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", F.GPU_MEMORY, D),
    ("[12.3] NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=python, GPU has fallen off the bus.", F.GPU_XID, D),
    ("kernel: NVRM: Xid (PCI:0000:3b:00): 48, pid=99, An uncorrectable double bit error (DBE) has been detected", F.GPU_ECC, D),
    ("NVRM: Xid (PCI:0000:3b:00): 94, pid=99, Contained: SM (0x1)", F.GPU_ECC, D),
    ("NVRM: Xid (PCI:0000:3b:00): 31, pid=99, MMU Fault: ENGINE GRAPHICS", F.GPU_XID, T),
    ("RuntimeError: CUDA error: uncorrectable ECC error encountered", F.GPU_ECC, D),
    ("Memory cgroup out of memory: Killed process 4711 (python) total-vm:123kB, anon-rss:99kB", F.HOST_MEMORY, D),
    ("RuntimeError: DataLoader worker (pid 4711) is killed by signal: Killed.", F.HOST_MEMORY, D),
    ("RuntimeError: DataLoader worker (pid 7) is killed by signal: Bus error.", F.HOST_MEMORY, D),
    ("MemoryError", F.HOST_MEMORY, D),
    ("terminate called after throwing an instance of 'std::bad_alloc'", F.HOST_MEMORY, D),
    ("numpy.core._exceptions._ArrayMemoryError: Unable to allocate 1.2 TiB for an array", F.HOST_MEMORY, D),
    ("OSError: [Errno 28] No space left on device", F.STORAGE, D),
    ("OSError: [Errno 122] Disk quota exceeded", F.STORAGE, D),
    ("OSError: [Errno 107] Transport endpoint is not connected: '/mnt/data'", F.STORAGE, D),
    ("RuntimeError: CUDA error: device-side assert triggered", F.CUDA_ERROR, D),
    ("RuntimeError: CUDA error: an illegal memory access was encountered", F.CUDA_ERROR, D),
    ("RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", F.CUDA_ERROR, D),
    ("RuntimeError: NCCL error in: ProcessGroupNCCL.cpp:1333, unhandled system error, NCCL version 2.18.1", F.NCCL_ERROR, T),
    ("ncclSystemError: System call (e.g. socket, malloc) or external library call failed", F.NCCL_ERROR, T),
    ("[Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=12, OpType=ALLREDUCE)", F.NCCL_ERROR, S),
    ("torch.distributed.DistBackendError: NCCL error: remote process exited or there was a network error", F.NCCL_ERROR, S),
    ("RuntimeError: [../third_party/gloo] Connection closed by peer [10.0.0.7]:1234", F.NCCL_ERROR, S),
    ("RuntimeError: Connection reset by peer", F.NCCL_ERROR, S),
    ("torch.distributed.elastic.multiprocessing.api.SignalException: Process 1 got signal: 15", F.EXIT_CODE, S),
    ("torch.distributed.elastic.multiprocessing.errors.ChildFailedError:", F.EXIT_CODE, S),
    ("Fatal Python error: Segmentation fault", F.SEGMENTATION_FAULT, T),
    ("step=3 loss=2.5 evicted 4 entries from the cache, preempted loader", None, None),
    ("quota exceeded for wandb uploads", None, None),
    ("ValueError: bad", None, None),
    ("taxid 48 of the species", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("line", "fault", "strength"), LOG_LINES)
def test_a_line_of_a_log(line: str, fault: FaultClass | None, strength: Strength | None) -> None:
    sign = read_sign(line, platform=False)
    assert (sign and sign.fault, sign and sign.strength) == (fault, strength)


PLATFORM_LINES: list[tuple[str, FaultClass | None]] = [
    ("Warning Failed: Failed to pull image \"registry/x:1\": rpc error: manifest unknown", F.IMAGE_PULL),
    ("Back-off pulling image; ImagePullBackOff", F.IMAGE_PULL),
    ("FailedMount MountVolume.SetUp failed for volume \"oss-pv\"", F.STORAGE),
    ("Spot instance will be released by the system", F.SPOT_RECLAIMED),
    ("The preemptible instance was reclaimed", F.SPOT_RECLAIMED),
    ("NodeNotReady: Node is not ready", F.NODE_FAULT),
    ("Sanity check of node a failed: SingleNodeCommCheck", F.NODE_FAULT),
    ("Pod was evicted", F.PREEMPTED),
    ("Job is preempted by dlc2", F.PREEMPTED),
    ("exceeded quota: team-a, requested: gpu=8", F.QUOTA_EXCEEDED),
    ("ResourceAllocateFailed", F.QUOTA_EXCEEDED),
    ("JobStoppedByUser", F.USER_STOPPED),
    ("The job exceeded its max running time", F.TIME_LIMIT),
    ("OOMKilled", F.HOST_MEMORY),
    ("Spot instances are cheap", None),
    ("sanity check passed", None),
    ("PyTorchJob dlc1 is failed because 1 Worker replica(s) failed.", None),
    ("Scheduled: assigned to node a", None),
]  # fmt: skip


@pytest.mark.parametrize(("line", "fault"), PLATFORM_LINES)
def test_a_line_of_the_platform(line: str, fault: FaultClass | None) -> None:
    sign = read_sign(line, platform=True)
    assert (sign and sign.fault) == fault


def test_every_class_that_lines_can_show_is_tried() -> None:
    tried = {fault for _, fault, *_ in LOG_LINES} | {fault for _, fault in PLATFORM_LINES}
    assert {sign.fault for sign in SIGNS} <= tried
    assert all(word == word.lower() for sign in SIGNS for word in sign.words)
    assert set(WORDS) == set(FaultClass)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("container exited with code 137", 137),
        ("exitcode  : 1 (pid: 17)", 1),
        ("failed (exitcode: -9) local_rank: 0 (pid: 123) of binary: python", 137),
        ("Exit Code: 139", 139),
        ("exit status 2", 2),
        ("process exited with non-zero exit code 3", 3),
        ('{"exitCode": 245}', 245),
        ("exit code 0", None),
        ("exiting 12 workers", None),
        ("exit code 1234567", None),
        ("nothing here", None),
        ("an exit is over there", None),
    ],
)
def test_exit_codes(line: str, code: int | None) -> None:
    assert exit_code_of(line) == code
    assert all(text for _, text in EXIT_CODES.values())


def test_confidences_are_in_order() -> None:
    low, medium, high = Confidence
    assert high.reaches(medium)
    assert medium.reaches(medium)
    assert not low.reaches(medium)


@pytest.mark.parametrize(
    "piece", ["x", "xid ", "xid(", "exit ", "exit code", "spot ", "sanity check ", "dataloader worker ", "exited with "]
)
def test_a_line_of_a_megabyte_is_read_in_no_time(piece: str) -> None:
    line = piece * (1_000_000 // len(piece))
    began = time.perf_counter()
    read_sign(line, platform=True)
    exit_code_of(line)
    assert time.perf_counter() - began < 20

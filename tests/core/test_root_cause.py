"""Causes of made-up failures: who is asked, what is believed, what is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.strategies import NOW, REF, at, happening
from watcher.core.causes import FaultClass as F
from watcher.core.events import Event, JobFailed, JobRestarted, JobStatusChanged, PodEvicted, When
from watcher.core.evidence import Action, Evidence, Question, Reading
from watcher.core.model import JobSnapshot, PodKey, PodSnapshot, RestartCause, RestartRecord, RoleSpec
from watcher.core.phases import Phase
from watcher.core.root_cause import BELIEF, LONGEST_EXCERPT, Finding, Level, Origin, find, next_question, suspects
from watcher.core.signs import Strength

TRACEBACK = (
    "step 411 loss 2.1",
    "[rank3]: Traceback (most recent call last):",
    '[rank3]:   File "/work/train.py", line 88, in <module>',
    "[rank3]:     main()",
    '[rank3]:   File "/work/train.py", line 71, in main',
    "[rank3]:     loss = model(batch)['loss']",
)
KEY_ERROR = (*TRACEBACK, "[rank3]: KeyError: 'loss'")
OUT_OF_MEMORY = (
    *TRACEBACK,
    "[rank3]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 3 has 79.15 GiB",
)
TIMED_OUT = (
    "[rank0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=12, OpType=ALLREDUCE) ran for 600010 ms",
)
TOLD_TO_END = ("Sending process 17 closing signal SIGTERM",)
LAUNCHER = (
    "Traceback (most recent call last):",
    '  File "/usr/bin/torchrun", line 8, in <module>',
    "    sys.exit(main())",
    "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:",
)


def pod(name: str, *, end: float | None = None, status: str = "Failed", **more: Any) -> PodSnapshot:
    told = {"started_at": at(0), "created_at": at(-60), "node": f"node-{name}"} | more
    return PodSnapshot(
        f"dlc1-{name}", f"uid-{name}", status=status, finished_at=None if end is None else at(end), **told
    )


def job(*pods: PodSnapshot, **more: Any) -> JobSnapshot:
    return JobSnapshot(
        ref=REF, observed_at=NOW, status=more.pop("status", "Failed"), created_at=at(-90), pods=pods or None, **more
    )


def failed(**more: Any) -> JobFailed:
    return happening(
        JobFailed, status="Failed", lived=None, when=When(observed_at=at(200), occurred_at=at(190)), **more
    )


PEERS = (pod("worker-0", end=130), pod("worker-1", end=60), pod("worker-2", end=130))


@dataclass(frozen=True)
class Answers:
    """What DLC would answer: logs and events by pod, the job's events; errors instead of either."""

    logs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pods: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    job: tuple[str, ...] = ()
    denied: frozenset[Action] = frozenset()

    def read(self, question: Question) -> Reading:
        if question.action in self.denied:
            return Reading.failed(question, f"{question.action} is forbidden", denied=True)
        if question.pod is None:
            return Reading.of(question, self.job)
        book = self.logs if question.action is Action.POD_LOGS else self.pods
        return Reading.of(question, book.get(question.pod.pod_id.removeprefix("dlc1-"), ()))


def investigate(
    snapshot: JobSnapshot, event: Event | None, answers: Answers = Answers(), level: Level = "events+logs"
) -> tuple[Finding, list[str]]:
    """The finding, and what was asked for it, in order."""
    evidence: Evidence = ()
    asked = []
    while (question := next_question(snapshot, event, evidence, level)) is not None:
        asked.append(f"{question.action} {question.pod.pod_id.removeprefix('dlc1-') if question.pod else ''}".strip())
        evidence += (answers.read(question),)
        assert len(asked) < 10
    return find(snapshot, event, evidence), asked


CASES: dict[str, tuple[JobSnapshot, Event | None, Answers, tuple[F, str, str | None], str, list[str]]] = {
    # job, event, answers -> class, confidence, culprit; the sentence; what was asked
    "the first that ended is the culprit, whatever its peers say": (
        job(*PEERS),
        failed(),
        Answers({"worker-1": OUT_OF_MEMORY, "worker-0": TIMED_OUT, "worker-2": TIMED_OUT}),
        (F.GPU_MEMORY, "high", "dlc1-worker-1"),
        "CUDA out of memory on dlc1-worker-1 (node node-worker-1)",
        ["GetPodLogs worker-1"],
    ),
    "a peer that ended first, by its clock, but died of another's death": (
        job(*PEERS),
        failed(),
        Answers({"worker-1": TIMED_OUT, "worker-0": (*KEY_ERROR, *LAUNCHER), "worker-2": TIMED_OUT}),
        (F.PYTHON_EXCEPTION, "high", "dlc1-worker-0"),
        "KeyError: 'loss' on dlc1-worker-0 (node node-worker-0)",
        ["GetPodLogs worker-1", "GetPodLogs worker-0", "GetPodLogs worker-2"],
    ),
    "an exception of Python": (
        job(pod("master-0", end=60)),
        failed(),
        Answers({"master-0": (*KEY_ERROR, *LAUNCHER, "exitcode  : 1 (pid: 17)")}),
        (F.PYTHON_EXCEPTION, "high", "dlc1-master-0"),
        "KeyError: 'loss' on dlc1-master-0 (node node-master-0), exit code 1",
        ["GetPodLogs master-0"],
    ),
    "timeouts all round and nothing before them": (
        job(*PEERS),
        failed(),
        Answers({"worker-1": TIMED_OUT, "worker-0": TOLD_TO_END, "worker-2": TIMED_OUT}),
        (F.NCCL_ERROR, "low", "dlc1-worker-1"),
        "NCCL error on dlc1-worker-1 (node node-worker-1)",
        ["GetPodLogs worker-1", "GetPodLogs worker-0", "GetPodLogs worker-2", "GetPodEvents worker-1", "GetJobEvents"],
    ),
    "the kernel killed it, which only the pod's events know": (
        job(pod("worker-0", end=60)),
        failed(),
        Answers({"worker-0": ("step 9",)}, {"worker-0": ("Warning OOMKilled container main", "exited with code 137")}),
        (F.HOST_MEMORY, "high", "dlc1-worker-0"),
        "out of memory on dlc1-worker-0 (node node-worker-0), exit code 137",
        ["GetPodLogs worker-0", "GetPodEvents worker-0"],
    ),
    "an image that cannot be pulled, before any pod ran": (
        job(pod("worker-0", status="Pending", started_at=None), pod("worker-1", status="Pending", started_at=None)),
        failed(),
        Answers({}, {"worker-0": ('Warning Failed to pull image "x:1": manifest unknown',)}),
        (F.IMAGE_PULL, "high", "dlc1-worker-0"),
        "image cannot be pulled on dlc1-worker-0 (node node-worker-0)",
        ["GetPodEvents worker-0"],
    ),
    "no pods at all": (
        job(),
        failed(),
        Answers(job=("Warning exceeded quota: team-a",)),
        (F.QUOTA_EXCEEDED, "medium", None),
        "quota exceeded",
        ["GetJobEvents"],
    ),
    "an eviction needs no question": (
        job(pod("worker-0", end=90), pod("worker-1", end=60, sub_status="Evicted")),
        failed(),
        Answers(),
        (F.PREEMPTED, "high", "dlc1-worker-1"),
        "preempted on dlc1-worker-1 (node node-worker-1)",
        [],
    ),
    "on spot instances an eviction is a reclaim": (
        job(pod("worker-0", end=60, sub_status="Evicted"), roles=(RoleSpec("Worker", 1, spot=True),)),
        failed(),
        Answers(),
        (F.SPOT_RECLAIMED, "high", "dlc1-worker-0"),
        "spot instance reclaimed on dlc1-worker-0 (node node-worker-0)",
        [],
    ),
    "DLC's reason says it": (
        job(pod("worker-0", end=60), reason_message="The job exceeded its max running time"),
        failed(),
        Answers(),
        (F.TIME_LIMIT, "high", "dlc1-worker-0"),
        "running time used up on dlc1-worker-0 (node node-worker-0)",
        [],
    ),
    "a restart record names pod and node": (
        job(
            *PEERS,
            restart_records=(
                RestartRecord(
                    trigger_id="t1",
                    occurred_at=at(180),
                    reason="HardwareFault",
                    causes=(RestartCause("NODE_FAULT", "gpu lost", node="node-x", pod="dlc1-worker-2"),),
                ),
                RestartRecord(trigger_id="t0", occurred_at=at(-7200), reason="OOMKilled"),
            ),
        ),
        failed(),
        Answers(),
        (F.NODE_FAULT, "high", "dlc1-worker-2"),
        "fault of the node on dlc1-worker-2 (node node-worker-2)",
        [],
    ),
    "of an exit code alone little is believed": (
        job(pod("worker-0", end=60), reason_message="container main exited with code 137"),
        failed(),
        Answers({"worker-0": ("step 9",)}),
        (F.HOST_MEMORY, "low", "dlc1-worker-0"),
        "out of memory on dlc1-worker-0 (node node-worker-0), exit code 137: killed (SIGKILL), most often for want of memory",
        ["GetPodLogs worker-0", "GetPodEvents worker-0", "GetJobEvents"],
    ),
    "an unknown code": (
        job(pod("worker-0", end=60, node="")),
        failed(reason_message="exit code 3"),
        Answers(),
        (F.EXIT_CODE, "low", "dlc1-worker-0"),
        "the process ended with an error on dlc1-worker-0, exit code 3",
        ["GetPodLogs worker-0", "GetPodEvents worker-0", "GetJobEvents"],
    ),
    "nothing tells anything": (
        job(pod("worker-0", end=60)),
        None,
        Answers(),
        (F.UNKNOWN, "low", "dlc1-worker-0"),
        "unknown on dlc1-worker-0 (node node-worker-0)",
        ["GetPodLogs worker-0", "GetPodEvents worker-0", "GetJobEvents"],
    ),
    "nothing tells anything, and no pod failed": (
        job(pod("worker-0", status="Succeeded", end=60), pod("worker-1", status="Running")),
        failed(),
        Answers(),
        (F.UNKNOWN, "low", None),
        "unknown",
        ["GetPodLogs worker-1", "GetPodEvents worker-1", "GetJobEvents"],
    ),
    "an out-of-memory error that was survived counts for little": (
        job(pod("worker-0", end=60)),
        failed(),
        Answers({"worker-0": ("CUDA out of memory, trying a smaller batch", *["step"] * 300, *KEY_ERROR)}),
        (F.PYTHON_EXCEPTION, "high", "dlc1-worker-0"),
        "KeyError: 'loss' on dlc1-worker-0 (node node-worker-0)",
        ["GetPodLogs worker-0"],
    ),
    "a sign from long before the end is hardly believed": (
        job(pod("worker-0", end=60)),
        failed(),
        Answers({"worker-0": ("OSError: [Errno 28] No space left on device", *["step"] * 900, "CUDA error", *["step"] * 300)}),
        (F.CUDA_ERROR, "low", "dlc1-worker-0"),
        "CUDA error on dlc1-worker-0 (node node-worker-0)",
        ["GetPodLogs worker-0", "GetPodEvents worker-0", "GetJobEvents"],
    ),
    "with logs refused, events are asked for all the same": (
        job(*PEERS),
        failed(),
        Answers(job=("Warning NodeNotReady node-worker-1",), denied=frozenset({Action.POD_LOGS})),
        (F.NODE_FAULT, "medium", "dlc1-worker-1"),
        "fault of the node on dlc1-worker-1 (node node-worker-1)",
        ["GetPodLogs worker-1", "GetPodEvents worker-1", "GetJobEvents"],
    ),
    "a GPU that fell off the bus": (
        job(*PEERS),
        failed(),
        Answers({"worker-1": ("[1.2] NVRM: Xid (PCI:0000:3b:00): 79, pid=1, GPU has fallen off the bus.", *KEY_ERROR)}),
        (F.GPU_XID, "high", "dlc1-worker-1"),
        "GPU fault (Xid) on dlc1-worker-1 (node node-worker-1)",
        ["GetPodLogs worker-1"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_causes(name: str) -> None:
    snapshot, event, answers, wanted, sentence, asked = CASES[name]
    finding, questions = investigate(snapshot, event, answers)
    told = (finding.fault_class, str(finding.confidence), finding.pod and finding.pod.pod_id)
    assert (told, finding.summary, questions) == (wanted, sentence, asked)
    assert finding.because


def test_every_kind_of_clue_has_its_belief() -> None:
    assert set(BELIEF) == set(product(Origin, Strength))
    believed = [confidence for confidence, _ in BELIEF.values()]
    assert believed == sorted(believed, key=["high", "medium", "low"].index), "the surer goes first"


def test_pods_that_ended_together_make_an_exception_less_sure() -> None:
    together = job(*(pod(f"worker-{number}", end=60 + number / 10) for number in range(6)))
    finding, asked = investigate(together, failed(), Answers({"worker-0": KEY_ERROR}))
    assert (finding.confidence, finding.because) == (
        "medium",
        "other pods ended in the same second, and not all their logs were read",
    )
    assert asked[:3] == ["GetPodLogs worker-0", "GetPodLogs worker-1", "GetPodLogs worker-2"]
    two = job(*(together.pods or ())[:2])
    assert investigate(two, failed(), Answers({"worker-0": KEY_ERROR}))[0].confidence == "high"
    unknown_ends = job(pod("worker-0"), pod("worker-1"))
    assert investigate(unknown_ends, failed(), Answers({"worker-0": KEY_ERROR}))[0].confidence == "high"


def test_events_and_nothing_can_be_all_that_may_be_read() -> None:
    assert investigate(job(*PEERS), failed(), level="events")[1] == ["GetPodEvents worker-1", "GetJobEvents"]
    assert investigate(job(*PEERS), failed(), level="none")[1] == []


def test_logs_are_asked_for_by_incarnation_from_an_hour_before_the_end() -> None:
    long = pod("worker-0", end=60, started_at=NOW - timedelta(days=2))
    for one, since in [
        (long, at(60) - timedelta(hours=1)),
        (replace(long, started_at=None), at(60) - timedelta(hours=1)),
        (replace(long, started_at=at(0)), at(0)),
        (replace(long, finished_at=None), NOW - timedelta(days=2)),
    ]:
        question = next_question(job(one), failed(), (), "events+logs")
        assert question == Question(Action.POD_LOGS, one.key, "uid-worker-0", since, 2_000)


# --- restarts and evictions


def test_of_a_restart_the_former_incarnations_are_looked_at() -> None:
    was = replace(pod("worker-1", end=60), uid="former")
    long_ago = replace(pod("worker-1", end=-7200), uid="long ago")
    now = (
        replace(pod("worker-0", status="Running"), history=(replace(pod("worker-0", end=90), uid="first"),)),
        replace(pod("worker-1", status="Running"), history=(long_ago, was)),
        pod("worker-2", end=95),
    )
    restarted = happening(JobRestarted, used=1, limit=10, when=When(observed_at=at(120), occurred_at=at(100)))
    assert [one.uid for one in suspects(job(*now, status="Running"), restarted)] == ["former", "first", "uid-worker-2"]
    assert [one.uid for one in suspects(job(*now), failed())] == ["uid-worker-2"]
    assert [one.uid for one in suspects(job(*now[:2]), failed())] == ["former", "first"]
    named = replace(restarted, culprit_pod="dlc1-worker-2", culprit_node="node-y", error_message="OOMKilled")
    finding, asked = investigate(job(*now, status="Running"), named)
    assert (finding.fault_class, finding.pod, asked) == (F.HOST_MEMORY, PodKey("dlc1-worker-2", "uid-worker-2"), [])
    nowhere = job(pod("worker-2", end=95, node=""), status="Running")
    assert investigate(nowhere, named)[0].node == "node-y"


def test_of_an_eviction_the_evicted_incarnation_is_told() -> None:
    gone = replace(pod("worker-1", end=60, sub_status="Evicted"), uid="former")
    now = (pod("worker-0", end=10), replace(pod("worker-1", status="Running"), history=(gone,)))
    evicted = happening(PodEvicted, pod=gone.key)
    finding, _ = investigate(job(*now), evicted)
    assert (finding.fault_class, finding.pod) == (F.PREEMPTED, gone.key)


def test_a_reason_in_the_event_counts_as_one_in_the_job() -> None:
    decided = happening(
        JobStatusChanged, old_status="Running", new_status="FailedReserving", old_phase=Phase.RUNNING,
        new_phase=Phase.RESERVED_FAILED, reason_message="line one\n\nOOMKilled",
    )  # fmt: skip
    assert investigate(job(pod("worker-0", end=60)), decided)[0].fault_class is F.HOST_MEMORY


def test_a_pod_that_is_no_suspect_any_more_names_nobody() -> None:
    other = Reading.of(Question(Action.POD_LOGS, PodKey("dlc1-x", "u")), OUT_OF_MEMORY)
    finding = find(job(pod("worker-0", status="Succeeded", end=1)), failed(), (other,))
    assert (finding.fault_class, finding.pod) == (F.GPU_MEMORY, None)
    together = Reading.of(Question(Action.POD_LOGS, PodKey("dlc1-x", "u")), KEY_ERROR)
    assert find(job(pod("worker-0", end=1)), failed(), (together,)).confidence == "high"


# --- what is told


def test_the_excerpt_is_short_ends_with_the_exception_and_holds_no_secret() -> None:
    frames = [f'  File "a.py", line {number}, in f\n    call("{"x" * 900}")' for number in range(9)]
    log = (
        "Traceback (most recent call last):",
        *"\n".join(frames).split("\n"),
        f"ValueError: token=abcdef {'y' * 400}",
    )
    finding, _ = investigate(job(pod("worker-0", end=60)), failed(), Answers({"worker-0": log}))
    assert len(finding.excerpt) <= LONGEST_EXCERPT
    assert finding.excerpt.split("\n")[-1].startswith("ValueError: token=***")
    assert max(map(len, finding.excerpt.split("\n"))) == 300
    assert finding.summary.startswith("ValueError: token=*** yyyy")
    assert "…" in finding.summary
    assert "abcdef" not in repr(finding)


def test_an_excerpt_of_many_lines_keeps_the_last() -> None:
    body = [f"    {'z' * 280}{number}" for number in range(12)]
    log = ("Traceback (most recent call last):", '  File "a.py", line 1, in f', *body, "ValueError")
    finding, _ = investigate(job(pod("worker-0", end=60)), failed(), Answers({"worker-0": log}))
    assert len(finding.excerpt) <= LONGEST_EXCERPT
    assert finding.excerpt.endswith("ValueError")


secrets = st.integers(0, 10**9).map(lambda number: f"Zq{number:010d}sEcReTqZ")
plants = st.sampled_from(
    [
        "password={}",
        "export HF_TOKEN={}",
        '"api_key": "{}"',
        "--secret {}",
        "https://u:{}@host/x",
        "Authorization: Bearer {}",
    ]
)
places = st.sampled_from(["log", "exception", "pod event", "job event", "reason", "record", "event"])


@settings(deadline=None, max_examples=200)
@given(secrets, plants, places, st.sampled_from([OUT_OF_MEMORY, KEY_ERROR, TIMED_OUT]))
def test_no_planted_secret_survives(secret: str, plant: str, place: str, log: tuple[str, ...]) -> None:
    said = plant.format(secret)
    told = f"OOMKilled exit code 9 {said}"
    record = RestartRecord(occurred_at=at(190), reason=told if place == "record" else "")
    snapshot = job(pod("worker-0", end=60), reason_message=told if place == "reason" else "", restart_records=(record,))
    if place == "log":
        log = (*log[:-1], f"CUDA error {said}", log[-1])
    if place == "exception":
        log = (*TRACEBACK, f"[rank3]: ValueError: {said}")
    answers = Answers(
        {"worker-0": log if place in {"log", "exception"} else ("step",)},
        {"worker-0": (told,) if place == "pod event" else ()},
        (told,) if place == "job event" else (),
    )
    event = failed(reason_message=told) if place == "event" else failed()
    finding, _ = investigate(snapshot, event, answers)
    assert finding.fault_class is not F.UNKNOWN
    assert secret not in repr(finding)
    assert place in {"log", "exception"} or "***" in finding.excerpt

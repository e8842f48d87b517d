"""The most likely cause of a failure, restart or eviction, from the job and what was read about it. Pure.

Theory. When a job of many pods dies, one pod dies of the cause and the others of its death: they lose their peer, wait for it until
a timeout, or are told to end. So the pods are put in the order in which they ended, and the first one whose traces name a cause is
the culprit; traces that only tell of another's death (`Strength.SECONDARY`) count for little wherever they stand.

Each trace is a clue: where it was found (`Origin`), and how much it says (`Strength`). How far a clue is believed, and which of two
goes first, is one table: `BELIEF`. What to read next is decided from what was read so far: nothing more is asked once a clue of
high confidence is there, so most causes cost one request or none.

The line formats are not documented; words that nobody knows lead to `unknown`, never to a wrong class with high confidence.

Long, because what to read next, what a trace says and which pod was first decide together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal

from watcher.core.causes import WORDS, Confidence, FaultClass
from watcher.core.events import Event, JobFailed, JobRestarted, JobStatusChanged, PodEvicted
from watcher.core.evidence import Action, Evidence, Question, Reading
from watcher.core.model import JobSnapshot, PodKey, PodSnapshot, RestartRecord
from watcher.core.phases import PodPhase
from watcher.core.redaction import redact
from watcher.core.signs import EXIT_CODES, Strength, exit_code_of, read_sign
from watcher.core.tracebacks import tracebacks

LONGEST_EXCERPT: Final = 2_000
_LONGEST_LINE: Final = 300
_MOST_LOGS: Final = 3
"""Logs that are read at most: the culprit is among the first that ended, or cannot be told."""
_NEAR: Final = timedelta(minutes=15)
"""Restart records and former pods further off in time belong to another restart."""
_LOOK_BACK: Final = timedelta(hours=1)
"""How much of a log is asked for: whether DLC gives the first or the last lines of a window is not known, so it is small."""
_RECENT: Final = 200
"""Lines before the end of a log in which a sign counts in full: what stands earlier was survived."""
_READ: Final = 600
"""Lines before the end of a log in which signs are looked for at all; a traceback counts wherever it stands."""
_TOGETHER: Final = timedelta(seconds=1)
_SUBJECT: Final = 160


class Origin(StrEnum):
    """Where a clue was found."""

    LOG = "log"
    RECORD = "restart record"
    POD_EVENT = "pod events"
    STATE = "state of job and pod"
    JOB_EVENT = "job events"


_HIGH, _MEDIUM, _LOW = Confidence.HIGH, Confidence.MEDIUM, Confidence.LOW
_D, _T, _S, _H = Strength.DECISIVE, Strength.TELLING, Strength.SECONDARY, Strength.HINT

BELIEF: Final[Mapping[tuple[Origin, Strength], tuple[Confidence, str]]] = MappingProxyType(
    {
        (Origin.LOG, _D): (_HIGH, "the log of the pod that failed first names it"),
        (Origin.RECORD, _D): (_HIGH, "DLC's restart record names it"),
        (Origin.POD_EVENT, _D): (_HIGH, "the pod's events name it"),
        (Origin.STATE, _D): (_HIGH, "DLC says so of the job or the pod"),
        (Origin.LOG, _T): (_HIGH, "it is the last fault in the log of the pod that failed first"),
        (Origin.JOB_EVENT, _D): (_MEDIUM, "the job's events name it, but not for certain of this pod"),
        (Origin.RECORD, _T): (_MEDIUM, "DLC's restart record tells of it"),
        (Origin.POD_EVENT, _T): (_MEDIUM, "the pod's events tell of it"),
        (Origin.STATE, _T): (_MEDIUM, "DLC's reason tells of it"),
        (Origin.JOB_EVENT, _T): (_MEDIUM, "the job's events tell of it"),
        (Origin.RECORD, _S): (_LOW, "it tells only that something else had died before"),
        (Origin.LOG, _S): (_LOW, "it tells only that another process had died before"),
        (Origin.POD_EVENT, _S): (_LOW, "it tells only that something else had died before"),
        (Origin.STATE, _S): (_LOW, "it tells only that something else had died before"),
        (Origin.JOB_EVENT, _S): (_LOW, "it tells only that something else had died before"),
        (Origin.LOG, _H): (_LOW, "only an exit code, or words from long before the end"),
        (Origin.POD_EVENT, _H): (_LOW, "only an exit code is known"),
        (Origin.RECORD, _H): (_LOW, "only an exit code is known"),
        (Origin.JOB_EVENT, _H): (_LOW, "only an exit code is known"),
        (Origin.STATE, _H): (_LOW, "only an exit code is known"),
    }
)
"""How far each kind of clue is believed and why. The order is that of preference: the first kind there is counts."""

_RANKS: Final = {kind: rank for rank, kind in enumerate(BELIEF)}


@dataclass(frozen=True, slots=True)
class Clue:
    """One trace of a cause.

    Attributes:
        fault: the class it stands for.
        origin: where it was found.
        strength: how much it says.
        subject: what it says in a few words, or "" when the class says all.
        lines: the lines that show it.
        suspect: which of the suspects it is about, in their order; one more than the last when it is about none.
        place: the later in its text, the larger.
    """

    fault: FaultClass
    origin: Origin
    strength: Strength
    subject: str = field(repr=False)
    lines: tuple[str, ...] = field(repr=False)
    suspect: int
    place: int

    @property
    def rank(self) -> tuple[int, int, int]:
        """The smallest goes first: by kind, then by who ended first, then what stands last."""
        return (_RANKS[self.origin, self.strength], self.suspect, -self.place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is told of a cause; no secret in it. The members are those of `JobCauseFound`."""

    fault_class: FaultClass
    confidence: Confidence
    because: str
    summary: str
    pod: PodKey | None = None
    node: str = ""
    exit_code: int | None = None
    excerpt: str = ""


Level = Literal["none", "events", "events+logs"]


def next_question(job: JobSnapshot, event: Event | None, evidence: Evidence, level: Level) -> Question | None:
    """What to read next, or None when enough is known or nothing more can be had.

    Args:
        job: the job as it is known now.
        event: the event that is to be explained, where it is still on record.
        evidence: what was read so far.
        level: what may be read.
    """
    asked = {(reading.question.action, reading.question.pod) for reading in evidence}
    denied = {reading.question.action for reading in evidence if reading.permission}
    if level == "none" or _confidence(job, event, evidence)[0] is Confidence.HIGH:
        return None
    for question in _plan(job, event, logs=level == "events+logs"):
        if question.action not in denied and (question.action, question.pod) not in asked:
            return question
    return None


def _plan(job: JobSnapshot, event: Event | None, *, logs: bool) -> Iterator[Question]:
    pods = suspects(job, event)
    ran = [pod for pod in pods if pod.started_at is not None or pod.phase is not PodPhase.PENDING]
    if logs:
        for pod in ran[:_MOST_LOGS]:
            yield Question(Action.POD_LOGS, pod.key, pod.uid, _log_since(pod), 2_000)
    for pod in pods[:1]:
        yield Question(Action.POD_EVENTS, pod.key, pod.uid, pod.created_at or job.created_at)
    yield Question(Action.JOB_EVENTS, since=job.created_at)


def _log_since(pod: PodSnapshot) -> datetime | None:
    if pod.finished_at is None:
        return pod.started_at
    began = pod.finished_at - _LOOK_BACK
    return began if pod.started_at is None else max(began, pod.started_at)


def suspects(job: JobSnapshot, event: Event | None) -> tuple[PodSnapshot, ...]:
    """The incarnations that may have brought it about, likeliest first: those that records name, then in order of their end."""
    pods = job.pods or ()
    if isinstance(event, PodEvicted):
        return tuple(one for pod in pods for one in (pod, *pod.history) if one.key == event.pod)
    ended = [pod for pod in pods if _failed(pod)]
    if isinstance(event, JobRestarted) or not ended:
        # The pods of the attempt that ended may have been replaced already.
        former = [one for pod in pods for one in pod.history if _failed(one) and _near(one.finished_at, event)]
        latest = {one.pod_id: one for one in sorted(former, key=_end)}
        ended = [pod for pod in ended if pod.pod_id not in latest] + list(latest.values())
    if not ended:  # it failed before its pods could run
        ended = [pod for pod in pods if pod.phase is not PodPhase.SUCCEEDED]
    named = _named_pods(job, event)
    return tuple(sorted(ended, key=lambda pod: (pod.pod_id not in named, _end(pod), pod.pod_id)))


def _failed(pod: PodSnapshot) -> bool:
    return pod.evicted or pod.phase is PodPhase.FAILED


def _end(pod: PodSnapshot) -> float:
    return pod.finished_at.timestamp() if pod.finished_at else float("inf")


def _near(at: datetime | None, event: Event | None) -> bool:
    return at is None or event is None or abs(at - event.when.at) <= _NEAR


def _records(job: JobSnapshot, event: Event | None) -> list[RestartRecord]:
    return [record for record in job.restart_records if _near(record.occurred_at, event)]


def _named_pods(job: JobSnapshot, event: Event | None) -> frozenset[str]:
    named = {cause.pod for record in _records(job, event) for cause in record.causes}
    return frozenset({*named, getattr(event, "culprit_pod", "")} - {""})


# --- clues --------------------------------------------------------------------------------------------------------------------


def _clues(job: JobSnapshot, event: Event | None, evidence: Evidence) -> Iterator[Clue]:
    pods = suspects(job, event)
    places = {pod.key: index for index, pod in enumerate(pods)}
    yield from _state_clues(job, event, pods)
    for reading in evidence:
        pod = reading.question.pod
        suspect = len(pods) if pod is None else places.get(pod, len(pods))
        if reading.question.action is Action.POD_LOGS:
            yield from _log_clues(reading, suspect)
        else:
            origin = Origin.JOB_EVENT if pod is None else Origin.POD_EVENT
            yield from _line_clues(reading.lines, origin, suspect)


def _state_clues(job: JobSnapshot, event: Event | None, pods: Sequence[PodSnapshot]) -> Iterator[Clue]:
    spot = any(role.spot for role in job.roles)
    for index, pod in enumerate(pods):
        if pod.evicted:
            fault = FaultClass.SPOT_RECLAIMED if spot else FaultClass.PREEMPTED
            yield Clue(fault, Origin.STATE, _D, "", (), index, 0)
    reasons = [job.reason_code, job.reason_message]
    if isinstance(event, JobFailed | JobRestarted | JobStatusChanged | PodEvicted):
        reasons += [getattr(event, "reason_code", ""), event.reason_message]
    yield from _line_clues(_texts(reasons), Origin.STATE, len(pods))
    told: list[str] = []
    for record in _records(job, event):
        told += [record.reason, record.fail_reason]
        for cause in record.causes:
            told += [f"{cause.error_code} {cause.error_message}"]
    told += [getattr(event, name, "") for name in ("reason", "fail_reason", "error_code", "error_message")]
    yield from _line_clues(_texts(told), Origin.RECORD, 0)


def _texts(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(line for text in dict.fromkeys(texts) for line in text.splitlines() if line.strip())


def _line_clues(lines: Sequence[str], origin: Origin, suspect: int, *, platform: bool = True) -> Iterator[Clue]:
    for place, line in enumerate(lines):
        sign = read_sign(line, platform=platform)
        if sign is not None:
            recent = platform or place >= len(lines) - _RECENT
            strength = sign.strength if recent else Strength.HINT
            yield Clue(sign.fault, origin, strength, "", tuple(lines[max(0, place - 2) : place + 1]), suspect, place)
        code = exit_code_of(line)
        if code is not None:
            fault, _ = EXIT_CODES.get(code, (FaultClass.EXIT_CODE, ""))
            yield Clue(fault, origin, Strength.HINT, "", (line,), suspect, place)


def _log_clues(reading: Reading, suspect: int) -> Iterator[Clue]:
    tail = reading.lines[-_READ:]
    before = len(reading.lines) - len(tail)
    yield from _line_clues(tail, Origin.LOG, suspect, platform=False)
    for traceback in tracebacks(reading.lines):
        sign = read_sign(traceback.exception, platform=False)
        fault, strength = (FaultClass.PYTHON_EXCEPTION, _T) if sign is None else (sign.fault, sign.strength)
        subject = traceback.exception if sign is None else ""
        # Behind the clue of the same line, as it shows more.
        yield Clue(fault, Origin.LOG, strength, subject, traceback.shown, suspect, traceback.end - before + 1)


# --- the finding --------------------------------------------------------------------------------------------------------------


def _confidence(
    job: JobSnapshot, event: Event | None, evidence: Evidence
) -> tuple[Confidence, str, Clue | None, Sequence[PodSnapshot]]:
    pods = suspects(job, event)
    clue = min(_clues(job, event, evidence), key=lambda one: one.rank, default=None)
    if clue is None:
        return Confidence.LOW, "nothing that was read names a cause", None, pods
    confidence, because = BELIEF[clue.origin, clue.strength]
    if confidence is Confidence.HIGH and clue.strength is Strength.TELLING and _others_unread(pods, clue, evidence):
        return Confidence.MEDIUM, "other pods ended in the same second, and not all their logs were read", clue, pods
    return confidence, because, clue, pods


def _others_unread(pods: Sequence[PodSnapshot], clue: Clue, evidence: Evidence) -> bool:
    read = {reading.question.pod for reading in evidence if reading.question.action is Action.POD_LOGS}
    end = pods[clue.suspect].finished_at if clue.suspect < len(pods) else None
    return end is not None and any(
        pod.finished_at is not None and abs(pod.finished_at - end) <= _TOGETHER and pod.key not in read for pod in pods
    )


def find(job: JobSnapshot, event: Event | None, evidence: Evidence) -> Finding:
    """Name the most likely cause.

    Args:
        job: the job as it is known now.
        event: the event that is to be explained, where it is still on record.
        evidence: what was read.
    """
    confidence, because, clue, pods = _confidence(job, event, evidence)
    culprit = _culprit(clue, pods)
    node = "" if culprit is None else culprit.node
    node = node or _named_node(job, event)
    code = _exit_code(culprit, job, event, evidence)
    fault = FaultClass.UNKNOWN if clue is None else clue.fault
    return Finding(
        fault_class=fault,
        confidence=confidence,
        because=because,
        summary=_summary(fault, clue, culprit, node, code),
        pod=None if culprit is None else culprit.key,
        node=node,
        exit_code=code,
        excerpt="" if clue is None else _excerpt(clue.lines),
    )


def _culprit(clue: Clue | None, pods: Sequence[PodSnapshot]) -> PodSnapshot | None:
    if clue is not None and clue.suspect < len(pods):
        return pods[clue.suspect]
    return pods[0] if pods and _failed(pods[0]) else None


def _named_node(job: JobSnapshot, event: Event | None) -> str:
    nodes = [cause.node for record in _records(job, event) for cause in record.causes]
    return next(filter(None, [getattr(event, "culprit_node", ""), *nodes]), "")


def _exit_code(culprit: PodSnapshot | None, job: JobSnapshot, event: Event | None, evidence: Evidence) -> int | None:
    """The last code that the culprit's own texts tell, else the job's."""
    own = [reading.lines for reading in evidence if culprit is not None and reading.question.pod == culprit.key]
    shared = [reading.lines for reading in evidence if reading.question.pod is None]
    records = [f"{cause.error_code} {cause.error_message}" for one in _records(job, event) for cause in one.causes]
    texts = (*own, tuple(records), *shared, (job.reason_message, getattr(event, "reason_message", "")))
    codes = (exit_code_of(line) for lines in texts for line in reversed(lines))
    return next((code for code in codes if code is not None), None)


def _summary(fault: FaultClass, clue: Clue | None, culprit: PodSnapshot | None, node: str, code: int | None) -> str:
    words = WORDS[fault]
    if clue is not None and clue.subject:
        told = " ".join(redact(clue.subject).split())
        words = told if len(told) <= _SUBJECT else f"{told[: _SUBJECT - 1]}…"
    where = f" on {culprit.pod_id}" if culprit is not None else ""
    where += f" (node {node})" if node else ""
    hinted = clue is not None and clue.strength is Strength.HINT
    meaning = EXIT_CODES[code][1] if hinted and code is not None and code in EXIT_CODES else ""
    ended = "" if code is None else f", exit code {code}" + (f": {meaning}" if meaning else "")
    return f"{words}{where}{ended}"


def _excerpt(lines: Sequence[str]) -> str:
    """The lines without secrets, each cut, as many of the last as fit: the exception stands at the end."""
    kept: list[str] = []
    left = LONGEST_EXCERPT
    for line in reversed(redact("\n".join(lines)).split("\n")):
        cut = line.rstrip() if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…"
        left -= len(cut) + 1
        if left < 0:
            break
        kept.append(cut)
    return "\n".join(reversed(kept))

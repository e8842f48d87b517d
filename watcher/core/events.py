"""The closed union of events: facts between two looks at the world, named in the past participle.

Ids. An event's id is a UUIDv5 made from what happened, so a re-run after a crash, or a second replica, makes the same id and the
store refuses the copy. Where the fact has a natural key that key is used: the restart's number, the pod's incarnation, and for a
change of status the status and the second it began (`core.history`), of a pod likewise. What has none, such as a change of
priority or a pod's change to Pending, can happen many times between the same two values without a date to tell one time from
another, so it is keyed by the job's version, which only a commit moves on.

Long, because a closed union is read best in one place.

Versioning. `EVENT_VERSION` is written beside every stored event. Members are only ever added, with defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, NewType
from uuid import UUID, uuid5

from watcher.core.causes import Confidence, FaultClass
from watcher.core.model import JobRef, PodKey, SourceName
from watcher.core.phases import Phase

EVENT_VERSION: Final = 1

EventId = NewType("EventId", str)
CauseId = NewType("CauseId", str)
"""Carried from the observation that saw something to its events, notifications, deliveries and log lines."""

_NAMESPACE: Final = UUID("6f1d6c1e-6d0b-5b7e-9a55-0d1c3a2f7d10")


def deterministic_id(*parts: object) -> str:
    """A UUIDv5 over the parts' texts, for anything that must get the same id whenever it is made again."""
    return str(uuid5(_NAMESPACE, "\x1f".join(str(part) for part in parts)))


class Provenance(StrEnum):
    """How we know."""

    OBSERVED = "observed"
    """Two snapshots differ."""
    REPORTED = "reported"
    """DLC's own history or times say so."""
    INFERRED = "inferred"
    """It must have happened, though nothing shows it directly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The times of an event.

    Attributes:
        observed_at: when we learnt of it.
        occurred_at: when it happened, where DLC tells; whole seconds of DLC's clock.
        not_before: the last look that did not show it yet; None when there was no earlier look.
        not_after: the latest it can have happened, where that is known to be earlier than `observed_at`.
        provenance: how we know.
        late: it happened while the watcher was away (not running, or blind) and is told after the fact; no part of the id.
    """

    observed_at: datetime
    occurred_at: datetime | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    provenance: Provenance = Provenance.OBSERVED
    late: bool = False

    @property
    def at(self) -> datetime:
        """The best single time to show: when it happened, else when we saw it."""
        return self.occurred_at or self.observed_at


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fact:
    id: EventId
    when: When
    cause: CauseId


@dataclass(frozen=True, slots=True, kw_only=True)
class _JobFact(_Fact):
    job: JobRef


@dataclass(frozen=True, slots=True, kw_only=True)
class _PodFact(_JobFact):
    pod: PodKey
    role: str = ""
    node: str = ""
    ip: str = ""


# --- jobs ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAppeared(_JobFact):
    """A job was seen for the first time: a baseline, not a change."""

    kind: Literal["job.appeared"] = "job.appeared"
    status: str
    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResumed(_JobFact):
    """The watcher started and already knew this live job: the moment for rules to set the deadlines they want."""

    kind: Literal["job.resumed"] = "job.resumed"
    status: str
    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatusChanged(_JobFact):
    """The raw status changed: one event for each transition that DLC's history shows, not one for each look.

    Attributes:
        reason_code: the reason that came with the new status.
        filled_in: it came to light only after what followed it had been told; the job is past it.
    """

    kind: Literal["job.status_changed"] = "job.status_changed"
    old_status: str
    new_status: str
    old_phase: Phase
    new_phase: Phase
    reason_code: str = ""
    reason_message: str = ""
    filled_in: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobHistoryCorrected(_JobFact):
    """DLC's history dates a change that was told without a date, or with another one. The change itself is not told again.

    Attributes:
        corrected: id of the event that was told.
        corrected_end: id of the end (`job.failed` ...) that was told with it, or "".
        status: the status that was entered.
        occurred_at: when it was, by DLC's history; also in `when`.
        told_at: the time it was told with, or None.
        dated_id: the id that the change has for a watcher that learnt of it with its date.
    """

    kind: Literal["job.history_corrected"] = "job.history_corrected"
    corrected: EventId
    corrected_end: str = ""
    status: str
    occurred_at: datetime
    told_at: datetime | None = None
    dated_id: EventId


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSubStatusChanged(_JobFact):
    """The raw sub-status changed, for example to Restarting."""

    kind: Literal["job.sub_status_changed"] = "job.sub_status_changed"
    old_sub_status: str
    new_sub_status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReasonChanged(_JobFact):
    """ReasonCode or ReasonMessage changed while the status stayed."""

    kind: Literal["job.reason_changed"] = "job.reason_changed"
    old_code: str
    new_code: str
    old_message: str
    new_message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _RecordedFact(_JobFact):
    """What DLC's restart record says, under the names that events give it; empty where there is none.

    Attributes:
        level: of one pod, or of the whole job.
        occurred_phase: the phase of the job in which it struck, as DLC names it.
        reason: why.
        result: what became of the restart, as DLC names it.
        fail_reason: why it failed, if it did.
        took: how long the restart took.
        culprit_node: node of the error that caused it.
        culprit_pod: pod of that error.
        error_code: code of that error.
        error_message: message of that error.
    """

    level: str = ""
    occurred_phase: str = ""
    reason: str = ""
    result: str = ""
    fail_reason: str = ""
    took: timedelta | None = None
    culprit_node: str = ""
    culprit_pod: str = ""
    error_code: str = ""
    error_message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRestarted(_RecordedFact):
    """The whole job was restarted: one event for each restart, however many members of DLC's answers show it.

    Attributes:
        used: the number of this restart, from 1.
        limit: the most there may be, or None.
        count: how many restarts this one event stands for; more than 1 only where the counter leapt absurdly far.
        counted: DLC's counter (`RestartTimes`) says so. False where DLC has no counter: then a restart record tells of it, or it
            is inferred from the status Restarting, and its number is ours.
    """

    kind: Literal["job.restarted"] = "job.restarted"
    used: int
    limit: int | None
    count: int = 1
    counted: bool = True
    reason_code: str = ""
    reason_message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRestartExplained(_RecordedFact):
    """DLC's record of a restart came, or was completed, after the restart had been told. The restart itself is not told again.

    Attributes:
        corrected: id of the event that was told, `job.restarted` or `pod.restarted`.
        corrected_nameless: the id which that event has instead if it was told before the pod had its uid, or "".
        used: the number of the restart of the whole job; 0 for that of a pod.
        pod_id: the pod that was restarted; "" for the whole job.
    """

    kind: Literal["job.restart_explained"] = "job.restart_explained"
    corrected: EventId
    corrected_nameless: str = ""
    used: int = 0
    pod_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPriorityChanged(_JobFact):
    """The priority was changed by somebody."""

    kind: Literal["job.priority_changed"] = "job.priority_changed"
    old_priority: int | None
    new_priority: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _JobStage(_JobFact):
    """What an entry into a status means; the entry itself is the `job.status_changed` beside it.

    Attributes:
        status: the status that was entered.
        reason_code: the reason that came with it.
        reason_message: likewise.
        filled_in: it came to light only after what followed it had been told; the job is past it.
    """

    status: str
    reason_code: str = ""
    reason_message: str = ""
    filled_in: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBiddingStarted(_JobStage):
    """The job bids for spot capacity."""

    kind: Literal["job.bidding_started"] = "job.bidding_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPreparationStarted(_JobStage):
    """The job has its machines, and its environment is prepared: images are pulled, data is mounted."""

    kind: Literal["job.preparation_started"] = "job.preparation_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSanityCheckStarted(_JobStage):
    """The machines are checked, before the job starts or after a restart.

    Attributes:
        restart: it follows a restart.
    """

    kind: Literal["job.sanity_check_started"] = "job.sanity_check_started"
    restart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSanityCheckFailed(_JobStage):
    """The check of the machines did not lead on to a run: the job was restarted, or failed, straight from it."""

    kind: Literal["job.sanity_check_failed"] = "job.sanity_check_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReservationDecided(_JobStage):
    """The result is decided, and the machines are still held.

    Attributes:
        result: succeeded or failed.
        held_until: until when they are held at the latest, where DLC tells both the moment of the decision and the length.
    """

    kind: Literal["job.reservation_decided"] = "job.reservation_decided"
    result: str
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobScaled(_JobFact):
    """A role has more pods, or fewer.

    Attributes:
        role: as DLC writes it.
        old_count: how many there were.
        new_count: how many there are.
        measure: `asked`: the count in the job's specification changed. `present`: it did not, but while the job ran the number
            of pods that are active, queuing or dequeued changed, as elastic jobs do.
    """

    kind: Literal["job.scaled"] = "job.scaled"
    role: str
    old_count: int
    new_count: int
    measure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQueueChanged(_JobFact):
    """Of a role, the number of pods that are active, queuing or dequeued changed (`JobReplicaStatuses`); None: not told so far."""

    kind: Literal["job.queue_changed"] = "job.queue_changed"
    role: str
    old_active: int | None = None
    new_active: int | None = None
    old_queuing: int | None = None
    new_queuing: int | None = None
    old_dequeued: int | None = None
    new_dequeued: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpotTypeChanged(_JobFact):
    """A role runs on another type of spot instance than before."""

    kind: Literal["job.spot_type_changed"] = "job.spot_type_changed"
    role: str
    old_type: str
    new_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _JobEnd(_JobFact):
    status: str
    reason_code: str = ""
    reason_message: str = ""
    lived: timedelta | None = None
    """From creation to the end, where both are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSucceeded(_JobEnd):
    """The job ended well."""

    kind: Literal["job.succeeded"] = "job.succeeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed(_JobEnd):
    """The job ended badly."""

    kind: Literal["job.failed"] = "job.failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStopped(_JobEnd):
    """The job was stopped by a person or by the system."""

    kind: Literal["job.stopped"] = "job.stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobVanished(_JobFact):
    """DLC no longer knows the job: not found twice, apart in time, and absent from a full list."""

    kind: Literal["job.vanished"] = "job.vanished"
    last_status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReappeared(_JobFact):
    """A job that had vanished answers again."""

    kind: Literal["job.reappeared"] = "job.reappeared"
    status: str
    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCauseFound(_JobFact):
    """What a failure, restart or eviction most likely came from, as far as events and logs tell. Asked for by a rule.

    Attributes:
        explains: id of the event whose cause it is.
        fault_class: what went wrong.
        confidence: how sure that is.
        because: what the confidence rests on.
        summary: the cause in one sentence, for example `CUDA out of memory on dlc1-worker-3 (node a), exit code 1`.
        pod: the incarnation that failed first; None where no pod can be named.
        node: its node.
        exit_code: the code its process ended with, where something tells.
        excerpt: the lines that decide, without secrets, at most 2,000 characters.
        unread: what could not be read, and why; "" when nothing was missing.
        missing_permission: the right that DLC wants for it, for example paidlc:GetPodLogs; "" when none was missing.
    """

    kind: Literal["job.cause_found"] = "job.cause_found"
    explains: EventId
    fault_class: FaultClass
    confidence: Confidence
    because: str = ""
    summary: str = ""
    pod: PodKey | None = None
    node: str = ""
    exit_code: int | None = None
    excerpt: str = ""
    unread: str = ""
    missing_permission: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobActivityChecked(_JobFact):
    """Whether a running job's events and logs told of anything lately. Asked for by a rule.

    Attributes:
        explains: id of the event on which it was asked.
        since: the time from which on was looked; None for as far back as DLC tells.
        events_seen: the job's events have a line from that time.
        logs_seen: the log of the pod that was read has a line from that time.
        events_read: the events could be read; without it, that none was seen says nothing.
        logs_read: the same of the log.
        last_event_at: time of the newest event, where its line tells one.
        last_log_at: time of the newest line of the log, where it tells one.
        unread: what could not be read, and why.
        missing_permission: the right that DLC wants for it, or "".
    """

    kind: Literal["job.activity_checked"] = "job.activity_checked"
    explains: EventId
    since: datetime | None = None
    events_seen: bool = False
    logs_seen: bool = False
    events_read: bool = False
    logs_read: bool = False
    last_event_at: datetime | None = None
    last_log_at: datetime | None = None
    unread: str = ""
    missing_permission: str = ""


# --- pods ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PodAppeared(_PodFact):
    """A pod id that was not there before."""

    kind: Literal["pod.appeared"] = "pod.appeared"
    status: str
    sub_status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodStatusChanged(_PodFact):
    """Status or sub-status of one incarnation changed."""

    kind: Literal["pod.status_changed"] = "pod.status_changed"
    old_status: str
    new_status: str
    old_sub_status: str = ""
    new_sub_status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodEvicted(_PodFact):
    """One incarnation was taken off its node. Told once per incarnation."""

    kind: Literal["pod.evicted"] = "pod.evicted"
    reason_message: str = ""
    """The job's reason text at that moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRestarted(_PodFact):
    """A new incarnation of a pod id took the place of an earlier one. Told once per new incarnation.

    Attributes:
        level: of one pod (this and what follows from DLC's restart record, as in `job.restarted`; empty where there is none).
    """

    kind: Literal["pod.restarted"] = "pod.restarted"
    old_incarnation: str
    old_node: str = ""
    old_ip: str = ""
    status: str = ""
    sub_status: str = ""
    level: str = ""
    occurred_phase: str = ""
    reason: str = ""
    result: str = ""
    fail_reason: str = ""
    took: timedelta | None = None
    culprit_node: str = ""
    error_code: str = ""
    error_message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodPlaced(_PodFact):
    """An incarnation got its node or address; it had none so far."""

    kind: Literal["pod.placed"] = "pod.placed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodMoved(_PodFact):
    """The same incarnation shows another node or address than before."""

    kind: Literal["pod.moved"] = "pod.moved"
    old_node: str
    old_ip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodVanished(_PodFact):
    """A pod id was left out of two answers in a row that spoke of pods."""

    kind: Literal["pod.vanished"] = "pod.vanished"
    last_status: str


# --- the watcher itself -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchBlind(_Fact):
    """We cannot see a source's jobs. That says nothing about the jobs."""

    kind: Literal["watch.blind"] = "watch.blind"
    source: SourceName
    since: datetime
    permanent: bool
    error: str
    """Sentence of the error that made us blind, its fix included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRecovered(_Fact):
    """We see the source again."""

    kind: Literal["watch.recovered"] = "watch.recovered"
    source: SourceName
    blind_since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchBehind(_Fact):
    """The request budget does not suffice: some live job's last look is older than `stale_after`."""

    kind: Literal["watch.behind"] = "watch.behind"
    source: SourceName
    oldest_at: datetime
    """When the job was looked at that was looked at longest ago."""
    stale_after: timedelta
    live_jobs: int
    rate: float
    """Requests per second there are at present."""
    needed: float
    """Requests per second that would suffice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchCaughtUp(_Fact):
    """Every live job of a source was looked at within `stale_after` again."""

    kind: Literal["watch.caught_up"] = "watch.caught_up"
    source: SourceName
    behind_since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFailed(_Fact):
    """A rule raised at run time, or a condition did not come to true or false. The other rules went on."""

    kind: Literal["rule.failed"] = "rule.failed"
    rule: str
    event_id: EventId
    error: str
    job: JobRef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlinePassed(_JobFact):
    """A time that a rule asked to be woken at has come. Goes to that rule only."""

    kind: Literal["deadline.passed"] = "deadline.passed"
    rule: str
    key: str
    due_at: datetime


JobEvent = (
    JobAppeared
    | JobResumed
    | JobStatusChanged
    | JobHistoryCorrected
    | JobSubStatusChanged
    | JobReasonChanged
    | JobRestarted
    | JobRestartExplained
    | JobPriorityChanged
    | JobBiddingStarted
    | JobPreparationStarted
    | JobSanityCheckStarted
    | JobSanityCheckFailed
    | JobReservationDecided
    | JobScaled
    | JobQueueChanged
    | JobSpotTypeChanged
    | JobSucceeded
    | JobFailed
    | JobStopped
    | JobVanished
    | JobReappeared
    | JobCauseFound
    | JobActivityChecked
)
PodEvent = PodAppeared | PodStatusChanged | PodEvicted | PodRestarted | PodPlaced | PodMoved | PodVanished
WatchEvent = WatchBlind | WatchRecovered | WatchBehind | WatchCaughtUp | RuleFailed | DeadlinePassed
Event = JobEvent | PodEvent | WatchEvent

EVENT_TYPES: Final[tuple[type[Event], ...]] = (
    JobAppeared,
    JobResumed,
    JobStatusChanged,
    JobHistoryCorrected,
    JobSubStatusChanged,
    JobReasonChanged,
    JobRestarted,
    JobRestartExplained,
    JobPriorityChanged,
    JobBiddingStarted,
    JobPreparationStarted,
    JobSanityCheckStarted,
    JobSanityCheckFailed,
    JobReservationDecided,
    JobScaled,
    JobQueueChanged,
    JobSpotTypeChanged,
    JobSucceeded,
    JobFailed,
    JobStopped,
    JobVanished,
    JobReappeared,
    JobCauseFound,
    JobActivityChecked,
    PodAppeared,
    PodStatusChanged,
    PodEvicted,
    PodRestarted,
    PodPlaced,
    PodMoved,
    PodVanished,
    WatchBlind,
    WatchRecovered,
    WatchBehind,
    WatchCaughtUp,
    RuleFailed,
    DeadlinePassed,
)


def kind_of(event_type: type[Event]) -> str:
    """The kind that every event of this type carries, for example `pod.evicted`."""
    return str(event_type.__dataclass_fields__["kind"].default)


KINDS: Final[frozenset[str]] = frozenset(kind_of(event_type) for event_type in EVENT_TYPES)
"""Every kind there is, in the spelling that configurations use."""


ABOUT_A_SOURCE: Final = (WatchBlind, WatchRecovered, WatchBehind, WatchCaughtUp)
"""What is about no job but about our sight of a source."""


def job_of(event: Event) -> JobRef | None:
    """The job an event is about, or None when it is about the watcher itself."""
    return None if isinstance(event, ABOUT_A_SOURCE) else event.job


def pod_of(event: Event) -> PodKey | None:
    """The pod incarnation an event is about, or None."""
    return getattr(event, "pod", None)

"""Values for the tests of the core: plain makers, and hypothesis strategies over small alphabets, so that things collide."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from hypothesis import strategies as st

from watcher.core import events as ev
from watcher.core.causes import Confidence, FaultClass
from watcher.core.model import (
    Course,
    Doubts,
    ElasticSpec,
    JobId,
    JobRef,
    JobSettings,
    JobSnapshot,
    JobSummary,
    PodKey,
    PodSnapshot,
    ReplicaStatus,
    Resources,
    RestartCause,
    RestartCount,
    RestartRecord,
    RoleSpec,
    SourceName,
    StatusEntry,
    StatusPeriod,
    Watch,
)
from watcher.core.phases import JOB_PHASES, POD_PHASES, phase_of

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REF = JobRef(SourceName("hangzhou"), JobId("dlc1qwertyuiop23"))
CAUSE = ev.CauseId("cause-1")


def at(seconds: float) -> datetime:
    """That many seconds after `NOW`."""
    return NOW + timedelta(seconds=seconds)


def job(status: str = "Running", *, seconds: float = 0, **members: Any) -> JobSnapshot:
    """A snapshot looked at `seconds` after `NOW`."""
    members.setdefault("ref", REF)
    if isinstance(members.get("restarts"), str):
        members["restarts"] = RestartCount.parse(members["restarts"])
    return JobSnapshot(observed_at=at(seconds), status=status, **members)


def summary(status: str = "Running", **members: Any) -> JobSummary:
    """A list item of the same job."""
    members.setdefault("ref", REF)
    return JobSummary(status=status, **members)


def pod(pod_id: str = "w-0", uid: str = "u1", status: str = "Running", **members: Any) -> PodSnapshot:
    """A pod, or one of its former lives."""
    return PodSnapshot(pod_id=pod_id, uid=uid, status=status, **members)


def watch(snapshot: JobSnapshot, **members: Any) -> Watch:
    """A watch that holds this snapshot."""
    return Watch(**{"snapshot": snapshot, "version": 7, "phase_since": NOW, "first_seen_at": NOW, **members})


def happening(kind: type[Any], **members: Any) -> Any:
    """An event of this type, with what every event has filled in."""
    given: dict[str, Any] = {"id": ev.EventId("e1"), "when": ev.When(observed_at=NOW), "cause": CAUSE}
    names = {member.name for member in fields(kind)}
    if "job" in names:
        given["job"] = REF
    if "pod" in names:
        given["pod"] = PodKey("w-0", "u1")
    return kind(**{**given, **members})


# --- strategies ---------------------------------------------------------------------------------------------------------------

texts = st.sampled_from(["", "a", "b", "naïve <!here> & 'x'\n"])
moments = st.integers(0, 600).map(at)
maybe_moments = st.none() | moments
lengths = st.integers(0, 10**9).map(lambda microseconds: timedelta(microseconds=microseconds))
counts = st.integers(0, 300)
flags = st.none() | st.booleans()

statuses = st.sampled_from([*JOB_PHASES, "Levitating", ""])
roles = st.sampled_from(["Worker", "Master", "Wizard", ""])
few = st.none() | st.integers(0, 3)
pod_statuses = st.sampled_from([*POD_PHASES, "Terminating"])
pod_sub_statuses = st.sampled_from(["", "Normal", "Evicted"])
restart_counts = st.sampled_from(["", "0/10", "1", "1/10", "2/10", "3/10", "150/200"]).map(RestartCount.parse)

former_lives = st.builds(
    PodSnapshot,
    pod_id=st.just("w-0"),
    uid=st.sampled_from(["", "u1", "u2", "u3", "u4"]),
    role=st.just("worker"),
    status=pod_statuses,
    sub_status=pod_sub_statuses,
    node=st.sampled_from(["", "n1", "n2"]),
    ip=st.sampled_from(["", "10.0.0.1", "10.0.0.2"]),
    created_at=st.none() | st.integers(0, 4).map(at),
    duration=st.none() | lengths,
)
pods = st.builds(
    lambda life, pod_id, history: replace(life, pod_id=pod_id, history=tuple(history)),
    former_lives,
    st.sampled_from(["w-0", "w-1", "w-2", "w-10"]),
    st.lists(former_lives, max_size=3),
)
pod_lists = st.lists(pods, max_size=4).map(tuple)
"""Pod ids repeat at times: an answer may be as muddled as it likes."""

snapshots = st.builds(
    JobSnapshot,
    ref=st.just(REF),
    observed_at=st.just(at(300)),
    status=statuses,
    name=texts,
    sub_status=st.sampled_from(["", "Restarting"]),
    reason_code=texts,
    reason_message=texts,
    priority=st.none() | st.integers(0, 9),
    restarts=restart_counts,
    created_at=maybe_moments,
    submitted_at=maybe_moments,
    running_at=maybe_moments,
    succeeded_at=maybe_moments,
    failed_at=maybe_moments,
    stopped_at=maybe_moments,
    finished_at=maybe_moments,
    modified_at=maybe_moments,
    duration=st.none() | lengths,
    max_running_time=st.none() | lengths,
    roles=st.lists(
        st.builds(RoleSpec, role=roles, count=counts, resources=st.builds(Resources, gpu=texts), spot=st.booleans()),
        max_size=2,
    ).map(tuple),
    requested_gpu=st.none() | st.floats(0, 1000),
    settings=st.builds(
        JobSettings,
        tags=st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
        tide_resource=flags,
        caller=texts,
        reserved_minutes=st.none() | st.integers(0, 600),
    ),
    elastic=st.builds(ElasticSpec, elastic_training=flags, max_parallelism=st.none() | counts),
    pods=st.none() | pod_lists,
    status_history=st.lists(
        st.builds(StatusPeriod, status=statuses, started_at=maybe_moments, ended_at=maybe_moments), max_size=3
    ).map(tuple),
    restart_records=st.lists(
        st.builds(
            RestartRecord,
            trigger_id=texts,
            occurred_at=maybe_moments | st.integers(0, 4).map(at),
            level=st.sampled_from(["", "job-level", "pod-level"]),
            reason=texts,
            duration=st.none() | lengths,
            job_restart_count=st.none() | st.integers(0, 4),
            causes=st.lists(
                st.builds(RestartCause, node=texts, pod=st.sampled_from(["", "w-0", "w-1"]), triggered_restart=flags),
                max_size=2,
            ).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
    replicas=st.lists(
        st.builds(ReplicaStatus, role=roles, active=few, queuing=few, dequeued=few, spot_instance_type=texts),
        max_size=3,
    ).map(tuple),
)

courses = st.builds(
    Course,
    entries=st.lists(
        st.builds(
            StatusEntry,
            status=statuses,
            key=texts,
            nth=st.integers(1, 9),
            seen_by=moments,
            seen_after=maybe_moments,
            started_at=maybe_moments,
            listed=st.booleans(),
            told=st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
    since=maybe_moments,
    lists_present=st.booleans(),
    restarts_inferred=st.integers(0, 3),
)
"""Any course; not always one that a watch could have."""

watches = st.builds(
    Watch,
    snapshot=snapshots,
    version=st.integers(1, 10**6),
    phase_since=moments,
    first_seen_at=moments,
    vanished=st.booleans(),
    doubts=st.builds(
        Doubts,
        not_found_since=maybe_moments,
        not_found_count=counts,
        live_again=st.booleans(),
        missing_pods=st.lists(texts, max_size=2).map(tuple),
        backwards=st.integers(0, 2),
    ),
)

_MEMBERS: dict[str, st.SearchStrategy[Any]] = {
    "when": st.builds(
        ev.When,
        observed_at=moments,
        occurred_at=maybe_moments,
        not_before=maybe_moments,
        not_after=maybe_moments,
        provenance=st.sampled_from(ev.Provenance),
    ),
    "job": st.just(REF),
    "pod": st.builds(PodKey, pod_id=texts, incarnation=texts),
    "phase": statuses.map(phase_of),
    "old_phase": statuses.map(phase_of),
    "new_phase": statuses.map(phase_of),
    "used": counts,
    "limit": st.none() | counts,
    "count": counts,
    "old_priority": st.none() | counts,
    "new_priority": st.none() | counts,
    "took": st.none() | lengths,
    "lived": st.none() | lengths,
    "since": moments,
    "blind_since": moments,
    "due_at": moments,
    "permanent": st.booleans(),
    "filled_in": st.booleans(),
    "restart": st.booleans(),
    "counted": st.booleans(),
    "old_count": counts,
    "new_count": counts,
    "old_active": st.none() | counts,
    "new_active": st.none() | counts,
    "old_queuing": st.none() | counts,
    "new_queuing": st.none() | counts,
    "old_dequeued": st.none() | counts,
    "new_dequeued": st.none() | counts,
    "held_until": maybe_moments,
    "occurred_at": moments,
    "told_at": maybe_moments,
    "fault_class": st.sampled_from(FaultClass),
    "confidence": st.sampled_from(Confidence),
    "exit_code": st.none() | st.integers(0, 255),
    "last_event_at": maybe_moments,
    "last_log_at": maybe_moments,
    "events_seen": st.booleans(),
    "logs_seen": st.booleans(),
    "events_read": st.booleans(),
    "logs_read": st.booleans(),
}


_BY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "bool": st.booleans(),
    "datetime": moments,
    "datetime | None": maybe_moments,
    "float": st.floats(0, 1000),
    "int": counts,
    "int | None": st.none() | counts,
    "timedelta": lengths,
    "timedelta | None": st.none() | lengths,
}
"""For members that are not named above: by their annotation, else text."""


def _events_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    members = [member for member in fields(kind) if member.name != "kind"]
    return st.builds(
        partial(kind),
        **{member.name: _MEMBERS.get(member.name, _BY_TYPE.get(str(member.type), texts)) for member in members},
    )


events = st.one_of([_events_of(kind) for kind in ev.EVENT_TYPES])
"""Events of every kind there is, whatever members a kind will have."""

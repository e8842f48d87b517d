from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from watcher.core.events import (
    EVENT_TYPES,
    KINDS,
    CauseId,
    EventId,
    JobRestarted,
    PodEvicted,
    PodStatusChanged,
    WatchBlind,
    When,
)
from watcher.core.expression import compile_condition
from watcher.core.model import (
    Course,
    JobId,
    JobRef,
    JobSettings,
    JobSnapshot,
    PodKey,
    PodSnapshot,
    RestartCount,
    RoleSpec,
    SourceName,
    StatusPeriod,
)
from watcher.core.plain_text import TEXT_LENGTH
from watcher.core.rule import Context
from watcher.core.summary import compile_summary
from watcher.core.view import nested, view
from watcher.core.view_names import (
    ATTEMPT_NAMES,
    EMPTY,
    EVENT_NAMES,
    HISTORY_NAMES,
    JOB_NAMES,
    OTHER_NAMES,
    Shape,
    names_for,
    sample,
)
from watcher.core.wishes import Wishes

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
REF = JobRef(SourceName("hz"), JobId("dlc1"))
BASE: dict[str, Any] = {"id": EventId("e"), "when": When(observed_at=NOW), "cause": CauseId("c")}
NAMES = names_for(KINDS)


def job(**members: Any) -> JobSnapshot:
    return JobSnapshot(ref=REF, observed_at=NOW, **({"status": "Running"} | members))


def seen(event: Any, snapshot: JobSnapshot | None = None, **context: Any) -> dict[str, object]:
    return view(event, Context(now=NOW, job=snapshot, **context), NAMES)


def restarted(**members: Any) -> JobRestarted:
    return JobRestarted(**BASE, job=REF, used=1, limit=members.pop("limit", 3), **members)


def evicted(uid: str = "u1", **members: Any) -> PodEvicted:
    return PodEvicted(**BASE, job=REF, pod=PodKey("w0", uid), **members)


def test_every_name_has_a_value_of_its_shape_and_a_few_words_about_it() -> None:
    assert set(EVENT_NAMES) == KINDS
    assert all(entry.about for entry in JOB_NAMES.values())
    assert all(entry.about for entry in (*ATTEMPT_NAMES.values(), *HISTORY_NAMES.values()))
    assert all(about for _, about in OTHER_NAMES.values())
    for name, value in sample(NAMES).items():
        assert type(value) is type(EMPTY[NAMES[name]])


def test_an_events_members_are_its_fields_but_for_its_identity() -> None:
    assert EVENT_NAMES["job.restarted"] == {
        "event.used": Shape.WHOLE,
        "event.limit": Shape.WHOLE,
        "event.count": Shape.WHOLE,
        "event.counted": Shape.FLAG,
        "event.level": Shape.TEXT,
        "event.occurred_phase": Shape.TEXT,
        "event.reason": Shape.TEXT,
        "event.result": Shape.TEXT,
        "event.fail_reason": Shape.TEXT,
        "event.took": Shape.LENGTH,
        "event.culprit_node": Shape.TEXT,
        "event.culprit_pod": Shape.TEXT,
        "event.error_code": Shape.TEXT,
        "event.error_message": Shape.TEXT,
        "event.reason_code": Shape.TEXT,
        "event.reason_message": Shape.TEXT,
    }
    assert EVENT_NAMES["job.failed"]["event.lived"] is Shape.LENGTH
    assert EVENT_NAMES["job.appeared"]["event.phase"] is Shape.TEXT
    assert EVENT_NAMES["watch.blind"]["event.permanent"] is Shape.FLAG
    assert EVENT_NAMES["watch.blind"]["event.since"] is Shape.TIME


def test_no_member_of_any_event_is_left_out_and_none_has_two_shapes() -> None:
    shapes: dict[str, set[Shape]] = {}
    for event_type in EVENT_TYPES:
        members = EVENT_NAMES[event_type.__dataclass_fields__["kind"].default]
        left_out = {"id", "when", "cause", "job", "pod", "kind"}
        assert set(members) == {f"event.{name}" for name in event_type.__dataclass_fields__ if name not in left_out}
        for name, shape in members.items():
            shapes.setdefault(name, set()).add(shape)
    assert {name: found for name, found in shapes.items() if len(found) > 1} == {}


def test_the_names_of_a_rule_are_those_of_its_kinds() -> None:
    names = names_for({"job.restarted", "pod.evicted"})
    assert {"event.used", "event.node", "job.name", "now"} <= set(names)
    assert "event.old_status" not in names


def test_a_job_is_told_in_full() -> None:
    snapshot = job(
        name="llm",
        requested_gpu=16.0,
        settings=JobSettings(tags=(("team", "nlp"),)),
        roles=(RoleSpec("Worker", 2, spot=True),),
        created_at=NOW - timedelta(hours=3),
        running_at=NOW - timedelta(hours=2),
    )
    values = seen(restarted(), snapshot, phase_since=NOW - timedelta(minutes=5), console_url="https://x")
    assert values["job.name"] == "llm"
    assert values["job.gpus"] == 16.0
    assert values["job.spot"] is True
    assert values["job.tags"] == {"team": "nlp"}
    assert values["job.age"] == timedelta(hours=3)
    assert values["job.running_for"] == timedelta(hours=2)
    assert values["phase_age"] == timedelta(minutes=5)
    assert values["job.url"] == "https://x"
    assert values["labels"]["name"] == ["llm"]  # type: ignore[index]
    assert values["event.used"] == 1


def test_what_is_absent_is_empty() -> None:
    values = seen(restarted(limit=None), job(priority=None))
    assert values["event.limit"] == 0
    assert values["job.priority"] == 0
    assert values["job.age"] == timedelta(0)
    assert values["phase_age"] == timedelta(0)
    assert values["pod.id"] == ""
    assert values["event.new_status"] == ""
    assert values["job.tags"]["team"] == ""  # type: ignore[index]


def test_an_event_about_no_job_has_an_empty_job() -> None:
    blind = WatchBlind(**BASE, source=SourceName("hz"), since=NOW, permanent=True, error="no key")
    values = seen(blind)
    assert values["event.error"] == "no key"
    assert values["event.source"] == "hz"
    assert {name for name in JOB_NAMES if values[name] != EMPTY[JOB_NAMES[name].shape]} == set()


@pytest.mark.parametrize(
    ("status", "members", "length"),
    [
        ("Running", {}, timedelta(0)),
        ("Queuing", {"running_at": NOW - timedelta(hours=1)}, timedelta(0)),
        ("Running", {"running_at": NOW - timedelta(hours=1)}, timedelta(hours=1)),
        (
            "Failed",
            {"running_at": NOW - timedelta(hours=5), "finished_at": NOW - timedelta(hours=2)},
            timedelta(hours=3),
        ),
    ],
)
def test_running_time_ends_with_the_job_and_is_none_while_it_waits(
    status: str, members: dict[str, Any], length: timedelta
) -> None:
    assert seen(restarted(), job(status=status, **members))["job.running_for"] == length


def test_a_pod_is_told_from_the_event_and_the_incarnation_it_is_about() -> None:
    old = PodSnapshot("w0", "u1", role="worker", status="Failed", sub_status="Evicted", node="n1", ip="10.0.0.1")
    pods = (PodSnapshot("w0", "u2", status="Running", node="n2", history=(old,)),)
    values = seen(evicted(node="n9"), job(pods=pods))
    assert (values["pod.id"], values["pod.node"], values["pod.role"], values["pod.ip"]) == (
        "w0",
        "n9",
        "worker",
        "10.0.0.1",
    )
    assert (values["pod.status"], values["pod.evicted"]) == ("Failed", True)


def test_a_pod_that_the_job_no_longer_has_is_told_from_the_event_alone() -> None:
    changed = PodStatusChanged(**BASE, job=REF, pod=PodKey("w0", "u1"), old_status="Running", new_status="Failed")
    for snapshot in (None, job(pods=None), job(pods=())):
        values = seen(changed, snapshot)
        assert (values["pod.status"], values["pod.evicted"]) == ("Failed", False)
    assert seen(evicted())["pod.evicted"] is True


def test_texts_are_cut_and_hold_no_lone_surrogates() -> None:
    values = seen(
        restarted(reason_message="x" * 9000), job(name="\ud800", settings=JobSettings(tags=(("a", "\udfff"),)))
    )
    assert len(str(values["event.reason_message"])) == TEXT_LENGTH
    assert values["job.name"] == "?"
    assert values["job.tags"] == {"a": "?"}


def test_dotted_names_become_a_tree() -> None:
    assert nested({"job.restarts.used": 2, "job.name": "a", "now": 1}) == {
        "job": {"restarts": {"used": 2}, "name": "a"},
        "now": 1,
    }
    assert nested(sample(NAMES)).keys() == {
        "attempt",
        "event",
        "history",
        "job",
        "labels",
        "now",
        "phase_age",
        "pod",
    }


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


STAYS = (("Queuing", 0), ("Running", 600), ("Restarting", 4200), ("Running", 4390))
RESTARTED_ONCE = job(
    requested_gpu=8.0,
    submitted_at=NOW,
    restarts=RestartCount.parse("1/10"),
    pods=(PodSnapshot("w0", "b", history=(PodSnapshot("w0", "a", sub_status="Evicted", finished_at=after(4199)),)),),
    status_history=tuple(StatusPeriod(status, after(second)) for status, second in STAYS),
)


def test_the_attempt_is_the_present_one_and_knows_the_one_before() -> None:
    found = seen(restarted(), RESTARTED_ONCE)
    assert {name: found[f"attempt.{name}"] for name in ("number", "of", "started_at", "end", "cause", "after")} == {
        "number": 2, "of": 11, "started_at": after(4390), "end": "", "cause": "", "after": "evicted",
    }  # fmt: skip
    assert (found["attempt.down"], found["attempt.lost_run"]) == (timedelta(seconds=190), timedelta(hours=1))
    assert found["attempt.gpu_hours_lost"] == pytest.approx(8 * 190 / 3600)
    first = seen(restarted(), job(status="Failed", running_at=NOW))
    assert (first["attempt.number"], first["attempt.of"], first["attempt.after"]) == (1, 0, "")
    assert (first["attempt.end"], first["attempt.cause"]) == ("failed", "unknown")


def test_the_history_tells_the_way_so_far() -> None:
    found = seen(restarted(), RESTARTED_ONCE)
    assert found["history.statuses"] == ["Queuing", "Running", "Restarting", "Running"]
    assert (found["history.restarts"], found["history.evictions"]) == (1, 1)
    assert (found["history.first_running_at"], found["history.waited"]) == (after(600), timedelta(minutes=10))


@pytest.mark.parametrize(
    ("members", "waited"),
    [
        ({"status": "Queuing", "submitted_at": after(-60)}, 60),
        ({"status": "Queuing", "created_at": after(-90)}, 90),
        ({"status": "Queuing"}, 0),
        ({"status": "Stopped", "submitted_at": after(-60)}, 0),
        ({"status": "Queuing", "submitted_at": after(-60), "restarts": RestartCount.parse("1/3")}, 0),
    ],
)
def test_the_wait_goes_on_until_it_runs(members: dict[str, Any], waited: int) -> None:
    assert seen(restarted(), job(**members))["history.waited"] == timedelta(seconds=waited)


def test_conditions_and_summaries_speak_of_attempts_and_history() -> None:
    context = Context(now=NOW, job=RESTARTED_ONCE)
    text = (
        'attempt.number == 2 && attempt.after == "evicted" && attempt.down > duration("3m")'
        ' && "Queuing" in history.statuses && history.waited < duration("1h")'
    )
    assert compile_condition(text).holds(restarted(), context)
    summary = compile_summary(
        "Attempt {{ attempt.number }} of {{ attempt.of }} after {{ attempt.down }}; {{ history.statuses }}"
    )
    assert summary.text(restarted(), context) == (
        "Attempt 2 of 11 after 3 m 10 s; Queuing, Running, Restarting, Running"
    )


def test_the_owner_that_a_job_names_is_a_label() -> None:
    assert seen(restarted(), job(), wishes=Wishes(owner="ann"))["labels"]["owner"] == ["ann"]  # type: ignore[index]


def test_attempts_are_worked_out_only_when_somebody_asks_for_them() -> None:
    plain = Context(now=NOW, job=RESTARTED_ONCE)
    assert compile_condition('job.phase == "running"').holds(restarted(), plain)
    assert plain._attempts == []
    assert plain.attempts is plain.attempts
    assert (plain.attempt(2), plain.attempt(9)) == (plain.attempts[1], None)
    assert Context(now=NOW).attempts == ()
    assert Context(now=NOW, course=Course()) == Context(now=NOW)

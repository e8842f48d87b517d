"""The fleet: what it keeps of jobs, and how far back it remembers what happened to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.core.strategies import NOW, REF, at, happening, job, pod, watch
from watcher.core import fleet as fleets
from watcher.core.codec import brief_to_json, briefs_from_json
from watcher.core.events import Event, EventId, JobFailed, PodEvicted, WatchBlind, When
from watcher.core.fleet import EMPTY, KEEP, Fleet, Happening, Member, brief_of, member_of
from watcher.core.model import JobId, JobRef, JobSettings, RestartCount, RoleSpec, SourceName
from watcher.core.phases import Phase

OTHER = JobRef(SourceName("hangzhou"), JobId("dlc1other"))


def failed(number: int, seconds: float = 0, *, happened: float | None = None, ref: JobRef = REF) -> JobFailed:
    """A failure that was learnt at that time, and happened then, or earlier."""
    when = When(observed_at=at(seconds), occurred_at=None if happened is None else at(happened))
    found: JobFailed = happening(JobFailed, id=EventId(f"e{number}"), when=when, status="Failed", job=ref)
    return found


def evicted(number: int, seconds: float = 0) -> PodEvicted:
    found: PodEvicted = happening(PodEvicted, id=EventId(f"e{number}"), when=When(observed_at=at(seconds)))
    return found


def ids(happenings: object) -> list[str]:
    assert hasattr(happenings, "__iter__")
    return [one.event.id for one in happenings]


def test_a_stored_job_is_known_by_its_brief() -> None:
    held = watch(job("Running", sub_status="Waiting", restarts=RestartCount("2/5", 2, 5)), version=3)
    brief = brief_of(held)
    assert (brief.version, brief.observed_at, brief.member) == (3, held.snapshot.observed_at, member_of(held))
    assert (brief.member.sub_status, brief.member.restarts, brief.member.live) == ("Waiting", 2, True)
    assert not member_of(watch(job("Failed"))).live
    assert not member_of(watch(job("Running"), vanished=True)).live
    assert briefs_from_json([brief_to_json(brief)]) == [brief]
    fleet = Fleet()
    fleet.know(brief.member)
    assert fleet.members == {REF: member_of(held)}


def test_what_a_stored_job_says_like_others_is_kept_once_and_says_the_same() -> None:
    held = brief_of(watch(job("Running"))).member
    since = held.phase_since + timedelta(0)
    one, other = (
        replace(held, ref=ref, tags=(("".join(("te", "am")), "nlp"),), running_at=since.replace())
        for ref in (REF, OTHER)
    )
    expected = {REF: replace(one), OTHER: replace(other)}
    fleet = Fleet()
    fleet.know(one)
    fleet.know(other)
    assert fleet.members == expected
    assert fleet.members[REF].tags[0][0] is fleet.members[OTHER].tags[0][0]
    assert fleet.members[REF].running_at is fleet.members[REF].phase_since


def test_stored_jobs_that_are_read_one_by_one_have_one_text_where_they_say_the_same() -> None:
    text = brief_to_json(brief_of(watch(job("Running", user_id="268", quota_id="quota-1"))))
    one, other = (briefs_from_json([bytes(text)])[0].member for _ in range(2))
    for name in ("status", "owner", "quota_id"):
        assert getattr(one, name)
        assert getattr(one, name) is getattr(other, name), name


def test_briefs_are_read_many_at_a_time_each_from_its_own_text() -> None:
    briefs = [brief_of(watch(replace(job("Running"), ref=ref))) for ref in (REF, OTHER)]
    texts = [brief_to_json(brief) for brief in briefs]
    assert briefs_from_json(texts) == briefs
    assert briefs_from_json([]) == []
    with pytest.raises(ValueError, match="1 texts hold 2 values"):
        briefs_from_json([b",".join(texts)])
    with pytest.raises(ValueError, match="Brief"):
        briefs_from_json([texts[0], b"7"])


def test_only_jobs_of_events_that_are_remembered_in_full_are_wanted_so() -> None:
    blind = happening(WatchBlind, source=REF.source, since=NOW, permanent=True, error="refused")
    news = (failed(1), evicted(2), failed(3, ref=OTHER), blind)
    assert Fleet(in_full=frozenset({"job.failed", blind.kind})).wants_in_full(news) == {REF, OTHER}
    assert Fleet().wants_in_full(news) == frozenset()


def test_a_member_is_what_rules_want_to_know_of_a_job() -> None:
    snapshot = job(
        name="llm",
        user_id="7",
        user_name="ann",
        workspace_id="w1",
        quota_id="q1",
        quota_name="research",
        resource_type="ECS",
        priority=3,
        roles=(RoleSpec("Worker", 2), RoleSpec("Master", 1)),
        requested_gpu=16,
        pods=(pod("b", node="n2"), pod("a", node="n1"), pod("c", node="n1"), pod("d")),
        settings=JobSettings(tags=(("team", "nlp"),), pipeline_id="p1"),
        reason_code="Ok",
        created_at=at(-100),
        submitted_at=at(-90),
        running_at=at(-30),
        finished_at=at(-1),
    )
    assert member_of(watch(snapshot)) == Member(
        ref=REF,
        title="llm",
        status="Running",
        phase=Phase.RUNNING,
        phase_since=NOW,
        owner="ann",
        workspace_id="w1",
        quota_id="q1",
        quota_name="research",
        resource_type="ECS",
        priority=3,
        gpus=16,
        pods=3,
        nodes=("n1", "n2"),
        tags=(("team", "nlp"),),
        pipeline_id="p1",
        reason_code="Ok",
        created_at=at(-100),
        running_at=at(-30),
        ended_at=at(-1),
        waited=timedelta(seconds=60),
    )
    assert member_of(watch(job(user_id="7"))).owner == "7"


@pytest.mark.parametrize(
    ("members", "waited"),
    [
        ({"created_at": at(0), "running_at": at(9)}, 9),
        ({"created_at": at(0), "submitted_at": at(4), "running_at": at(9)}, 5),
        ({"created_at": at(0)}, None),
        ({"running_at": at(9)}, None),
        ({"created_at": at(9), "running_at": at(0)}, None),
        ({"created_at": at(0), "running_at": at(9), "restarts": RestartCount.parse("1/3")}, None),
    ],
)
def test_only_a_first_wait_that_dlc_tells_is_a_wait(members: dict[str, object], waited: float | None) -> None:
    assert member_of(watch(job(**members))).waited == (None if waited is None else timedelta(seconds=waited))


def test_a_job_is_noted_as_it_is_now_and_forgotten_when_it_is_pruned() -> None:
    fleet = Fleet()
    fleet.note(watch(job("Running")), (), NOW)
    fleet.note(watch(job("Failed")), (), NOW)
    assert [member.status for member in fleet.members.values()] == ["Failed"]
    fleet.forget((REF, OTHER))
    assert not fleet.members
    assert not EMPTY.members


def test_happenings_come_in_the_order_in_which_they_were_learnt_and_are_chosen_by_when_they_happened() -> None:
    fleet = Fleet()
    fleet.note(watch(job()), (failed(1, 10), failed(2, 10, happened=-500), evicted(3, 10)), at(10))
    fleet.note(watch(job()), (failed(4, 20), failed(1, 10)), at(20))
    assert ids(fleet.recent(at(-1000))) == ["e1", "e2", "e3", "e4"]
    assert ids(fleet.recent(at(9))) == ["e1", "e3", "e4"]
    assert ids(fleet.recent(at(10))) == ["e4"]
    assert ids(fleet.recent(at(9), frozenset({"pod.evicted"}))) == ["e3"]
    assert ids(fleet.recent(at(9999))) == []
    assert ids(fleet.latest(at(9), before=EventId("e4"))) == ["e3", "e1"]
    assert ids(fleet.latest(at(9), before=EventId("strange"))) == ["e4", "e3", "e1"]
    assert ids(fleet.after(EventId("e2"))) == ["e3", "e4"]
    assert ids(fleet.after(EventId("strange"))) == ids(fleet.after(None)) == ["e1", "e2", "e3", "e4"]
    assert EventId("e4") in fleet
    assert EventId("e5") not in fleet


def test_looking_back_stops_where_nothing_later_can_follow() -> None:
    fleet = Fleet()
    fleet.note(None, (failed(1, 0), failed(2, 250), failed(3, 500)), at(500))
    fleet.note(None, (failed(4, 240),), at(500))  # a look that ran beside another one
    assert ids(fleet.recent(at(245))) == ["e2", "e3"]
    assert ids(fleet.recent(at(495))) == ["e3"]


def test_with_a_happening_stands_the_job_as_it_was_then() -> None:
    fleet = Fleet(in_full=frozenset({"pod.evicted"}))
    fleet.note(watch(job("Running")), (failed(1), evicted(2)), NOW)
    fleet.note(watch(job("Failed")), (), NOW)
    told, full = fleet.recent(at(-1))
    assert told.member is not None
    assert (told.member.status, told.job) == ("Running", None)
    assert full.job == job("Running")


def test_what_is_about_no_job_has_none() -> None:
    fleet = Fleet()
    blind = happening(WatchBlind, source=SourceName("hangzhou"), since=NOW, permanent=False, error="x")
    fleet.note(None, (blind,), NOW)
    assert list(fleet.recent(at(-1))) == [Happening(blind, None)]


def test_after_a_restart_the_past_is_recalled_with_the_jobs_as_they_are_now() -> None:
    fleet = Fleet(in_full=frozenset({"job.failed"}))
    fleet.note(watch(job("Queuing")), (), NOW)
    blind: Event = happening(
        WatchBlind, id=EventId("e3"), source=SourceName("hangzhou"), since=NOW, permanent=False, error="x"
    )
    fleet.recall((failed(1), failed(2, ref=OTHER), blind), {REF: job("Queuing")}, NOW)
    own, other, none = fleet.recent(at(-1))
    assert own.member is not None
    assert (own.member.status, own.job) == ("Queuing", job("Queuing"))
    assert (other.member, other.job, none.member) == (None, None, None)


def test_what_is_too_old_or_too_much_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(timedelta(seconds=100))
    fleet.note(None, (failed(1, 0), failed(2, 50)), at(50))
    fleet.note(None, (), at(101))
    assert ids(fleet.recent(at(-1))) == ["e2"]
    monkeypatch.setattr(fleets, "MOST_HAPPENINGS", 2)
    fleet.note(None, (failed(3, 101), failed(4, 101)), at(101))
    assert ids(fleet.recent(at(-1))) == ["e3", "e4"]
    fleet.note(None, (), at(1000))
    assert ids(fleet.recent(at(-1))) == []
    assert Fleet().keep == KEEP


def test_what_happened_to_one_job_is_found_without_going_through_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleets, "MOST_HAPPENINGS", 4)
    fleet = Fleet()
    blind = happening(WatchBlind, id=EventId("b"), source=REF.source, since=NOW, permanent=False, error="")
    told = [failed(1, 1), failed(2, 2, ref=OTHER), failed(3, 3), blind]
    fleet.note(None, told, at(4))
    fleet.note(None, told, at(4))
    assert ids(fleet.recent(at(0), job=REF)) == ["e1", "e3"]
    assert ids(fleet.latest(at(0), job=REF)) == ["e3", "e1"]
    assert ids(fleet.latest(at(0), job=REF, before=EventId("e3"))) == ["e1"]
    assert ids(fleet.recent(at(1), frozenset({"job.failed"}), job=REF)) == ["e3"]
    fleet.note(None, [failed(5, 5, ref=OTHER)], at(5))
    assert ids(fleet.recent(at(0), job=REF)) == ["e3"], "the first of all was forgotten"
    fleet.note(None, [failed(number, number, ref=OTHER) for number in (6, 7, 8)], at(8))
    assert ids(fleet.recent(at(0), job=REF)) == []
    assert ids(fleet.recent(at(0), job=OTHER)) == ["e5", "e6", "e7", "e8"]

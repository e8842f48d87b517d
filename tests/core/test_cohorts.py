from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.core.strategies import NOW, at
from watcher.core.cohorts import Cohort, Kinship, Tie, cohort_of, is_over
from watcher.core.fleet import Member
from watcher.core.model import JobId, JobRef, SourceName
from watcher.core.phases import Phase

HOUR = timedelta(hours=1)
APART = timedelta(seconds=100)
PIPELINE = Kinship()


def member(
    name: str, made: float | None = 0, ended: float | None = None, phase: Phase | None = None, **members: Any
) -> Member:
    given: dict[str, Any] = {
        "pipeline_id": "flow",
        "workspace_id": "1",
        "created_at": None if made is None else at(made),
        "ended_at": None if ended is None else at(ended),
        **members,
    }
    source = given.pop("source", "hangzhou")
    return Member(
        ref=JobRef(SourceName(source), JobId(name)),
        title=name,
        status="",
        phase=phase or (Phase.RUNNING if ended is None else Phase.SUCCEEDED),
        phase_since=given.pop("phase_since", NOW),
        **given,
    )


def names(cohort: Cohort | None) -> list[str]:
    return [] if cohort is None else [job.title for job in cohort.members]


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("pipeline", "flow"),
        ("template", "tpl"),
        ("tag:sweep", "lr"),
        ("tag:other", ""),
        ("name:llm-*", "llm-*"),
        ("name:vit-*", ""),
        (r"regex:(.+)-trial-\d+", "llm-7b"),
        (r"regex:(.+)-trial", ""),
        (r"regex:(x)?llm.*", ""),
    ],
)
def test_jobs_are_kin_by_what_is_written(text: str, family: str) -> None:
    kinship = Kinship.parse(text)
    assert kinship.family(member("llm-7b-trial-12", tags=(("sweep", "lr"),), template_id="tpl")) == family
    assert str(kinship) == text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "jobs are kin by"),
        ("owner", "jobs are kin by"),
        ("tag:", "jobs are kin by"),
        ("tag", "jobs are kin by"),
        ("pipeline:7", "jobs are kin by"),
        ("template:7", "jobs are kin by"),
        ("regex:(", "is not a regular expression"),
        ("regex:abc", "exactly one group"),
        ("regex:(a)(b)", "it has 2"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Kinship.parse(text)


def test_a_long_name_is_cut_for_a_pattern() -> None:
    assert Kinship(Tie.REGEX, "(a+)").family(member("a" * 300 + "b")) == "a" * 256


def test_a_cohort_is_of_one_workspace_and_source_in_the_order_of_making() -> None:
    jobs = [
        member("c", 3),
        member("a", 1),
        member("b", 2),
        member("other-flow", 1, pipeline_id="x"),
        member("no-flow", 1, pipeline_id=""),
        member("elsewhere", 1, workspace_id="2"),
        member("abroad", 1, source="beijing"),
    ]
    cohort = cohort_of(jobs[0], jobs, PIPELINE, APART)
    assert names(cohort) == ["a", "b", "c"]
    assert cohort is not None
    assert (cohort.family, cohort.key, cohort.roll) == ("flow", "hangzhou/flow/a", "a,b,c")
    assert cohort_of(jobs[4], jobs, PIPELINE, APART) is None


def test_a_name_that_is_used_again_much_later_is_another_cohort() -> None:
    first, second = member("a", 0, 10), member("b", 5, 20)
    near, far = member("c", 120, 130), member("d", 231)
    jobs = [first, second, near, far]
    assert [names(cohort_of(job, jobs, PIPELINE, APART)) for job in jobs] == [["a", "b", "c"]] * 3 + [["d"]]


def test_a_live_job_keeps_its_cohort_open() -> None:
    jobs = [member("a", 0, 10), member("live", 5), member("late", 10_000)]
    assert names(cohort_of(jobs[2], jobs, PIPELINE, APART)) == ["a", "live", "late"]
    gone = [jobs[0], member("live", 5, vanished=True), jobs[2]]
    assert names(cohort_of(jobs[2], gone, PIPELINE, APART)) == ["late"]


def test_what_has_no_time_of_making_or_end_goes_by_its_phase() -> None:
    old = member("old", None, phase=Phase.FAILED, phase_since=at(-1000))
    jobs = [member("new", 0), old]
    assert names(cohort_of(old, jobs, PIPELINE, APART)) == ["old"]


def test_a_job_is_over_when_it_ended_or_is_gone() -> None:
    assert not is_over(member("a", phase=Phase.RESERVED_FAILED))
    assert is_over(member("a", phase=Phase.STOPPED))
    assert is_over(member("a", vanished=True))


def test_totals_count_each_way_once() -> None:
    jobs = (
        member("a", 0, 7200, gpus=8.0, running_at=at(3600)),
        member("b", 1, 9000, Phase.FAILED, gpus=2.0, running_at=at(1800)),
        member("c", 2, 100, Phase.STOPPED, gpus=8.0),
        member("d", 3, 100, gpus=None, running_at=at(50)),
        member("e", 4, 100, gpus=1.0, running_at=at(150)),
        member("f", 5, vanished=True, phase_since=at(5), gpus=0.0, running_at=at(5)),
        member("g", 6),
    )
    cohort = Cohort("flow", jobs)
    assert cohort.counts == (("succeeded", 3), ("failed", 1), ("stopped", 1), ("vanished", 1))
    assert cohort.failed == (jobs[1],)
    assert cohort.share_ended == pytest.approx(6 / 7)
    assert cohort.gpu_hours == (8 + 4, 2)
    assert cohort.longest == (jobs[1], 2 * HOUR)
    assert (cohort.began_at, cohort.ended_at) == (NOW, None)
    over = Cohort("flow", jobs[:-1])
    assert over.ended_at == at(9000)
    assert Cohort("flow", jobs[-1:]).longest is None

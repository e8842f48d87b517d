from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import NOW, REF, at, happening, job
from tests.core.test_withholding import CONTEXT, FAILED, LIVE, TRIAL, route
from watcher.core.consequence import Book, consequences
from watcher.core.delivery import DeliveryReason, DeliveryState
from watcher.core.events import JobFailed, JobVanished, WatchBlind
from watcher.core.matching import Matcher
from watcher.core.model import JobId, JobRef, SourceName
from watcher.core.rule import Context
from watcher.core.silencing import Silencing, SilencingId, ended_jobs, silence_of_job, silenced, standing

HOUR = timedelta(hours=1)
ALL = Silencing(
    id=SilencingId("s1"), match=Matcher(), created_at=NOW - HOUR, until=NOW + HOUR, author="ann", comment="maintenance"
)
OWED = consequences((FAILED,), CONTEXT, Book((LIVE,), route("team")), NOW).deliveries[0]


def test_what_a_silence_covers_is_a_row_that_names_it() -> None:
    kept = silenced(OWED, [ALL], NOW)
    assert (kept.state, kept.reason, kept.settled_at) == (DeliveryState.WITHHELD, DeliveryReason.SILENCED, NOW)
    assert (
        kept.error
        == f"silence s1 of ann, until {ALL.until.isoformat(timespec='minutes') if ALL.until else ''}: maintenance"
    )
    assert kept.id == OWED.id, "its end brings nothing old"
    assert replace(kept, state=OWED.state, reason=OWED.reason, settled_at=None, error="") == OWED


def test_without_a_comment_nothing_stands_behind_the_end() -> None:
    assert str(replace(ALL, comment="", until=None, job=REF)) == f"silence s1 of ann, until {REF} ends"


@pytest.mark.parametrize(
    ("change", "covered"),
    [
        ({}, True),
        ({"until": None}, True),
        ({"until": NOW}, False),
        ({"until": NOW + timedelta(microseconds=1)}, True),
        ({"created_at": NOW}, True),
        ({"created_at": NOW + timedelta(microseconds=1)}, False),
        ({"ended_at": NOW}, False),
        ({"ended_at": NOW + HOUR}, True),
        ({"match": Matcher.of({"severity": "warning", "rule": "live"})}, True),
        ({"match": Matcher.of({"severity": {"not": "warning"}})}, False),
        ({"job": REF}, True),
    ],
)
def test_a_silence_covers_what_fits_in_its_time(change: dict[str, object], covered: bool) -> None:
    found = silenced(OWED, [replace(ALL, **change)], NOW)  # type: ignore[arg-type]
    assert (found.reason is DeliveryReason.SILENCED) is covered
    assert covered or found is OWED


def test_the_first_silence_that_covers_it_is_named_and_what_is_settled_stays() -> None:
    second = replace(ALL, id=SilencingId("s2"))
    past = replace(ALL, id=SilencingId("s0"), until=NOW - HOUR)
    assert "silence s2" in silenced(OWED, [past, second, ALL], NOW).error
    kept = silenced(OWED, [ALL], NOW)
    assert silenced(kept, [second], NOW) is kept


def test_a_silence_that_ends_with_its_job_lets_the_end_be_told_and_all_after_it() -> None:
    own = replace(ALL, until=None, job=REF)
    assert silenced(OWED, [own], NOW, frozenset({REF})) is OWED
    other = JobRef(SourceName("hangzhou"), JobId("other"))
    assert silenced(OWED, [own], NOW, frozenset({other})).reason is DeliveryReason.SILENCED


def test_jobs_have_ended_when_their_state_or_an_event_says_so() -> None:
    gone = happening(JobVanished, last_status="Running")
    blind = happening(WatchBlind, source=SourceName("s"), since=NOW, permanent=True, error="no")
    assert ended_jobs((), job("Failed")) == {REF}
    assert ended_jobs((happening(JobFailed, status="Failed"),), job("Running")) == frozenset()
    assert ended_jobs((gone, blind), None) == {REF}
    assert ended_jobs((), None) == frozenset()


def test_the_walk_silences_what_is_covered_and_owes_the_rest() -> None:
    running = Context(now=NOW, job=job("Running"))
    only_live = replace(ALL, match=Matcher.of({"rule": "live"}), job=REF)
    rules = (LIVE, replace(LIVE, name="other"), TRIAL)
    book = Book(rules, route("team"), silencings=(only_live,))
    found = consequences((FAILED,), running, book, NOW)
    assert [owed.reason for owed in found.deliveries] == [
        DeliveryReason.SILENCED,
        DeliveryReason.OWED,
        DeliveryReason.SHADOW,
    ]
    assert len(found.notifications) == 3
    ended = consequences((FAILED,), CONTEXT, book, NOW)
    assert ended.deliveries[0].reason is DeliveryReason.OWED


@given(st.integers(-100, 100), st.integers(0, 100), st.none() | st.integers(0, 100), st.integers(-100, 200))
def test_a_silence_has_one_stretch_of_time(begin: int, length: int, cut: int | None, moment: int) -> None:
    one = replace(
        ALL, created_at=at(begin), until=at(begin + length), ended_at=None if cut is None else at(begin + cut)
    )
    end = begin + min(length, length if cut is None else cut)
    assert one.covers(at(moment)) is (begin <= moment < end)


def test_a_silence_of_one_job_means_exactly_that_job_whatever_its_id_looks_like() -> None:
    odd = replace(REF, job_id=JobId("dlc[1]*"))
    one = silence_of_job(
        SilencingId("s"), odd, now=NOW, until=None, author="ann", match=Matcher.of({"severity": "warning"})
    )
    labels = {"source": (odd.source,), "job": (odd.job_id,), "severity": ("warning",)}
    assert one.match.matches(labels)
    assert not one.match.matches({**labels, "job": ("dlc1x",)})
    assert not one.match.matches({**labels, "severity": ("critical",)})
    assert (one.job, one.covers(NOW)) == (odd, True)


def test_where_a_silence_stands_is_said_in_words() -> None:
    assert standing(ALL, NOW, job_lives=False) == "in force"
    assert standing(replace(ALL, until=NOW), NOW, job_lives=False) == "ended"
    assert standing(replace(ALL, ended_at=NOW, ended_by="bob"), NOW, job_lives=False) == "ended by bob"
    assert standing(replace(ALL, job=REF), NOW, job_lives=True) == "in force"
    assert standing(replace(ALL, job=REF), NOW, job_lives=False) == "ended with its job"

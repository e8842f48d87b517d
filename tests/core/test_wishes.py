from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.wishes import NO_WISHES, PREFIX, Wish, Wishes, wishes_of

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
RULES = frozenset({"job-failed", "job-restarted", "job-succeeded"})


def wishes(*allowed: Wish, now: datetime = NOW, **tags: str) -> Wishes:
    told = {f"{PREFIX}{name}": value for name, value in tags.items()}
    return wishes_of({"team": "nlp"} | told, allowed or tuple(Wish), RULES, now)


def told(found: Wishes) -> set[tuple[str, str]]:
    """What is told, of every rule in every loudness."""
    loudness = ("info", "warning", "critical")
    return {(rule, loud) for rule in RULES for loud in loudness if not found.silence(rule, loud)}


EVERYTHING = told(NO_WISHES)
LOUD = {(rule, loud) for rule, loud in EVERYTHING if loud != "info"}
OF_FAILED = {(rule, loud) for rule, loud in EVERYTHING if rule == "job-failed"}


def test_a_job_without_such_tags_has_no_wishes() -> None:
    assert wishes() is NO_WISHES
    assert len(EVERYTHING) == 9


def test_only_what_is_allowed_is_heard() -> None:
    assert wishes(Wish.OWNER, mute="true", notify="none") is NO_WISHES
    assert wishes(Wish.OWNER, mute="true", owner=" ann\n chen ") == Wishes(owner="ann chen")
    assert wishes(Wish.MUTE, notify="none", owner="ann", mute="no") == NO_WISHES
    assert len(wishes(owner="x" * 5000).owner) == 100


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("all", EVERYTHING),
        ("", EVERYTHING),
        ("none", set()),
        ("None", set()),
        ("info", EVERYTHING),
        ("Warning", LOUD),
        ("critical", {(rule, loud) for rule, loud in EVERYTHING if loud == "critical"}),
        ("job-failed", OF_FAILED),
        ("warning, job-failed", LOUD | OF_FAILED),
        ("critical warning", LOUD),
        ("none; job-failed", OF_FAILED),
        ("none, all", EVERYTHING),
        ("nothing at all please", EVERYTHING),
        ("loud", EVERYTHING),
    ],
)
def test_notify_says_what_is_wanted(value: str, expected: set[tuple[str, str]]) -> None:
    assert told(wishes(notify=value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("true", set()),
        ("YES", set()),
        ("false", EVERYTHING),
        (" ", EVERYTHING),
        ("2026-03-05", set()),
        ("2026-03-02", EVERYTHING),
        ("until 2026-03-02T08:00:01Z", set()),
        ("Until 2026-03-02T16:00+08:00", EVERYTHING),
        ("2026-03-02t16:01+08:00", set()),
        ("job-failed", EVERYTHING - OF_FAILED),
        ("job-failed,job-restarted , job-succeeded", set()),
        ("until further notice", EVERYTHING),
        ("9999-99-99", EVERYTHING),
    ],
)
def test_mute_says_what_is_not_wanted(value: str, expected: set[tuple[str, str]]) -> None:
    assert told(wishes(mute=value)) == expected


def test_where_both_speak_both_must_allow_it() -> None:
    assert told(wishes(mute="job-failed", notify="warning")) == LOUD - OF_FAILED
    assert told(wishes(mute="true", notify="all")) == set()


def test_silence_says_which_tag_asked_for_it() -> None:
    assert wishes(mute="true").silence("job-failed", "info") == "the job's tag dlc-watcher/mute is true"
    later = wishes(mute="2026-03-05").silence("job-failed", "info")
    assert later == "the job's tag dlc-watcher/mute says until 2026-03-05T00:00:00+00:00"
    assert wishes(mute="job-failed").silence("job-failed", "info") == "the job's tag dlc-watcher/mute names job-failed"
    assert wishes(notify="none").silence("job-failed", "info") == "the job's tag dlc-watcher/notify is none"
    assert (
        wishes(notify="critical").silence("job-failed", "info")
        == "the job's tag dlc-watcher/notify asks for other news"
    )


def test_a_mute_ends_by_itself() -> None:
    until = datetime(2026, 3, 5, tzinfo=UTC)
    assert told(wishes(mute="2026-03-05", now=until - timedelta(seconds=1))) == set()
    assert told(wishes(mute="2026-03-05", now=until)) == EVERYTHING


def test_what_means_nothing_is_complained_about() -> None:
    assert wishes(mute="tomorow", notify="loud job-failed").complaints == (
        "dlc-watcher/mute: 'tomorow' means nothing",
        "dlc-watcher/notify: 'loud' means nothing",
    )
    assert wishes(notify="none warning all").complaints == ()
    assert len(wishes(mute="a b c d e f").complaints) == 3


@given(st.text(), st.text(), st.text(), st.sampled_from(["info", "warning", "critical"]))
def test_no_value_of_a_tag_is_an_error(mute: str, notify: str, owner: str, severity: str) -> None:
    found = wishes(mute=mute, notify=notify, owner=owner)
    assert isinstance(found.silence("job-failed", severity), str)


@given(st.datetimes(), st.sampled_from(["", "Z", "+14:00", "-14:00"]))
def test_no_date_is_an_error(moment: datetime, zone: str) -> None:
    wishes(mute=moment.isoformat() + zone)

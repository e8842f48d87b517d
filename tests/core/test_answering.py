from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.core.strategies import REF, at, job, pod
from watcher.core.answering import (
    MOST_LINES,
    Answer,
    ButtonAction,
    Press,
    about_job,
    about_news,
    excerpt,
    job_meant,
    log_question,
    news_meant,
    of_job,
    silence_meant,
)
from watcher.core.model import JobId, JobRef
from watcher.core.rule import NotificationId


def press(action: ButtonAction = ButtonAction.SILENCE_HOUR, about: str = "", **members: Any) -> Press:
    return Press(
        **{
            "id": "p1",
            "receiver": "team",
            "action": action,
            "about": about or about_job(REF),
            "by": "ann",
            "user": "U1",
            "place": "C1",
            "message": "171.2",
            "thread": "171.1",
            **members,
        }
    )


def test_a_button_names_the_job_it_was_made_for() -> None:
    assert job_meant(press()) == REF
    assert job_meant(press(about="nonsense")) is None
    assert job_meant(press(about="/x")) is None


def test_a_button_names_the_news_it_was_made_for_and_only_the_last_of_very_many() -> None:
    several = about_news(NotificationId(one) for one in ("a", "b", "a", ""))
    assert news_meant(press(about=several)) == ("a", "b")
    many = about_news(NotificationId(str(number)) for number in range(100))
    assert news_meant(press(about=many)) == tuple(str(number) for number in range(60, 100))
    assert news_meant(press(about=",")) == ()


def test_a_silence_for_an_hour_ends_with_the_job_at_the_latest() -> None:
    made = silence_meant(press(), REF, at(0))
    assert (made.until, made.job, made.author) == (at(0) + timedelta(hours=1), REF, "ann")
    assert made.match == of_job(REF)
    assert made.match.matches({"source": (REF.source,), "job": (REF.job_id,)})
    assert not made.match.matches({"source": (REF.source,), "job": ("dlcother",)})


def test_a_silence_until_the_job_ends_has_no_other_end() -> None:
    assert silence_meant(press(ButtonAction.SILENCE_JOB), REF, at(0)).until is None


def test_the_same_press_makes_the_same_silence() -> None:
    assert silence_meant(press(), REF, at(0)).id == silence_meant(press(), REF, at(9)).id
    assert silence_meant(press(), REF, at(0)).id != silence_meant(press(id="p2"), REF, at(0)).id


def test_a_name_with_marks_of_a_pattern_means_itself() -> None:
    odd = replace(REF, job_id=JobId("dlc[1]*"))
    assert of_job(odd).matches({"source": (odd.source,), "job": ("dlc[1]*",)})
    assert not of_job(JobRef(REF.source, JobId("dlc*"))).matches({"source": (REF.source,), "job": ("dlcx",)})


def test_the_log_shown_is_that_of_the_pod_that_failed_first_else_of_the_master() -> None:
    first, later = pod("w-2", status="Failed", finished_at=at(5)), pod("w-1", status="Failed", finished_at=at(9))
    asked = log_question(job("Failed", pods=(pod("m-0", role="master"), later, first)))
    assert asked is not None
    assert (asked.pod, asked.most) == (first.key, MOST_LINES)
    running = log_question(job(pods=(pod("w-1"), pod("m-0", role="master"))))
    assert running is not None
    assert running.pod is not None
    assert running.pod.pod_id == "m-0"
    assert log_question(job("Queuing", pods=(pod(status="Pending"),))) is None
    assert log_question(job()) is None


def test_what_is_shown_of_a_log_is_its_end_without_secrets() -> None:
    told = excerpt([f"line {number}" for number in range(500)] + ["password=hunter2"])
    assert told.splitlines()[0] == f"line {501 - MOST_LINES}"
    assert "hunter2" not in told
    assert "hunter2" not in repr(Answer(said="x", text="hunter2"))

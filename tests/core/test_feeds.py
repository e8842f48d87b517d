from __future__ import annotations

from tests.core.strategies import NOW, at, summary
from watcher.core.feeds import ENDED, FIRST, MARGIN, RARE, ListAnswer, ListQuestion, window_since
from watcher.core.model import JobId
from watcher.core.phases import TERMINAL, phase_of


def test_a_window_begins_before_the_last_answered_turn_began() -> None:
    assert window_since(at(-30), NOW) == at(-30) - MARGIN
    assert window_since(None, NOW) == NOW - FIRST


def test_an_answer_names_what_it_showed_and_what_was_as_before() -> None:
    answer = ListAnswer(jobs=(summary(),), unchanged=(JobId("other"),), items=2)
    assert answer.named == {summary().ref.job_id, "other"}
    assert ListAnswer().named == frozenset()


def test_the_statuses_asked_for_are_live_or_ended() -> None:
    assert all(phase_of(status) in TERMINAL for status in ENDED)
    assert not any(phase_of(status) in TERMINAL for status in RARE)
    assert ListQuestion().page == 1

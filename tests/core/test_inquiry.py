"""Inquiries: written as keys of deadlines, read back, and answered under one id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import NOW, REF, maybe_moments, texts
from watcher.core.events import EventId
from watcher.core.inquiry import Inquiry, Topic


@given(st.sampled_from(Topic), st.uuids().map(str), texts | st.just("attempt 2 of 3"), maybe_moments, st.integers(0, 9))
def test_what_is_written_is_read_back(topic: Topic, event: str, key: str, since: object, tries: int) -> None:
    inquiry = Inquiry(topic, EventId(event), key, since, tries)  # type: ignore[arg-type]
    assert Inquiry.parse(inquiry.text) == inquiry


@pytest.mark.parametrize("text", ["", "stuck", "cause x - e k", "wonder 0 - e k", "cause 0 then e k"])
def test_another_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong, it is none
        Inquiry.parse(text)


def test_the_same_question_has_one_answer_whoever_asks_and_however_often() -> None:
    asked = Inquiry(Topic.CAUSE, EventId("e1"), "attempt 1")
    assert asked.answer_id(REF) == Inquiry(Topic.CAUSE, EventId("e2"), "attempt 1", NOW, 3).answer_id(REF)
    assert asked.answer_id(REF) != Inquiry(Topic.CAUSE, EventId("e1"), "attempt 2").answer_id(REF)
    assert asked.answer_id(REF) != Inquiry(Topic.ACTIVITY, EventId("e1"), "attempt 1").answer_id(REF)

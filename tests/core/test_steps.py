"""Long work in steps comes to the same as all at once."""

from __future__ import annotations

from tests.core.strategies import happening, job
from watcher.core.consequence import Book, Consequences, concluding, consequences
from watcher.core.evaluation import evaluating
from watcher.core.events import JobVanished
from watcher.core.routing import Route
from watcher.core.rule import Context
from watcher.core.steps import Steps, all_at_once


def counted(number: int) -> Steps[str]:
    for _ in range(number):
        yield
    return f"after {number}"


def test_the_result_comes_whether_there_are_pauses_or_not() -> None:
    assert all_at_once(counted(0)) == "after 0"
    assert all_at_once(counted(5)) == "after 5"


def test_there_is_a_pause_after_every_event() -> None:
    events = [happening(JobVanished, last_status="Running")] * 3
    context = Context(now=job().observed_at, job=job())
    assert len(list(evaluating((), events, context))) == len(events)
    assert len(list(concluding(events, context, Book((), Route(path="r", receiver="x")), context.now))) >= len(events)


def test_what_follows_in_steps_is_what_follows_at_once() -> None:
    context = Context(now=job().observed_at, job=job())
    events = (happening(JobVanished, last_status="Running"),)
    book = Book((), Route(path="r", receiver="x"))
    told = all_at_once(concluding(events, context, book, context.now))
    assert told == consequences(events, context, book, context.now) == Consequences(events=events)

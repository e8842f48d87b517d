from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.core import expression
from watcher.core.events import KINDS, CauseId, EventId, JobFailed, JobStatusChanged, PodEvicted, WatchBlind, When
from watcher.core.expression import LONGEST, ExpressionError, compile_condition
from watcher.core.model import JobId, JobRef, JobSettings, JobSnapshot, PodKey, RestartCount, SourceName
from watcher.core.phases import Phase
from watcher.core.rule import Context

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
REF = JobRef(SourceName("hz"), JobId("dlc1"))
BASE: dict[str, Any] = {"id": EventId("e"), "when": When(observed_at=NOW), "cause": CauseId("c")}
JOB = JobSnapshot(
    ref=REF,
    observed_at=NOW,
    status="Queuing",
    name="prod-llm",
    workspace_id="268",
    quota_id="quota1",
    requested_gpu=16.0,
    priority=3,
    restarts=RestartCount("2/10", 2, 10),
    settings=JobSettings(tags=(("team", "nlp"),)),
)
CHANGED = JobStatusChanged(
    **BASE, job=REF, old_status="Running", new_status="Queuing", old_phase=Phase.RUNNING, new_phase=Phase.PENDING
)
EVICTED = PodEvicted(**BASE, job=REF, pod=PodKey("w0", "u"), role="worker", node="n1")
BLIND = WatchBlind(**BASE, source=SourceName("hz"), since=NOW, permanent=False, error="")
CONTEXT = Context(now=NOW, job=JOB, phase_since=NOW - timedelta(minutes=40))


@pytest.mark.parametrize(
    ("text", "event", "holds"),
    [
        ('job.name.startsWith("prod-")', EVICTED, True),
        ('job.name.startsWith("dev-")', EVICTED, False),
        ('job.name.matches("^prod-[a-z]+$")', EVICTED, True),
        ("job.gpus >= 8 && job.gpus != 12", EVICTED, True),
        ("job.gpus * 2.0 == 32.0", EVICTED, True),
        ("job.restarts.used == 2 && job.restarts.limit - job.restarts.used > 7", EVICTED, True),
        ('phase_age > duration("30m")', EVICTED, True),
        ('now - event.at < duration("1s")', EVICTED, True),
        ('event.kind == "pod.evicted" && pod.evicted && pod.node == "n1" && pod.role == "worker"', EVICTED, True),
        ('event.old_status == "Running" && event.new_phase == "pending"', CHANGED, True),
        ('event.new_status == "Queuing"', EVICTED, False),
        ('job.tags.team == "nlp" && job.tags["team"] in ["nlp", "vision"]', EVICTED, True),
        ('"268" in labels.workspace', EVICTED, True),
        ('job.status == ""', BLIND, True),
        ("job.gpus == 0 && job.tags.size() == 0", BLIND, True),
    ],
)
def test_a_condition_sees_the_event_the_job_and_the_time(text: str, event: Any, holds: bool) -> None:
    context = Context(now=NOW) if event is BLIND else CONTEXT
    assert compile_condition(text).holds(event, context) is holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ('job.tags.owner == "x"', False),
        ('job.tags.owner == ""', True),
        ('job.tags.owner == "" && job.tags["cost centre"] == ""', True),
        ("has(job.tags.owner)", False),
        ('"owner" in job.tags', False),
        ("!has(job.tags.owner) && job.tags.other == job.tags.more", True),
        ('labels["tag.owner"] == [""]', True),
    ],
)
def test_an_absent_tag_is_empty_and_can_still_be_asked_for(text: str, holds: bool) -> None:
    assert compile_condition(text).holds(EVICTED, CONTEXT) is holds


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ('job.nmae == "x"', "there is no 'job.nmae'; did you mean 'job.name'?", 1, 1),
        ('true\n && job.nmae == "x"', "did you mean 'job.name'?", 2, 5),
        ('job.name == "é" && jbo.name == "x"', "there is no 'jbo.name'", 1, 20),
        ('job . nmae == ""', "there is no 'job.nmae'", 1, 5),
        ("quux", "there are attempt, event, history, job, labels, now, phase_age, pod", 1, 1),
        ("pod.zzzzzzzzz == 1", "there are pod.evicted, pod.id,", 1, 1),
        ("job", "'job' is not a value; it has members: job.age,", 1, 1),
        ('job["name"] == "x"', "'job' is not a value", 1, 1),
        ("job.name.lenght() > 1", "there is no function 'lenght' in CEL", 1, 16),
        ("1 +", "Syntax error: mismatched input '<EOF>'", 1, 4),
        ("(true", "missing ')'", 1, 6),
        ("", "the condition is empty", 1, 1),
        (" \n", "the condition is empty", 1, 1),
        ("job.name > 3", "found no matching overload for '_>_' applied to '(string, int)'", 1, 10),
        ("job.name", "this one comes to a value of type string", 1, 1),
        ("1 + 1", "this one comes to a value of type int", 1, 1),
        ("true ? dyn(true) : dyn(1)", "this one comes to a value of type dyn", 1, 1),
        ('job.name.matches("(")', "invalid regular expression", 1, 1),
        ("job.gpus * 2 > 4", "can be evaluated for no event: No matching overloads", 1, 1),
        ("(" * 100 + "true" + ")" * 100, "Expression recursion limit exceeded", 1, 1),
        ("true || " * 500 + "true", "at most 2000 characters, this one has 4004", 1, 1),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(text: str, message: str, line: int, column: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(text)
    assert message in caught.value.message
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value) == caught.value.message


def test_a_member_must_belong_to_one_of_the_rules_kinds() -> None:
    condition = compile_condition('event.node == "n1"', {"pod.evicted", "job.failed"})
    assert condition.holds(EVICTED, CONTEXT)
    assert not condition.holds(JobFailed(**BASE, job=REF, status="Failed"), CONTEXT)
    with pytest.raises(ExpressionError) as caught:
        compile_condition('event.used > 1 && event.node == "n1"', {"job.restarted", "job.failed"})
    assert caught.value.message.startswith(
        "no event of kind job.failed or job.restarted has 'event.node'; it belongs to job.cause_found, pod."
    )
    assert caught.value.column == 19


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("timestamp(job.name) < now", "String to Timestamp conversion failed"),
        ("1 / (job.priority - 3) == 1", "divide by zero"),
        ('{"a": "b"}["c"] == "d"', "Key not found"),
        ("job.name.split == 1", None),
    ],
)
def test_what_comes_to_neither_true_nor_false_raises_and_is_never_taken_for_true(
    text: str, message: str | None
) -> None:
    if message is None:
        with pytest.raises(ExpressionError):
            compile_condition(text)
        return
    with pytest.raises(ValueError, match=message):
        compile_condition(text).holds(EVICTED, CONTEXT)


def test_a_condition_that_asks_for_too_many_absent_tags_gives_up() -> None:
    text = " && ".join(f'job.tags.t{number} == ""' for number in range(40))
    with pytest.raises(ValueError, match="neither true nor false: Key not found"):
        compile_condition(text).holds(EVICTED, CONTEXT)


def test_a_condition_that_would_take_too_many_steps_is_stopped() -> None:
    numbers = "[" + ",".join("1" for _ in range(60)) + "]"
    text = f"{numbers}.all(a, {numbers}.all(b, {numbers}.all(c, a + b + c > 0)))"
    with pytest.raises(ExpressionError, match="Iteration budget exceeded"):
        compile_condition(text)


def test_an_answer_of_the_library_in_words_unknown_to_us_is_passed_on() -> None:
    names = expression.names_for(KINDS)
    assert expression._refusal("x", "INTERNAL: something [INTERNAL]", names, KINDS).message == (
        "the condition cannot be read: something"
    )
    odd = expression._refusal("x", "ERROR: <input>:-1:-1: <<nil>> parsetree", names, KINDS)
    assert (odd.line, odd.column) == (1, 1)


def test_its_repr_is_its_text() -> None:
    assert repr(compile_condition("true")) == "CelCondition(text='true')"


def test_a_condition_may_be_as_long_as_the_limit() -> None:
    assert compile_condition("true" + " " * (LONGEST - 4)).holds(EVICTED, CONTEXT)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="job.name()\"'=&|!<>0 1a[]{}?:+-\né", max_size=40) | st.text(max_size=30))
def test_any_text_is_either_a_condition_or_an_expression_error_inside_the_text(text: str) -> None:
    refusal: ExpressionError | None = None
    try:
        condition = compile_condition(text)
    except ExpressionError as error:
        refusal = error
    if refusal is not None:
        assert refusal.message
        assert 1 <= refusal.line <= text.count("\n") + 1
        assert refusal.column >= 1
        return
    with contextlib.suppress(ValueError):
        assert condition.holds(EVICTED, CONTEXT) in {True, False}

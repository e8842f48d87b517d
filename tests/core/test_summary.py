from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.core.events import CauseId, EventId, JobRestarted, PodEvicted, When
from watcher.core.expression import ExpressionError
from watcher.core.language import Language, Locale, spoken
from watcher.core.model import JobId, JobRef, JobSettings, JobSnapshot, PodKey, SourceName
from watcher.core.rule import Context
from watcher.core.summary import LONGEST, LONGEST_TEMPLATE, SummaryInLanguages, compile_summary, spell

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
REF = JobRef(SourceName("hz"), JobId("dlc1"))
BASE: dict[str, Any] = {"id": EventId("e"), "when": When(observed_at=NOW), "cause": CauseId("c")}
EVICTED = PodEvicted(**BASE, job=REF, pod=PodKey("w0", "u"), node="n1")


def rendered(text: str, **members: Any) -> str:
    members = {
        "status": "Running",
        "name": "llm",
        "requested_gpu": 8.0,
        "created_at": NOW - timedelta(minutes=125),
    } | members
    job = JobSnapshot(ref=REF, observed_at=NOW, **members)
    return spoken(compile_summary(text).text(EVICTED, Context(now=NOW, job=job)))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{{ job.name }} lost {{ pod.id }} on {{ pod.node }}", "llm lost w0 on n1"),
        ("{{ job.gpus }} GPUs, {{ job.age }} old at {{ now }}", "8 GPUs, 2 h 5 m old at 2026-03-02 08:00 UTC"),
        ("spot: {{ job.spot }}, evicted: {{ pod.evicted }}", "spot: no, evicted: yes"),
        ("{{ job.tags.team }}/{{ job.tags.none }}/{{ job.tags['cost centre'] }}", "nlp//x"),
        ("{{ job.tags }}", "team=nlp, cost centre=x, items=7"),
        ("{{ job.tags.items }}", "7"),
        ("{{ labels.node }} {{ labels.workspace }} {{ labels['tag.team'] }}", "n1 nlp"),
        ("{% if job.gpus > 4 %}large{% else %}small{% endif %}", "large"),
        ("{{ 'none' if not job.user else job.user }}", "none"),
        ("{{ job.tags.none|default('nobody', true)|upper }}", "NOBODY"),
        ("{{ job.name|upper ~ '!' }} {{ job.name[:2] }} {{ job.restarts.used + 1 }}", "LLM! ll 1"),
        ("{{ job['name'] }}{{ job.tags[job.name] }}", "llm"),
        ("plain words", "plain words"),
    ],
)
def test_a_summary_makes_one_line_of_words(text: str, line: str) -> None:
    tags = (("team", "nlp"), ("cost centre", "x"), ("items", "7"))
    assert rendered(text, settings=JobSettings(tags=tags)) == line


def test_job_text_stays_text_on_one_line_and_is_not_escaped_here() -> None:
    assert rendered("{{ job.name }}", name="<b>&\n{{ job.id }}\x1b]8;;x\x07\u202e") == "<b>& {{ job.id }}"


def test_a_long_summary_is_cut_with_an_ellipsis() -> None:
    line = rendered("{{ job.reason_message }}", reason_message="x" * 5000)
    assert len(line) == LONGEST
    assert line.endswith("x…")


def test_where_nothing_is_left_the_default_words_are_said() -> None:
    assert rendered("{{ job.user }}") == "Pod w0 was evicted from node n1"


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("{{ job.nmae }}", "there is no 'job.nmae'; did you mean 'job.name'?", 1, 4),
        ("a\n b {{ job . nmae }}", "did you mean 'job.name'?", 2, 7),
        ("{{ quux }}", "there is no 'quux'", 1, 4),
        ("{{ job }}", "'job' is not a value; it has members", 1, 4),
        ("{{ job['nmae'] }}", "there is no 'job.nmae'", 1, 1),
        ("{{ job.name.__class__ }}", "there is no 'job.name.__class__'", 1, 4),
        ("{% if event.used == -7 %}{{ job.zz }}{% endif %}", "there is no 'job.zz'", 1, 29),
        ("x {{ job.name", "the summary is not Jinja", 1, 3),
        ("one\ntwo {% if %}", "the summary is not Jinja", 2, 5),
        ("}} {% endif %}", "the summary is not Jinja", 1, 4),
        ("{{ job.name|join('x') }}", "No filter named 'join'", 1, 1),
        ("{% for i in [1] %}{% endfor %}", "'for' is not allowed", 1, 1),
        ("{% set x = 1 %}", "'assign' is not allowed", 1, 1),
        ("{{ job.name.upper() }}", "'call' is not allowed", 1, 1),
        ("{{ 'a' * 9999999 }}", "'mul' is not allowed", 1, 1),
        ("{{ 9 ** 9999 }}", "'pow' is not allowed", 1, 1),
        ("{% include 'x' %}", "'include' is not allowed", 1, 1),
        ("{{ job.name + 1 }}", "cannot be rendered", 1, 1),
        ("{{" + "(" * 300 + "1" + ")" * 300 + "}}", "nested too deeply", 1, 1),
        ("", "the summary is empty", 1, 1),
        ("x" * (LONGEST_TEMPLATE + 1), "at most 1000 characters, this one has 1001", 1, 1),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(text: str, message: str, line: int, column: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_summary(text)
    assert message in caught.value.message
    assert (caught.value.line, caught.value.column) == (line, column)


def test_a_member_must_belong_to_one_of_the_rules_kinds() -> None:
    summary = compile_summary("restart {{ event.used }}", {"job.restarted"})
    event = JobRestarted(**BASE, job=REF, used=2, limit=3)
    assert summary.text(event, Context(now=NOW)) == "restart 2"
    with pytest.raises(
        ExpressionError, match=r"no event of kind pod\.evicted has 'event\.limit'; it belongs to job\.restarted"
    ):
        compile_summary("restart {{ event.limit }}", {"pod.evicted"})


def test_what_fails_for_one_event_only_raises_then() -> None:
    text = "{{ job.name if job.restarts.used is divisibleby(job.priority) }}"
    with pytest.raises(ValueError, match="the summary cannot be rendered"):
        rendered(text, priority=None)


def test_its_repr_is_its_template() -> None:
    assert repr(compile_summary("{{ job.name }}")) == "JinjaSummary(source='{{ job.name }}')"


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="{}%# job.name|upper[]()'+~\n1if", max_size=40))
def test_any_text_is_either_a_summary_or_an_expression_error(text: str) -> None:
    refusal: ExpressionError | None = None
    try:
        summary = compile_summary(text)
    except ExpressionError as error:
        refusal = error
    if refusal is not None:
        assert refusal.message
        assert 1 <= refusal.line <= text.count("\n") + 1
        assert refusal.column >= 1
        return
    with contextlib.suppress(ValueError):
        assert len(spoken(summary.text(EVICTED, Context(now=NOW)))) <= LONGEST


def test_a_summary_in_both_languages_is_put_into_words_in_each() -> None:
    english = compile_summary("{{ job.name }}: restart {{ event.used }}", {"job.restarted"})
    chinese = compile_summary("{{ job.name }}：第 {{ event.used }} 次重启，{}", {"job.restarted"}, Language.ZH)
    event = JobRestarted(**BASE, job=REF, used=2, limit=3, count=1)
    named = JobSnapshot(ref=REF, observed_at=NOW, status="Running", name="prod {x}")
    said = SummaryInLanguages(english, chinese).text(event, Context(now=NOW, job=named))
    assert spoken(said) == "prod {x}: restart 2"
    assert spoken(said, Locale(Language.ZH)) == "prod {x}：第 2 次重启，{}"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(timedelta(hours=2, minutes=5), "2 小时 5 分"), (NOW, "2026-03-02 08:00 UTC"), (True, "是"), (False, "否")],
)
def test_values_are_spelt_in_the_language_of_the_summary(value: object, expected: str) -> None:
    assert spell(value, Language.ZH) == expected
    assert spell({"a": value}, Language.ZH) == f"a={expected}"

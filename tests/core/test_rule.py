from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from tests.core.strategies import CAUSE, NOW, REF, at, happening, job
from watcher.core.absence import Absence
from watcher.core.evaluation import Evaluation, evaluate
from watcher.core.events import (
    DeadlinePassed,
    Event,
    EventId,
    JobFailed,
    PodEvicted,
    RuleFailed,
    WatchBlind,
    When,
    deterministic_id,
)
from watcher.core.inquiry import INVESTIGATOR, Inquiry, Topic
from watcher.core.language import Length, Moment, Said, say
from watcher.core.matching import Matcher
from watcher.core.model import SourceName
from watcher.core.rule import (
    BoundRule,
    Context,
    Deadline,
    Investigate,
    NoOptions,
    Notify,
    RuleDeadline,
    RuleOptions,
    RuleReason,
    Severity,
    Silence,
    Wording,
    known,
)
from watcher.core.wishes import Wishes

FAILED = happening(
    JobFailed, id=EventId("e1"), when=When(observed_at=at(9), occurred_at=at(5), not_before=at(0)), status="Failed"
)
EVICTED = happening(PodEvicted, id=EventId("e2"), node="n1")
CONTEXT = Context(now=at(9), job=job("Failed", name="prod-llm"))


class Scripted:
    """A rule that answers as it is told."""

    name: ClassVar[str] = "scripted"
    on: ClassVar[tuple[type[Event], ...]] = (JobFailed, PodEvicted)
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[RuleOptions]] = NoOptions

    def __init__(self, answer: Callable[[Event, Context], Iterable[Any]]) -> None:
        self.answer = answer

    def consider(self, event: Event, context: Context) -> Iterable[Any]:
        return self.answer(event, context)


class OnFaults(Scripted):
    on = (RuleFailed,)


class OnBlindness(Scripted):
    on = (WatchBlind,)


class Holds:
    def __init__(self, truth: bool | Exception) -> None:
        self.truth = truth

    def holds(self, event: Event, context: Context) -> bool:
        if isinstance(self.truth, Exception):
            raise self.truth
        return self.truth


class Says:
    def __init__(self, words: str | Exception) -> None:
        self.words = words

    def text(self, event: Event, context: Context) -> str:
        if isinstance(self.words, Exception):
            raise self.words
        return f"{self.words} {event.kind}"


def says(*intents: Any, rule: type[Scripted] = Scripted, name: str = "mine", **bound: Any) -> BoundRule:
    return BoundRule(name=name, rule=rule(lambda event, context: intents), **bound)


def raises(error: BaseException, rule: type[Scripted] = Scripted, name: str = "broken") -> BoundRule:
    def answer(event: Event, context: Context) -> Iterable[Any]:
        yield Notify(headline="never heard")
        raise error

    return BoundRule(name=name, rule=rule(answer))


def asked(*rules: BoundRule, events: tuple[Event, ...] = (FAILED,)) -> Evaluation:
    return evaluate(rules, events, CONTEXT)


def reasons(evaluation: Evaluation) -> list[tuple[str, RuleReason, str]]:
    return [(decision.rule, decision.reason, decision.note) for decision in evaluation.decisions]


def test_a_notification_carries_everything_that_routing_and_rendering_need() -> None:
    evaluation = asked(says(Notify(headline="it failed", facts=(("Exit", "137"),), detail="killed")))
    (told,) = evaluation.notifications
    assert (told.rule, told.severity, told.headline, told.facts, told.detail) == (
        "mine",
        Severity.WARNING,
        "it failed",
        (("Exit", "137"),),
        "killed",
    )
    assert (told.event_id, told.kind, told.cause, told.job, told.pod_id) == ("e1", "job.failed", CAUSE, REF, "")
    assert (told.at, told.observed_at) == (at(5), at(9))
    labels = dict(told.labels)
    assert (labels["rule"], labels["severity"], labels["name"]) == (("mine",), ("warning",), ("prod-llm",))
    assert reasons(evaluation) == [("mine", RuleReason.NOTIFIED, "it failed")]
    assert asked(says(Notify(headline="gone")), events=(EVICTED,)).notifications[0].pod_id == "w-0"


def test_late_news_carries_the_absence_and_what_is_broken_is_never_late() -> None:
    away = Absence(at(-60), at(8))
    late = replace(FAILED, when=replace(FAILED.when, late=True))
    rules = (
        says(Notify(headline="x")),
        raises(ValueError("y")),
        says(Notify(headline="z"), rule=OnFaults, name="faults"),
    )
    told = evaluate(rules, (late, EVICTED), replace(CONTEXT, away=away))
    said = [(one.headline, one.kind, one.away) for one in told.notifications]
    assert said[:2] == [("x", "job.failed", away), ("x", "pod.evicted", None)]
    assert [away for _, _, away in said[2:]] == [None, None]
    assert not any(fault.when.late for fault in told.faults)


def test_the_configuration_is_louder_than_the_intent_and_the_intent_than_the_rule() -> None:
    for intent, bound, expected in [
        (None, None, Severity.WARNING),
        (Severity.INFO, None, Severity.INFO),
        (Severity.INFO, Severity.CRITICAL, Severity.CRITICAL),
    ]:
        (told,) = asked(says(Notify(headline="x", severity=intent), severity=bound)).notifications
        assert told.severity is expected
        assert dict(told.labels)["severity"] == (expected.value,)


def test_the_same_news_has_the_same_id_and_other_news_another() -> None:
    def ids(*rules: BoundRule, events: tuple[Event, ...] = (FAILED,)) -> list[str]:
        return [told.id for told in asked(*rules, events=events).notifications]

    twice = ids(says(Notify(headline="a", dedup_key="k"), Notify(headline="b", dedup_key="k")))
    assert len(set(twice)) == 1
    assert ids(says(Notify(headline="c", dedup_key="k")), events=(EVICTED,)) == twice[:1]
    assert ids(says(Notify(headline="a"))) == ids(says(Notify(headline="b")))
    assert ids(says(Notify(headline="a"))) != ids(says(Notify(headline="a")), events=(EVICTED,))
    assert ids(says(Notify(headline="a", dedup_key="k"), name="other")) != twice[:1]


def test_a_broken_rule_is_one_piece_of_news_whatever_job_it_breaks_on() -> None:
    watchman = says(Notify(headline="a rule is broken", dedup_key="broken"), rule=OnFaults, name="watchman")
    one = asked(raises(ValueError("x")), watchman)
    other = asked(
        raises(ValueError("x")), watchman, events=(replace(FAILED, id=EventId("e9"), job=replace(REF, source="b")),)
    )
    assert one.notifications[0].id == other.notifications[0].id
    assert one.notifications[0].job == REF


def test_a_deadline_belongs_to_its_rule_and_job() -> None:
    evaluation = asked(says(Deadline("stuck", at(60)), Deadline("later", at(90))))
    assert evaluation.deadlines == (
        RuleDeadline(rule="mine", job=REF, key="stuck", at=at(60), cause=CAUSE),
        RuleDeadline(rule="mine", job=REF, key="later", at=at(90), cause=CAUSE),
    )
    assert reasons(evaluation) == [("mine", RuleReason.DEADLINE_SET, at(60).isoformat())]


def test_a_deadline_about_no_job_is_not_kept() -> None:
    blind = happening(WatchBlind, source=SourceName("s"), since=NOW, permanent=True, error="no")
    evaluation = asked(says(Deadline("k", at(60)), Notify(headline="blind"), rule=OnBlindness), events=(blind,))
    assert evaluation.deadlines == ()
    (told,) = evaluation.notifications
    assert (told.job, dict(told.labels)["source"]) == (None, ("s",))


def test_an_inquiry_is_a_deadline_of_the_investigator_that_is_due_at_once() -> None:
    evaluation = asked(
        says(Deadline("k", at(60)), Investigate(key="attempt 1"), Investigate(topic=Topic.ACTIVITY, since=at(0)))
    )
    cause, activity = (one for one in evaluation.deadlines if one.rule == INVESTIGATOR)
    assert (cause.job, cause.at, cause.cause) == (REF, CONTEXT.now, CAUSE)
    assert Inquiry.parse(cause.key) == Inquiry(Topic.CAUSE, EventId("e1"), "attempt 1")
    assert Inquiry.parse(activity.key) == Inquiry(Topic.ACTIVITY, EventId("e1"), "e1", at(0))
    assert reasons(evaluation) == [("mine", RuleReason.INVESTIGATES, Inquiry.parse(cause.key).answer_id(REF))]
    loud = asked(says(Investigate(), Notify(headline="x")))
    assert (reasons(loud)[0][1], len(loud.deadlines)) == (RuleReason.NOTIFIED, 1)


def test_nothing_can_be_found_out_about_no_job() -> None:
    blind = happening(WatchBlind, source=SourceName("s"), since=NOW, permanent=True, error="no")
    evaluation = asked(says(Investigate(), rule=OnBlindness), events=(blind,))
    assert (evaluation.deadlines, reasons(evaluation)) == ((), [("mine", RuleReason.NOT_CONCERNED, "")])


def test_a_passed_deadline_comes_back_to_the_rule_that_set_it_alone() -> None:
    passed = happening(DeadlinePassed, rule="mine", key="stuck", due_at=at(60))
    evaluation = asked(says(Notify(headline="still stuck")), says(Notify(headline="x"), name="other"), events=(passed,))
    assert [told.rule for told in evaluation.notifications] == ["mine"]
    assert reasons(evaluation) == [("mine", RuleReason.NOTIFIED, "still stuck")]


def test_a_rule_hears_only_the_kinds_it_listens_to() -> None:
    bound = says(Notify(headline="x"), rule=OnFaults)
    assert bound.kinds == {"rule.failed"}
    assert asked(bound) == Evaluation()


def test_silence_has_a_reason() -> None:
    assert reasons(asked(says())) == [("mine", RuleReason.NOT_CONCERNED, "")]
    assert reasons(asked(says(Silence("too soon"), Silence("muted")))) == [
        ("mine", RuleReason.NOT_CONCERNED, "too soon; muted")
    ]
    assert reasons(asked(says(Notify(headline="x"), match=Matcher.of({"name": "test-*"})))) == [
        ("mine", RuleReason.NOT_MATCHED, "name")
    ]
    quiet = asked(says(Notify(headline="x"), when=Holds(False)))
    assert (reasons(quiet), quiet.notifications) == ([("mine", RuleReason.CONDITION_FALSE, "")], ())
    assert len(asked(says(Notify(headline="x"), when=Holds(True))).notifications) == 1


def test_a_rule_that_raises_becomes_an_event_and_the_others_go_on() -> None:
    evaluation = asked(raises(KeyError("gpu")), says(Notify(headline="heard")), events=(FAILED, EVICTED))
    assert [told.headline for told in evaluation.notifications] == ["heard", "heard"]
    first, second = evaluation.faults
    assert (first.rule, first.event_id, first.error, first.job) == ("broken", "e1", "KeyError: 'gpu'", REF)
    assert first.id == deterministic_id("rule.failed", "broken", "e1")
    assert first.when == When(observed_at=at(9), not_before=at(0))
    assert second.event_id == "e2"
    assert reasons(evaluation)[0] == ("broken", RuleReason.FAILED, "KeyError: 'gpu'")


def test_the_text_of_a_fault_is_kept_short() -> None:
    assert len(asked(raises(ValueError("x" * 10_000))).faults[0].error) == 500


def test_rules_hear_of_faults_and_a_fault_about_a_fault_goes_no_further() -> None:
    evaluation = asked(
        raises(ValueError("x")),
        raises(ValueError("y"), rule=OnFaults, name="worse"),
        says(Notify(headline="a rule broke"), rule=OnFaults, name="watchman"),
    )
    assert [fault.rule for fault in evaluation.faults] == ["broken"]
    assert [told.kind for told in evaluation.notifications] == ["rule.failed"]
    assert reasons(evaluation) == [
        ("broken", RuleReason.FAILED, "ValueError: x"),
        ("worse", RuleReason.FAILED, "ValueError: y"),
        ("watchman", RuleReason.NOTIFIED, "a rule broke"),
    ]


@pytest.mark.parametrize("stranger", ["a text", None, {"headline": "x"}, Notify])
def test_a_stranger_among_the_answers_is_a_fault(stranger: object) -> None:
    evaluation = asked(says(Notify(headline="x"), stranger))
    assert evaluation.notifications == ()
    assert "yields Notify, Deadline, Investigate, Silence or Absorb, not" in evaluation.faults[0].error


def test_an_answer_that_is_no_list_is_a_fault() -> None:
    bound = BoundRule(name="mine", rule=Scripted(lambda event, context: 7))  # type: ignore[arg-type, return-value]
    assert "TypeError" in asked(bound).faults[0].error


def test_a_condition_that_comes_to_neither_true_nor_false_is_a_fault() -> None:
    evaluation = asked(says(Notify(headline="x"), when=Holds(ValueError("no such key: gpu"))))
    assert evaluation.notifications == ()
    assert evaluation.faults[0].error == "ValueError: no such key: gpu"


def test_a_summary_words_the_headline_and_leaves_other_intents() -> None:
    evaluation = asked(says(Notify(headline="x", detail="d"), Deadline("k", at(60)), summary=Says("hear:")))
    (told,) = evaluation.notifications
    assert (told.headline, told.detail) == ("hear: job.failed", "d")
    assert len(evaluation.deadlines) == 1


def test_a_summary_that_fails_is_a_fault_but_the_news_goes_out_in_the_rules_own_words() -> None:
    evaluation = asked(says(Notify(headline="it failed"), summary=Says(ValueError("no such name"))))
    assert [told.headline for told in evaluation.notifications] == ["it failed"]
    assert evaluation.faults[0].error == "ValueError: no such name"


def test_what_must_stop_the_process_is_not_swallowed() -> None:
    with pytest.raises(KeyboardInterrupt):
        asked(raises(KeyboardInterrupt()))


def test_options_refuse_what_they_do_not_know_and_never_echo_it() -> None:
    class Options(RuleOptions):
        after: timedelta = timedelta(minutes=30)
        """How long."""

    with pytest.raises(ValueError, match="Extra inputs") as caught:
        Options.model_validate({"befor": "s3cret"})
    assert "s3cret" not in str(caught.value)
    assert Options.model_fields["after"].description == "How long."


# --- what the job wishes ------------------------------------------------------------------------------------------------------


def wishing(*rules: BoundRule, events: tuple[Event, ...] = (FAILED,), **wishes: Any) -> Evaluation:
    return evaluate(rules, events, replace(CONTEXT, wishes=Wishes(**wishes)))


def test_what_a_job_does_not_want_to_be_told_is_left_out_and_the_reason_kept() -> None:
    evaluation = wishing(says(Notify(headline="no"), Deadline("later", at(60))), muted="muted by its tag")
    assert reasons(evaluation) == [("mine", RuleReason.MUTED_BY_JOB, "muted by its tag")]
    assert evaluation.notifications == ()
    assert [deadline.key for deadline in evaluation.deadlines] == ["later"]


def test_a_wish_goes_by_the_severity_with_which_it_would_be_told() -> None:
    quiet, loud = Notify(headline="quiet", severity=Severity.INFO), Notify(headline="loud")
    evaluation = wishing(says(quiet, loud), least="warning", picky=True, complaints=("x means nothing",))
    assert [told.headline for told in evaluation.notifications] == ["loud"]
    assert reasons(evaluation) == [("mine", RuleReason.NOTIFIED, "quiet (ignored: x means nothing)")]
    configured = says(quiet, severity=Severity.CRITICAL)
    assert len(wishing(configured, least="critical", picky=True).notifications) == 1


def test_a_broken_summary_stays_a_fault_and_the_notice_stays_left_out() -> None:
    evaluation = wishing(says(Notify(headline="no"), summary=Says(ValueError("x"))), muted="muted")
    assert reasons(evaluation) == [("mine", RuleReason.FAILED, "ValueError: x")]
    assert (evaluation.notifications, len(evaluation.faults)) == ((), 1)


def test_no_job_silences_the_news_of_a_broken_rule_and_silence_stays_as_it_is() -> None:
    evaluation = wishing(
        raises(KeyError("k")), says(Notify(headline="fault"), rule=OnFaults, name="faults"), muted="muted"
    )
    assert [told.headline for told in evaluation.notifications] == ["fault"]
    assert reasons(wishing(says(Silence("too soon")), muted="muted")) == [
        ("mine", RuleReason.NOT_CONCERNED, "too soon")
    ]


def test_the_owner_that_a_job_names_is_a_label_of_what_is_said_of_it() -> None:
    bound = says(Notify(headline="failed"), match=Matcher.of({"owner": "ann"}))
    (told,) = wishing(bound, owner="ann").notifications
    assert dict(told.labels)["owner"] == ("ann",)
    assert reasons(asked(bound)) == [("mine", RuleReason.NOT_MATCHED, "owner")]


def test_what_is_said_in_several_languages_is_kept_unspoken_beside_its_english_text() -> None:
    headline = say("Lost\n{node}", zh="失去 {node}", node="n\t1")
    detail = say("gone", zh="已消失")
    rule = Scripted(
        lambda *_: [Notify(headline=headline, facts=known(("Ran for", timedelta(minutes=5))), detail=detail)]
    )
    (told,) = evaluate([BoundRule(name="s", rule=rule)], [FAILED], CONTEXT).notifications
    assert (told.headline, told.facts, told.detail) == ("Lost n 1", (("Ran for", "5 m"),), "gone")
    facts = (("Ran for", Length(timedelta(minutes=5))),)
    assert told.wording == told.for_readers == Wording(headline=headline, facts=facts, detail=detail)


def test_what_is_said_in_english_only_has_no_other_wording() -> None:
    rule = Scripted(lambda *_: [Notify(headline=" Node \n melted", facts=(("Node", "n1"),), detail="why")])
    (told,) = evaluate([BoundRule(name="s", rule=rule)], [FAILED], CONTEXT).notifications
    assert told.wording is None
    assert told.for_readers == Wording(headline="Node melted", facts=(("Node", "n1"),), detail="why")


def test_what_nobody_knows_is_no_fact_and_what_is_no_text_becomes_one() -> None:
    assert known(("A", ""), ("B", None), ("C", 0), ("D", timedelta(0)), ("E", NOW), ("F", Said("x"))) == (
        ("C", "0"),
        ("D", Length(timedelta(0))),
        ("E", Moment(NOW)),
        ("F", Said("x")),
    )

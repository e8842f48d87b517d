from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.core.strategies import NOW, REF, at, happening, job
from watcher.core.declared import declared_rule, passage_faults
from watcher.core.evaluation import evaluate
from watcher.core.events import DeadlinePassed, JobAppeared, JobResumed, JobStatusChanged, PodEvicted
from watcher.core.model import PodKey
from watcher.core.passage import STATES, Passage
from watcher.core.phases import phase_of
from watcher.core.rule import BoundRule, Context, Deadline, Intent, Notify, Silence
from watcher.core.wishes import Wishes

MINUTES = timedelta(minutes=40)
CHANGE = "job.status_changed"


def change(old: str, new: str) -> JobStatusChanged:
    return happening(JobStatusChanged, old_status=old, new_status=new, old_phase=phase_of(old), new_phase=phase_of(new))


def answer(rule: Any, event: Any, context: Context) -> Intent:
    (intent,) = rule.consider(event, context)
    return intent


@pytest.mark.parametrize(
    ("origins", "goals", "old", "new", "why"),
    [
        ((), (), "Queuing", "Running", ""),
        (("Queuing",), (), "Queuing", "Running", ""),
        (("pending",), ("running",), "Bidding", "Running", ""),
        (("Queuing",), (), "Bidding", "Running", "it comes from Bidding"),
        ((), ("Queuing", "failed"), "Running", "Stopped", "it goes to Stopped"),
        ((), ("pending",), "Queuing", "Bidding", "it was in such a state already"),
        (("pending",), ("pending",), "Queuing", "Bidding", ""),
        ((), ("unknown",), "Running", "Mystery", ""),
    ],
)
def test_a_change_is_meant_by_statuses_and_by_phases(
    origins: tuple[str, ...], goals: tuple[str, ...], old: str, new: str, why: str
) -> None:
    assert Passage(origins, goals).mismatch(change(old, new)) == why
    said = answer(declared_rule("a", [CHANGE], passage=Passage(origins, goals)), change(old, new), Context(now=NOW))
    assert said == Silence(why) if why else isinstance(said, Notify)


def test_a_phase_stands_for_its_statuses_and_is_written_in_small_letters() -> None:
    assert {"Running", "running", "reserved-failed", "unknown"} <= STATES
    assert not Passage(goals=("running",)).holds(Context(now=NOW))
    assert Passage(goals=("running",)).holds(Context(now=NOW, job=job("Running")))


def test_with_a_length_the_rule_waits_and_looks_again() -> None:
    rule = declared_rule("a", [CHANGE], passage=Passage(goals=("Queuing",), dwell=MINUTES))
    queuing = Context(now=at(2400), job=job("Queuing"), phase_since=NOW)
    entered = change("Running", "Queuing")
    assert answer(rule, entered, queuing) == Deadline("stayed", entered.when.at + MINUTES)
    passed = happening(DeadlinePassed, rule="a", key="stayed", due_at=at(2400))
    said = answer(rule, passed, queuing)
    assert isinstance(said, Notify)
    assert str(said.headline) == "Queuing for 40 m"
    assert answer(rule, passed, Context(now=NOW, job=job("Running"))) == Silence("it is Running")
    assert answer(rule, passed, Context(now=NOW)) == Silence("it is in no such state")


def test_a_job_that_is_found_in_the_state_is_timed_by_its_phase_where_the_phase_is_meant() -> None:
    appeared = happening(JobAppeared, status="Queuing", phase=phase_of("Queuing"))
    resumed = happening(JobResumed, status="Queuing", phase=phase_of("Queuing"))
    context = Context(now=at(9), job=job("Queuing"), phase_since=at(-600))
    by_phase = declared_rule("a", [CHANGE], passage=Passage(goals=("pending",), dwell=MINUTES))
    by_status = declared_rule("a", [CHANGE], passage=Passage(goals=("Queuing",), dwell=MINUTES))
    assert answer(by_phase, resumed, context) == Deadline("stayed", at(-600) + MINUTES)
    assert answer(by_status, appeared, context) == Deadline("stayed", appeared.when.at + MINUTES)
    assert answer(by_status, resumed, context) == Silence("its time runs already")
    at_once = declared_rule("a", [CHANGE], passage=Passage(goals=("pending",)))
    assert list(at_once.consider(appeared, context)) == []


@pytest.mark.parametrize(
    ("on", "passage", "fault"),
    [
        ([CHANGE, "pod.evicted"], Passage(origins=("Running",)), "from: is about changes of status"),
        ([CHANGE], Passage(dwell=MINUTES), "for: says how long"),
        ([CHANGE], Passage(("Running",), ("Queuing",), MINUTES), "from: does not go with"),
        ([CHANGE], Passage(goals=("Runing",)), "to: there is no status or phase 'Runing'"),
    ],
)
def test_what_does_not_go_together_is_refused(on: list[str], passage: Passage, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        declared_rule("a", on, passage=passage)


def test_all_that_does_not_go_together_is_told_at_once() -> None:
    faults = list(passage_faults(["pod.evicted"], Passage(("Running", "x"), (), MINUTES)))
    assert [key for key, _ in faults] == ["from", "for", "for", "from", "from"]


def test_what_has_the_same_labels_is_one_piece_of_news_for_all_jobs() -> None:
    rule = BoundRule(name="a", rule=declared_rule("a", ["pod.evicted"], once_per=["node", "user"]))
    context = Context(now=NOW, job=job("Running", user_name="ann"))
    other = REF.__class__(REF.source, "dlc2")

    def told(node: str, ref: Any = REF) -> str:
        event = happening(PodEvicted, job=ref, pod=PodKey("w", "u"), node=node)
        (notification,) = evaluate([rule], [event], context).notifications
        return notification.id

    assert told("n1") == told("n1", other) != told("n2")


def test_news_can_be_told_once_for_each_owner_that_jobs_name() -> None:
    rule = BoundRule(name="a", rule=declared_rule("a", ["pod.evicted"], once_per=["owner"]))

    def told(owner: str, uid: str) -> str:
        event = happening(PodEvicted, pod=PodKey("w", uid))
        context = Context(now=NOW, job=job("Running"), wishes=Wishes(owner=owner))
        return evaluate([rule], [event], context).notifications[0].id

    assert told("ann", "u1") == told("ann", "u2") != told("bob", "u1")


def test_a_rules_own_labels_stand_beside_those_of_the_event() -> None:
    rule = BoundRule(name="a", rule=declared_rule("a", ["pod.evicted"]), labels=(("team", "vision"),))
    (said,) = evaluate([rule], [happening(PodEvicted, pod=PodKey("w", "u"))], Context(now=NOW)).notifications
    assert dict(said.labels)["team"] == ("vision",)
    assert dict(said.labels)["kind"] == ("pod.evicted",)

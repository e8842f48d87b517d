"""Rules are asked: what each says about each event, and for each a reason, silence included.

A rule is a stranger's code. Whatever it raises becomes an event, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from watcher.core.events import (
    DeadlinePassed,
    Event,
    EventId,
    RuleFailed,
    deterministic_id,
    job_of,
    pod_of,
)
from watcher.core.inquiry import INVESTIGATOR
from watcher.core.language import line_of, spoken
from watcher.core.matching import Labels, labels_of
from watcher.core.model import JobRef
from watcher.core.ongoing import described
from watcher.core.rule import (
    Absorb,
    Absorption,
    BoundRule,
    Context,
    Deadline,
    Decision,
    Intent,
    Investigate,
    Notification,
    NotificationId,
    Notify,
    RuleDeadline,
    RuleReason,
    Severity,
    Silence,
    Summary,
    Wording,
)
from watcher.core.steps import Steps, all_at_once
from watcher.core.wishes import NO_WISHES, Wishes

_FAULT_LENGTH: Final = 500


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What all rules together said about some events."""

    notifications: tuple[Notification, ...] = ()
    deadlines: tuple[RuleDeadline, ...] = ()
    decisions: tuple[Decision, ...] = ()
    faults: tuple[RuleFailed, ...] = ()
    absorptions: tuple[Absorption, ...] = ()


def evaluate(rules: Sequence[BoundRule], events: Sequence[Event], context: Context) -> Evaluation:
    """Ask every rule that listens to each event.

    A rule that raises becomes a `RuleFailed` event, on which rules are asked in turn (once: a rule that fails on `rule.failed` is
    recorded and goes no further).
    """
    return all_at_once(evaluating(rules, events, context))


def evaluating(rules: Sequence[BoundRule], events: Sequence[Event], context: Context) -> Steps[Evaluation]:
    """The same in steps, one for each event."""
    notifications: list[Notification] = []
    deadlines: list[RuleDeadline] = []
    decisions: list[Decision] = []
    faults: list[RuleFailed] = []
    absorptions: list[Absorption] = []
    listeners = _listeners(rules)

    def ask(event: Event) -> Iterator[RuleFailed]:
        labels = labels_of(event, context.job, context.wishes.owner)
        for bound in listeners(event):
            reason, note, intents = _consult(bound, event, context, labels)
            job = job_of(event)
            reason, note, intents = _heeding(context.wishes, bound, event, (reason, note, intents))
            decisions.append(Decision(event.id, bound.name, reason, note))
            notifications.extend(
                _notification(bound, intent, event, labels, context) for intent in intents if isinstance(intent, Notify)
            )
            if job is not None:
                deadlines.extend(_deadlines(bound, intents, event, job, context.now))
            absorptions.extend(
                _absorption(bound, intent, job) for intent in intents if isinstance(intent, Absorb) and not bound.shadow
            )
            if reason is RuleReason.FAILED:
                yield _fault(bound, event, note)

    for event in events:
        faults.extend(ask(event))
        yield
    for fault in tuple(faults):
        for _ in ask(fault):
            pass  # a fault about a fault is in the decisions; it makes no third event
    return Evaluation(tuple(notifications), tuple(deadlines), tuple(decisions), tuple(faults), tuple(absorptions))


def _listeners(rules: Sequence[BoundRule]) -> Callable[[Event], Sequence[BoundRule]]:
    """Tells which rules listen to an event."""
    by_kind: dict[str, tuple[BoundRule, ...]] = {}

    def listening(event: Event) -> tuple[BoundRule, ...]:
        if isinstance(event, DeadlinePassed):
            return tuple(bound for bound in rules if bound.name == event.rule)
        if event.kind not in by_kind:
            by_kind[event.kind] = tuple(bound for bound in rules if event.kind in bound.kinds)
        return by_kind[event.kind]

    return listening


def _deadlines(
    bound: BoundRule, intents: tuple[Intent, ...], event: Event, job: JobRef, now: datetime
) -> Iterator[RuleDeadline]:
    for intent in intents:
        if isinstance(intent, Deadline):
            yield RuleDeadline(rule=bound.name, job=job, key=intent.key, at=intent.at, cause=event.cause)
        elif isinstance(intent, Investigate):
            asked = intent.inquiry(event.id).text
            yield RuleDeadline(rule=INVESTIGATOR, job=job, key=asked, at=now, cause=event.cause)


def _consult(
    bound: BoundRule, event: Event, context: Context, labels: Labels
) -> tuple[RuleReason, str, tuple[Intent, ...]]:
    label = bound.match.mismatch(labels)
    if label:
        return RuleReason.NOT_MATCHED, label, ()
    try:
        if bound.when is not None and not bound.when.holds(event, context):
            return RuleReason.CONDITION_FALSE, "", ()
        intents = _weighed(bound, event, context, _checked(bound.rule.consider(event, context)))
    except Exception as exc:  # noqa: BLE001 - a rule is a stranger's code: whatever it raises becomes an event
        return RuleReason.FAILED, f"{type(exc).__name__}: {exc}"[:_FAULT_LENGTH], ()
    if bound.summary is not None:
        try:
            intents = tuple(_worded(intent, bound.summary, event, context) for intent in intents)
        except Exception as exc:  # noqa: BLE001 - as above; the notice itself goes out in the rule's own words
            return RuleReason.FAILED, f"{type(exc).__name__}: {exc}"[:_FAULT_LENGTH], intents
    return *_verdict(intents, event), intents


def _weighed(bound: BoundRule, event: Event, context: Context, intents: tuple[Intent, ...]) -> tuple[Intent, ...]:
    threshold = bound.threshold
    if threshold is None:
        return intents

    def would_say(other: Event, then: Context) -> bool:
        try:
            return (
                not bound.match.mismatch(labels_of(other, then.job))
                and (bound.when is None or bound.when.holds(other, then))
                and any(isinstance(intent, Notify) for intent in bound.rule.consider(other, then))
            )
        except Exception:  # noqa: BLE001 - as above; it was told as a fault when that event came
            return False

    return tuple(
        threshold.weigh(event, context, intent, would_say) if isinstance(intent, Notify) else intent
        for intent in intents
    )


_Answer = tuple[RuleReason, str, tuple[Intent, ...]]


def _heeding(wishes: Wishes, bound: BoundRule, event: Event, answer: _Answer) -> _Answer:
    """Without what the job does not want to be told. Deadlines stay, and a broken rule is no business of the job's."""
    reason, note, intents = answer
    said = [intent for intent in intents if isinstance(intent, Notify)]
    if not said or wishes == NO_WISHES or isinstance(event, RuleFailed):
        return answer
    why = {id(intent): wishes.silence(bound.name, _severity(bound, intent)) for intent in said}
    kept = tuple(intent for intent in intents if not why.get(id(intent)))
    if reason is RuleReason.NOTIFIED and all(why.values()):
        reason, note = RuleReason.MUTED_BY_JOB, next(iter(why.values()))
    complaints = f" (ignored: {'; '.join(wishes.complaints)})" if wishes.complaints else ""
    return reason, note + complaints, kept


def _severity(bound: BoundRule, intent: Notify) -> Severity:
    return bound.severity or intent.severity or bound.rule.severity


def _worded(intent: Intent, summary: Summary, event: Event, context: Context) -> Intent:
    return replace(intent, headline=summary.text(event, context)) if isinstance(intent, Notify) else intent


def _checked(answer: Iterable[object]) -> tuple[Intent, ...]:
    intents: list[Intent] = []
    for intent in answer:
        if not isinstance(intent, Intent):
            raise TypeError(
                f"a rule yields Notify, Deadline, Investigate, Silence or Absorb, not {type(intent).__name__}"
            )
        intents.append(intent)
    return tuple(intents)


def _verdict(intents: tuple[Intent, ...], event: Event) -> tuple[RuleReason, str]:
    said = [intent for intent in intents if isinstance(intent, Notify)]
    if said:
        return RuleReason.NOTIFIED, line_of(said[0].headline)
    asked = [intent for intent in intents if isinstance(intent, Investigate)]
    job = job_of(event)
    if asked and job is not None:
        return RuleReason.INVESTIGATES, asked[0].inquiry(event.id).answer_id(job)
    waits = [intent for intent in intents if isinstance(intent, Deadline)]
    notes = [intent.note for intent in intents if isinstance(intent, Silence)]
    if waits:
        return RuleReason.DEADLINE_SET, "; ".join((waits[0].at.isoformat(), *notes))
    return RuleReason.NOT_CONCERNED, "; ".join(notes)


def _notification(bound: BoundRule, intent: Notify, event: Event, labels: Labels, context: Context) -> Notification:
    severity = _severity(bound, intent)
    job, pod = job_of(event), pod_of(event)
    # A broken rule is one piece of news, not one for each job it breaks on.
    about = None if isinstance(event, RuleFailed) or intent.across_jobs else job
    pod_id = "" if pod is None else pod.pod_id
    goes_on = intent.ongoing or described(
        event.kind, None if about is None else context.job, pod_id, critical=severity is Severity.CRITICAL
    )
    return Notification(
        id=_news_id(bound, about, intent.dedup_key or event.id),
        rule=bound.name,
        severity=severity,
        headline=line_of(intent.headline),
        facts=tuple((spoken(label), spoken(value)) for label, value in intent.facts),
        detail=spoken(intent.detail),
        event_id=event.id,
        kind=event.kind,
        at=event.when.at,
        observed_at=event.when.observed_at,
        job=job,
        cause=event.cause,
        labels=(
            *labels.items(),
            ("rule", (bound.name,)),
            ("severity", (severity.value,)),
            *((label, (value,)) for label, value in bound.labels),
        ),
        pod_id=pod_id,
        away=context.away if event.when.late else None,
        across_jobs=about is None and job is not None,
        series=intent.series,
        ongoing=None if severity is Severity.INFO else goes_on,
        wording=_wording(intent),
    )


def _wording(intent: Notify) -> Wording | None:
    """What readers of other languages need; None where all of it is plain text."""
    texts = (intent.headline, intent.detail, *(text for fact in intent.facts for text in fact))
    if all(isinstance(text, str) for text in texts):
        return None
    return Wording(headline=intent.headline, facts=intent.facts, detail=intent.detail)


def _news_id(bound: BoundRule, about: JobRef | None, key: str) -> NotificationId:
    return NotificationId(deterministic_id("notification", bound.name, "" if about is None else about, key))


def _absorption(bound: BoundRule, intent: Absorb, job: JobRef | None) -> Absorption:
    return Absorption(
        into=_news_id(bound, None if intent.across_jobs else job, intent.into),
        rules=intent.rules,
        jobs=intent.jobs,
        since=intent.since,
        critical=intent.critical,
        pods=intent.pods,
        flapping=intent.flapping,
    )


def _fault(bound: BoundRule, event: Event, error: str) -> RuleFailed:
    return RuleFailed(
        id=EventId(deterministic_id("rule.failed", bound.name, event.id)),
        when=replace(event.when, occurred_at=None, late=False),
        cause=event.cause,
        rule=bound.name,
        event_id=event.id,
        error=error,
        job=job_of(event),
    )

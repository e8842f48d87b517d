"""Rules written as data, and the default words for every event.

`sentence` and `facts` say in plain words what an event is, without the job's name (whoever shows them shows the job too). They
serve declared rules and every place that lists events. `DeclaredRule` is a rule of which the configuration gives all: it says
the default words, or its summary, about each event of its kinds; `match` and `when` are applied around it (`rule.BoundRule`).

Long, because of two tables: a sentence and the facts for every kind of event.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, ClassVar, Final, cast

from watcher.core.duration import spell_duration
from watcher.core.events import (
    EVENT_TYPES,
    DeadlinePassed,
    Event,
    JobActivityChecked,
    JobAppeared,
    JobBiddingStarted,
    JobCauseFound,
    JobFailed,
    JobHistoryCorrected,
    JobPreparationStarted,
    JobPriorityChanged,
    JobQueueChanged,
    JobReappeared,
    JobReasonChanged,
    JobReservationDecided,
    JobRestarted,
    JobRestartExplained,
    JobResumed,
    JobSanityCheckFailed,
    JobSanityCheckStarted,
    JobScaled,
    JobSpotTypeChanged,
    JobStatusChanged,
    JobStopped,
    JobSubStatusChanged,
    JobSucceeded,
    JobVanished,
    PodAppeared,
    PodEvicted,
    PodMoved,
    PodPlaced,
    PodRestarted,
    PodStatusChanged,
    PodVanished,
    RuleFailed,
    WatchBehind,
    WatchBlind,
    WatchCaughtUp,
    WatchRecovered,
    kind_of,
    pod_of,
)
from watcher.core.matching import labels_of
from watcher.core.model import RestartCount
from watcher.core.passage import SIGHTS, STATES, Passage
from watcher.core.rule import (
    Context,
    Deadline,
    Facts,
    Intent,
    NoOptions,
    Notify,
    Rule,
    RuleOptions,
    Severity,
    Silence,
    Summary,
    Threshold,
)

LISTENABLE: Final[Mapping[str, type[Event]]] = MappingProxyType(
    {kind_of(event_type): event_type for event_type in EVENT_TYPES if event_type is not DeadlinePassed}
)
"""The kinds that `on` takes. A passed deadline goes only to the rule that set it."""

_KEY: Final = "stayed"


def _or_none(value: object) -> str:
    return "none" if value is None or value == "" else str(value)


def _sub_status(event: JobSubStatusChanged) -> str:
    return f"Sub-status {_or_none(event.old_sub_status)} -> {_or_none(event.new_sub_status)}"


def _corrected(event: JobHistoryCorrected) -> str:
    return f"DLC dates the change to {_or_none(event.status)} to {event.occurred_at:%Y-%m-%d %H:%M:%S} UTC"


def _reason(event: JobReasonChanged) -> str:
    if event.old_code == event.new_code:
        return f"New reason message ({event.new_code})" if event.new_code else "New reason message"
    return f"Reason {_or_none(event.old_code)} -> {_or_none(event.new_code)}"


def _restarted(event: JobRestarted) -> str:
    count = RestartCount(used=event.used, limit=event.limit)
    return f"Restart {count}" if event.count == 1 else f"{event.count} restarts at once, now {count}"


def _explained(event: JobRestartExplained) -> str:
    what = f"Restart of pod {event.pod_id}" if event.pod_id else f"Restart {event.used}"
    took = "" if event.took is None else f"took {spell_duration(event.took)}"
    said = ", ".join(filter(None, (event.reason or event.error_code, event.result, took)))
    return f"{what}: {said}" if said else f"{what} has a record now"


def _reserved(event: JobReservationDecided) -> str:
    until = "" if event.held_until is None else f" until {event.held_until:%Y-%m-%d %H:%M:%S} UTC at the latest"
    return f"The job {event.result}; its machines are held{until}"


def _scaled(event: JobScaled) -> str:
    pods = "pods asked for" if event.measure == "asked" else "pods"
    return f"{event.role or 'Job'}: {event.old_count} -> {event.new_count} {pods}"


def _queue(event: JobQueueChanged) -> str:
    counts = (
        ("active", event.old_active, event.new_active),
        ("queuing", event.old_queuing, event.new_queuing),
        ("dequeued", event.old_dequeued, event.new_dequeued),
    )
    changes = ", ".join(f"{name} {_or_none(old)} -> {_or_none(new)}" for name, old, new in counts if old != new)
    return f"{event.role or 'Job'}: {changes}"


def _ended(word: str) -> Callable[[Any], str]:
    return lambda event: word if event.lived is None else f"{word} after {spell_duration(event.lived)}"


def _pod_status(event: PodStatusChanged) -> str:
    changed = f"Pod {event.pod.pod_id}: "
    if event.old_status != event.new_status:
        return changed + f"{_or_none(event.old_status)} -> {_or_none(event.new_status)}"
    return changed + f"sub-status {_or_none(event.old_sub_status)} -> {_or_none(event.new_sub_status)}"


def _on(node: str, word: str = "on") -> str:
    return f" {word} node {node}" if node else ""


def _placed(event: PodPlaced) -> str:
    return f"Pod {event.pod.pod_id} got " + (f"node {event.node}" if event.node else f"address {_or_none(event.ip)}")


def _moved(event: PodMoved) -> str:
    old, new = (event.old_node, event.node) if event.old_node != event.node else (event.old_ip, event.ip)
    return f"Pod {event.pod.pod_id} moved: {_or_none(old)} -> {_or_none(new)}"


def _activity(event: JobActivityChecked) -> str:
    since = f" since {event.since:%Y-%m-%d %H:%M} UTC" if event.since else ""
    looked = (("events", event.events_read, event.events_seen), ("logs", event.logs_read, event.logs_seen))
    told = [f"{what} {'told of something' if seen else 'silent'}" for what, read, seen in looked if read]
    return f"Activity{since}: {', '.join(told) or 'nothing could be read'}"


_SENTENCES: Final[Mapping[type[Event], Callable[[Any], str]]] = {
    JobAppeared: lambda event: f"First seen, {event.status or 'status unknown'}",
    JobResumed: lambda event: f"Watched again, {event.status or 'status unknown'}",
    JobStatusChanged: lambda event: f"{_or_none(event.old_status)} -> {_or_none(event.new_status)}",
    JobHistoryCorrected: _corrected,
    JobSubStatusChanged: _sub_status,
    JobReasonChanged: _reason,
    JobRestarted: _restarted,
    JobPriorityChanged: lambda event: f"Priority {_or_none(event.old_priority)} -> {_or_none(event.new_priority)}",
    JobRestartExplained: _explained,
    JobBiddingStarted: lambda _: "Bidding for spot capacity",
    JobPreparationStarted: lambda _: "Environment is being prepared",
    JobSanityCheckStarted: lambda event: "Machines are checked" + (" after a restart" if event.restart else ""),
    JobSanityCheckFailed: lambda event: f"Check of the machines failed, now {_or_none(event.status)}",
    JobReservationDecided: _reserved,
    JobScaled: _scaled,
    JobQueueChanged: _queue,
    JobSpotTypeChanged: lambda event: f"{event.role or 'Job'}: spot type {event.old_type} -> {event.new_type}",
    JobSucceeded: _ended("Succeeded"),
    JobFailed: _ended("Failed"),
    JobStopped: _ended("Stopped"),
    JobVanished: lambda event: f"DLC no longer knows this job, last seen {event.last_status or 'without a status'}",
    JobReappeared: lambda event: f"DLC knows this job again, {event.status or 'status unknown'}",
    JobCauseFound: lambda event: f"Likely cause: {event.summary or event.fault_class}",
    JobActivityChecked: _activity,
    PodAppeared: lambda event: f"Pod {event.pod.pod_id} appeared, {event.status or 'status unknown'}",
    PodStatusChanged: _pod_status,
    PodEvicted: lambda event: f"Pod {event.pod.pod_id} was evicted{_on(event.node, 'from')}",
    PodRestarted: lambda event: f"Pod {event.pod.pod_id} was replaced{_on(event.node, 'by a new one on')}",
    PodPlaced: _placed,
    PodMoved: _moved,
    PodVanished: lambda event: f"Pod {event.pod.pod_id} is gone, last seen {event.last_status or 'without a status'}",
    WatchBlind: lambda event: f"We cannot see source {event.source}",
    WatchRecovered: lambda event: f"We see source {event.source} again",
    WatchBehind: lambda event: f"The request budget of source {event.source} is too small",
    WatchCaughtUp: lambda event: f"All jobs of source {event.source} are looked at in time again",
    RuleFailed: lambda event: f"Rule {event.rule} failed",
    DeadlinePassed: lambda event: f"Deadline of rule {event.rule} passed",
}
"""One sentence for each type of event. A test holds it equal to `EVENT_TYPES`."""


def sentence(event: Event) -> str:
    """What happened, in one line of plain words, without the job's name."""
    return _SENTENCES[type(event)](event)


_FACTS: Final[tuple[tuple[str, str], ...]] = (
    ("reason_code", "Reason"),
    ("new_code", "Reason"),
    ("level", "Restart level"),
    ("reason", "Restart reason"),
    ("result", "Result"),
    ("fail_reason", "Why it failed"),
    ("took", "Restart took"),
    ("culprit_node", "Culprit node"),
    ("culprit_pod", "Culprit pod"),
    ("error_code", "Error code"),
    ("error_message", "Error message"),
    ("role", "Role"),
    ("node", "Node"),
    ("ip", "Address"),
    ("old_node", "Node before"),
    ("old_ip", "Address before"),
    ("exit_code", "Exit code"),
    ("confidence", "Confidence"),
    ("unread", "Could not read"),
    ("rule", "Rule"),
    ("error", "Error"),
)
"""Members of events that are worth showing under a label, in this order; the sentence has the rest."""


def facts(event: Event) -> Facts:
    """What else the event tells, as label and value; nothing that is empty."""
    held = [(label, getattr(event, member, None)) for member, label in _FACTS]
    found = [(label, _shown(value)) for label, value in held if value is not None]
    pod = pod_of(event)
    if pod is not None:
        found.insert(0, ("Pod", pod.pod_id))
    return tuple((label, value) for label, value in found if value)


def _shown(value: object) -> str:
    return spell_duration(value) if isinstance(value, timedelta) else str(value)


def detail(event: Event) -> str:
    """The longer text an event carries: DLC's reason message, an excerpt of a log, or ""."""
    texts = (getattr(event, name, "") for name in ("reason_message", "new_message", "excerpt"))
    return str(next(filter(None, texts), ""))


@dataclass(frozen=True, slots=True)
class DeclaredRule:
    """A rule of which everything is in the configuration. Build it with `declared_rule`."""

    name: str
    on: tuple[type[Event], ...]
    severity: Severity = Severity.INFO
    summary: Summary | None = None
    passage: Passage | None = None
    once_per: tuple[str, ...] = ()
    threshold: Threshold | None = None
    Options: ClassVar[type[RuleOptions]] = NoOptions

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Say it, now or when the job has stayed."""
        passage = self.passage
        if passage is None:
            yield self._said(event, context, sentence(event))
        elif isinstance(event, JobStatusChanged):
            if note := passage.mismatch(event):
                yield Silence(note)
            elif passage.dwell is None:
                yield self._said(event, context, sentence(event))
            else:
                yield Deadline(_KEY, event.when.at + passage.dwell)
        elif passage.dwell is not None:
            yield self._stayed(event, context, passage, passage.dwell)

    def _stayed(self, event: Event, context: Context, passage: Passage, dwell: timedelta) -> Intent:
        """About a job that was found in a state, or whose time has come."""
        if context.job is None or not passage.holds(context):
            return Silence("it is in no such state" if context.job is None else f"it is {context.job.status}")
        if isinstance(event, DeadlinePassed):
            length = spell_duration(context.now - event.due_at + dwell)
            return self._said(event, context, f"{context.job.status} for {length}")
        since = passage.entered_at(event, context)
        return Silence("its time runs already") if since is None else Deadline(_KEY, since + dwell)

    def _said(self, event: Event, context: Context, words: str) -> Notify:
        headline = words if self.summary is None else self.summary.text(event, context)
        labels = labels_of(event, context.job, context.wishes.owner) if self.once_per else {}
        # A label with two meanings counts by the first that is known: the id.
        values = [next((value for value in labels.get(label, ()) if value), "") for label in self.once_per]
        return Notify(
            headline=headline,
            facts=facts(event),
            detail=detail(event),
            dedup_key="\x1f".join(("once per", *values)) if self.once_per else "",
            across_jobs=bool(self.once_per),
        )


def declared_rule(
    name: str,
    on: Collection[str],
    severity: Severity = Severity.INFO,
    summary: Summary | None = None,
    *,
    passage: Passage | None = None,
    once_per: Collection[str] = (),
    threshold: Threshold | None = None,
) -> Rule:
    """A rule on these event kinds.

    Args:
        name: what it is called.
        on: event kinds.
        severity: how loud it is.
        summary: its headline; None for the default words.
        passage: of the changes of status, those that are meant. With `dwell`, jobs found in such a state count as well.
        once_per: labels; what has the same values of them is told once, ever, whichever jobs it is about.
        threshold: how many of the same make it speak; None: each is told. Not with `dwell` or `once_per`.

    Raises:
        ValueError: no kind is given, or one that does not exist or cannot be listened to; or the passage is not one.
    """
    if not on:
        raise ValueError(f"rule {name!r} listens to nothing; name at least one event kind in 'on'")
    for kind in on:
        if kind not in LISTENABLE:
            raise ValueError(f"there is no event kind {kind!r} to listen to; there are {', '.join(sorted(LISTENABLE))}")
    if threshold is not None and (once_per or (passage is not None and passage.dwell is not None)):
        raise ValueError("count: says itself when it is told again, and goes with neither for nor once_per")
    kinds = tuple(LISTENABLE[kind] for kind in dict.fromkeys(on))
    if passage is not None:
        for key, fault in passage_faults(on, passage):
            raise ValueError(f"{key}: {fault}")
        kinds += SIGHTS if passage.dwell is not None else ()
    # The protocol speaks of classes, where these members are class variables; here each rule is an instance of one class.
    return cast("Rule", DeclaredRule(name, kinds, severity, summary, passage, tuple(once_per), threshold))


def passage_faults(on: Collection[str], passage: Passage) -> Iterator[tuple[str, str]]:
    """What is wrong with a passage, as the key it is written under and a sentence. Unknown states are among it."""
    given = {"from": bool(passage.origins), "to": bool(passage.goals), "for": passage.dwell is not None}
    if any(kind != _STATUS_CHANGED for kind in on):
        for key in (key for key, there in given.items() if there):
            yield (
                key,
                f"is about changes of status and goes with {_STATUS_CHANGED} alone; give other kinds a rule of their own",
            )
    if given["for"] and not given["to"]:
        yield "for", 'says how long the job must stay in a state; name the state with "to"'
    if given["for"] and given["from"]:
        yield "from", 'does not go with "for", which asks how long a job has been somewhere and not where it came from'
    for key, words in (("from", passage.origins), ("to", passage.goals)):
        for word in words:
            if word not in STATES:
                yield key, f"there is no status or phase {word!r}"


_STATUS_CHANGED: Final = kind_of(JobStatusChanged)

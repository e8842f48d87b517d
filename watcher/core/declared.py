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

from watcher.core.catalog import restarts
from watcher.core.cause_words import cause_in_words
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
from watcher.core.language import Moment, Said, Text, joined, say, spoken
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
    known,
)

LISTENABLE: Final[Mapping[str, type[Event]]] = MappingProxyType(
    {kind_of(event_type): event_type for event_type in EVENT_TYPES if event_type is not DeadlinePassed}
)
"""The kinds that `on` takes. A passed deadline goes only to the rule that set it."""

_KEY: Final = "stayed"


_NONE: Final = say("none", zh="无")
_UNKNOWN: Final = say("status unknown", zh="状态未知")
_NO_STATUS: Final = say("without a status", zh="无状态")


def _or_none(value: object) -> Text:
    return _NONE if value is None or value == "" else str(value)


def _change(old: object, new: object) -> Text:
    return say("{old} -> {new}", zh="{old} -> {new}", old=_or_none(old), new=_or_none(new))


def _corrected(event: JobHistoryCorrected) -> Text:
    return say(
        "DLC dates the change to {status} to {at}",
        zh="DLC 将变为 {status} 的时间记为 {at}",
        status=_or_none(event.status),
        at=Moment(event.occurred_at, seconds=True),
    )


def _reason(event: JobReasonChanged) -> Text:
    if event.old_code != event.new_code:
        return say("Reason {change}", zh="原因 {change}", change=_change(event.old_code, event.new_code))
    if event.new_code:
        return say("New reason message ({code})", zh="新的原因说明（{code}）", code=event.new_code)
    return say("New reason message", zh="新的原因说明")


def _restarted(event: JobRestarted) -> Text:
    count = restarts(RestartCount(used=event.used, limit=event.limit))
    if event.count == 1:
        return say("Restart {count}", zh="第 {count} 次重启", count=count)
    return say("{n} restarts at once, now {count}", zh="连续 {n} 次重启，累计 {count} 次", n=event.count, count=count)


def _explained(event: JobRestartExplained) -> Text:
    what = (
        say("Restart of pod {pod}", zh="实例 {pod} 的重启", pod=event.pod_id)
        if event.pod_id
        else say("Restart {n}", zh="第 {n} 次重启", n=_or_none(event.used))
    )
    took: Text = "" if event.took is None else say("took {took}", zh="耗时 {took}", took=event.took)
    told = [part for part in (event.reason or event.error_code, event.result, took) if part]
    if not told:
        return say("{what} has a record now", zh="{what}已有记录", what=what)
    return say("{what}: {told}", zh="{what}：{told}", what=what, told=joined(told))


def _reserved(event: JobReservationDecided) -> Text:
    until: Text = ""
    if event.held_until is not None:
        at = Moment(event.held_until, seconds=True)
        until = say(" until {at} at the latest", zh="，最迟到 {at}", at=at)
    return say(
        "The job {result}; its machines are held{until}",
        zh="作业结果：{result}；机器仍被保留{until}",
        result=event.result,
        until=until,
    )


def _scaled(event: JobScaled) -> Text:
    asked = event.measure == "asked"
    return say(
        "{role}: {old} -> {new} pods asked for" if asked else "{role}: {old} -> {new} pods",
        zh="{role}：申请实例 {old} -> {new}" if asked else "{role}：实例 {old} -> {new}",
        role=event.role or _JOB,
        old=_or_none(event.old_count),
        new=_or_none(event.new_count),
    )


_JOB: Final = say("Job", zh="作业")


def _queue(event: JobQueueChanged) -> Text:
    counts = (
        (say("active", zh="运行"), event.old_active, event.new_active),
        (say("queuing", zh="排队"), event.old_queuing, event.new_queuing),
        (say("dequeued", zh="出队"), event.old_dequeued, event.new_dequeued),
    )
    changes = [
        say("{name} {change}", zh="{name} {change}", name=name, change=_change(old, new))
        for name, old, new in counts
        if old != new
    ]
    return say("{role}: {changes}", zh="{role}：{changes}", role=event.role or _JOB, changes=joined(changes))


def _ended(english: str, chinese: str) -> Callable[[Any], Text]:
    def ended(event: Any) -> Text:
        if event.lived is None:
            return say(english, zh=chinese)
        return say(f"{english} after {{lived}}", zh=f"{chinese}，历时 {{lived}}", lived=event.lived)

    return ended


def _pod_status(event: PodStatusChanged) -> Text:
    if event.old_status != event.new_status:
        change = _change(event.old_status, event.new_status)
        return say("Pod {pod}: {change}", zh="实例 {pod}：{change}", pod=event.pod.pod_id, change=change)
    return say(
        "Pod {pod}: sub-status {change}",
        zh="实例 {pod}：子状态 {change}",
        pod=event.pod.pod_id,
        change=_change(event.old_sub_status, event.new_sub_status),
    )


def _evicted(event: PodEvicted) -> Text:
    node: Text = say(" from node {node}", zh="（节点 {node}）", node=event.node) if event.node else ""
    return say("Pod {pod} was evicted{node}", zh="实例 {pod} 被驱逐{node}", pod=event.pod.pod_id, node=node)


def _replaced(event: PodRestarted) -> Text:
    node: Text = say(" by a new one on node {node}", zh="，新实例在节点 {node}", node=event.node) if event.node else ""
    return say("Pod {pod} was replaced{node}", zh="实例 {pod} 已被替换{node}", pod=event.pod.pod_id, node=node)


def _placed(event: PodPlaced) -> Text:
    if event.node:
        return say(
            "Pod {pod} got node {node}", zh="实例 {pod} 分配到节点 {node}", pod=event.pod.pod_id, node=event.node
        )
    return say("Pod {pod} got address {ip}", zh="实例 {pod} 获得地址 {ip}", pod=event.pod.pod_id, ip=_or_none(event.ip))


def _moved(event: PodMoved) -> Text:
    old, new = (event.old_node, event.node) if event.old_node != event.node else (event.old_ip, event.ip)
    return say(
        "Pod {pod} moved: {change}", zh="实例 {pod} 已迁移：{change}", pod=event.pod.pod_id, change=_change(old, new)
    )


def _activity(event: JobActivityChecked) -> Text:
    since: Text = say(" since {at}", zh="（自 {at} 起）", at=event.since) if event.since else ""
    looked = (
        (say("events", zh="事件"), event.events_read, event.events_seen),
        (say("logs", zh="日志"), event.logs_read, event.logs_seen),
    )
    told = [
        say(
            "{what} told of something" if seen else "{what} silent",
            zh="{what}有动静" if seen else "{what}无动静",
            what=what,
        )
        for what, read, seen in looked
        if read
    ]
    return say(
        "Activity{since}: {told}",
        zh="活动情况{since}：{told}",
        since=since,
        told=joined(told) if told else say("nothing could be read", zh="未能读取"),
    )


def _pod(english: str, chinese: str, status: str, otherwise: Said) -> Callable[[Any], Text]:
    """About a pod, with a status that it has or had."""
    return lambda event: say(english, zh=chinese, pod=event.pod.pod_id, status=getattr(event, status) or otherwise)


def _seen(english: str, chinese: str) -> Callable[[Any], Text]:
    return lambda event: say(english, zh=chinese, status=event.status or _UNKNOWN)


_SENTENCES: Final[Mapping[type[Event], Callable[[Any], Text]]] = {
    JobAppeared: _seen("First seen, {status}", "首次发现，{status}"),
    JobResumed: _seen("Watched again, {status}", "重新开始监控，{status}"),
    JobStatusChanged: lambda event: _change(event.old_status, event.new_status),
    JobHistoryCorrected: _corrected,
    JobSubStatusChanged: lambda event: say(
        "Sub-status {change}", zh="子状态 {change}", change=_change(event.old_sub_status, event.new_sub_status)
    ),
    JobReasonChanged: _reason,
    JobRestarted: _restarted,
    JobPriorityChanged: lambda event: say(
        "Priority {change}", zh="优先级 {change}", change=_change(event.old_priority, event.new_priority)
    ),
    JobRestartExplained: _explained,
    JobBiddingStarted: lambda _: say("Bidding for spot capacity", zh="正在竞价抢占式实例"),
    JobPreparationStarted: lambda _: say("Environment is being prepared", zh="正在准备环境"),
    JobSanityCheckStarted: lambda event: (
        say("Machines are checked after a restart", zh="重启后正在检查机器")
        if event.restart
        else say("Machines are checked", zh="正在检查机器")
    ),
    JobSanityCheckFailed: lambda event: say(
        "Check of the machines failed, now {status}", zh="机器检查未通过，当前 {status}", status=_or_none(event.status)
    ),
    JobReservationDecided: _reserved,
    JobScaled: _scaled,
    JobQueueChanged: _queue,
    JobSpotTypeChanged: lambda event: say(
        "{role}: spot type {old} -> {new}",
        zh="{role}：抢占类型 {old} -> {new}",
        role=event.role or _JOB,
        old=str(event.old_type),
        new=str(event.new_type),
    ),
    JobSucceeded: _ended("Succeeded", "成功"),
    JobFailed: _ended("Failed", "失败"),
    JobStopped: _ended("Stopped", "已停止"),
    JobVanished: lambda event: say(
        "DLC no longer knows this job, last seen {status}",
        zh="DLC 已查不到该作业，最后可见时状态为 {status}",
        status=event.last_status or _NO_STATUS,
    ),
    JobReappeared: _seen("DLC knows this job again, {status}", "DLC 又能查到该作业，{status}"),
    JobCauseFound: lambda event: say(
        "Likely cause: {cause}",
        zh="可能的失败原因：{cause}",
        cause=cause_in_words(event) if event.summary else str(event.fault_class),
    ),
    JobActivityChecked: _activity,
    PodAppeared: _pod("Pod {pod} appeared, {status}", "实例 {pod} 出现，{status}", "status", _UNKNOWN),
    PodStatusChanged: _pod_status,
    PodEvicted: _evicted,
    PodRestarted: _replaced,
    PodPlaced: _placed,
    PodMoved: _moved,
    PodVanished: _pod(
        "Pod {pod} is gone, last seen {status}", "实例 {pod} 已消失，最后状态 {status}", "last_status", _NO_STATUS
    ),
    WatchBlind: lambda event: say("We cannot see source {source}", zh="无法查看数据源 {source}", source=event.source),
    WatchRecovered: lambda event: say(
        "We see source {source} again", zh="已恢复查看数据源 {source}", source=event.source
    ),
    WatchBehind: lambda event: say(
        "The request budget of source {source} is too small", zh="数据源 {source} 的请求预算不足", source=event.source
    ),
    WatchCaughtUp: lambda event: say(
        "All jobs of source {source} are looked at in time again",
        zh="数据源 {source} 的所有作业已恢复按时查看",
        source=event.source,
    ),
    RuleFailed: lambda event: say("Rule {rule} failed", zh="规则 {rule} 执行出错", rule=event.rule),
    DeadlinePassed: lambda event: say("Deadline of rule {rule} passed", zh="规则 {rule} 的期限已到", rule=event.rule),
}
"""One sentence for each type of event. A test holds it equal to `EVENT_TYPES`."""


def told(event: Event) -> Text:
    """What happened, in one line of plain words for any reader, without the job's name."""
    return _SENTENCES[type(event)](event)


def sentence(event: Event) -> str:
    """The same in English and UTC."""
    return spoken(told(event))


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
    pod = pod_of(event)
    return known(
        ("Pod", "" if pod is None else pod.pod_id),
        *((label, value if isinstance(value, timedelta) else str(value)) for label, value in held if value is not None),
    )


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
            yield self._said(event, context, told(event))
        elif isinstance(event, JobStatusChanged):
            if note := passage.mismatch(event):
                yield Silence(note)
            elif passage.dwell is None:
                yield self._said(event, context, told(event))
            else:
                yield Deadline(_KEY, event.when.at + passage.dwell)
        elif passage.dwell is not None:
            yield self._stayed(event, context, passage, passage.dwell)

    def _stayed(self, event: Event, context: Context, passage: Passage, dwell: timedelta) -> Intent:
        """About a job that was found in a state, or whose time has come."""
        if context.job is None or not passage.holds(context):
            return Silence("it is in no such state" if context.job is None else f"it is {context.job.status}")
        if isinstance(event, DeadlinePassed):
            length = context.now - event.due_at + dwell
            words = say("{status} for {length}", zh="{status} 已 {length}", status=context.job.status, length=length)
            return self._said(event, context, words)
        since = passage.entered_at(event, context)
        return Silence("its time runs already") if since is None else Deadline(_KEY, since + dwell)

    def _said(self, event: Event, context: Context, words: Text) -> Notify:
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

"""Reminders of what is still wrong, and escalation of what nobody takes on: what is made of a call (`core.calls`) when it comes.

The trouble is looked at anew, as it is by then:

| the trouble                            | a reminder                         | an escalation          |
|----------------------------------------|------------------------------------|------------------------|
| has ended, or somebody took it on      | no more                            | no more                |
| does not go on, by the job as held     | no more; the trouble ends          | no more; likewise      |
| was told as part of larger news        | no more                            | no more                |
| the route does not want it any more    | no more                            | no more                |
| is muted at this time                  | at the end of the mute interval    | goes                   |
| its last word has not arrived yet      | an interval later                  | goes                   |
| another one about the same matter leads | an interval later                 | no more                |
| a silence covers it                    | recorded, and again in an interval | recorded               |
| goes on                                | now, and again in an interval      | now, once              |

What is owed has an id made from the trouble and the time it was called for, and the call is moved in the same transaction: two that
keep watch owe it once, and a crash changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from watcher.core.addressing import addressed
from watcher.core.calls import PART_OF_LARGER, Call, CallKind, live_routes
from watcher.core.consequence import Book, Consequences
from watcher.core.delivery import TERMINAL_STATES, DeliveryReason, DeliveryState
from watcher.core.events import deterministic_id
from watcher.core.grouping import owe
from watcher.core.language import Said, line_of, say, spoken
from watcher.core.model import JobSnapshot
from watcher.core.muting import muted_until
from watcher.core.ongoing import Ongoing, holds
from watcher.core.routing import Route
from watcher.core.rule import Facts, Notification, NotificationId, Occasion, RuleDeadline, Severity, Wording
from watcher.core.silencing import silenced
from watcher.core.trouble import Trouble, TroubleEnd, aged

_STILL: Final[Mapping[Ongoing, Said]] = MappingProxyType(
    {
        Ongoing.WAITING: say("Still waiting, {length} on: {said}", zh="已过 {length}，仍在排队：{said}"),
        Ongoing.STARTING: say("Still starting, {length} on: {said}", zh="已过 {length}，仍在启动：{said}"),
        Ongoing.DOWN: say("Still not running again, {length} on: {said}", zh="已过 {length}，仍未恢复运行：{said}"),
        Ongoing.OVERLONG: say("Still running, {length} on: {said}", zh="已过 {length}，仍在运行：{said}"),
        Ongoing.SILENT: say("Still silent, {length} on: {said}", zh="已过 {length}，仍无动静：{said}"),
        Ongoing.POD_LOST: say(
            "The pod is still missing, {length} on: {said}", zh="已过 {length}，实例仍未恢复：{said}"
        ),
        Ongoing.PODS_WAITING: say(
            "Pods are still waiting, {length} on: {said}", zh="已过 {length}，仍有实例在等待：{said}"
        ),
        Ongoing.HELD: say("Machines are still held, {length} on: {said}", zh="已过 {length}，机器仍被占用：{said}"),
        Ongoing.FAILED: say(
            "Still failed, {length} ago, and nobody is on it: {said}", zh="{length}前失败，仍无人处理：{said}"
        ),
        Ongoing.VANISHED: say(
            "Gone for {length}, and nobody is on it: {said}", zh="消失已 {length}，仍无人处理：{said}"
        ),
        Ongoing.BLIND: say("Still blind, {length} on: {said}", zh="已过 {length}，仍无法看到作业：{said}"),
        Ongoing.UNANSWERED: say("Not answered for {length}: {said}", zh="已过 {length}，仍无人响应：{said}"),
    }
)
"""How a reminder begins; `said` is the headline of the news."""

_ESCALATED: Final = say("Nobody has answered for {length}: {said}", zh="已过 {length}，无人响应：{said}")
_TAKE_ON: Final = say(
    "To take it on, which ends this: dlc-watcher ack {which}", zh="认领后不再提醒：dlc-watcher ack {which}"
)


@dataclass(frozen=True, slots=True)
class Told:
    """One delivery of a trouble's news, or of a reminder, to the receiver of a call."""

    state: DeliveryState
    reason: DeliveryReason


def answer(
    call: RuleDeadline,
    trouble: Trouble | None,
    told: Sequence[Told],
    job: JobSnapshot | None,
    *,
    book: Book,
    now: datetime,
) -> Consequences:
    """What is made of a call that has come. The call itself has passed with it; where it comes again, that is among the deadlines.

    Args:
        call: which.
        trouble: as the store holds it; None when it is not there any more.
        told: what its receiver was told of it so far, oldest first.
        job: whose trouble it is, as it is held; None where it is about none, or nothing is held of it.
        book: what the configuration says about telling, and what else is open.
        now: now.
    """
    if trouble is None or trouble.ended_at is not None:
        return Consequences()
    if aged(trouble, now):
        return Consequences(troubles=(trouble.ended(TroubleEnd.AGED, now),))
    if job is not None and not holds(trouble.ongoing, job, trouble.notification.pod_id):
        return Consequences(troubles=(trouble.ended(TroubleEnd.OVER, now),))
    meant = Call.parse(call.key)
    route = next((one for one in live_routes(trouble, book.tree) if one.receiver == meant.receiver), None)
    part_of_larger = any(one.reason in PART_OF_LARGER for one in told[:1])
    if trouble.acknowledged_at is not None or route is None or part_of_larger:
        return Consequences()
    if meant.kind is CallKind.REMIND:
        return _reminded(call, trouble, told, route, book=book, now=now)
    return _escalated(trouble, meant, route, book=book, now=now)


def _reminded(
    call: RuleDeadline, trouble: Trouble, told: Sequence[Told], route: Route, *, book: Book, now: datetime
) -> Consequences:
    if not route.repeat_interval:
        return Consequences()
    loud = trouble.severity.value in route.mute_except
    quiet_until = None if loud else muted_until(route.mute, now)
    again = replace(call, at=quiet_until or now + route.repeat_interval)
    on_the_way = any(one.state not in TERMINAL_STATES for one in told)

    def reminds(other: Route) -> bool:
        return other.receiver == route.receiver and bool(other.repeat_interval)

    if quiet_until is not None or on_the_way or not _leads(trouble, book, reminds):
        return Consequences(deadlines=(again,))
    key = ("reminder", route.receiver, call.at.isoformat())
    said = _again(trouble, _STILL[trouble.ongoing], Occasion.REMINDER, key=key, now=now)
    return _owed(said, route, book, now, deadlines=(again,))


def _leads(trouble: Trouble, book: Book, tells: Callable[[Route], bool]) -> bool:
    """Whether this is the one that is told, of the open troubles about the same matter: the loudest, then the first."""
    rivals = [
        one
        for one in book.troubles
        if one.matter == trouble.matter and one.waits_for_answer and any(map(tells, live_routes(one, book.tree)))
    ]
    order = tuple(Severity)
    return trouble.id == min((trouble, *rivals), key=lambda one: (-order.index(one.severity), one.opened_at, one.id)).id


def _escalated(trouble: Trouble, meant: Call, route: Route, *, book: Book, now: datetime) -> Consequences:
    def escalates(other: Route) -> bool:
        return any(step.to == meant.to for step in other.escalate)

    if not escalates(route) or not _leads(trouble, book, escalates):
        return Consequences()
    facts: Facts = (("Told first", meant.receiver), *trouble.notification.for_readers.facts)
    said = _again(trouble, _ESCALATED, Occasion.ESCALATION, key=("escalation", meant.to), now=now, facts=facts)
    second = Route(
        path=f"{route.path}.escalate", receiver=meant.to, group_by=route.group_by, urgent=(Severity.CRITICAL.value,)
    )
    return _owed(said, second, book, now)


def _again(
    trouble: Trouble,
    sentence: Said,
    occasion: Occasion,
    *,
    key: Iterable[object],
    now: datetime,
    facts: Facts = (),
) -> Notification:
    """The trouble's news once more, in other words. Who had it before needs none of its facts again."""
    first = trouble.notification
    wording = Wording(
        headline=say(sentence.en, sentence.zh, length=now - trouble.since, said=first.for_readers.headline),
        facts=facts,
        detail=say(_TAKE_ON.en, _TAKE_ON.zh, which=trouble.id if trouble.job is None else str(trouble.job.job_id)),
    )
    return replace(
        first,
        id=NotificationId(deterministic_id("notification", trouble.id, *key)),
        headline=line_of(wording.headline),
        facts=tuple((spoken(label), spoken(value)) for label, value in wording.facts),
        detail=spoken(wording.detail),
        at=now,
        observed_at=now,
        away=None,
        wording=wording,
        occasion=occasion,
        about=trouble.id,
    )


def _owed(
    said: Notification, route: Route, book: Book, now: datetime, deadlines: tuple[RuleDeadline, ...] = ()
) -> Consequences:
    delivery = silenced(addressed(owe(route, said, now), route, book.people), book.silencings, now)
    return Consequences(notifications=(said,), deliveries=(delivery,), deadlines=deadlines)

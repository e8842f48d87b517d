"""Whom a delivery is for at its receiver: whoever reads it, or the job's owner, alone or by name.

News for one person alone is a group and a thread of its own beside that of the receiver's own place: what two people are told never
leaves in one message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from watcher.core.delivery import Delivery, DeliveryState
from watcher.core.events import deterministic_id
from watcher.core.language import Text, line_of, say, spoken
from watcher.core.people import Address, Directory, Person, claimed
from watcher.core.routing import Route
from watcher.core.rule import Notification, NotificationId, Severity, Wording

RULE: Final = "owners"
"""Under this name the directory itself speaks, of owners it does not know."""
KIND: Final = "owner.unknown"
"""The kind of that news."""

_MISSING: Final = say(
    "News for them goes to the receiver of the route instead. Add them under `owners` in the configuration; `dlc-watcher owners` "
    "lists all that are missing.",
    zh="相关通知已改发到路由的接收者。请在配置的 `owners` 中补充；`dlc-watcher owners` 可列出所有缺失者。",
)


def addressed(delivery: Delivery, route: Route, people: Directory) -> Delivery:
    """The delivery as it was, or for the owner of its job where the route wants that.

    Args:
        delivery: as it would be owed.
        route: the route it is owed by.
        people: all known owners.
    """
    said = delivery.notification
    by_name = said.severity.value in route.mention
    if said.job is None or said.across_jobs or not (route.to_owner or by_name):
        return delivery
    owner = people.owner(dict(said.labels))
    if owner is None:
        return replace(delivery, address=Address.UNKNOWN, person=claimed(dict(said.labels)))
    if not route.to_owner:
        return replace(delivery, address=Address.MENTION, person=owner.name)
    return replace(
        delivery,
        address=Address.DIRECT,
        person=owner.name,
        group_key=f"{delivery.group_key} for {owner.name}",
        thread_key=f"{delivery.thread_key} for {owner.name}",
    )


def unknown_owners(deliveries: Iterable[Delivery]) -> Iterator[Notification]:
    """One notice for each owner that was meant and is not in the directory. The same owner makes the same id: it is told once."""
    told = set()
    for delivery in deliveries:
        said = delivery.notification
        if delivery.address is not Address.UNKNOWN or delivery.state is not DeliveryState.PENDING or said.job is None:
            continue
        who: Text = delivery.person
        if not who:
            who = say(
                "jobs of {source} that name nobody", zh="{source} 中未注明归属的作业", source=str(said.job.source)
            )
        if str(who) in told:
            continue
        told.add(str(who))
        kept = {"source", "owner", "user", "workspace"}
        wording = Wording(
            headline=say("Not in the directory of owners: {who}", zh="所有者名录中没有：{who}", who=who),
            facts=(("First job", str(said.job)),),
            detail=_MISSING,
        )
        yield Notification(
            id=NotificationId(deterministic_id("notification", RULE, str(who))),
            rule=RULE,
            severity=Severity.WARNING,
            headline=line_of(wording.headline),
            facts=tuple((spoken(label), spoken(value)) for label, value in wording.facts),
            detail=spoken(wording.detail),
            event_id=said.event_id,
            kind=KIND,
            at=said.observed_at,
            observed_at=said.observed_at,
            job=None,
            cause=said.cause,
            wording=wording,
            labels=(
                ("kind", (KIND,)),
                ("rule", (RULE,)),
                ("severity", (Severity.WARNING.value,)),
                *((label, values) for label, values in said.labels if label in kept),
            ),
        )


@dataclass(frozen=True, slots=True)
class Addressee:
    """Who a delivery is for, as the configuration knows them now.

    Attributes:
        person: who, or None for whoever reads the receiver.
        alone: nobody else is told.
        missing: why the owner that was meant is not reached; "" where nobody was meant, or they are.
    """

    person: Person | None = None
    alone: bool = False
    missing: Text = ""


def addressee(delivery: Delivery, people: Directory, reaches: str) -> Addressee:
    """Who it is for.

    Args:
        delivery: what is owed.
        people: all known owners.
        reaches: which address of a person the receiver needs: `slack`, `mail`, or "" where it needs none.
    """
    if delivery.address is Address.PLACE:
        return Addressee()
    if delivery.address is Address.UNKNOWN:
        if not delivery.person:
            return Addressee(missing=say("not known: the job names nobody", zh="未知：作业未注明归属"))
        return Addressee(
            missing=say("not known: {who} is not in the directory", zh="未知：名录中没有 {who}", who=delivery.person)
        )
    person = people.named(delivery.person)
    if person is None:
        gone = say("{who}, who is in the directory no more", zh="{who}，已不在名录中", who=delivery.person)
        return Addressee(missing=gone)
    if reaches and not getattr(person, reaches):
        told = say(
            "{who}, of whom the directory has no {what}", zh="{who}，名录中没有其 {what}", who=person.name, what=reaches
        )
        return Addressee(missing=told)
    return Addressee(person, delivery.address is Address.DIRECT)

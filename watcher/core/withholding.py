"""What is decided and recorded, and not sent, or not yet: the row that says why, in place of the message.

A rule or a route in shadow is a trial: all that it would have told is owed as a row that is settled from the start. Such a row has
an id of its own: the day the trial ends the same news can still be sent, and a trial beside a live route to the same receiver takes
nothing away from it.

What a route would tell in one of its mute intervals waits for the end of it. All that waits for the same end goes out as one
message to the receiver, in a thread of its own.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from watcher.core.delivery import Delivery, DeliveryId, DeliveryReason, DeliveryState
from watcher.core.events import deterministic_id
from watcher.core.muting import muted_until
from watcher.core.routing import Route


def withheld(delivery: Delivery, reason: DeliveryReason, note: str, now: datetime) -> Delivery:
    """The delivery, settled without being sent.

    Args:
        delivery: as it would have been owed.
        reason: why it is not sent.
        note: the same in words, for people.
        now: now.
    """
    return replace(delivery, state=DeliveryState.WITHHELD, reason=reason, settled_at=now, error=note)


def in_shadow(delivery: Delivery, route: Route, now: datetime, *, rule_is: bool) -> Delivery:
    """The delivery as it was, or withheld because its rule or its route is in shadow.

    Args:
        delivery: as it would be owed.
        route: the route it is owed by.
        now: now.
        rule_is: whether the rule that spoke is in shadow.
    """
    if not rule_is and not route.shadow:
        return delivery
    said = delivery.notification
    own = replace(delivery, id=DeliveryId(deterministic_id("delivery", said.id, delivery.receiver, "shadow")))
    who = f"rule {said.rule}" if rule_is else route.path
    return withheld(own, DeliveryReason.SHADOW, f"{who} is in shadow", now)


def held(delivery: Delivery, route: Route) -> Delivery:
    """The delivery as it was, or put off to the end of the mute interval in which it would leave."""
    if delivery.state is not DeliveryState.PENDING or delivery.notification.severity.value in route.mute_except:
        return delivery
    until = muted_until(route.mute, delivery.not_before)
    if until is None:
        return delivery
    group = f"muted until {until.isoformat(timespec='minutes')}"
    return replace(
        delivery,
        reason=DeliveryReason.MUTED,
        not_before=until,
        apart=timedelta(0),
        group_key=group,
        thread_key=f"group:{group}",
    )

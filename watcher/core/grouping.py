"""What is said together: the group and the thread a notification joins, and when its group may speak.

A group is named by the values of the route's `group_by` labels. It collects for `group_wait` from its first waiting notification
on, then everything waiting in it goes out as one message. Having spoken, it waits for `group_interval` before it speaks of further
news. Grouping by job (the default) makes the group the job's own thread; grouping by anything wider makes one thread for the group.

Urgent news that is alone leaves at once and takes along what waits in its group. It is not alone where its group has spoken less
than `group_wait` ago: then it collects for the rest of that time, with what else comes. So a burst of urgent news is one message
at once and then one for each `group_wait`, and no urgent news ever waits longer than that.

All this is two members of a delivery, which whoever decides whose turn it is (`watcher.store.queue`) holds against the time at
which the group last spoke: `not_before`, and `apart`, the least time from then on.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from watcher.core.delivery import Delivery, DeliveryId
from watcher.core.events import deterministic_id
from watcher.core.routing import Route
from watcher.core.rule import Notification


def group_key(route: Route, notification: Notification) -> str:
    """The name of the group this notification joins at this route: readable, and unambiguous through the quotes.

    Where groups are no wider than a job, news about many jobs is in no job's group, but in that of its own course.
    """
    if notification.about_many and "job" in route.group_by:
        return f"{route.path}{{{notification.rule}={notification.series!r}}}"
    labels = dict(notification.labels)
    values = ",".join(f"{label}={'|'.join(filter(None, labels.get(label, ())))!r}" for label in route.group_by)
    return f"{route.path}{{{values}}}"


def thread_key(route: Route, notification: Notification) -> str:
    """One thread for each job where groups are no wider than a job; else, and for news about many jobs, one for each group."""
    if notification.job is not None and "job" in route.group_by and not notification.about_many:
        return f"job:{notification.job}"
    return f"group:{group_key(route, notification)}"


def owe(route: Route, notification: Notification, now: datetime, hold: timedelta = timedelta(0)) -> Delivery:
    """The delivery that this notification makes at this route. The same notification and receiver make the same id.

    Args:
        route: where it goes.
        notification: what was said.
        now: now.
        hold: how long it waits at least, because it may turn out to be part of larger news.
    """
    urgent = notification.severity.value in route.urgent
    return Delivery(
        id=DeliveryId(deterministic_id("delivery", notification.id, route.receiver)),
        receiver=route.receiver,
        notification=notification,
        group_key=group_key(route, notification),
        thread_key=thread_key(route, notification),
        not_before=now + max(timedelta(0) if urgent else route.group_wait, hold),
        apart=route.group_wait if urgent else route.group_interval,
        created_at=now,
    )

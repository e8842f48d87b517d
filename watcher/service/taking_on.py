"""Taking on what is wrong, by the name people give it: for the command, and for other programs."""

from __future__ import annotations

from datetime import datetime

from watcher.core.model import JobRef
from watcher.core.rule import NotificationId
from watcher.core.trouble import Trouble
from watcher.errors import NothingToTakeOn, WatcherError
from watcher.ports.store import Store


async def find_job(store: Store, wanted: str, *, also: str = "") -> JobRef:
    """The job that a person means: by source/id, by id, or by a name that only one job has.

    Args:
        store: where to look.
        wanted: what the person wrote.
        also: what else it is not, to be said when no job fits.

    Raises:
        WatcherError: no job fits, or several do.
    """
    watches = await store.watches(live_only=False)
    for key in (lambda w: str(w.snapshot.ref), lambda w: str(w.snapshot.ref.job_id), lambda w: w.snapshot.name):
        matching = [watch.snapshot.ref for watch in watches if key(watch) == wanted]
        if len(matching) == 1:
            return matching[0]
        if matching:
            raise WatcherError(
                f"{wanted!r} fits {len(matching)} jobs: {', '.join(map(str, sorted(matching)))}; name one of them"
            )
    neither = f", and {also}" if also else ""
    raise WatcherError(f"no job {wanted!r} has been seen{neither}; `dlc-watcher jobs --all` lists those that were")


async def take_on(store: Store, which: str, *, at: datetime, by: str, comment: str) -> tuple[Trouble, ...]:
    """Take on the trouble of that notification, or all that is open of that job. Returns what was taken on, as it is now.

    Raises:
        NothingToTakeOn: nothing about it is open, or somebody took it on before.
        WatcherError: no job and no notification is meant by that.
    """
    meant = await store.troubles(open_only=False, trouble_id=NotificationId(which))
    if not meant:
        job = await find_job(store, which, also="no notification of something that goes on has this id either")
        meant = await store.troubles(job=job) or await store.troubles(open_only=False, job=job)
    taken = [one for one in meant if await store.acknowledge(one.id, at, by, comment)]
    if not taken:
        raise NothingToTakeOn(_nothing(which, meant))
    alike = {one.matter for one in taken}
    after = [await store.troubles(open_only=False, trouble_id=one.id) for one in meant if one.matter in alike]
    return tuple(one for found in after for one in found)


def _nothing(which: str, meant: tuple[Trouble, ...]) -> str:
    """Why there is nothing to take on."""
    for one in reversed(meant):
        if one.acknowledged_at is not None:
            return f"{which!r} was taken on already, by {one.acknowledged_by} at {_time(one.acknowledged_at)}"
    if meant:
        return f"{which!r} ended at {_time(meant[-1].ended_at)} ({meant[-1].end}); nothing is left to take on"
    return f"nothing is wrong with {which!r} that could be taken on; `dlc-watcher troubles` shows what is"


def _time(at: datetime | None) -> str:
    return "" if at is None else at.isoformat(sep=" ", timespec="seconds")

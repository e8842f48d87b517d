"""Which job a person means."""

from __future__ import annotations

from watcher.core.model import JobRef
from watcher.errors import WatcherError
from watcher.ports import Store


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

"""Reading commands: jobs, events, the story of a job, deliveries. They read the store and ask DLC nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, StoreOption, print_json, store_url

if TYPE_CHECKING:
    from watcher.core.model import JobRef, Watch
    from watcher.ports.store import Store, StoryLine

T = TypeVar("T")


def read_store(url: str, question: Callable[[Store], Awaitable[T]]) -> T:
    """Open the store for reading only, ask, and close it."""
    import anyio

    from watcher.store import open_store

    async def ask() -> T:
        store = open_store(url, read_only=True)
        await store.open()
        try:
            return await question(store)
        finally:
            await store.aclose()

    return anyio.run(ask)


def write_beside(url: str, work: Callable[[Store], Awaitable[T]]) -> T:
    """Open the store for a word, beside a watcher that may run, and close it."""
    import anyio

    from watcher.store import open_store

    async def ask() -> T:
        store = open_store(url, beside=True)
        await store.open()
        try:
            return await work(store)
        finally:
            await store.aclose()

    return anyio.run(ask)


def this_user() -> str:
    """Who types, for the record of who said what."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user in a container
        return "somebody"


def shown_time(value: datetime | None) -> str:
    """A time in the reader's own zone; "" for none."""
    return "" if value is None else value.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def jobs(
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Ended jobs too.")] = False,
    json: JsonOption = False,
) -> None:
    """The jobs under watch, as last seen."""
    from watcher.cli.terminal import print_table
    from watcher.core.codec import plain

    watches = read_store(store_url(config, store), lambda store: store.watches(live_only=not everything))
    if json:
        print_json([plain(watch) for watch in watches])
        return
    print_table(
        ("JOB", "NAME", "STATUS", "SINCE", "RESTARTS", "QUOTA", "USER", "LAST NEWS"),
        (
            (
                watch.snapshot.ref,
                watch.snapshot.name,
                "vanished" if watch.vanished else watch.snapshot.status,
                shown_time(watch.phase_since),
                watch.snapshot.restarts,
                watch.snapshot.quota_name or watch.snapshot.quota_id,
                watch.snapshot.user_name or watch.snapshot.user_id,
                shown_time(watch.snapshot.observed_at),
            )
            for watch in watches
        ),
        empty="No jobs under watch." if not everything else "No jobs have been seen.",
    )


def events(
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    job: Annotated[
        str | None, typer.Option("--job", help="Only this job: its id, or source/id.", metavar="JOB")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Only events of this kind; may be repeated.", metavar="KIND")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many of the newest.")] = 50,
    json: JsonOption = False,
) -> None:
    """What happened, in the order it was seen."""
    from watcher.cli.terminal import print_table
    from watcher.core.codec import plain
    from watcher.core.declared import sentence
    from watcher.core.events import KINDS, job_of

    if unknown := sorted(set(kind or ()) - KINDS):
        raise typer.BadParameter(
            f"unknown kind {unknown[0]!r}; there are: {', '.join(sorted(KINDS))}", param_hint="--kind"
        )

    async def question(store: Store) -> Any:
        ref = None if job is None else await find_job(store, job)
        return await store.events(job=ref, kinds=frozenset(kind or ()), limit=limit)

    found = read_store(store_url(config, store), question)
    if json:
        print_json([plain(event) for event in found])
        return
    print_table(
        ("WHEN", "JOB", "KIND", "WHAT"),
        ((shown_time(event.when.at), job_of(event) or "", event.kind, sentence(event)) for event in found),
        empty="No such events.",
    )


def story(
    job: Annotated[str, typer.Argument(help="The job's id, source/id, or its name.", metavar="JOB")],
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Line by line: long rows of one kind, and why each rule was silent.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Everything about one job: its attempts, and in order what was seen, what followed, who spoke or why not, and what arrived."""
    from watcher.cli.terminal import console, safe

    async def question(store: Store) -> tuple[JobRef, Watch | None, tuple[StoryLine, ...]]:
        ref = await find_job(store, job)
        return ref, await store.watch(ref), await store.story(ref)

    from watcher.core.attempts import attempts

    ref, watch, lines = read_store(store_url(config, store), question)
    lived = () if watch is None else attempts(watch.snapshot, watch.course)
    if json:
        from watcher.core.codec import plain

        print_json(
            {
                "job": str(ref),
                "attempts": [plain(attempt) for attempt in lived],
                "story": [plain(line) for line in lines],
            }
        )
        return
    from watcher.cli.words import attempt_words, story_told

    out = console()
    out.print(safe(f"{ref}"), style="bold")
    for attempt in lived:
        out.print(safe(attempt_words(attempt, shown_time)), style="dim")
    for at, words in story_told(lines, everything=everything):
        out.print(safe(f"{shown_time(at)}  {words.text}"), style=words.style)


async def find_job(store: Store, wanted: str, *, also: str = "") -> JobRef:
    """The job that a person means: by source/id, by id, or by a name that only one job has.

    Args:
        store: where to look.
        wanted: what the person wrote.
        also: what else it is not, to be said when no job fits.

    Raises:
        WatcherError: no job fits, or several do.
    """
    from watcher.service import taking_on

    return await taking_on.find_job(store, wanted, also=also)

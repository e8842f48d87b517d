"""`troubles` and `ack`: what is still wrong, and taking it on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from watcher.cli.look import find_job, read_store, shown_time, this_user, write_beside
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, StoreOption, print_json, store_url

if TYPE_CHECKING:
    from watcher.core.trouble import Trouble
    from watcher.ports.store import Store


def troubles(
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    job: Annotated[
        str | None, typer.Option("--job", help="Only of this job: its id, source/id, or name.", metavar="JOB")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    json: JsonOption = False,
) -> None:
    """What is still wrong: since when, how loud, whose, which rule told it, and who took it on."""
    from watcher.core.codec import plain

    async def question(opened: Store) -> tuple[Trouble, ...]:
        ref = None if job is None else await find_job(opened, job)
        return await opened.troubles(open_only=not everything, job=ref)

    found = read_store(store_url(config, store), question)
    if json:
        print_json([{"id": one.id, "since": one.since, **plain(one)} for one in found])
        return
    from watcher.cli.terminal import print_table

    print_table(
        ("SINCE", "SEVERITY", "JOB", "RULE", "GOES ON", "SAID", "TAKEN ON BY", "ENDED", "ID"),
        (
            (
                shown_time(one.since),
                one.severity,
                one.job or one.source,
                one.notification.rule,
                one.ongoing,
                one.notification.headline,
                _answer(one),
                "" if one.end is None else f"{shown_time(one.ended_at)} ({one.end})",
                one.id,
            )
            for one in found
        ),
        empty="Nothing has been wrong." if everything else "Nothing is wrong.",
    )


def ack(
    which: Annotated[
        str,
        typer.Argument(
            help="A job: its id, source/id, or name; or the id of a notification, as `troubles` shows it.",
            metavar="JOB|NOTIFICATION",
        ),
    ],
    comment: Annotated[str, typer.Option("--comment", help="What you do about it.", metavar="TEXT")] = "",
    author: Annotated[
        str | None, typer.Option("--author", help="Who takes it on; by default this user.", metavar="NAME")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Take on what is wrong: no reminder of it and no escalation follows. Of a job, all that is open of it now.

    What nobody but you could end, such as a failure, is closed by it. What comes up later is a trouble of its own. A running
    watcher heeds it within 5 s. Exit code 1 when there was nothing to take on.
    """
    from watcher.core.codec import plain
    from watcher.service.taking_on import take_on

    now, who = datetime.now(UTC), author or this_user()
    url = store_url(config, store)
    taken = write_beside(url, lambda opened: take_on(opened, which, at=now, by=who, comment=comment))
    if json:
        print_json([{"id": one.id, **plain(one)} for one in taken])
        return
    from watcher.cli.terminal import safe

    for one in taken:
        typer.echo(safe(f"{who} takes on: {one.job or one.source or one.id}: {one.notification.headline}"))


def _answer(trouble: Trouble) -> str:
    if trouble.acknowledged_at is None:
        return ""
    comment = f": {trouble.comment}" if trouble.comment else ""
    return f"{trouble.acknowledged_by}, {shown_time(trouble.acknowledged_at)}{comment}"

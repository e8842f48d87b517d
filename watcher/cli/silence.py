"""`silence`: what somebody does not want to hear for a while. Written beside a running watcher, which heeds it within seconds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from watcher.cli.look import find_job, read_store, shown_time, this_user, write_beside
from watcher.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, StoreOption, print_json, store_url
from watcher.errors import WatcherError

if TYPE_CHECKING:
    from watcher.core.matching import Matcher
    from watcher.core.silencing import Silencing
    from watcher.ports.store import Store

silence = typer.Typer(
    help="Silences: what nobody wants to hear for a while.", rich_markup_mode=None, no_args_is_help=True
)

AuthorOption = Annotated[
    str | None, typer.Option("--author", help="Who says so; by default this user.", metavar="NAME")
]


@silence.command("add")
def add(
    tests: Annotated[
        list[str] | None,
        typer.Argument(
            help="What is meant: LABEL=GLOB, LABEL!=GLOB, LABEL=~REGEX, LABEL!~REGEX; all must fit, a label named again is "
            "an alternative.",
            metavar="TEST...",
        ),
    ] = None,
    length: Annotated[str | None, typer.Option("--for", help="How long, for example 2h.", metavar="2h")] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Its end, for example 2026-03-01T08:00.", metavar="TIME")
    ] = None,
    job: Annotated[
        str | None,
        typer.Option("--job", help="Only about this job, and at most until the job ends.", metavar="JOB"),
    ] = None,
    comment: Annotated[str, typer.Option("--comment", help="Why.", metavar="TEXT")] = "",
    author: AuthorOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Silence what fits, for a time or until a job ends. What it covers is recorded and not sent; its end brings nothing old.

    A running watcher heeds it within 5 s; what was owed before is still sent. That a job ended is always told.
    """
    from uuid import uuid4

    from watcher.core.silencing import Silencing, SilencingId, silence_of_job

    now = datetime.now(UTC)
    end = _end(length, until, now, needed=job is None)
    match = _matcher(tests or [], config, store)
    if not match.tests and job is None:
        raise typer.BadParameter("name at least one label, or --job; severity=* silences everything", param_hint="TEST")

    async def question(opened: Store) -> Silencing:
        ref = None if job is None else await find_job(opened, job)
        own = SilencingId(uuid4().hex[:8])
        who = author or this_user()
        made = (
            Silencing(id=own, match=match, created_at=now, until=end, author=who, comment=comment)
            if ref is None
            else silence_of_job(own, ref, now=now, until=end, author=who, comment=comment, match=match)
        )
        await opened.add_silence(made)
        return made

    made = write_beside(store_url(config, store), question)
    if json:
        from watcher.core.codec import plain

        print_json(plain(made))
        return
    from watcher.cli.terminal import safe

    typer.echo(safe(f"{made}"))
    typer.echo(safe(f"  it covers: {made.match}"))


@silence.command("list")
def list_silences(
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Ended ones too.")] = False,
    json: JsonOption = False,
) -> None:
    """The silences there are: what each covers, until when, who said so and why."""
    from watcher.core.codec import plain
    from watcher.core.silencing import IN_FORCE, standing

    now = datetime.now(UTC)

    async def question(opened: Store) -> list[tuple[Silencing, str]]:
        told = []
        for one in await opened.silences(None if everything else now):
            watch = None if one.job is None else await opened.watch(one.job)
            state = standing(one, now, job_lives=watch is not None and watch.live)
            if everything or state == IN_FORCE:
                told.append((one, state))
        return told

    found = read_store(store_url(config, store), question)
    if json:
        print_json([{**plain(one), "match": str(one.match), "state": state} for one, state in found])
        return
    from watcher.cli.terminal import print_table

    print_table(
        ("ID", "STATE", "UNTIL", "COVERS", "AUTHOR", "COMMENT"),
        (
            (
                one.id,
                state,
                " or ".join(filter(None, (shown_time(one.until), f"{one.job} ends" if one.job else ""))),
                one.match,
                one.author,
                one.comment,
            )
            for one, state in found
        ),
        empty="No silences." if everything else "No silences in force.",
    )


@silence.command("end")
def end(
    silence_id: Annotated[str, typer.Argument(help="Its id; `silence list` shows it.", metavar="ID")],
    author: AuthorOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
) -> None:
    """End a silence now. What it covered so far stays unsent."""
    from watcher.core.silencing import SilencingId

    async def question(opened: Store) -> None:
        known = {one.id: one for one in await opened.silences()}
        if silence_id not in known:
            raise WatcherError(
                f"there is no silence {silence_id!r}; `dlc-watcher silence list --all` shows all of them"
            )
        if not await opened.end_silence(SilencingId(silence_id), datetime.now(UTC), author or this_user()):
            raise WatcherError(
                f"the silence {silence_id!r} was ended already, by {known[SilencingId(silence_id)].ended_by}"
            )

    from watcher.cli.terminal import safe

    write_beside(store_url(config, store), question)
    typer.echo(safe(f"silence {silence_id} ended"))


def _matcher(texts: list[str], config: Path, store: str | None) -> Matcher:
    """What was written, checked against the configuration where one is at hand, else against the labels that always are."""
    from watcher.cli.options import load_configuration
    from watcher.config.matches import ROUTE_LABELS, Vocabulary, mistake, vocabulary
    from watcher.core.matching import matcher_from

    try:
        match = matcher_from(texts)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="TEST") from None
    known: Vocabulary
    if store is not None and not config.exists():
        labels = ROUTE_LABELS | {test.label for test in match.tests}
        known = {label: words for label, words in vocabulary(()).items() if words}
    else:
        loaded = load_configuration(config)
        labels, known = loaded.labels, loaded.vocabulary
    wrong = mistake(match, labels, known)
    if wrong is not None:
        raise typer.BadParameter(wrong[1], param_hint=str(wrong[0]))
    return match


def _end(length: str | None, until: str | None, now: datetime, *, needed: bool) -> datetime | None:
    from watcher.core.duration import parse_duration

    if (length is None) == (until is None):
        if length is None and not needed:
            return None
        raise typer.BadParameter(
            "say either --for or --until; with --job both may be left out", param_hint="--for/--until"
        )
    try:
        end = now + parse_duration(length) if length is not None else datetime.fromisoformat(str(until)).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        hint = "--for" if length is not None else "--until"
        raise typer.BadParameter(f"not a {'length of time' if length else 'time'}: {exc}", param_hint=hint) from None
    if end <= now:
        raise typer.BadParameter(f"{shown_time(end)} is over already", param_hint="--for/--until")
    return end

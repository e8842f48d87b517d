"""`digest`: what a receiver's digest says, printed here; nothing is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from watcher.cli.look import read_store
from watcher.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    StoreOption,
    load_configuration,
    print_json,
    store_url,
)

if TYPE_CHECKING:
    from watcher.config.loading import Loaded
    from watcher.core.digest import Schedule


def digest(
    receiver: Annotated[
        str | None,
        typer.Option("--receiver", help="Whose: its jobs, language and clock. Default: all jobs.", metavar="NAME"),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            help="From when on: a time such as 2026-03-01T09:00, or a length such as 7d. Default: from its last digest, else 1d.",
            metavar="TIME|LENGTH",
        ),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """How it went until now: what ran, succeeded, failed and was evicted, GPU-hours, waiting times, what is still open."""
    from watcher.core.catalog import shown
    from watcher.core.codec import plain
    from watcher.core.digest import Period
    from watcher.core.digest import Schedule as Every
    from watcher.core.language import PLAIN, spoken
    from watcher.service.digester import gathered

    loaded = load_configuration(config)
    now = datetime.now(UTC)
    schedule = _schedule(loaded, receiver) or Every(zone=UTC, at=now.time())
    begin = schedule.last(now) if since is None else _begin(since, now)
    if begin == now:
        begin = schedule.before(now).begin
    period = Period(begin, now)
    found = read_store(store_url(config, store), lambda opened: gathered(opened, loaded.book, schedule, period, now))
    if json:
        print_json(plain(found))
        return
    from watcher.cli.terminal import safe

    locale = PLAIN if receiver is None else loaded.receivers[receiver].common.locale
    wording = found.wording
    typer.echo(safe(spoken(wording.headline, locale)))
    for label, value in shown(wording.facts, locale):
        typer.echo(safe(f"  {label}: {value}"))
    for line in spoken(wording.detail, locale).splitlines():
        typer.echo(safe(f"  {line}"))


def _schedule(loaded: Loaded, receiver: str | None) -> Schedule | None:
    from watcher.config.wording import unknown

    if receiver is None:
        return None
    if receiver not in loaded.receivers:
        raise typer.BadParameter(unknown("receiver", receiver, loaded.receivers), param_hint="--receiver")
    return loaded.schedules.get(receiver)


def _begin(since: str, now: datetime) -> datetime:
    from watcher.core.duration import parse_duration

    try:
        begin = (
            now - parse_duration(since)
            if since[:1].isdigit() and since[-1:].isalpha()
            else datetime.fromisoformat(since)
        )
    except (ValueError, OverflowError) as exc:
        raise typer.BadParameter(f"neither a time nor a length of time: {exc}", param_hint="--since") from None
    begin = begin.astimezone(UTC)
    if begin >= now:
        raise typer.BadParameter("it is still to come", param_hint="--since")
    return begin

"""`replay --from-db`: stored events through another configuration, and what would be different."""

from __future__ import annotations

import json as json_text
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from watcher.cli.look import read_store, shown_time
from watcher.cli.options import load_configuration, print_json, store_url

if TYPE_CHECKING:
    from watcher.core.delivery import Delivery
    from watcher.core.events import Event
    from watcher.core.model import JobRef, JobSnapshot
    from watcher.core.rehearsal import Busiest, Comparison, Said
    from watcher.ports.store import Store

_EVERYTHING = 2**62
"""More rows than there can be."""


def rehearse_store(config: Path, store: str | None, since: str | None, *, json: bool) -> None:
    """Read the store, compare, print, and end with exit code 1 when something would be different."""
    from watcher.core.codec import plain
    from watcher.core.rehearsal import compare, rehearse

    loaded = load_configuration(config)
    from_when = None if since is None else _time_of(since)
    events, snapshots, then = read_store(store_url(config, store), _record)
    now = rehearse(events, snapshots, loaded.book)
    difference = compare(then, now, from_when)
    if json:
        print_json({"same": difference.same, "events": len(events), **plain(difference)})
    else:
        from watcher.cli.terminal import console, safe

        out = console()
        for text, style in _words(difference, len(events)):
            out.print(safe(text), style=style)
    if not difference.same:
        raise typer.Exit(1)


def _time_of(text: str) -> datetime:
    """A time, or a length of time ago; without a zone it is local time."""
    from watcher.core.duration import parse_duration

    try:
        return datetime.now(UTC) - parse_duration(text)
    except ValueError:
        pass
    except OverflowError:
        raise typer.BadParameter(f"{text!r} is too long ago", param_hint="--since") from None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is neither a time such as 2026-03-01T08:00 nor a length of time such as 7d", param_hint="--since"
        ) from None


async def _record(
    store: Store,
) -> tuple[tuple[Event, ...], Mapping[JobRef, tuple[JobSnapshot, ...]], tuple[Delivery, ...]]:
    from watcher.core.codec import snapshot_from_json

    events = await store.events(limit=_EVERYTHING)
    snapshots: dict[JobRef, tuple[JobSnapshot, ...]] = {}
    for watch in await store.watches(live_only=False):
        story = await store.story(watch.snapshot.ref)
        snapshots[watch.snapshot.ref] = tuple(
            snapshot_from_json(json_text.dumps(line.data)) for line in story if line.kind == "snapshot"
        )
    return events, snapshots, await store.deliveries(limit=_EVERYTHING)


def _words(difference: Comparison, events: int) -> Iterator[tuple[str, str]]:
    yield from _list("only with this configuration", "+", difference.added, "green")
    yield from _list("no more with this configuration", "-", difference.removed, "red")
    for change in difference.rerouted:
        went = f"{', '.join(change.then.receivers)} -> {', '.join(change.now.receivers)}"
        yield f"~ to others: {_news(change.now)}: {went}", "yellow"
    for change in difference.regraded:
        grades = f"{change.then.notification.severity} -> {change.now.notification.severity}"
        yield f"~ severity: {_news(change.now)}: {grades}", "yellow"
    for change in difference.moved:
        yield (
            f"~ at another time: {_news(change.now)}: {shown_time(change.then.at)} -> {shown_time(change.now.at)}",
            "yellow",
        )
    for name, (then, now) in difference.receivers.items():
        yield f"{name}: {then} -> {now} ({now - then:+d})", "" if then == now else "bold"
    yield f"busiest minute: {_busiest(difference.busiest_then)} -> {_busiest(difference.busiest_now)}", ""
    if difference.same:
        yield f"{events} events: nothing would be different", "bold"
    else:
        parts = ("added", "removed", "rerouted", "regraded", "moved")
        counted = ", ".join(f"{len(getattr(difference, part))} {part}" for part in parts)
        yield f"{events} events: {counted}", "bold"


def _list(heading: str, sign: str, said: Iterable[Said], style: str) -> Iterator[tuple[str, str]]:
    for one in said:
        yield f"{sign} {heading}: {_news(one)} -> {', '.join(one.receivers)}", style


def _news(one: Said) -> str:
    said = one.notification
    about = f"{said.job} " if said.job else ""
    return f"{shown_time(one.at)} {about}[{said.severity}] {said.headline} ({said.rule})"


def _busiest(busiest: Busiest | None) -> str:
    return "nothing" if busiest is None else f"{busiest.count} at {shown_time(busiest.minute)}"

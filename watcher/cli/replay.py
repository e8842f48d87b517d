"""`replay`: GetJob answers from files, in order, through the same core as the service. Nothing is stored and nothing is sent."""

from __future__ import annotations

import json as json_text
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from watcher.cli.options import JsonOption, StoreOption, load_configuration, print_json
from watcher.errors import SourceError, WatcherError

if TYPE_CHECKING:
    from watcher.core.consequence import Book, Consequences
    from watcher.core.delivery import Delivery
    from watcher.core.model import JobRef, JobSnapshot, Watch

_STEP = timedelta(minutes=1)
"""Between two answers that do not tell the time."""


def replay(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files with one GetJob answer each, oldest first.", metavar="FILE...")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", help="Use this configuration's rules and routes; else the built-in rules.", metavar="FILE"
        ),
    ] = None,
    from_db: Annotated[
        bool,
        typer.Option(
            "--from-db", help="Instead of files: what is stored, against what was notified then. Needs --config."
        ),
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            help="With --from-db: leave out news from before this time (2026-03-01T08:00) or this long ago (7d).",
            metavar="T",
        ),
    ] = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Show the events that a row of GetJob answers makes, and what would be sent to whom.

    A file holds the answer itself, or an object with the answer under `payload`. The first answer of a job is its baseline.

    With --from-db the stored events go through the rules and routes of the configuration, and the difference to what was notified
    then is shown. Exit code 0: nothing would be different; 1: something would. Made for CI.
    """
    if from_db:
        from watcher.cli.rehearse import rehearse_store

        if files or config is None:
            raise typer.BadParameter("takes a --config and no files", param_hint="--from-db")
        rehearse_store(config, store, since, json=json)
        return
    if since is not None or store is not None:
        raise typer.BadParameter("goes with --from-db only", param_hint="--since/--store")
    if not files:
        raise typer.BadParameter("name at least one file, or use --from-db", param_hint="FILE...")
    _replay_files(files, config, json=json)


def _replay_files(files: list[Path], config: Path | None, *, json: bool) -> None:
    from watcher.core.codec import plain

    if config is None:
        from watcher.cli.builtin import builtin_configuration

        loaded = builtin_configuration()
    else:
        loaded = load_configuration(config)
    steps = list(_steps([_read(file, index) for index, file in enumerate(files)], loaded.book))
    if json:
        print_json(
            [
                {
                    "file": str(step.file),
                    "job": str(step.job),
                    "status": step.status,
                    "events": [plain(event) for event in step.follows.events],
                    "would_send": [
                        {
                            "receiver": delivery.receiver,
                            "severity": delivery.notification.severity.value,
                            "rule": delivery.notification.rule,
                            "headline": delivery.notification.headline,
                        }
                        for delivery in step.sent
                    ],
                    "would_record": [
                        {
                            "receiver": delivery.receiver,
                            "rule": delivery.notification.rule,
                            "headline": delivery.notification.headline,
                            "reason": delivery.reason.value,
                        }
                        for delivery in step.recorded
                    ],
                }
                for step in steps
            ]
        )
        return
    from watcher.cli.terminal import console, safe
    from watcher.core.declared import sentence

    out = console()
    for step in steps:
        out.print(safe(f"{step.file}: {step.job} {step.status}"), style="bold")
        for event in step.follows.events:
            out.print(safe(f"  {event.kind:24} {sentence(event)}"))
        for delivery in step.sent:
            said = delivery.notification
            out.print(
                safe(f"    -> {delivery.receiver}: [{said.severity}] {said.headline}  ({said.rule})"), style="cyan"
            )
        for delivery in step.recorded:
            said = delivery.notification
            out.print(
                safe(f"    ({delivery.reason}: not sent to {delivery.receiver}: {said.headline}; {delivery.error})"),
                style="dim",
            )
        if not step.follows.events:
            out.print(
                "  no events" + (" (a first look, and the job has ended: old news)" if step.first else ""), style="dim"
            )


@dataclass(frozen=True)
class _Step:
    file: Path
    job: JobRef
    status: str
    first: bool
    follows: Consequences

    @property
    def sent(self) -> tuple[Delivery, ...]:
        """What is owed, without what is folded into larger news from the start."""
        return tuple(delivery for delivery in self.follows.deliveries if delivery.settled_at is None)

    @property
    def recorded(self) -> tuple[Delivery, ...]:
        """What is settled from the start, without being sent."""
        return tuple(delivery for delivery in self.follows.deliveries if delivery.settled_at is not None)


def _read(file: Path, index: int) -> tuple[Path, JobSnapshot]:
    from watcher.core.model import SourceName
    from watcher.sources.dlc.wire import snapshot_from_json

    try:
        document = json_text.loads(file.read_bytes())
    except OSError as exc:
        raise WatcherError(f"{file}: cannot be read: {exc.strerror or exc}") from None
    except (ValueError, RecursionError) as exc:
        raise WatcherError(f"{file}: not JSON: {exc}") from None
    answer = document.get("payload", document) if isinstance(document, dict) else document
    seen = datetime(1970, 1, 1, tzinfo=UTC) + index * _STEP
    try:
        snapshot = snapshot_from_json(json_text.dumps(answer).encode(), source=SourceName("replay"), observed_at=seen)
    except SourceError as exc:
        raise WatcherError(f"{file}: not a GetJob answer: {exc}") from None
    return file, snapshot


def _latest(snapshot: JobSnapshot) -> datetime | None:
    """The last thing the answer knows of: it was given at that time or later."""
    times = [
        snapshot.created_at,
        snapshot.submitted_at,
        snapshot.running_at,
        snapshot.finished_at,
        *(time for pod in snapshot.pods or () for time in (pod.created_at, pod.started_at, pod.finished_at)),
        *(time for period in snapshot.status_history for time in (period.started_at, period.ended_at)),
    ]
    return max((time for time in times if time is not None), default=None)


def _steps(answers: list[tuple[Path, JobSnapshot]], book: Book) -> Iterator[_Step]:
    from dataclasses import replace

    from watcher.core import observation
    from watcher.core.consequence import consequences
    from watcher.core.events import CauseId
    from watcher.core.rule import Context

    held: dict[JobRef, Watch] = {}
    fleet = book.new_fleet()
    for index, (file, answer) in enumerate(answers):
        watch = held.get(answer.ref)
        known = _latest(answer) or answer.observed_at
        now = known if watch is None else max(known, watch.snapshot.observed_at + _STEP)
        snapshot = replace(answer, observed_at=now)
        cause = CauseId(f"replay-{index + 1}")
        if watch is None:
            observed = observation.first_sight(snapshot, now=now, cause=cause, watching_since=None)
        else:
            observed = observation.look(watch, snapshot, now=now, cause=cause)
        held[answer.ref] = observed.watch
        fleet.note(observed.watch, observed.events, now)
        context = Context(
            now=now,
            job=observed.watch.snapshot,
            previous=None if watch is None else watch.snapshot,
            phase_since=observed.watch.phase_since,
            course=observed.watch.course,
            fleet=fleet,
        )
        yield _Step(file, answer.ref, answer.status, watch is None, consequences(observed.events, context, book, now))

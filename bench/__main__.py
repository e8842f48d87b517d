"""`python -m bench`: what dlc-watcher costs and how soon it tells, beside a plain script and the official SDK, in one run.

Parts, in the order in which they are run, what goes by the clock first: polls (CPU and rate of GetJob with nothing changed), lists,
large, commits, sending, startup, lag (of the event loop), realtime (the service as it runs), memory, detection (in made-up time).
All of them unless some are named with `--only`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from rich.console import Console

from bench.peers import BenchFailed
from bench.progress import say
from bench.report import Done, Run, machine_line
from bench.tables import Table
from watcher.service.telemetry import set_up_logging

PARTS = ("polls", "lists", "large", "commits", "sending", "startup", "lag", "realtime", "memory", "detection")


@dataclass(frozen=True)
class Size:
    """How much is done.

    Attributes:
        polls: in a round; rounds of every peer in every mode, at most; seconds after which no further round begins.
        lists: jobs of a page, 100 at most; rounds and seconds likewise.
        fleets: jobs and requests per second for which detection is played.
        seeds: how many fleets of each.
        lag: jobs, requests per second and seconds, after all have been looked at, for which lateness of the loop is noted.
        realtime: jobs, requests per second and seconds of detection in real time.
        memory: for how many jobs memory is measured; up to how many that of others; and how often.
        stored: on how many stored jobs a start is measured; and how often.
        commits: observations in a round; and how many rounds.
        sent: how many events are told.
        large: numbers of pods; and how often.
    """

    polls: tuple[int, int, float]
    lists: tuple[int, int, float]
    fleets: tuple[tuple[int, float], ...]
    seeds: int
    lag: tuple[int, float, float]
    realtime: tuple[int, float, float]
    memory: tuple[tuple[int, ...], int, int]
    stored: tuple[tuple[int, ...], int]
    commits: tuple[int, int]
    sent: int
    large: tuple[tuple[int, ...], int]


FULL = Size(
    polls=(320, 9, 240),
    lists=(100, 9, 120),
    fleets=tuple((jobs, rps) for jobs in (1_000, 10_000, 100_000) for rps in (10.0, 50.0, 100.0)),
    seeds=3,
    lag=(10_000, 50.0, 60.0),
    realtime=(1_000, 20.0, 50.0),
    memory=((1_000, 10_000, 100_000), 10_000, 3),
    stored=((10_000, 100_000), 3),
    commits=(400, 5),
    sent=9,
    large=((2_000, 5_000), 9),
)
QUICK = Size(
    polls=(16, 1, 0),
    lists=(10, 1, 0),
    fleets=((100, 5.0),),
    seeds=1,
    lag=(100, 20.0, 3.0),
    realtime=(100, 20.0, 4.0),
    memory=((200,), 200, 1),
    stored=((200,), 1),
    commits=(40, 1),
    sent=1,
    large=((600,), 2),
)


def parts(size: Size, pods: int, directory: Path) -> Mapping[str, Callable[[], Table]]:
    """Every part of a run, by name, in order. What a part needs is loaded when it is run.

    Each has a folder of its own in the directory: a store that one part leaves behind is not the start of the next.
    """

    def part(name: str, *given: object, of: str = "") -> Callable[[], Table]:
        def measured() -> Table:
            found: Table = getattr(import_module(f"bench.{name}"), of or name)(*given)
            return found

        return measured

    return {
        "polls": part("polls", *size.polls, pods, directory / "polls"),
        "lists": part("lists", *size.lists, pods, directory / "lists"),
        "large": part("large", *size.large),
        "commits": part("commits", *size.commits, directory / "commits"),
        "sending": part("sending", size.sent, directory / "sending"),
        "startup": part("startup", *size.stored, 8, directory / "startup"),
        "lag": part("lag", *size.lag, directory / "lag"),
        "realtime": part("realtime", *size.realtime, directory / "realtime"),
        "memory": part("memory", *size.memory, 8),
        "detection": part("delays", size.fleets, size.seeds, of="detection"),
    }


def bench(size: Size, pods: int, only: Sequence[str], done: list[Done]) -> None:
    """One whole run, part after part, into a list. One that fails keeps nobody from the others' tables."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)  # PostgreSQL runs as a user of its own
        for part, measured in parts(size, pods, directory).items():
            if only and part not in only:
                continue
            load, began = os.getloadavg()[0], time.monotonic()
            say(f"{part} (load {load:.2f})")
            table, failed = None, ""
            (directory / part).mkdir(mode=0o755)
            try:
                table = measured()
            except Exception as exc:  # noqa: BLE001 - whatever it is, it is told, and the exit code says so
                failed = told(exc)
                say(f"{part} failed: {failed}")
            done.append(Done(part, table, failed, time.monotonic() - began, load))


def told(exc: BaseException) -> str:
    """A failure in a line."""
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return str(exc) if isinstance(exc, BenchFailed) else f"{type(exc).__name__}: {exc}"


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="everything in little: does it work? (the numbers mean little)"
    )
    parser.add_argument(
        "--pods", type=int, default=2, metavar="N", help="pods of each polled job: the size of an answer (default 2)"
    )
    parser.add_argument("--only", metavar="PART,...", default="", help="only these parts: " + ", ".join(PARTS))
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help="put the tables there, too; into their section where FILE has one, as docs/performance.md has",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there, too")
    chosen = parser.parse_args(argv)
    if not 1 <= chosen.pods <= 1000:
        parser.error("--pods is a number from 1 to 1000")
    for option in ("json", "markdown"):
        file = getattr(chosen, option)
        if file is not None and not file.absolute().parent.is_dir():
            parser.error(f"--{option}: there is no directory for {str(file)!r}")
    chosen.only = [part for part in chosen.only.split(",") if part]
    if unknown := [part for part in chosen.only if part not in PARTS]:
        parser.error(f"--only: there is no part {unknown[0]!r}")
    return chosen


def asked(chosen: argparse.Namespace) -> str:
    """The arguments that say what is measured."""
    found = ["--quick"] * chosen.quick + [f"--pods {chosen.pods}"] * (chosen.pods != 2)
    return " ".join(found + ([f"--only {','.join(chosen.only)}"] if chosen.only else []))


def main() -> int:
    """Run, print what was done, return the exit code: 0, 1 when a part failed, 130 when it was interrupted."""
    chosen = arguments()
    set_up_logging("critical")
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # with all clean-up
    done: list[Done] = []
    interrupted = False
    try:
        bench(QUICK if chosen.quick else FULL, chosen.pods, chosen.only, done)
    except KeyboardInterrupt:
        interrupted = True
        if not done:
            return 130
    run = Run.today(asked(chosen), done)
    out = Console()
    wide = out if out.is_terminal else Console(width=132)
    for one in done:
        if one.table:
            one.table.show(wide)
    wide.print(machine_line())
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(run.as_json(), indent=2) + "\n", encoding="utf-8")
    if chosen.markdown is not None:
        page = chosen.markdown.read_text(encoding="utf-8") if chosen.markdown.exists() else ""
        chosen.markdown.write_text(run.into(page, PARTS), encoding="utf-8")
    for one in done:
        if one.failed:
            print(f"bench: {one.part} failed: {one.failed}", file=sys.stderr)
    return 130 if interrupted else 1 if any(one.failed for one in done) else 0


if __name__ == "__main__":
    sys.exit(main())

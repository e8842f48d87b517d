"""`owners`: who jobs belong to, by the directory, and who is missing from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
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
    from collections.abc import Iterable

    from watcher.core.consequence import Book
    from watcher.core.model import Watch


@dataclass(frozen=True, slots=True)
class Owned:
    """One owner, known or not, and how many of the stored jobs are theirs.

    Attributes:
        name: in the directory; of an unknown one what their jobs say, "" where they say nothing.
    """

    name: str
    known: bool
    jobs: int
    live: int
    slack: str = ""
    mail: str = ""
    language: str = ""
    zone: str = ""


def owners(
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    unknown: Annotated[bool, typer.Option("--unknown", help="Only those who are missing from the directory.")] = False,
    json: JsonOption = False,
) -> None:
    """Who the stored jobs belong to: the people under `owners`, then those who are missing there, with how many jobs each has."""
    from watcher.core.codec import plain

    loaded = load_configuration(config)
    watches = read_store(store_url(config, store), lambda opened: opened.watches(live_only=False))
    found = [one for one in counted(loaded.book, watches) if not (unknown and one.known)]
    if json:
        print_json([plain(one) for one in found])
        return
    from watcher.cli.terminal import print_table

    print_table(
        ("OWNER", "IN THE DIRECTORY", "JOBS", "LIVE", "SLACK", "MAIL", "LANGUAGE", "ZONE"),
        (
            (
                one.name or "(the job names nobody)",
                "yes" if one.known else "no",
                one.jobs,
                one.live,
                one.slack,
                one.mail,
                one.language,
                one.zone,
            )
            for one in found
        ),
        empty="Nobody is missing." if unknown else "There are neither owners nor jobs.",
    )


def counted(book: Book, watches: Iterable[Watch]) -> list[Owned]:
    """Everybody in the directory, in its order, then the unknown, those with most jobs first."""
    from watcher.core.matching import labels_of_job
    from watcher.core.people import claimed
    from watcher.core.wishes import wishes_of

    jobs: Counter[tuple[bool, str]] = Counter()
    live: Counter[tuple[bool, str]] = Counter()
    for watch in watches:
        job = watch.snapshot
        labels = labels_of_job(job, wishes_of(job.tags, book.wishes, (), job.observed_at).owner)
        person = book.people.owner(labels)
        whose = (False, claimed(labels)) if person is None else (True, person.name)
        jobs[whose] += 1
        live[whose] += watch.live
    known = [
        Owned(
            name=entry.person.name,
            known=True,
            jobs=jobs[True, entry.person.name],
            live=live[True, entry.person.name],
            slack=entry.person.slack,
            mail=entry.person.mail,
            language=entry.person.language or "",
            zone=str(entry.person.zone or ""),
        )
        for entry in book.people.entries
    ]
    missing = sorted((whose for whose in jobs if not whose[0]), key=lambda whose: (-jobs[whose], whose))
    return known + [Owned(whose[1], known=False, jobs=jobs[whose], live=live[whose]) for whose in missing]

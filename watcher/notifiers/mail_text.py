"""The plain-text part of a mail, for those who read without HTML, and for what reads mails aloud. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from unicodedata import east_asian_width

from watcher.core.shown import Rows, Shown, ShownCard, ShownItem, ShownJob

_MOST_STRETCHES = 6


def mail_text(message: Shown) -> str:
    """All of it: what happened, how the job stands, where to look further."""
    alone = len(message.items) == 1 and not message.more
    lines = [f"{message.word}: {message.title}", ""]
    for item in message.items:
        lines += [*_item(message, item, alone=alone), ""]
    if message.more:
        lines += [message.words["more"].replace("{n}", str(message.more)), ""]
    if message.job:
        lines += [*_job(message, message.job, alone=alone), ""]
    rules = ", ".join(dict.fromkeys(item.rule for item in message.items))
    about = [f"{message.words['rule']} {rules}", f"{message.words['receiver']} {message.receiver}"]
    # "-- " on a line of its own begins a signature, which mail programs show dimmed.
    return "\n".join(
        [*lines, "-- ", ", ".join(["dlc-watcher", *about]), f"{message.words['message']} {message.id}", ""]
    )


def _item(message: Shown, item: ShownItem, *, alone: bool) -> Iterator[str]:
    about = f"{item.job.title}: " if item.job and message.several_jobs else ""
    yield item.at if alone else f"{item.at}  [{item.word}]  {about}{item.headline}"
    yield from (f"  {line}" for line in _rows(item.facts))
    if item.more_facts:
        yield f"  {message.words['more_facts'].replace('{n}', str(item.more_facts))}"
    if item.detail:
        yield from (f"  {line}".rstrip() for line in item.detail.split("\n"))
    if item.job and message.several_jobs and item.job.url:
        yield f"  {item.job.url}"


def _job(message: Shown, job: ShownJob, *, alone: bool) -> Iterator[str]:
    yield f"{job.title} ({job.ref})"
    if job.card is None:
        yield from _rows(tuple(row for row in (("", job.status), *job.facts) if row[1]))
    else:
        yield from _card(message, job.card, reason=not (alone and message.items[0].detail))
    if job.url:
        yield job.url


def _card(message: Shown, card: ShownCard, *, reason: bool) -> Iterator[str]:
    stands = [card.status or card.word, card.attempt, message.words["gone"] if card.gone else ""]
    yield f"{', '.join(filter(None, stands))} ({message.words['as_of'].replace('{time}', card.as_of)})"
    shown = card.bar[-_MOST_STRETCHES:]
    hidden = card.left_out + len(card.bar) - len(shown)
    way = [message.words["earlier"].replace("{n}", str(hidden))] if hidden else []
    way += [f"{one.word} {one.length}".strip() for one in shown]
    yield " > ".join(way)
    yield from _rows(card.facts)
    if reason and card.reason:
        yield f"{message.words['reason']}: {card.reason}"


def _rows(facts: Rows) -> Iterator[str]:
    """Labels and values in two columns; a character of Chinese is two wide."""
    width = max((_width(label) for label, _ in facts), default=0)
    for label, value in facts:
        yield f"{label}:{' ' * (width - _width(label) + 1)}{value}" if label else value


def _width(text: str) -> int:
    return sum(2 if east_asian_width(mark) in "WF" else 1 for mark in text)

"""A message as templates see it: cleaned, cut, in the receiver's language and by its clock. Pure."""

from __future__ import annotations

from html import escape
from itertools import accumulate
from typing import Final

from watcher.core.card import Card
from watcher.core.catalog import label_in, phase_in, phrase, severity_in
from watcher.core.language import Locale, length_in, time_in
from watcher.core.message import Item, JobCard, Message
from watcher.core.phases import TERMINAL
from watcher.core.shown import Rows, Shown, ShownCard, ShownItem, ShownJob, ShownStretch, shares, words_in
from watcher.notifiers.card_words import attempt, pods, reason
from watcher.notifiers.text import MARKS, block, link, one_line, several_jobs

MOST_ITEMS: Final = 40
_MOST_TEXT: Final = 32_000
"""Characters of all items together, escaped. Gmail cuts off what is longer than 102 kB, markup included."""
_MOST_FACTS: Final = 20
_MOST_FACTS_AMONG: Final = 6
_VALUE: Final = 400
_VALUE_AMONG: Final = 120
_DETAIL_ALONE: Final = 6000
_DETAIL_AMONG: Final = 600
_REASON: Final = 300
_LONGEST_SUBJECT: Final = 160


def show(message: Message) -> Shown:
    """The message as templates see it."""
    locale = message.locale
    alone = len(message.items) == 1
    named = several_jobs(message)
    items = [_item(item, locale, named=named, alone=alone) for item in message.items[:MOST_ITEMS]]
    fitting = _those_that_fit(items)
    return Shown(
        receiver=one_line(message.receiver, 80),
        id=one_line(message.id, 80),
        severity=message.severity.value,
        word=severity_in(message.severity, locale),
        mark=MARKS[message.severity],
        title=one_line(message.title, 300),
        subject=subject(message),
        items=tuple(fitting),
        more=len(message.items) - len(fitting),
        job=_job(message.job, locale),
        several_jobs=named,
        reply=bool(message.thread_reference),
        language=locale.language.value,
        words=words_in(locale),
    )


def subject(message: Message) -> str:
    """The thread's unchanging subject."""
    return f"[dlc] {one_line(message.thread_title, _LONGEST_SUBJECT)}"


def _those_that_fit(items: list[ShownItem]) -> list[ShownItem]:
    """The first of them, as many as a mail has room for, one at least."""
    lengths = (len(escape(_texts(item))) for item in items)
    return [item for item, total in zip(items, accumulate(lengths), strict=True) if total <= _MOST_TEXT] or items[:1]


def _texts(item: ShownItem) -> str:
    about = [item.job.title, item.job.url, item.job.status] if item.job else []
    return "\n".join([item.headline, item.detail, item.rule, *about, *(text for row in item.facts for text in row)])


def _item(item: Item, locale: Locale, *, named: bool, alone: bool) -> ShownItem:
    most, longest = (_MOST_FACTS, _VALUE) if alone else (_MOST_FACTS_AMONG, _VALUE_AMONG)
    return ShownItem(
        severity=item.severity.value,
        word=severity_in(item.severity, locale),
        mark=MARKS[item.severity],
        at=time_in(item.at, locale.zone),
        headline=one_line(item.headline, 300),
        facts=_rows(item.facts[:most], longest),
        more_facts=max(0, len(item.facts) - most),
        detail=block(item.detail, _DETAIL_ALONE if alone else _DETAIL_AMONG),
        kind=item.kind,
        rule=one_line(item.rule, 80),
        job=_job(item.job, locale, drawn=not named),
    )


def _rows(facts: Rows, longest: int) -> Rows:
    return tuple((one_line(label, 60), one_line(value, longest)) for label, value in facts)


def _job(job: JobCard | None, locale: Locale, *, drawn: bool = True) -> ShownJob | None:
    if job is None:
        return None
    return ShownJob(
        title=one_line(job.title, 150),
        id=one_line(job.ref.job_id, 80),
        ref=one_line(str(job.ref), 120),
        url=link(job.url),
        status=one_line(job.status, 60),
        phase=job.card.phase.value if job.card is not None else "",
        facts=_rows(job.facts[:_MOST_FACTS], 200),
        card=show_card(job.card, locale) if job.card is not None and drawn else None,
    )


def show_card(card: Card, locale: Locale) -> ShownCard:
    """A job's card as templates see it."""
    bar = tuple(
        ShownStretch(
            phase=one.phase.value,
            word=phase_in(one.phase, locale),
            status=one_line(one.status, 60),
            since=one.since.astimezone(locale.clock).strftime("%m-%d %H:%M") if one.since else "",
            length=length_in(one.length, locale.language) if one.length is not None else "",
            share=share,
            current=one.current,
        )
        for one, share in zip(card.bar, shares(_lengths(card)), strict=True)
    )
    return ShownCard(
        phase=card.phase.value,
        word=phase_in(card.phase, locale),
        status=one_line(card.status, 60),
        gone=card.gone,
        bar=bar,
        left_out=card.left_out,
        attempt=", ".join(attempt(card, locale)),
        facts=tuple((label_in(label, locale), one_line(value, 120)) for label, value in _facts(card, locale) if value),
        reason=one_line(reason(card), _REASON),
        as_of=time_in(card.as_of, locale.zone, seconds=False),
    )


def _lengths(card: Card) -> tuple[float, ...]:
    """For the bar: as long as each was; where one is not known, all alike, as a guess would look like knowledge."""
    *way, present = card.bar
    end = present.length is None and card.phase in TERMINAL
    stretches = way if end else [*way, present]
    known = all(one.length is not None for one in stretches)
    lengths = [one.length.total_seconds() if known and one.length is not None else 1.0 for one in stretches]
    return (*lengths, 0.0) if end else tuple(lengths)


def _facts(card: Card, locale: Locale) -> list[tuple[str, str]]:
    return [
        ("Pods", phrase("semicolon", locale).join(pods(card, locale))),
        ("GPUs", f"{card.gpus:g}" if card.gpus else ""),
        ("GPU-hours", _gpu_hours(card, locale)),
        ("Waited", length_in(card.waited, locale.language) if card.waited is not None else ""),
        ("Quota", card.quota),
        ("Owner", card.owner),
        ("Workspace", card.workspace),
        ("Type", card.job_type),
    ]


def _gpu_hours(card: Card, locale: Locale) -> str:
    if card.gpu_hours is None:
        return ""
    told = f"{card.gpu_hours:,.1f}"
    if not card.gpu_hours_down:
        return told
    return phrase("mail-gpu-hours-down", locale, ran=told, down=f"{card.gpu_hours_down:,.1f}")

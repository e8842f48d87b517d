"""What a template sees of a message: plain words, cleaned and cut, as its receiver reads them.

A template gets one of these as `message`; templates for a headline or a detail also get the `item` they are about. Everything is
a text, a number, a truth value, or a row of such; what is not known is "" or an empty row, and `job` and `card` are none where
there is none. Text from jobs is among it: an HTML template escapes every value by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from watcher.core.catalog import phrase
from watcher.core.language import PLAIN, Locale

Rows = tuple[tuple[str, str], ...]
"""Pairs of a label and a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownStretch:
    """One stretch of a job's way: an unbroken time in one phase.

    Attributes:
        phase: the phase's name, the same in every language: `pending`, `running`, `failed` ...
        word: the phase in words.
        status: DLC's own word.
        since: when it began, by the clock that `as_of` of the card names: `02-03 09:02`; or "".
        length: how long it was, or has been so far; "" where that is not known, and for an end.
        share: its part of the bar, in percent: 2 at least, about 100 together.
        current: it is the present one.
    """

    phase: str
    word: str
    status: str = ""
    since: str = ""
    length: str = ""
    share: int = 2
    current: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCard:
    """How a job stands, at one glance.

    Attributes:
        phase: the phase's name, the same in every language.
        word: the phase in words.
        status: DLC's own word.
        gone: DLC does not know the job any more; the rest is how it last stood.
        bar: its stretches, oldest first.
        left_out: how many older stretches are not in the bar.
        attempt: which attempt this is, in words; "" for the first of one.
        facts: pods, GPUs, GPU-hours, waiting time, quota, owner ...: what is known of them, as rows of label and value.
        reason: DLC's last reason, code and text.
        as_of: when all of this was so.
    """

    phase: str
    word: str
    status: str = ""
    gone: bool = False
    bar: tuple[ShownStretch, ...] = ()
    left_out: int = 0
    attempt: str = ""
    facts: Rows = ()
    reason: str = ""
    as_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownJob:
    """A job.

    Attributes:
        title: what people call it: its display name, else its id.
        id: its id in DLC.
        ref: source and id: `hangzhou/dlc1vpb4vfdd2kr`.
        url: a link to its page, or "".
        status: DLC's word for how it stands, or "".
        phase: the phase that this word means, the same in every language; "" where nothing is held about it.
        facts: workspace, quota, user ... as rows of label and value.
        card: how it stands at one glance; none where nothing is held about it, and in a message about several jobs.
    """

    title: str
    id: str
    ref: str
    url: str = ""
    status: str = ""
    phase: str = ""
    facts: Rows = ()
    card: ShownCard | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownItem:
    """One thing that happened.

    Attributes:
        severity: `info`, `warning` or `critical`.
        word: the severity in words.
        mark: the severity as a sign.
        at: when it happened.
        headline: one line.
        facts: rows of label and value, the first of them.
        more_facts: how many more there are.
        detail: longer text, such as DLC's reason; "" for none.
        kind: the event's kind, such as `pod.evicted`.
        rule: the rule that spoke.
        job: whose news it is; none for news of the watcher itself.
    """

    severity: str
    word: str
    mark: str = ""
    at: str
    headline: str
    facts: Rows = ()
    more_facts: int = 0
    detail: str = ""
    kind: str
    rule: str
    job: ShownJob | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A message.

    Attributes:
        receiver: who is told.
        id: the message's id, the same on every attempt.
        severity: the loudest of its items: `info`, `warning` or `critical`.
        word: the severity in words.
        mark: the severity as a sign.
        title: one line that says it all.
        subject: the thread's unchanging subject.
        items: what happened, in order, the first of them; never empty.
        more: how many more there are.
        job: the one job it is about; none when it is about several or about none.
        several_jobs: each item has to name its job.
        reply: it belongs to a thread that began before.
        language: the receiver's language, such as `en`.
        words: what stands around the news, in that language: `words.rule`, `words.console` ...
    """

    receiver: str
    id: str
    severity: str
    word: str
    mark: str = ""
    title: str
    subject: str
    items: tuple[ShownItem, ...]
    more: int = 0
    job: ShownJob | None = None
    several_jobs: bool = False
    reply: bool = False
    language: str = "en"
    words: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


WORDS: Final = (
    "rule", "receiver", "message", "console", "as-of", "gone", "earlier", "reason", "more", "more-facts"
)  # fmt: skip
"""What stands around the news: keys of `core.catalog.PHRASES` behind `mail-`. `{n}` or `{time}` in one is for the template."""


def words_in(locale: Locale) -> Mapping[str, str]:
    """These words in a language, by names that a template can write: `words.as_of`."""
    return {key.replace("-", "_"): phrase(f"mail-{key}", locale) for key in WORDS}


def shares(lengths: tuple[float, ...], least: int = 2) -> tuple[int, ...]:
    """Parts of a bar in percent, in proportion to the lengths, each of them wide enough to be seen.

    Args:
        lengths: how long each is; 0 for one that has no length, such as an end.
        least: what the shortest gets.
    """
    whole = sum(lengths)
    free = max(0, 100 - least * len(lengths))
    return tuple(least + (round(free * length / whole) if whole else free // len(lengths)) for length in lengths)


_BAR: Final = (
    ShownStretch(phase="pending", word="waiting", since="02-03 10:40", length="12 m", share=10),
    ShownStretch(phase="running", word="running", since="02-03 10:52", length="3 h 12 m", share=88),
    ShownStretch(phase="failed", word="failed", status="Failed", since="02-03 14:03", current=True),
)
_JOB: Final = ShownJob(
    title="llama-70b-pretrain",
    id="dlc1vpb4vfdd2kr",
    ref="hangzhou/dlc1vpb4vfdd2kr",
    url="https://pai.console.aliyun.com/",
    status="Failed",
    phase="failed",
    facts=(("Workspace", "nlp-research"), ("User", "wei")),
    card=ShownCard(
        phase="failed",
        word="failed",
        status="Failed",
        bar=_BAR,
        attempt="2 of 4",
        facts=(("GPUs", "64"), ("Owner", "wei")),
        reason="PodFailed: worker-3 was killed",
        as_of="2026-02-03 14:03 UTC",
    ),
)
_FAILED: Final = ShownItem(
    severity="critical",
    word="Critical",
    at="2026-02-03 14:03:22 UTC",
    headline="Failed after 3 h 12 m",
    facts=(("Exit code", "137"),),
    more_facts=2,
    detail="worker-3 was killed: out of memory.",
    kind="job.failed",
    rule="job-failed",
    job=_JOB,
)
_BLIND: Final = ShownItem(
    severity="warning",
    word="Warning",
    at="2026-02-03 14:05:00 UTC",
    headline="No answer from DLC in cn-hangzhou for 5 m",
    kind="watch.blind",
    rule="watch-blind",
)
_BARE_JOB: Final = ShownJob(title="eval", id="dlc2", ref="hangzhou/dlc2")
_BARE: Final = ShownItem(
    severity="info",
    word="Info",
    at="2026-02-03 14:06:00 UTC",
    headline="Succeeded",
    kind="job.succeeded",
    rule="job-succeeded",
    job=_BARE_JOB,
)


def samples() -> tuple[Shown, ...]:
    """Messages of every shape, to try a template on: one job with all that is known, a bare one, none, and several."""

    def one(*items: ShownItem, job: ShownJob | None, **more: object) -> Shown:
        return Shown(
            receiver="team",
            id="0f6d9c0e-0000-5000-8000-000000000000",
            severity=items[0].severity,
            word=items[0].word,
            title=items[0].headline,
            subject="[dlc] sample",
            items=items,
            job=job,
            several_jobs=job is None and len(items) > 1,
            words=words_in(PLAIN),
            **more,  # type: ignore[arg-type]  # members of Shown, by name
        )

    return (
        one(_FAILED, job=_JOB),
        one(_BARE, job=_BARE_JOB, reply=True),
        one(_BLIND, job=None),
        one(_FAILED, _BARE, _BLIND, job=None, more=7),
        one(_FAILED, _FAILED, job=_JOB, language="zh"),
    )

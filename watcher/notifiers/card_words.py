"""A status card in words: what every end that shows one says of the job, line by line, free of any markup. Pure.

Everything here is still as the job wrote it: who puts it into a markup escapes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from watcher.core.card import Card, Stretch
from watcher.core.catalog import PHASES, POD_PHASES
from watcher.core.language import Language, Locale, Said, Text, counted, joined, length_in, say, spoken
from watcher.core.living import CardLoss
from watcher.core.phases import Phase

LOSSES: Final[Mapping[CardLoss, Said]] = {
    CardLoss.DELETED: Said("the earlier card was deleted", "原卡片已被删除"),
    CardLoss.FROZEN: Said("the earlier card could no longer be changed", "原卡片已无法修改"),
    CardLoss.PLACE_GONE: Said("the earlier card's channel could no longer be written to", "原卡片所在频道已无法写入"),
    CardLoss.MOVED: Said("the earlier card is in another channel", "原卡片在另一个频道"),
    CardLoss.FULL: Said("the earlier thread has grown too long", "原话题消息过多"),
}
NEW_CARD: Final = "New card: {why}", "新卡片：{why}"
EARLIER_CARD: Final = Said("earlier card", "原卡片")
AS_OF: Final = "as of {at}", "截至 {at}"
SINCE: Final = "since {at}", "自 {at} 起"
BEGAN: Final = "began {ago}", "始于 {ago}"
LEFT_OUT: Final = "{n} earlier", "之前另有 {n} 段"
JOBS: Final = Said("jobs", "作业")

_MOST_ROLES: Final = 6
_WORTH_TELLING: Final = 0.05
"""GPU-hours: less is shown as nothing."""


def headline(card: Card, locale: Locale) -> str:
    """How it stands, in a line, for example `Running, attempt 2 of 4`."""
    known = card.phase is not Phase.UNKNOWN or not card.status
    said = spoken(PHASES[card.phase], locale) if known else card.status
    parts = [said[:1].upper() + said[1:]]
    if card.gone:
        parts.append(spoken(say("gone from DLC", zh="DLC 中已不存在"), locale))
    return _listed([*parts, *attempt(card, locale)], locale)


def attempt(card: Card, locale: Locale) -> list[str]:
    """Which attempt, where there may be more than one."""
    if card.attempts is not None and card.attempts > 1:
        told = say("attempt {k} of {n}", zh="第 {k} 轮，共 {n} 轮", k=card.attempt, n=card.attempts)
        return [spoken(told, locale)]
    return [spoken(say("attempt {k}", zh="第 {k} 轮", k=card.attempt), locale)] if card.attempt > 1 else []


def stretch(one: Stretch, locale: Locale) -> str:
    """One stretch of the bar, for example `waiting 12 m`."""
    phase = spoken(PHASES[one.phase], locale)
    return phase if one.length is None else f"{phase} {length_in(one.length, locale.language)}"


def pods(card: Card, locale: Locale) -> list[str]:
    """The pods by role: `worker 7 running, 1 pending`; then how many were evicted so far."""
    roles: dict[str, list[str]] = {}
    for one in card.pods:
        counts = roles.setdefault(one.role or spoken(say("pods", zh="实例"), locale), [])
        counts.append(f"{one.count} {spoken(POD_PHASES[one.phase], locale)}")
    said = [f"{role} {_listed(counts, locale)}" for role, counts in list(roles.items())[:_MOST_ROLES]]
    if len(roles) > _MOST_ROLES:
        said.append(spoken(counted(len(roles) - _MOST_ROLES, "more role", "more roles", "个其他角色"), locale))
    if card.evicted:
        said.append(spoken(say("{n} evicted so far", zh="累计驱逐 {n} 个", n=card.evicted), locale))
    return said


def size(card: Card, locale: Locale) -> list[str]:
    """GPUs, and what they were used for so far."""
    said: list[Text] = []
    if card.gpus:
        unit = "GPU" if card.gpus == 1 else "GPUs"
        said.append(say(f"{{n}} {unit}", zh="{n} 卡", n=f"{card.gpus:g}"))
    if card.gpu_hours and card.gpu_hours >= _WORTH_TELLING:
        said.append(say("{n} GPU-hours", zh="{n} GPU 时", n=_hours(card.gpu_hours)))
    if card.gpu_hours_down and card.gpu_hours_down >= _WORTH_TELLING:
        said.append(say("{n} lost to restarts", zh="重启损失 {n} GPU 时", n=_hours(card.gpu_hours_down)))
    return [spoken(one, locale) for one in said]


def _hours(hours: float) -> str:
    return f"{hours:.0f}" if hours >= 10 else f"{hours:.1f}"  # noqa: PLR2004 - two digits are enough to read


def wait(card: Card, locale: Locale) -> list[str]:
    """How long it waited before it first ran."""
    if card.waited is None or card.waiting:
        return []
    return [spoken(say("waited {length}", zh="排队 {length}", length=card.waited), locale)]


def place(card: Card, locale: Locale) -> list[str]:
    """In which quota it is, whose it is and in which workspace."""
    quota = [spoken(say("quota {name}", zh="配额 {name}", name=card.quota), locale)] if card.quota else []
    return [*quota, *filter(None, (card.owner, card.workspace))]


def reason(card: Card) -> str:
    """DLC's last reason, its code before its text."""
    if card.reason_code and card.reason and not card.reason.startswith(card.reason_code):
        return f"{card.reason_code}: {card.reason}"
    return card.reason or card.reason_code


def phrase(words: tuple[str, str], locale: Locale, **values: str | int) -> str:
    """A sentence of the tables above with its values, which are put in as they are."""
    return spoken(say(words[0], zh=words[1], **values), locale)


def _listed(parts: Sequence[str], locale: Locale) -> str:
    return spoken(joined(parts), locale) if locale.language is Language.EN else "，".join(parts)

"""Texts in more than one language, and how lengths and times read in each.

Theory. What a rule says is written down when it happens and read later by people who differ in language and clock, so it must not
be put into words too early. A `Said` keeps a sentence in every language with its values beside it, unspoken: a length of time stays
a length, a moment a moment. `spoken` makes the text for one reader, whose language and zone are a `Locale`. A plain text is a
`Text`, too, and reads the same for everybody: a rule that knows of no languages goes on as it is.

    say("Failed after {lived}", zh="运行 {lived}后失败", lived=event.lived)

The sentence is the rule's own and stands beside what it is about; a name in braces is a value, and nothing else is looked up. A
value is put in as it is and never read again, so braces in a job's name are only braces. Words that many speak in (labels, phases,
"and 3 more") stand in `core.catalog`.

DLC's own words (statuses, reason codes, its messages) are nobody's to translate: people look them up in its console as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final

from watcher.core.duration import spell_duration


class Language(StrEnum):
    """What people are spoken to in."""

    EN = "en"
    ZH = "zh"
    """Simplified Chinese."""


@dataclass(frozen=True, slots=True)
class Locale:
    """How one reader is spoken to: in which language, and by whose clock."""

    language: Language = Language.EN
    zone: tzinfo | None = None
    """None where nobody said: UTC, and on a terminal the machine's own clock."""

    @property
    def clock(self) -> tzinfo:
        """By whose clock times are told; UTC where nobody said."""
        return self.zone or UTC


PLAIN: Final = Locale()
"""English and UTC: what is written down, logged and shown where no reader is known."""


@dataclass(frozen=True, slots=True)
class Length:
    """A length of time, not yet in words."""

    of: timedelta

    def __str__(self) -> str:
        return spoken(self)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time, not yet on anybody's clock; aware. `seconds`: whether they are shown."""

    at: datetime
    seconds: bool = False

    def __str__(self) -> str:
        return spoken(self)


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence in every language, with its values. Made by `say`; "" in a language is the English one.

    As text it is English, in UTC: `str(said)`, or within an f-string.
    """

    en: str
    zh: str = ""
    values: tuple[tuple[str, Text], ...] = ()

    def __str__(self) -> str:
        return spoken(self)

    def in_language(self, language: Language) -> str:
        """The sentence with its names in braces."""
        return (self.zh if language is Language.ZH else self.en) or self.en


Text = str | Length | Moment | Said
"""What can be spoken. A plain text reads the same in every language."""

Value = Text | timedelta | datetime | int
"""What `say` takes for a name: what is no text yet becomes one."""

_NAME: Final = re.compile(r"\{(\w+)\}")


def say(en: str, zh: str = "", **values: Value) -> Said:
    """A sentence in English and in Chinese; `{name}` stands for the value of that name. Without `zh` everybody reads English."""
    return Said(en, zh, tuple((name, text_of(value)) for name, value in values.items()))


def text_of(value: Value) -> Text:
    """The value as something that can be spoken: a moment shows its minute; write `Moment(at, seconds=True)` for more."""
    match value:
        case timedelta():
            return Length(value)
        case datetime():
            return Moment(value)
        case int():
            return str(value)
    return value


def spoken(text: Text, locale: Locale = PLAIN) -> str:
    """The text for one reader. A name in braces that has no value stays as it is written."""
    match text:
        case Length():
            return length_in(text.of, locale.language)
        case Moment():
            return time_in(text.at, locale.zone, seconds=text.seconds)
        case Said():
            values = dict(text.values)
            return _NAME.sub(
                lambda found: spoken(values[found[1]], locale) if found[1] in values else found[0],
                text.in_language(locale.language),
            )
    return text


def line_of(text: Text, locale: Locale = PLAIN) -> str:
    """The same on one line: white space is folded, which strangers' node names and reason codes may bring along."""
    return " ".join(spoken(text, locale).split())


def joined(parts: Sequence[Text], most: int | None = None) -> Text:
    """A list: `a, b, c`, or with `most` 2 and four more `a, b, 4 more`; a plain text where nothing in it wants words.

    Args:
        parts: what is listed.
        most: so many are named, the others counted; None for all.
    """
    named = list(parts if most is None else parts[:most])
    more = len(parts) - len(named)
    if more:
        named.append(say("{n} more", zh="另有 {n} 个", n=more))
    if len(named) == 1:
        return named[0]
    if all(isinstance(part, str) for part in named):
        return ", ".join(map(str, named))
    names = [f"{{part{number}}}" for number in range(len(named))]
    return Said(", ".join(names), "、".join(names), tuple((f"part{number}", part) for number, part in enumerate(named)))


def counted(number: int, one: str, many: str, zh: str) -> Said:
    """A number of things: `counted(3, "job", "jobs", "个作业")` is "3 jobs" and "3 个作业"."""
    return say(f"{{n}} {one if number == 1 else many}", zh=f"{{n}} {zh}", n=number)


def number_of(number: int, of: int | None) -> Text:
    """`2 of 10`, `2/10`; only the number where nobody knows of how many."""
    return str(number) if of is None else say("{n} of {of}", zh="{n}/{of}", n=number, of=of)


def length_in(length: timedelta, language: Language) -> str:
    """Two leading units: `3 h 12 m`, `3 小时 12 分`."""
    plain = spell_duration(length)
    if language is Language.EN:
        return plain
    words = plain.split()
    units = [_UNITS[unit] for unit in words[1::2]]
    # A minute that stands alone is a length (分钟); beside another unit the short word is usual.
    shown = ["分钟"] if units == ["分"] else units
    return " ".join(f"{amount} {unit}" for amount, unit in zip(words[::2], shown, strict=True))


_UNITS: Final = {"d": "天", "h": "小时", "m": "分", "s": "秒"}


def time_in(at: datetime, zone: tzinfo | None, *, seconds: bool = True) -> str:
    """A time by the clock of a zone (None: UTC), which it names: `2026-02-03 14:03:22 UTC`, `2026-02-03 22:03 UTC+8`.

    The same in every language. A zone is named by its distance from UTC, as its letters have more than one meaning (CST).
    """
    local = at.astimezone(zone or UTC)
    return f"{local.strftime('%Y-%m-%d %H:%M:%S' if seconds else '%Y-%m-%d %H:%M')} {offset_in(at, zone)}"


def offset_in(at: datetime, zone: tzinfo | None) -> str:
    """How a zone is named at that time: `UTC`, `UTC+8`, `UTC-3:30`."""
    distance = at.astimezone(zone or UTC).utcoffset() or timedelta(0)
    minutes = round(distance / timedelta(minutes=1))
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '-'}{hours}" + (f":{rest:02}" if rest else "")

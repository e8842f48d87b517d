"""What a job wishes to be told of itself: tags that its submitter gave it.

| tag                  | value                                       | wish                                               |
|----------------------|---------------------------------------------|----------------------------------------------------|
| `dlc-watcher/owner`  | any text                                    | becomes the label `owner`, for routes to choose by |
| `dlc-watcher/notify` | `all`                                       | everything; as without the tag                     |
|                      | `none`                                      | nothing                                            |
|                      | `info`, `warning` or `critical`             | what is at least that loud                         |
|                      | names of rules                              | what these rules say                               |
| `dlc-watcher/mute`   | `true` or `false`                           | nothing; as without the tag                        |
|                      | a date or time, also with `until` before it | nothing until then (`2026-03-05` begins at 00:00 UTC) |
|                      | names of rules                              | nothing of what these rules say                    |

Several words are parted by commas or spaces; of `notify` it is enough when one allows it: `critical, job-succeeded`. Where both
tags speak, both must allow it. Case does not matter but for names of rules.

A wish is heard only as far as the configuration allows (`service.job_wishes`), for whoever may submit a job could silence those who
look after it. A word that means nothing is ignored and complained about in the decision's note: a tag is a stranger's text, and
a typing error in it must neither stop the watcher nor hide a failure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

PREFIX: Final = "dlc-watcher/"
"""What the tags' keys begin with."""

_LOUDNESS: Final = ("info", "warning", "critical")
_YES: Final = frozenset({"true", "yes", "on", "1"})
_NO: Final = frozenset({"", "false", "no", "off", "0"})
_PARTING: Final = re.compile(r"[,;\s]+")
_LONGEST: Final = 100
"""Most characters of a tag's value that are repeated in a note or a label."""


class Wish(StrEnum):
    """What a configuration may allow jobs to wish."""

    NOTIFY = "notify"
    MUTE = "mute"
    OWNER = "owner"


@dataclass(frozen=True, slots=True)
class Wishes:
    """The wishes of one job, read.

    Attributes:
        owner: who it belongs to, or "".
        muted: why nothing at all is told, or "".
        muted_rules: what these rules say is not told.
        least: what is at least this loud is told; "" where loudness decides nothing.
        only_rules: what these rules say is told, whatever the loudness.
        picky: whether `least` and `only_rules` leave anything out.
        complaints: what could not be understood.
    """

    owner: str = ""
    muted: str = ""
    muted_rules: frozenset[str] = frozenset()
    least: str = ""
    only_rules: frozenset[str] = frozenset()
    picky: bool = False
    complaints: tuple[str, ...] = ()

    def silence(self, rule: str, severity: str) -> str:
        """Why a notification of this rule, this loud, is not to be told; "" when it is."""
        if self.muted:
            return self.muted
        if rule in self.muted_rules:
            return f"the job's tag {PREFIX}{Wish.MUTE} names {rule}"
        loud = bool(self.least) and _LOUDNESS.index(severity) >= _LOUDNESS.index(self.least)
        if self.picky and not loud and rule not in self.only_rules:
            return f"the job's tag {PREFIX}{Wish.NOTIFY} asks for other news"
        return ""


NO_WISHES: Final = Wishes()


def wishes_of(tags: Mapping[str, str], allowed: Collection[Wish], rules: Collection[str], now: datetime) -> Wishes:
    """Read a job's wishes.

    Args:
        tags: of the job.
        allowed: which wishes the configuration allows.
        rules: the names that rules go by.
        now: now.
    """
    told = {wish: tags[PREFIX + wish] for wish in Wish if wish in allowed and PREFIX + wish in tags}
    if not told:
        return NO_WISHES
    muted, muted_rules, complaints = _mute(told.get(Wish.MUTE, ""), rules, now)
    least, only_rules, unheard = _notify(told.get(Wish.NOTIFY, ""), rules)
    nothing = f"the job's tag {PREFIX}{Wish.NOTIFY} is none" if least == "none" else ""
    return Wishes(
        owner=_shown(told.get(Wish.OWNER, "")),
        muted=muted or nothing,
        muted_rules=muted_rules,
        least="" if nothing else least,
        only_rules=only_rules,
        picky=bool(least or only_rules),
        complaints=(*complaints, *unheard),
    )


def _mute(text: str, rules: Collection[str], now: datetime) -> tuple[str, frozenset[str], tuple[str, ...]]:
    word = text.strip().lower()
    if word in _NO:
        return "", frozenset(), ()
    if word in _YES:
        return f"the job's tag {PREFIX}{Wish.MUTE} is {_shown(text)}", frozenset(), ()
    until = _moment(word)
    if until is not None:
        return (
            (f"the job's tag {PREFIX}{Wish.MUTE} says until {until.isoformat()}" if now < until else ""),
            frozenset(),
            (),
        )
    words = frozenset(_words(text))
    return "", words & frozenset(rules), _complaints(Wish.MUTE, sorted(words - frozenset(rules)))


def _notify(text: str, rules: Collection[str]) -> tuple[str, frozenset[str], tuple[str, ...]]:
    """The least loudness ("none" for nothing at all, "" for no word about it), the rules, and what means nothing."""
    words = _words(text)
    plain = {word.lower() for word in words}
    named = frozenset(words) & frozenset(rules)
    complaints = _complaints(
        Wish.NOTIFY, [word for word in words if word not in named and word.lower() not in {"all", "none", *_LOUDNESS}]
    )
    if "all" in plain:
        return "", frozenset(), complaints
    least = next((word for word in _LOUDNESS if word in plain), "")
    if not least and not named and "none" in plain:
        return "none", frozenset(), complaints
    return least, named, complaints


def _words(text: str) -> list[str]:
    return [word for word in _PARTING.split(text) if word]


def _complaints(wish: Wish, words: Collection[str]) -> tuple[str, ...]:
    return tuple(f"{PREFIX}{wish}: {_shown(word)!r} means nothing" for word in words)[:3]


def _moment(word: str) -> datetime | None:
    """A date or time, in UTC where it names no other zone."""
    try:
        moment = datetime.fromisoformat(word.removeprefix("until").strip().upper())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _shown(text: str) -> str:
    return " ".join(text.split())[:_LONGEST]

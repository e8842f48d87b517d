"""The owner directory: who a job belongs to, and how that person is reached.

Theory. A job names its owner in one of two ways: by the tag `dlc-watcher/owner`, where the configuration lets jobs speak
(`service.job_wishes`), or by the user who submitted it. The tag goes first, for who submits is often a service account; a tag that
names nobody known is an unknown owner, and not somebody else. A tag is a stranger's text: it is looked up in the directory and
never taken for an address itself.

Whether the owner is meant at all is the route's matter (`to_owner`, `mention`). Where the owner is not known, the news goes where
the route leads without one and says so, and whoever runs the watcher is told once of each unknown owner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from enum import StrEnum
from typing import Final

from watcher.core.language import Language, Locale
from watcher.core.matching import Labels, Matcher

OWNER: Final = "owner"
USER: Final = "user"
_LONGEST: Final = 100


class Address(StrEnum):
    """Whom a delivery is for, at its receiver. Closed: it is a row."""

    PLACE = "place"
    """Whoever reads the receiver."""
    DIRECT = "direct"
    """The owner alone: a direct message, a mail of their own."""
    MENTION = "mention"
    """Whoever reads the receiver, and the owner is named so that they notice."""
    UNKNOWN = "unknown"
    """The owner was meant and is not in the directory: whoever reads the receiver, and it says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody a job can belong to.

    Attributes:
        name: what the configuration calls them.
        slack: their Slack user id, or the mail address they have there; "" for none.
        mail: their mail address; "" for none.
        language: in which language they are spoken to; None for that of the receiver.
        zone: by whose clock; None for that of the receiver.
    """

    name: str
    slack: str = ""
    mail: str = ""
    language: Language | None = None
    zone: tzinfo | None = None

    def locale(self, receiver: Locale) -> Locale:
        """How they are spoken to, at a receiver that is spoken to so."""
        return replace(receiver, language=self.language or receiver.language, zone=self.zone or receiver.zone)


@dataclass(frozen=True, slots=True)
class Entry:
    """A person, and which jobs are theirs: those that fit any of the matchers, and those that name them."""

    person: Person
    matches: tuple[Matcher, ...] = ()


@dataclass(frozen=True, slots=True)
class Directory:
    """All known owners, in order: the first that fits is it."""

    entries: tuple[Entry, ...] = ()

    def named(self, name: str) -> Person | None:
        """The person of that name."""
        return next((entry.person for entry in self.entries if entry.person.name == name), None)

    def owner(self, labels: Labels) -> Person | None:
        """Whose job it is, by its labels; None where that is nobody known."""
        tagged = _told(labels, OWNER)
        # Where a tag says whose it is, who submitted it says nothing.
        seen: Labels = {label: values for label, values in labels.items() if label != USER} if tagged else labels
        names = tagged or _told(labels, USER)
        return next(
            (
                entry.person
                for entry in self.entries
                if entry.person.name in names or any(one.matches(seen) for one in entry.matches)
            ),
            None,
        )


def claimed(labels: Labels) -> str:
    """What a job says about its owner, for people: `owner zoe`, `user 1234567 (bob)`; "" where it says nothing."""
    tagged = _told(labels, OWNER)
    if tagged:
        return f"owner {_shown(tagged[0])}"
    told = _told(labels, USER)
    if not told:
        return ""
    more = f" ({_shown(', '.join(told[1:]))})" if told[1:] else ""
    return f"user {_shown(told[0])}{more}"


def _told(labels: Mapping[str, tuple[str, ...]], label: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in labels.get(label, ()) if value))


def _shown(text: str) -> str:
    return " ".join(text.split())[:_LONGEST]

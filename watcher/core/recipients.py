"""What became of one message at each of its recipients, where the far side answers for each of them, as a mail server does.

    not asked yet --> ACCEPTED           has it, and never gets it again
              |  `--> REFUSED            for good: kept, told, and not asked again for this message
              `-----> DEFERRED --> ...   not now: asked again, alone

The last word is kept with the message, so that a restart between two attempts mails nobody twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Acceptance(StrEnum):
    """What the far side said about one recipient."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RecipientOutcome:
    """The last word about one recipient of one message.

    Attributes:
        answer: the far side's own words for what it did not take; "" for what it took.
    """

    recipient: str
    acceptance: Acceptance
    answer: str = ""


Outcomes = tuple[RecipientOutcome, ...]


def still_to_ask(recipients: Iterable[str], before: Outcomes) -> list[str]:
    """Those that neither have the message nor refused it for good."""
    done = {one.recipient for one in before if one.acceptance is not Acceptance.DEFERRED}
    return [recipient for recipient in recipients if recipient not in done]


def merged(before: Outcomes, now: Outcomes) -> Outcomes:
    """The last word about each, in the order in which they were first asked."""
    last = {one.recipient: one for one in (*before, *now)}
    return tuple(last.values())


def those(outcomes: Outcomes, acceptance: Acceptance) -> Outcomes:
    """Those of whom this was said."""
    return tuple(one for one in outcomes if one.acceptance is acceptance)


def newly_refused(outcomes: Outcomes, before: Outcomes) -> Outcomes:
    """Who refused it in this attempt."""
    known = {one.recipient for one in those(before, Acceptance.REFUSED)}
    return tuple(one for one in those(outcomes, Acceptance.REFUSED) if one.recipient not in known)


def spell_outcomes(outcomes: Outcomes) -> str:
    """In words, for people: `accepted by 1 of 3; refused: a@example.com: 550 no such user`; "" when all accepted."""
    accepted = those(outcomes, Acceptance.ACCEPTED)
    if len(accepted) == len(outcomes):
        return ""
    parts = [f"accepted by {len(accepted)} of {len(outcomes)}"]
    for word, acceptance in (("for now refused", Acceptance.DEFERRED), ("refused", Acceptance.REFUSED)):
        named = "; ".join(f"{one.recipient}: {one.answer}" for one in those(outcomes, acceptance))
        parts += [f"{word}: {named}"] if named else []
    return "; ".join(parts)

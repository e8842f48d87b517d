"""Finds on Slack the people whom the directory of owners names, and the conversation in which one of them is told alone.

What was found is remembered while the process runs: ids and conversations never change. Who was not found is looked for again
after an hour, as people join. Whatever slack-sdk and what is under it raise in passing goes through; the notifier says what it
means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from watcher.core.people import Person
from watcher.notifiers.slack_replies import error_code

_USER_ID: Final = re.compile(r"[UW][A-Z0-9]{6,}")

LOOK_AGAIN_AFTER: Final = timedelta(hours=1)

NOT_FOUND: Final = frozenset({"users_not_found", "user_not_found", "user_disabled", "cannot_dm_bot"})
NOT_ALLOWED: Final = frozenset({"missing_scope", "not_allowed_token_type", "no_permission"})
WHY: Final = {
    "not_found": "nobody on Slack has the address {slack}; mend `owners`",
    "not_allowed": "the app lacks the scope users:read.email, by which {slack} is found; add it and install the app again, or "
    "write the Slack user id under `owners`",
    "webhook": "an incoming webhook cannot look anybody up; write the Slack user id under `owners`",
}


@dataclass(frozen=True, slots=True)
class Found:
    """Those who were found, and for each of the others why they were not.

    Attributes:
        ids: Slack user ids, in the order asked for.
        missing: name and reason, with what to do about it.
    """

    ids: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()


def by_id(people: Sequence[Person]) -> Found:
    """Those of them whose id is written in the directory, for where nobody can be looked up."""
    ids = tuple(person.slack for person in people if _USER_ID.fullmatch(person.slack))
    return Found(ids, tuple((one.name, WHY["webhook"]) for one in people if not _USER_ID.fullmatch(one.slack)))


def told(found: Found) -> str:
    """What a person should know about who was not found."""
    return "; ".join(f"{name} was not found on Slack: {why}" for name, why in found.missing)


class SlackPeople:
    """Looks people up, and remembers.

    Args:
        now: the time.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._ids: dict[str, str] = {}
        self._missing: dict[str, tuple[str, datetime]] = {}
        self._conversations: dict[str, str] = {}

    async def find(self, client: AsyncWebClient, people: Sequence[Person]) -> Found:
        """Their ids. Refusals that concern one person, or the right to look, are an answer and no failure."""
        ids, missing = [], []
        for person in people:
            found = await self._id(client, person.slack)
            if found:
                ids.append(found)
            else:
                why, _ = self._missing[person.slack]
                missing.append((person.name, WHY[why].format(slack=person.slack)))
        return Found(tuple(dict.fromkeys(ids)), tuple(missing))

    async def conversation(self, client: AsyncWebClient, user: str) -> str:
        """Where this user is told alone; the user's own id, which Slack takes too, where we may not ask."""
        if user not in self._conversations:
            try:
                answer = await client.api_call("conversations.open", json={"users": user})
            except SlackApiError as exc:
                if error_code(exc) not in NOT_ALLOWED:
                    raise
                return user
            self._conversations[user] = str(answer["channel"]["id"])
        return self._conversations[user]

    async def _id(self, client: AsyncWebClient, written: str) -> str:
        if _USER_ID.fullmatch(written):
            return written
        if written in self._ids:
            return self._ids[written]
        _, until = self._missing.get(written, ("", self._now()))
        if self._now() < until:
            return ""
        try:
            answer = await client.api_call("users.lookupByEmail", data={"email": written})
        except SlackApiError as exc:
            code = error_code(exc)
            if code not in NOT_FOUND | NOT_ALLOWED:
                raise
            why = "not_found" if code in NOT_FOUND else "not_allowed"
            self._missing[written] = why, self._now() + LOOK_AGAIN_AFTER
            return ""
        self._ids[written] = str(answer["user"]["id"])
        return self._ids[written]

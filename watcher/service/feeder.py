"""Asks lists single questions: what ended, what was created, what is in a rare status, and how these hundred jobs are.

When each is asked is decided by `core.docket`, what it asks for by `core.feeds`, what its answer says of the lists themselves by
`core.capabilities`; what it says of the jobs is taken in by `finder`, like the items of a pass. A question that cannot be put in
one way is put in another, or left to the passes and looks: nothing depends on it but the time it takes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import anyio

from watcher.core import capabilities
from watcher.core.capabilities import Ability, Belief
from watcher.core.docket import Feed, Rank
from watcher.core.feeds import ENDED, MOST_PAGES, RARE, ListAnswer, ListQuestion, window_since
from watcher.core.model import JobRef
from watcher.core.shares import Use
from watcher.errors import InvalidRequest, SourceError, StoreUnavailable
from watcher.ports.source import ListReader
from watcher.service.budget import RequestBudget
from watcher.service.finder import Finder
from watcher.service.ledger import Ledger
from watcher.service.outlook import Outlook
from watcher.service.questions import put
from watcher.service.roster import Roster
from watcher.service.telemetry import log

_RECKON_S: Final = 5.0
"""How long to sleep at most: the plan may have changed meanwhile."""
_SHORTEST_S: Final = 0.001

_USES: Final = {Feed.FINISHED: Use.FINISHED, Feed.BORN: Use.BORN, Feed.STATUS: Use.STATUS, Feed.SWEEP: Use.SWEEP}


class Feeder:
    """Asks the lists of one source.

    Args:
        reader: where to ask.
        ledger: clock and metrics.
        roster: whose turn it is.
        finder: takes in what lists show, and holds what was learnt of them.
        outlook: what a failed or a good question means.
        budget: waited for before each request.
    """

    def __init__(
        self,
        *,
        reader: ListReader,
        ledger: Ledger,
        roster: Roster,
        finder: Finder,
        outlook: Outlook,
        budget: RequestBudget,
    ) -> None:
        self._reader, self._ledger, self._roster, self._finder = reader, ledger, roster, finder
        self._outlook, self._budget = outlook, budget
        self._answered: dict[tuple[Feed, int], datetime] = {}
        self._rare = itertools.cycle(RARE)
        self._next_scope = 0

    async def feed(self) -> None:
        """All feeds side by side, until cancelled."""
        async with anyio.create_task_group() as tasks:
            for feed in Feed:
                tasks.start_soon(self._keep_asking, feed)

    async def _keep_asking(self, feed: Feed) -> None:
        clock, docket = self._ledger.clock, self._roster.docket
        while True:
            now = clock.now()
            wait_s = docket.feed_due_s(feed) - now.timestamp()
            if self._outlook.sight.watching_since is None:  # the first pass has the word
                wait_s = _RECKON_S
            if wait_s > 0:
                await clock.sleep(timedelta(seconds=max(_SHORTEST_S, min(wait_s, _RECKON_S))))
            else:
                docket.asked(feed, now.timestamp())
                await self._turn(feed, now)

    async def _turn(self, feed: Feed, began: datetime) -> None:
        """One turn of a feed: as many requests as it takes."""
        if feed is Feed.SWEEP:
            await self._sweep()
            return
        for scope in range(self._reader.scopes):
            answered = True
            for question in self._questions(feed, scope, began):
                answered = await self._pages(_USES[feed], question) and answered
            if answered:
                self._answered[feed, scope] = began

    def _questions(self, feed: Feed, scope: int, now: datetime) -> Iterator[ListQuestion]:
        learnt = self._finder.learnt
        since = window_since(self._answered.get((feed, scope)), now)
        if feed is Feed.BORN:
            yield ListQuestion(scope=scope, since=since)
        elif feed is Feed.STATUS and learnt.belief(Ability.STATUSES) is Belief.HONOURED:
            yield ListQuestion(scope=scope, statuses=RARE)
        elif feed is Feed.STATUS:
            yield ListQuestion(scope=scope, statuses=(next(self._rare),))
        elif learnt.worth_asking(Ability.FINISH_WINDOW, now):
            yield ListQuestion(scope=scope, since=since, window="finished", order="finished")
        elif learnt.belief(Ability.STATUSES) is Belief.HONOURED:
            yield ListQuestion(scope=scope, statuses=ENDED, order="finished")
        else:
            for status in ENDED:
                yield ListQuestion(scope=scope, statuses=(status,), order="finished")

    async def _pages(self, use: Use, question: ListQuestion) -> bool:
        """Read pages while they show what was not known. Returns whether the question was answered."""
        for number in range(1, MOST_PAGES + 1):
            before = len(self._roster.digests)
            answer = await self._ask(use, replace(question, page=number))
            if answer is None:
                return False
            if not answer.more or (question.since is None and len(self._roster.digests) == before):
                break
        await self._try_list_of_statuses(use, question)
        return True

    async def _try_list_of_statuses(self, use: Use, question: ListQuestion) -> None:
        """Where a status just showed jobs, ask for it among others: the answer shows whether lists take several."""
        if len(question.statuses) == 1 and self._finder.learnt.belief(Ability.STATUSES) is Belief.UNKNOWN:
            several = ENDED if question.statuses[0] in ENDED else RARE
            await self._ask(use, replace(question, statuses=several))

    async def _sweep(self) -> None:
        """Ask for a hundred jobs by their ids."""
        docket, now = self._roster.docket, self._ledger.clock.now()
        scopes = docket.scopes
        if not scopes or not self._finder.learnt.worth_asking(Ability.JOB_IDS, now):
            return
        self._next_scope += 1
        scope = scopes[self._next_scope % len(scopes)]
        batch = docket.batch(scope)
        if not batch:
            return
        answer = await self._ask(Use.SWEEP, ListQuestion(scope=scope, jobs=tuple(ref.job_id for ref in batch)))
        named = frozenset() if answer is None else answer.named
        quiet = frozenset() if answer is None else frozenset(answer.unchanged)
        now = self._ledger.clock.now()
        for ref in batch:
            entry, turn = self._roster.get(ref), docket.get(ref)
            if entry is None or turn is None:
                continue
            full = self._finder.learnt.full and ref.job_id in quiet and entry.agreed == entry.version
            docket.listed(turn, now.timestamp(), full=full)
            if answer is not None and ref.job_id not in named:
                self._left_out(ref, now)

    def _left_out(self, ref: JobRef, now: datetime) -> None:
        """A list did not show a job that was asked for by its id: GetJob decides. Until a list shows it, it is not asked for so."""
        entry, turn = self._roster.get(ref), self._roster.docket.get(ref)
        if entry is not None and turn is not None:
            self._roster.docket.stands_in(turn, -1, now.timestamp())
            self._roster.news(entry, Rank.CHANGE, now)

    async def _ask(self, use: Use, question: ListQuestion) -> ListAnswer | None:
        """One request; None when it was not answered."""
        await self._budget.permit(use)
        learnt, now = self._finder.learnt, self._ledger.clock.now
        try:
            answer = await put(
                self._ledger.metrics,
                self._outlook.source,
                "ListJobs",
                lambda: self._reader.list_some(question, self._roster.digests),
            )
        except InvalidRequest as exc:
            if capabilities.ability_of(question) is None:
                await self._outlook.failed("ListJobs", exc)
            else:
                await self._outlook.answered("ListJobs")
                self._learn(capabilities.refused(learnt, question, now()))
            return None
        except SourceError as exc:
            await self._outlook.failed("ListJobs", exc)
            return None
        await self._outlook.answered("ListJobs")
        self._learn(capabilities.heard(self._finder.learnt, question, answer, now()))
        try:
            await self._finder.take(answer.jobs, answer.unchanged, answer.digests, question.scope)
        except StoreUnavailable as exc:
            log.error("listing_put_off", source=self._outlook.source, error=str(exc))
            return None
        return answer

    def _learn(self, learnt: capabilities.Capabilities) -> None:
        for ability in Ability:
            if learnt.belief(ability) is not self._finder.learnt.belief(ability):
                log.info(
                    "lists_learnt",
                    source=self._outlook.source,
                    ability=ability.value,
                    belief=learnt.belief(ability).value,
                )
        self._finder.learnt = learnt

    def missed(self, ended_at: datetime, now: datetime) -> None:
        """A job ended then, and no list of what ended had shown it by now."""
        asked = [at for (feed, _), at in self._answered.items() if feed is Feed.FINISHED]
        if asked and min(asked) - timedelta(seconds=30) > ended_at > now - timedelta(hours=1):
            self._learn(capabilities.left_out(self._finder.learnt, now))

"""Answers inquiries: reads events and logs behind the polls, decides, and commits what was found as an event.

An inquiry is a deadline (`core.inquiry`). Taking one moves it into the future first, so that it comes back by itself if this
process dies on the way; the event that answers it and the end of the deadline are one commit, and the event's id is made from what
was asked: there is one answer, however often the way is begun. What was read lives in memory for as long as one answer takes.
"""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import anyio

from watcher.core.activity import activity, next_activity_question
from watcher.core.codec import event_from_json
from watcher.core.consequence import Consequences, consequences
from watcher.core.events import CauseId, Event, EventId, JobActivityChecked, JobCauseFound, Provenance, When
from watcher.core.evidence import Evidence, Question, Reading, missing_permission, unread
from watcher.core.inquiry import Inquiry, Topic
from watcher.core.model import JobRef, JobSnapshot, SourceName, Watch
from watcher.core.root_cause import find, next_question
from watcher.core.rule import Context, RuleDeadline
from watcher.errors import SourceError, StoreError
from watcher.service.aside import Aside
from watcher.service.ledger import Bell, Ledger, observation
from watcher.service.telemetry import log

AT_ONCE: Final = 4
"""Inquiries that are answered at the same time."""

LEASE: Final = timedelta(minutes=2)
"""When an inquiry comes back if nobody answered it: longer than answering takes, short enough after a crash."""

LONGEST_LEASE: Final = timedelta(minutes=15)
"""... where so many wait before it that it takes longer: each time that one comes back is a commit."""

LIMIT_S: Final = 60.0
"""Real seconds that all questions of one inquiry may take together, waiting for the budget included."""

PUT_OFF: Final = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=5))
"""How long to wait after each failure; after the last try it is answered with what is known."""

NextQuestion = Callable[[Evidence], Question | None]


class Investigator:
    """Answers inquiries about the jobs of some sources.

    Args:
        ledger: where inquiries come from and answers go.
        asides: how each source is asked.
    """

    def __init__(self, ledger: Ledger, asides: Mapping[SourceName, Aside]) -> None:
        self._ledger, self._asides = ledger, asides
        self._taken: dict[EventId, RuleDeadline] = {}
        self._waiting: deque[tuple[EventId, Inquiry]] = deque()
        self._bell = Bell()

    async def take(self, deadline: RuleDeadline) -> None:
        """Take on an inquiry that is due: it comes due again after `LEASE`, unless it is answered by then.

        Raises:
            StoreError: nothing was written; it stays due.
        """
        now = self._ledger.clock.now()
        try:
            inquiry = Inquiry.parse(deadline.key)
        except ValueError:
            log.error("inquiry_unreadable", job=str(deadline.job), key=deadline.key)
            await self._end(deadline)
            return
        moved = replace(deadline, at=now + min(LEASE * (1 + len(self._waiting) // AT_ONCE), LONGEST_LEASE))
        await self._ledger.commit(observation(deadline.cause, now, Consequences(deadlines=(moved,))))
        answer_id = inquiry.answer_id(deadline.job)
        if answer_id in self._taken:
            return  # it is under way; it may also be another wording of the same question, which is ended when it comes again
        self._taken[answer_id] = moved
        self._waiting.append((answer_id, inquiry))
        self._bell.ring()

    async def investigate(self) -> None:
        """Answer what was taken on, until cancelled."""
        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(self._work)

    async def work_off(self) -> int:
        """Answer what was taken on so far. Returns how many inquiries were looked into."""
        done = 0
        while self._waiting:
            await self._one()
            done += 1
        return done

    async def _work(self) -> None:
        while True:
            rung = self._bell.listen()
            if self._waiting:
                await self._one()
            else:
                await rung.wait()

    async def _one(self) -> None:
        answer_id, inquiry = self._waiting.popleft()
        try:
            await self._answer(self._taken[answer_id], inquiry, answer_id)
        except StoreError as exc:
            log.error("inquiry_put_off", job=str(self._taken[answer_id].job), error=str(exc))
        except Exception as exc:  # noqa: BLE001 - no log that somebody wrote may end the watch
            # The words of the exception are not logged: they may repeat what was read.
            log.error("inquiry_given_up", job=str(self._taken[answer_id].job), kind=type(exc).__name__)
            with contextlib.suppress(StoreError):  # then it comes again
                await self._end(self._taken[answer_id])
        finally:
            del self._taken[answer_id]

    async def _answer(self, deadline: RuleDeadline, inquiry: Inquiry, answer_id: EventId) -> None:
        store = self._ledger.store
        aside, watch = self._asides.get(deadline.job.source), await store.watch(deadline.job)
        if aside is None or watch is None or await store.account(answer_id):
            await self._end(deadline)
            return
        job = watch.snapshot
        event = await self._event(inquiry.event_id)
        evidence: list[Reading] = []
        following = _following(inquiry, job, event, aside)
        failed = await self._read(aside, job.ref, following, evidence)
        if failed is not None and inquiry.tries < len(PUT_OFF):
            await self._put_off(deadline, inquiry, failed)
            return
        if failed is not None:
            evidence.append(failed)
        answer = self._concluded(inquiry, job, event, tuple(evidence), answer_id)
        await self._tell(deadline, answer, watch, aside)

    async def _event(self, event_id: EventId) -> Event | None:
        """The event that gave rise to it, where it is still on record."""
        lines = await self._ledger.store.account(event_id)
        told = next((line.data for line in lines if line.kind == "event"), None)
        try:
            return None if told is None else event_from_json(json.dumps(told))
        except ValueError:  # of a kind that only a newer version knows
            return None

    async def _read(
        self, aside: Aside, job: JobRef, following: NextQuestion, evidence: list[Reading]
    ) -> Reading | None:
        """Ask until nothing is left to ask. Returns the question that failed, where one did in a way that may pass."""
        question: Question | None = None
        with anyio.move_on_after(LIMIT_S):
            while (question := following(tuple(evidence))) is not None:
                try:
                    evidence.append(await aside.ask(job.job_id, question))
                except SourceError as exc:
                    log.warning("evidence_not_read", job=str(job), action=question.action, error=str(exc))
                    return Reading.failed(question, str(exc))
            return None
        assert question is not None  # noqa: S101 - only asking takes time
        return Reading.failed(
            question, f"{question.action}: no answer within {LIMIT_S:g} s, the request budget included"
        )

    async def _put_off(self, deadline: RuleDeadline, inquiry: Inquiry, failed: Reading) -> None:
        now = self._ledger.clock.now()
        again = replace(inquiry, tries=inquiry.tries + 1)
        later = replace(deadline, key=again.text, at=now + PUT_OFF[inquiry.tries])
        log.info("inquiry_tried_again", job=str(deadline.job), at=later.at.isoformat(), error=failed.error)
        await self._ledger.commit(
            observation(deadline.cause, now, Consequences(deadlines=(later,)), deadlines_passed=(deadline,))
        )

    def _concluded(
        self, inquiry: Inquiry, job: JobSnapshot, event: Event | None, evidence: Evidence, answer_id: EventId
    ) -> JobCauseFound | JobActivityChecked:
        now, cause = self._ledger.clock.now(), CauseId(str(uuid4()))
        if inquiry.topic is Topic.ACTIVITY:
            return JobActivityChecked(
                id=answer_id,
                when=When(observed_at=now),
                cause=cause,
                job=job.ref,
                explains=inquiry.event_id,
                since=inquiry.since,
                unread=unread(evidence),
                missing_permission=missing_permission(evidence),
                **asdict(activity(evidence, inquiry.since)),
            )
        finding = find(job, event, evidence)
        told: dict[str, Any] = {**asdict(finding), "pod": finding.pod}
        return JobCauseFound(
            id=answer_id,
            when=When(observed_at=now, provenance=Provenance.INFERRED),
            cause=cause,
            job=job.ref,
            explains=inquiry.event_id,
            unread=unread(evidence),
            missing_permission=missing_permission(evidence),
            **told,
        )

    async def _tell(
        self, deadline: RuleDeadline, answer: JobCauseFound | JobActivityChecked, watch: Watch, aside: Aside
    ) -> None:
        now = self._ledger.clock.now()
        context = Context(
            now=now,
            job=watch.snapshot,
            phase_since=watch.phase_since,
            console_url=aside.source.console_url(watch.snapshot),
            fleet=self._ledger.fleet,
        )
        follows = consequences((answer,), context, self._ledger.book, now)
        await self._ledger.commit(observation(answer.cause, now, follows, deadlines_passed=(deadline,)))

    async def _end(self, deadline: RuleDeadline) -> None:
        now = self._ledger.clock.now()
        await self._ledger.commit(observation(deadline.cause, now, Consequences(), deadlines_passed=(deadline,)))


def _following(inquiry: Inquiry, job: JobSnapshot, event: Event | None, aside: Aside) -> NextQuestion:
    if inquiry.topic is Topic.ACTIVITY:
        return lambda evidence: next_activity_question(job, inquiry.since, evidence, aside.level)
    return lambda evidence: next_question(job, event, evidence, aside.level)

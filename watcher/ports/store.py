"""What the engine asks of the place where everything is kept.

Long, because it is one contract: every statement there is, without a line that does anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from watcher.core.backlog import Backlog
from watcher.core.breaker import Breaker
from watcher.core.delivery import Delivery, DeliveryState, FlushId, Receipt, Settlement
from watcher.core.ends import ToldTrouble
from watcher.core.events import CauseId, Event, EventId
from watcher.core.fleet import Brief
from watcher.core.inhibition import Inhibiting
from watcher.core.interventions import Intervention
from watcher.core.living import LivingCard
from watcher.core.model import JobRef, SourceName, Watch
from watcher.core.recipients import Outcomes
from watcher.core.rule import Absorption, Decision, Notification, NotificationId, RuleDeadline
from watcher.core.sight import Sight
from watcher.core.silencing import Silencing, SilencingId
from watcher.core.trouble import Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything that follows from one look, committed together or not at all.

    Attributes:
        cause: the id that its events and deliveries carry.
        expected_version: the job's version this was computed from; 0 when the job was not known. Compare-and-set goes by it.
        watch: the job's new state, its version one higher; None when the look was not about a job (a source's sight).
        snapshot_changed: whether the snapshot differs from the stored one in a watched field (only then is history kept).
        sight: the source's new state, or None when unchanged.
        deadlines_passed: deadlines that this observation has answered and that end with it.
        absorptions: larger news that was begun: deliveries it covers and that are still PENDING become FOLDED.
        inhibitions: news that makes other news superfluous: deliveries it covers and that are still PENDING become WITHHELD.
        troubles: those that began, and those that ended.
    """

    cause: CauseId
    at: datetime
    expected_version: int = 0
    watch: Watch | None = None
    snapshot_changed: bool = False
    sight: Sight | None = None
    events: tuple[Event, ...] = ()
    decisions: tuple[Decision, ...] = ()
    notifications: tuple[Notification, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    deadlines: tuple[RuleDeadline, ...] = ()
    deadlines_passed: tuple[RuleDeadline, ...] = ()
    absorptions: tuple[Absorption, ...] = ()
    inhibitions: tuple[Inhibiting, ...] = ()
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryLine:
    """One line of a job's story: what kind of row, when, and the row itself as plain JSON-able data."""

    at: datetime
    kind: Literal["snapshot", "event", "decision", "delivery", "receipt", "trouble"]
    data: Mapping[str, Any]


class Store(Protocol):
    """Where everything is kept. One process with SQLite; the statements are written for PostgreSQL too.

    Writes raise `StoreUnavailable` when the database is busy beyond patience, full or gone (nothing was written then).
    """

    async def open(self) -> None:
        """Make ready: create or migrate the schema.

        Raises:
            SchemaRefused: the database is newer than this program, or holds another program's tables.
            StoreCorrupt: it is damaged; it is left as it is.
        """
        ...

    async def aclose(self) -> None:
        """Let go. May be called twice."""
        ...

    async def watch(self, ref: JobRef) -> Watch | None:
        """What is held about one job."""
        ...

    async def watches(
        self,
        *,
        live_only: bool = True,
        source: SourceName | None = None,
        after: JobRef | None = None,
        limit: int | None = None,
    ) -> tuple[Watch, ...]:
        """What is held about all jobs, or about those still to be polled, in order of source and job id.

        Args:
            live_only: only jobs still to be polled.
            source: only jobs of this one.
            after: only jobs behind this one, to read on where an answer with a limit ended.
            limit: at most so many; None for all.
        """
        ...

    async def briefs(self, *, source: SourceName | None = None) -> tuple[Brief, ...]:
        """What a start must know of all jobs, or of a source's, in order of source and job id: less than `watches`, and quicker."""
        ...

    async def commit(self, observation: Observation) -> None:
        """All of it in one durable transaction.

        Events, notifications and deliveries whose id is already there are left as they are. A deadline under a known
        (rule, job, key) is moved. Deliveries that are PENDING and covered by an absorption become FOLDED
        (`core.delivery.absorbed`); what has been leased stays as it is. A trouble under a known id is not opened again, nor is an
        answer to it undone; one that is open takes over the end it is given. Raises:

        StaleObservation: the job's version is no longer `expected_version`; nothing was written.
        """
        ...

    async def sights(self) -> tuple[Sight, ...]:
        """The state of every source ever watched."""
        ...

    async def due_deadlines(self, now: datetime, limit: int = 100) -> tuple[RuleDeadline, ...]:
        """Deadlines that have come, earliest first. They stay until an observation names them in `deadlines_passed`."""
        ...

    async def deadlines(self, rule: str) -> tuple[RuleDeadline, ...]:
        """All deadlines of one owner, whether they have come or not, earliest first."""
        ...

    async def next_due(self, *, receiver: str | None = None) -> datetime | None:
        """When the next delivery of this receiver (or, with None, the next deadline) is due; None when nothing waits."""
        ...

    async def lease(self, receiver: str, now: datetime, *, backlog: Backlog | None = None) -> Lease | None:
        """Take the next due flush of a receiver and mark it SENDING before anything is sent.

        Eligible is the group whose oldest waiting delivery is first, if its time has come. If some of a group's deliveries already
        left together and are due to be repeated (RETRYING, or SENDING left over by a process that died), exactly those are taken;
        else all PENDING ones of the group. A group (and a thread) with an unsettled flush gives nothing newer: order is kept. A
        group that has spoken waits as long as its deliveries keep apart.

        What was held is compacted first (`core.compaction`), with the jobs as they are held and with what the receiver was told
        meanwhile: what newer news has overtaken becomes FOLDED in the same transaction, and the rest is the flush.

        Args:
            receiver: whose.
            now: now.
            backlog: when the news of many groups, old by now, leaves as one (`core.backlog`); None for never.
        """
        ...

    async def settle(
        self,
        lease: Lease,
        settlement: Settlement,
        receipt: Receipt | None,
        now: datetime,
        *,
        owed: tuple[Delivery, ...] = (),
        breaker: Breaker | None = None,
    ) -> None:
        """Write what became of a leased flush, and its receipt: the last one, when some of its recipients took it later.

        Args:
            lease: as it was taken.
            settlement: what becomes of it.
            receipt: what the far side returned, or None.
            now: now.
            owed: what others are owed because of it (`core.fallback`). Those whose id is there already are left as they are, and
                nothing of it is written when the flush is no longer this attempt's.
            breaker: the receiver's, as it is now; None where it stays as it was.
        """
        ...

    async def release(self, now: datetime) -> int:
        """At start: make flushes left SENDING by a dead process due again, under their own flush ids. Returns how many rows."""
        ...

    # receivers, and what people did about them and their deliveries

    async def breakers(self) -> tuple[Breaker, ...]:
        """What is known of receivers' reachability, by their names. A receiver without trouble may be missing."""
        ...

    async def keep_breaker(self, breaker: Breaker) -> None:
        """Write one down, in place of what was known of its receiver."""
        ...

    async def dead_letters(self) -> Mapping[str, int]:
        """How many each receiver has that has any."""
        ...

    async def intervene(self, intervention: Intervention) -> tuple[str, ...]:
        """Do what a person says, where it can be done (`core.delivery.BY_HAND`), and keep who, when and why with it.

        Returns:
            The subjects to which it was done; the others are unknown or in a state it cannot be done to.
        """
        ...

    async def interventions(self, limit: int = 100) -> tuple[Intervention, ...]:
        """What people did, newest last, one for each subject."""
        ...

    async def interventions_made(self) -> int:
        """A number that is another one after each intervention, so that a running watcher can see that there was one."""
        ...

    # living cards

    async def card(self, receiver: str, job: JobRef) -> LivingCard | None:
        """The card of a job at a receiver; None when none was ever begun."""
        ...

    async def keep_card(self, card: LivingCard) -> None:
        """Write a card down. Its `news` counts only for a new row: afterwards commits alone raise it, by one each.

        Once its root stands, that is the reference of the job's thread at this receiver.
        """
        ...

    async def cards_behind(self, receiver: str, limit: int = 1) -> tuple[LivingCard, ...]:
        """Cards of a receiver that are `behind`, the earliest `next_at` first."""
        ...

    # silences

    async def add_silence(self, silencing: Silencing) -> None:
        """Keep a silence. One with a known id is left as it is."""
        ...

    async def end_silence(self, silencing_id: SilencingId, at: datetime, by: str) -> bool:
        """End a silence before its time. False when there is none, or a person ended it already."""
        ...

    async def silences(self, now: datetime | None = None) -> tuple[Silencing, ...]:
        """All silences, oldest first; with `now`, those that time or a person has not ended. Whether a job ended is not asked."""
        ...

    # troubles

    async def told_troubles(self, receiver: str) -> tuple[ToldTrouble, ...]:
        """What a receiver was told of (DELIVERED) and that goes on, or has ended without its being owed the end; oldest first."""
        ...

    async def troubles(
        self,
        *,
        open_only: bool = True,
        job: JobRef | None = None,
        since: datetime | None = None,
        trouble_id: NotificationId | None = None,
    ) -> tuple[Trouble, ...]:
        """Troubles, oldest first.

        Args:
            open_only: only those that have not ended.
            job: only those of this job.
            since: only those that are open, or ended at or after this time.
            trouble_id: only the one that this notification opened.
        """
        ...

    async def open_troubles(self) -> tuple[int, int]:
        """How many troubles are open, and how many of them somebody has taken on: whether there was an answer, without reading all.

        Answers end troubles or take them on, and are not taken back: who knows of every trouble that was opened, and finds no fewer
        open and no more taken on than he knows, knows all answers.
        """
        ...

    async def acknowledge(self, trouble_id: NotificationId, at: datetime, by: str, comment: str = "") -> bool:
        """Note who took on a trouble, and with it all open ones about the same matter (`Trouble.matter`).

        Those that nothing but an answer would end (`core.ongoing.UNTIL_ANSWERED`) end by it. False, and nothing is changed, when
        that notification opened no trouble, or all about its matter has ended or was taken on before.
        """
        ...

    # reading, for people

    async def events(
        self,
        *,
        job: JobRef | None = None,
        kinds: frozenset[str] = frozenset(),
        since: datetime | None = None,
        limit: int = 100,
    ) -> tuple[Event, ...]:
        """Stored events, newest last, at most `limit` of the newest; with `since`, only what happened (`When.at`) after it."""
        ...

    async def deliveries(
        self,
        *,
        receiver: str | None = None,
        states: frozenset[DeliveryState] = frozenset(),
        since: datetime | None = None,
        limit: int = 100,
    ) -> tuple[Delivery, ...]:
        """Stored deliveries, newest last, at most `limit` of the newest; with `since`, only what came to be owed after it."""
        ...

    async def story(self, job: JobRef) -> tuple[StoryLine, ...]:
        """Everything about one job, in order of happening."""
        ...

    async def account(self, event_id: EventId) -> tuple[StoryLine, ...]:
        """Everything about one event: itself, what rules decided, what came to be owed for it, what arrived. Empty when unknown."""
        ...

    async def counts(self) -> Mapping[str, int]:
        """Rows by kind and state, for health and metrics: `jobs.live`, `events`, `deliveries.pending` ..."""
        ...

    async def prune(self, before: datetime) -> frozenset[JobRef]:
        """Drop ended jobs, with all that belongs to them, that ended and were told before this time. Returns which jobs.

        Silences that were over before this time go, too, and interventions made before it.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A flush that is ours to send.

    Attributes:
        flush_id: its id, the same on every attempt.
        attempt: number of this attempt, from 1.
        first_attempt_at: when the first attempt began.
        deliveries: what it consists of.
        thread_reference: reference of the thread's root message from an earlier receipt, or "".
        folded: what this message stands for without telling it by itself: it was held, and what is told has overtaken it.
        recipients: the last word about each recipient from earlier attempts, where the far side answers for each.
        refused_before: recipients that refused another message of this receiver for good: told already.
    """

    flush_id: FlushId
    receiver: str
    attempt: int
    first_attempt_at: datetime
    deliveries: tuple[Delivery, ...]
    thread_reference: str
    folded: tuple[Delivery, ...] = ()
    recipients: Outcomes = ()
    refused_before: frozenset[str] = frozenset()

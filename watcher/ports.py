"""What the engine asks of the world. Each Protocol's docstring is the contract; `watcher.testing` holds a test class for each.

Long, because it is all contract: the engine's whole view of the world in one file, without a line that does anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal, Protocol, runtime_checkable

from watcher.core.answering import Answer, Press
from watcher.core.backlog import Backlog
from watcher.core.breaker import Breaker
from watcher.core.delivery import Delivery, DeliveryState, FlushId, Receipt, Settlement
from watcher.core.ends import ToldTrouble
from watcher.core.events import CauseId, Event, EventId
from watcher.core.feeds import ListAnswer, ListQuestion
from watcher.core.fleet import Brief
from watcher.core.inhibition import Inhibiting
from watcher.core.interventions import Intervention
from watcher.core.living import CardView, LivingCard
from watcher.core.message import Message
from watcher.core.model import JobId, JobRef, JobSnapshot, JobSummary, Listing, SourceName, Watch
from watcher.core.recipients import Outcomes
from watcher.core.rule import Absorption, Decision, Notification, NotificationId, RuleDeadline
from watcher.core.sight import Sight
from watcher.core.silencing import Silencing, SilencingId
from watcher.core.trouble import Trouble
from watcher.settings import Settings

NOTHING_KNOWN: Final[Mapping[JobId, bytes]] = MappingProxyType({})

Permit = Callable[[], Awaitable[None]]
"""Awaited before every single request, so that all requests of an account share one budget."""


class Clock(Protocol):
    """The time, and waiting for it. The demo runs an accelerated one, tests a virtual one."""

    def now(self) -> datetime:
        """Now, aware, in UTC."""
        ...

    async def sleep(self, length: timedelta) -> None:
        """Wait for that long on this clock; at once when it is zero or negative."""
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer about a job that was read.

    Attributes:
        snapshot: what it says.
        digest: to recognise an answer that says the same; b"" when that cannot be done for this one. It means something to its
            source only, and only in this run of the program.
    """

    snapshot: JobSnapshot
    digest: bytes = b""


class JobSource(Protocol):
    """Where jobs are looked up.

    Every method raises a `SourceError` of the fitting leaf and nothing else for whatever goes wrong on the way or over there.
    A method makes one attempt, apart from re-signing once where the far side asks for that (nonce used, token expired, clock
    corrected); waiting and repeating are the poller's decision.
    """

    @property
    def name(self) -> SourceName:
        """The name it has in the configuration."""
        ...

    async def fetch(self, job_id: JobId) -> JobSnapshot:
        """Ask for one job.

        Raises:
            JobNotFound: the far side says it does not know this id.
            SourceError: any other leaf.
        """
        ...

    async def fetch_if_changed(self, job_id: JobId, known: bytes) -> Fetched | None:
        """Ask for one job; None when the answer says what the one with the digest `known` said.

        Two answers say the same when `core.carry_over.differ` finds no difference between their snapshots and they tell the same
        `modified_at`, that is, when only durations and the like have run on. When in doubt they do not. A source that cannot tell
        gives `Fetched(await self.fetch(job_id))`.

        Args:
            job_id: which job.
            known: the digest that came with an earlier answer of this source; b"" fits none.

        Raises:
            SourceError: as `fetch` does.
        """
        ...

    async def list_jobs(self, permit: Permit, known: Mapping[JobId, bytes] = NOTHING_KNOWN) -> Listing:
        """One pass over all listed jobs this source covers, each once; `permit` is awaited before each request.

        A pass that failed midway raises; it never returns a part as if it were the whole.

        Args:
            permit: the right to one request.
            known: by job id, the digest that came with an item which has been taken in. Items that still have it are only named
                (`Listing.unchanged`): they say the same but for what runs on. A source that cannot tell reads them all.
        """
        ...

    async def job_events(self, job_id: JobId, *, since: datetime | None = None, most: int = 200) -> tuple[str, ...]:
        """Lines of the job's own events, with one request.

        This and the two below: lines are plain text whose form DLC does not document, in the order it gives them; the last `most`
        of them, each cut to a length, and all together to a size. They may hold secrets: whoever keeps one redacts it first.

        Args:
            job_id: which job.
            since: only what is newer. None leaves it to DLC, which shows seven days.
            most: the most lines wanted.
        """
        ...

    async def pod_events(
        self, job_id: JobId, pod_id: str, pod_uid: str = "", *, since: datetime | None = None, most: int = 200
    ) -> tuple[str, ...]:
        """Lines of one pod's events, with one request; with `pod_uid` those of that incarnation. See `job_events`."""
        ...

    async def pod_logs(
        self, job_id: JobId, pod_id: str, pod_uid: str = "", *, since: datetime | None = None, most: int = 2000
    ) -> tuple[str, ...]:
        """Lines of one pod's log, with one request; with `pod_uid` those of that incarnation. See `job_events`."""
        ...

    def console_url(self, job: JobSnapshot | JobSummary) -> str:
        """A link for people to the job's page, or ""."""
        ...

    async def aclose(self) -> None:
        """Let go of connections. May be called twice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a kind of notifier can do, in words for people; "" where it cannot. The README's table is made from it.

    Attributes:
        shows: what people get, in one line.
        threads: what is told as one thread. Said by those whose receipts carry a `thread_reference`.
        updates: which message is changed in place when there is news.
        receipt: what the far side gives back for a message. Said by those whose receipts carry a `reference`.
        buttons: what people can do from within the message.
        ends: how it shows that a trouble is over, beyond telling that as news. Said by those that are `LastingNotifier`s.
        repeats: whether a message can be seen twice after a crash.
        reaches: by which address of a person in the directory of owners it tells somebody alone (`Message.to`) and names somebody
            (`Message.mentions`).
    """

    shows: str
    threads: str = ""
    updates: str = ""
    receipt: str = ""
    buttons: str = ""
    ends: str = ""
    repeats: str = "possible"
    reaches: Literal["", "slack", "mail"] = ""


@runtime_checkable
class ListReader(Protocol):
    """A source whose lists can be asked single questions, which makes watching many jobs a hundred times cheaper.

    Not every source can. One that does not offer this is watched by passes and looks alone.
    """

    @property
    def scopes(self) -> int:
        """How many lists there are: each question is put to one of them, by its number from 0."""
        ...

    @property
    def account(self) -> str:
        """Whose request budget it draws on: sources that give the same text share one. No secret is in it."""
        ...

    def scope_of(self, workspace_id: str) -> int:
        """The list in which jobs of a workspace stand; -1 when that is not known."""
        ...

    async def list_some(self, question: ListQuestion, known: Mapping[JobId, bytes] = NOTHING_KNOWN) -> ListAnswer:
        """Put one question, with one request.

        What the far side makes of it is not certain (`core.capabilities`): the answer may show jobs that were not asked for, or
        leave out some that were.

        Args:
            question: what is asked.
            known: see `JobSource.list_jobs`.

        Raises:
            InvalidRequest: the far side does not take such a question.
            SourceError: any other leaf.
        """
        ...


class Notifier(Protocol):
    """One way to tell people. Three small functions; only `send` touches the world.

    `render` is pure and its output is what golden files hold. `send` makes one attempt and lets the foreign exception, or the
    reply, go to `classify`. A notifier never waits and never repeats: pace, order and retries are the dispatcher's.
    """

    kind: ClassVar[str]
    """The key under a receiver's name, for example `slack`."""
    Settings: ClassVar[type[Settings]]
    capabilities: ClassVar[Capabilities]
    """What it can do; a literal, known without making one."""

    def __init__(self, name: str, settings: Any) -> None:
        """Made with the receiver's name and a validated instance of `Settings`."""
        ...

    pace: timedelta
    """Least time between two sends to this destination; zero for none."""

    def render(self, message: Message) -> Wire:
        """The message in this channel's form: JSON-like data, safe to print (no secret in it). Job text is escaped here."""
        ...

    async def send(self, wire: Wire, message: Message) -> Receipt:
        """One attempt.

        Raises:
            NotifierError: it did not arrive, or nobody knows; says `permanent`, `ambiguous`, `retry_after`, `fix`.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections. May be called twice."""
        ...


Wire = Mapping[str, Any]
"""What `render` makes and `send` takes."""


@runtime_checkable
class LivingNotifier(Notifier, Protocol):
    """A notifier that can also keep one message for each job and change it in place: the job's card (`core.living`).

    The card is the root of the job's thread: what it is posted under comes back as `Message.thread_reference` of every message
    about the job. When cards are to be posted or changed is decided elsewhere; these two do as they are told.
    """

    @property
    def card_target(self) -> str:
        """Where cards go, for example a channel's name; "" when this receiver wants none. A change of it begins new cards."""
        ...

    card_pace: timedelta
    """Least time between two changes of cards."""

    def render_card(self, view: CardView) -> Wire:
        """The card in this channel's form. As `render`: pure, bounded, escaped, the same on every attempt."""
        ...

    async def show_card(self, wire: Wire, view: CardView) -> Receipt:
        """Post it where `view.reference` is "", else change that message. One attempt.

        Returns:
            `reference` names the message from now on; `place` where it stands.

        Raises:
            CardLost: the message cannot be changed any more, and why; a new one will be posted with the next news of the job.
            NotifierError: as `send`. On a repeated attempt at posting, a copy is looked for where that is possible.
        """
        ...


@runtime_checkable
class AnsweringNotifier(Notifier, Protocol):
    """A notifier whose messages have buttons (`core.answering`). What a press does is decided elsewhere."""

    @property
    def buttons(self) -> Literal["", "http", "own"]:
        """How presses come back: posted to our HTTP server, or on a way of the notifier's own; "" where there are no buttons."""
        ...

    def read_press(self, headers: Mapping[str, str], body: bytes) -> Press | None:
        """The press that was posted to our HTTP server; None for what is none of ours.

        Raises:
            PressRefused: the far side does not vouch for it.
        """
        ...

    async def listen(self, take: Callable[[Press], bool]) -> None:
        """Fetch presses on a way of its own and hand them over, until cancelled. `take` says whether there was room for it."""
        ...

    async def answer(self, press: Press, answer: Answer) -> None:
        """Show what came of a press where it was pressed.

        Raises:
            NotifierError: as `send`.
        """
        ...


@runtime_checkable
class LastingNotifier(Notifier, Protocol):
    """A notifier whose far side shows things while they last, as Alertmanager does: it is told of ends, and of what goes on.

    An item with `over_at` says that what an earlier item with the same labels, rule, severity and job told is over. What goes on is
    sent again through `send`, with the items it was told with; such a repeat must not show as news.
    """

    renew_every: timedelta
    """How often what goes on is sent again, so that it is not taken for over."""
    renew_most: int
    """How many items one message may have."""


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

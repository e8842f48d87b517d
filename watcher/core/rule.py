"""What a rule is, what it may answer, and what becomes of its answer; `core.evaluation` asks.

A rule is pure: it looks at one event and its context and yields intents. It cannot send, store or wait; to be asked again later it
yields a `Deadline`. All the words that a rule may speak in stand together, as an author reads them: hence the length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, NewType, Protocol

from pydantic import BaseModel, ConfigDict

from watcher.core.absence import Absence
from watcher.core.attempts import JobAttempt, attempts
from watcher.core.events import (
    CauseId,
    Event,
    EventId,
    kind_of,
)
from watcher.core.fleet import EMPTY, Fleet
from watcher.core.inquiry import Inquiry, Topic
from watcher.core.language import Text, Value, line_of, text_of
from watcher.core.matching import Matcher
from watcher.core.model import Course, JobRef, JobSnapshot
from watcher.core.ongoing import Ongoing
from watcher.core.wishes import NO_WISHES, Wishes

NotificationId = NewType("NotificationId", str)


class Severity(StrEnum):
    """How loud. `info` is for the record, `warning` wants a look today, `critical` wants a person now."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class RuleReason(StrEnum):
    """Why a rule spoke or stayed silent about an event. Closed: it is the metric label and the text of a story."""

    NOTIFIED = "notified"
    DEADLINE_SET = "deadline-set"
    INVESTIGATES = "investigates"
    """The rule asked for more than GetJob tells; the note names the event that will be the answer."""
    NOT_MATCHED = "not-matched"
    """The `match` of the configuration does not fit; the note names the label."""
    CONDITION_FALSE = "condition-false"
    """The `when` of the configuration came to false."""
    NOT_CONCERNED = "not-concerned"
    """The rule looked and found nothing worth saying; the note says why."""
    MUTED_BY_JOB = "muted-by-job"
    """The rule spoke, but the job's own tags ask for silence, and the configuration allows them to; the note names the tag."""
    FAILED = "failed"
    """The rule raised; see the event `rule.failed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a rule may look at besides the event.

    Attributes:
        now: the time of this evaluation.
        job: the job as we know it now, after the event; None for events that are not about a job.
        previous: the job as it was before this observation; None at first sight and for deadlines.
        phase_since: when the job entered its present phase; None without a job.
        console_url: a link for people, or "".
        fleet: what is known of all jobs, for rules that look beyond this one; read only.
        course: the statuses the job went through, as far as they are known.
        away: the absence of the watcher that has just ended, for what is told late; None without one.
        wishes: what the job's tags ask for, as far as the configuration allows it.
    """

    now: datetime
    job: JobSnapshot | None = None
    previous: JobSnapshot | None = None
    phase_since: datetime | None = None
    console_url: str = ""
    fleet: Fleet = EMPTY
    course: Course = Course()
    away: Absence | None = None
    wishes: Wishes = NO_WISHES
    _attempts: list[tuple[JobAttempt, ...]] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def attempts(self) -> tuple[JobAttempt, ...]:
        """The job's attempts, the present one last (see `core.attempts`); empty without a job. Worked out once, when asked for."""
        if self.job is None:
            return ()
        if not self._attempts:
            self._attempts.append(attempts(self.job, self.course))
        return self._attempts[0]

    def attempt(self, number: int) -> JobAttempt | None:
        """The attempt of that number, or None."""
        return next((one for one in self.attempts if one.number == number), None)


Facts = tuple[tuple[Text, Text], ...]
"""Label and value, in the order to show. A label in English that `core.catalog` knows is shown in the reader's language."""

Shown = tuple[tuple[str, str], ...]
"""The same, spoken."""


def known(*facts: tuple[Text, Value | None]) -> Facts:
    """Those of the facts that have a value: what nobody knows (None, "") is not shown."""
    return tuple((label, text_of(value)) for label, value in facts if value is not None and value != "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Intent: somebody should hear this.

    Attributes:
        headline: one line, without the job's name (the message shows it); `say` says it in every language, a plain text is
            English. White space in it, which strangers' node names and reason codes may bring along, is folded.
        facts: label and value pairs that help to decide what to do.
        detail: longer text such as a reason message; "" for none.
        severity: only where it differs from the rule's own.
        dedup_key: what makes this the same news as before; by default the event. The same key is told once, ever.
        across_jobs: the dedup key says all; the same key is told once for all jobs together, not once for each.
        series: what this is the present state of: where it was held, the newest of a series stands for those before it. By default
            news of a job is about the job, and news across jobs stands for itself.
        ongoing: what goes on being wrong, where the event and the job's phase do not say it (`core.ongoing.described`).
    """

    headline: Text
    facts: Facts = ()
    detail: Text = ""
    severity: Severity | None = None
    dedup_key: str = ""
    across_jobs: bool = False
    series: str = ""
    ongoing: Ongoing | None = None

    def __post_init__(self) -> None:
        if isinstance(self.headline, str):
            object.__setattr__(self, "headline", line_of(self.headline))


@dataclass(frozen=True, slots=True)
class Deadline:
    """Intent: ask me again at this time with a `DeadlinePassed`. A second one under the same key moves the first."""

    key: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Silence:
    """Intent: nothing, and this is why (a few words, for the story)."""

    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Absorb:
    """Intent: what these rules say about these jobs is part of my own news and is not told by itself.

    What is already on its way stays; what still waits, and what is said in this very observation, is folded into the news. Each
    folded delivery stays as a row that names the news.

    Attributes:
        into: the dedup key of that news.
        rules: names of the rules, as configured.
        jobs: whose news is meant.
        since: only what was seen at or after this time.
        critical: events about which even critical news is folded. Other critical news stays.
        pods: only news of these pods; empty for all news of the jobs.
        across_jobs: the larger news is told `across_jobs`; else it is news of the job of the event.
        flapping: the reason of the rows is that the job or pod goes back and forth, not that there is a storm.
    """

    into: str
    rules: frozenset[str]
    jobs: frozenset[JobRef]
    since: datetime
    critical: frozenset[EventId] = frozenset()
    pods: frozenset[str] = frozenset()
    across_jobs: bool = True
    flapping: bool = False


@dataclass(frozen=True, slots=True)
class Investigate:
    """Intent: find out more than GetJob tells. The answer comes later, as an event: `job.cause_found`, `job.activity_checked`.

    What was asked for goes out meanwhile, and a question that cannot be answered is answered with what is known.

    Attributes:
        topic: what to find out.
        key: what makes this the same question as before; by default the event. The same is answered once.
        since: for `Topic.ACTIVITY`: the time after which something must have happened.
    """

    topic: Topic = Topic.CAUSE
    key: str = ""
    since: datetime | None = None

    def inquiry(self, event_id: EventId) -> Inquiry:
        """What is asked, on this event."""
        return Inquiry(self.topic, event_id, self.key or event_id, self.since)


Intent = Notify | Deadline | Investigate | Silence | Absorb


class RuleOptions(BaseModel):
    """Base of a rule's options: frozen, unknown keys refused, each field documented by the string under it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        defer_build=True,
    )


class NoOptions(RuleOptions):
    """A rule without options."""


class Rule(Protocol):
    """One rule. Built with its options; asked through `consider`; must be pure.

    The class docstring is its documentation, with the sections *When*, *Why you want to know*, *What it says* and *Options*.

    A rule that looks at many jobs may have more members. `looks_back: timedelta`: how far back it wants to see happenings of
    the fleet (`Context.fleet`). `holds: Mapping[str, timedelta]`: name of another rule -> how long its news waits before it is
    sent, so that it can be absorbed; critical news never waits. `threshold: Threshold | None`: it is told only when that many of
    the same happened.
    """

    name: ClassVar[str]
    """The word that `use:` takes."""
    on: ClassVar[tuple[type[Event], ...]]
    """The event types it is asked about. `DeadlinePassed` comes by itself for the deadlines it set."""
    severity: ClassVar[Severity]
    Options: ClassVar[type[RuleOptions]]

    def consider(self, event: Event, context: Context) -> Iterable[Intent]:
        """Look at one event."""
        ...


class Condition(Protocol):
    """A compiled `when`."""

    def holds(self, event: Event, context: Context) -> bool:
        """Whether it came to true.

        Raises:
            ValueError: it did not come to true or false.
        """
        ...


class Threshold(Protocol):
    """How many of the same must have happened before a rule speaks: a compiled `count` and `within`."""

    @property
    def looks_back(self) -> timedelta:
        """How far back it counts."""
        ...

    def weigh(
        self, event: Event, context: Context, said: Notify, would_say: Callable[[Event, Context], bool]
    ) -> Notify | Silence:
        """What becomes of that which the rule says about one event.

        Args:
            event: the event.
            context: its context; the fleet knows the earlier events.
            said: what the rule would say about this event alone.
            would_say: whether the rule, as configured, would speak about another event.
        """
        ...


class Summary(Protocol):
    """A compiled `summary`."""

    def text(self, event: Event, context: Context) -> Text:
        """The headline it makes.

        Raises:
            ValueError: a name in it does not exist, or the text is too long.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundRule:
    """A rule as configured: under a name, narrowed by `match` and `when`, perhaps with another severity or wording."""

    name: str
    rule: Rule
    match: Matcher = Matcher()
    when: Condition | None = None
    severity: Severity | None = None
    summary: Summary | None = None
    labels: tuple[tuple[str, str], ...] = ()
    """Labels of its own for what it says: what routes choose by, beside those of the event."""
    shadow: bool = False
    """It is on trial: it decides, and what it says is recorded and not sent."""

    @property
    def kinds(self) -> frozenset[str]:
        """The event kinds it is asked about."""
        return frozenset(kind_of(event_type) for event_type in self.rule.on)

    @property
    def threshold(self) -> Threshold | None:
        """Of a rule that counts: how many of the same make it speak."""
        found: Threshold | None = getattr(self.rule, "threshold", None)
        return found

    @property
    def looks_back(self) -> timedelta:
        """How far back it wants to see what happened to all jobs."""
        own: timedelta = getattr(self.rule, "looks_back", timedelta(0))
        return own if self.threshold is None else max(own, self.threshold.looks_back)

    @property
    def holds(self) -> Mapping[str, timedelta]:
        """Name of another rule -> how long its news waits, as this one may absorb it."""
        held: Mapping[str, timedelta] = getattr(self.rule, "holds", {})
        return held


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What a rule said, not yet in words: everything of a `Notify` that is read."""

    headline: Text
    facts: Facts = ()
    detail: Text = ""


class Occasion(StrEnum):
    """On what occasion something is said. Closed: it is stored."""

    NEWS = "news"
    """It happened."""
    REMINDER = "reminder"
    """It was told, and still goes on."""
    ESCALATION = "escalation"
    """It was told to others, and nobody took it on."""
    DIGEST = "digest"
    """It is the time of day or week at which a receiver is told how things stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """Somebody should hear this: what a rule said, with everything that routing and rendering need.

    `id` is made from the rule's name, the job and the dedup key: the same news gets the same id, and the store keeps one.
    `headline`, `facts` and `detail` are in English and UTC, for what is logged and listed; readers get the `wording`.
    """

    id: NotificationId
    rule: str
    severity: Severity
    headline: str
    facts: Shown
    detail: str
    event_id: EventId
    kind: str
    at: datetime
    """When it happened, as well as we know."""
    observed_at: datetime
    job: JobRef | None
    cause: CauseId
    labels: tuple[tuple[str, tuple[str, ...]], ...]
    pod_id: str = ""
    away: Absence | None = None
    """The absence of the watcher in which it happened; None for news that is told as it happens."""
    across_jobs: bool = False
    """It is about many jobs; `job` is only the one with which it came up."""
    series: str = ""
    ongoing: Ongoing | None = None
    """What goes on being wrong; None for news that is over with the telling, and for what is not loud."""
    over_at: datetime | None = None
    """It says that what it told of is over since then (`core.ends`); None for all other news."""
    occasion: Occasion = Occasion.NEWS
    about: NotificationId = NotificationId("")
    """The news of which this is a reminder or an escalation; "" for news itself."""
    wording: Wording | None = None
    """The same for readers of any language and zone; None where the English text is all there is."""

    @property
    def about_many(self) -> bool:
        """It is the present state of something that many jobs are part of: nobody's own news, `job` or not."""
        return self.across_jobs and bool(self.series)

    @property
    def for_readers(self) -> Wording:
        """What was said, to be put into words for a reader."""
        return self.wording or Wording(headline=self.headline, facts=self.facts, detail=self.detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDeadline:
    """A deadline with its owner: one row, unique by rule, job and key."""

    rule: str
    job: JobRef
    key: str
    at: datetime
    cause: CauseId


@dataclass(frozen=True, slots=True, kw_only=True)
class Absorption:
    """An `Absorb` with the id of the news that absorbs."""

    into: NotificationId
    rules: frozenset[str]
    jobs: frozenset[JobRef]
    since: datetime
    critical: frozenset[EventId] = frozenset()
    pods: frozenset[str] = frozenset()
    flapping: bool = False

    def covers(self, notification: Notification) -> bool:
        """Whether this is part of the larger news."""
        return (
            notification.rule in self.rules
            and notification.job in self.jobs
            and (not self.pods or notification.pod_id in self.pods)
            and notification.observed_at >= self.since
            and (notification.severity is not Severity.CRITICAL or notification.event_id in self.critical)
            and notification.id != self.into
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """What one rule did about one event, and why."""

    event_id: EventId
    rule: str
    reason: RuleReason
    note: str = ""

"""The parts of a configuration that are the same whatever is installed. Sources, notifiers and rules bring their own models.

Long, because it is the whole file as people write it, each setting with its meaning.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from watcher.config.mutes import MuteSettings
from watcher.core.language import Language
from watcher.core.rule import Severity
from watcher.core.tally import FEWEST
from watcher.core.wishes import Wish
from watcher.settings import Duration, OneOrMany, SecretFile, Settings, Zone

NAME_PATTERN: Final = r"^[a-zA-Z][a-zA-Z0-9_.-]*$"


def _name(text: str) -> str:
    if not re.fullmatch(NAME_PATTERN[1:-1], text):
        raise ValueError(f"{text!r} is no name: a name begins with a letter and goes on with letters, digits, _ . or -")
    return text


Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})]
"""Name of a source, a receiver or a rule. It stands in the database, in metrics and in links, so it keeps to plain characters."""


class LabelPattern(Settings):
    """What one label must be and must not be; all that is given must hold. A glob or list alone is short for `is`."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    is_: OneOrMany | None = Field(default=None, alias="is")
    """Globs, of which one must fit."""
    not_: OneOrMany | None = Field(default=None, alias="not")
    """Globs, of which none may fit."""
    regex: OneOrMany | None = None
    """Regular expressions (RE2) over the whole value, of which one must fit."""
    not_regex: OneOrMany | None = None
    """Regular expressions (RE2) over the whole value, of which none may fit."""

    @model_validator(mode="after")
    def _says_something(self) -> LabelPattern:
        if not self.model_fields_set:
            raise ValueError("says nothing about the label; give one of: is, not, regex, not_regex")
        return self


def _form(value: object) -> str:
    return "tests" if isinstance(value, dict | LabelPattern) else "globs"


Match = dict[
    str,
    Annotated[Annotated[OneOrMany, Tag("globs")] | Annotated[LabelPattern, Tag("tests")], Discriminator(_form)],
]
"""Label -> glob, list of globs of which one must fit, or tests by name. All labels named must fit."""


def _one_or_several(value: object) -> object:
    return (value,) if isinstance(value, str | dict) else value


ONE_OR_SEVERAL: Final = BeforeValidator(_one_or_several)
"""One thing alone stands for a list of it."""

Severities = Annotated[tuple[Severity, ...], ONE_OR_SEVERAL]
"""A severity or a list of them."""


def _store_url(url: str) -> str:
    scheme, colon, rest = url.partition("://")
    if not colon or scheme.split("+")[0] not in ("sqlite", "postgresql"):
        raise ValueError(
            "expects sqlite:///file.db (relative), sqlite:////absolute/file.db or postgresql://user@host/database"
        )
    if scheme.startswith("sqlite") and not rest.startswith("/"):
        raise ValueError("a SQLite address has three slashes before a relative file and four before an absolute one")
    return url


class StoreSettings(Settings):
    """Where everything is kept."""

    url: Annotated[str, AfterValidator(_store_url)] = Field(default="sqlite:///dlc-watcher.db", repr=False)
    """Database address. A relative SQLite file is relative to the directory the program runs in. The default is one file there."""

    @property
    def shown(self) -> str:
        """The address without a password, for logs."""
        return re.sub(r"(://[^/@:]*):[^/]*@", r"\1:***@", self.url)


class HttpSettings(Settings):
    """The small HTTP server with /healthz, /readyz and /metrics. These have no login: keep it on an address only you can reach."""

    host: str = "127.0.0.1"
    """Address to listen on. The default is this machine alone; a container needs 0.0.0.0."""
    port: Annotated[int, Field(ge=0, le=65535)] | None = 9464
    """TCP port; 0 takes a free one, null turns the server off."""
    api_token_file: SecretFile | None = None
    """A file with the token of those who may change something through it, under /api. None: nobody may."""


class LogSettings(Settings):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is written."""
    format: Literal["auto", "json", "console"] = "auto"
    """auto: coloured lines on a terminal, JSON lines elsewhere."""


class ServiceSettings(Settings):
    """How `dlc-watcher run` itself behaves."""

    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()
    retention: Annotated[Duration, Field(ge=timedelta(hours=1))] = timedelta(days=90)
    """How long an ended job and all that belongs to it is kept after its end. At least an hour. The default covers a quarter."""
    shutdown_grace: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(minutes=5))] = timedelta(seconds=8)
    """How long requests and sends under way may finish after SIGTERM. The default leaves 2 s of the 10 s that Docker gives."""
    job_wishes: tuple[Wish, ...] = (Wish.OWNER,)
    """Which tags of a job are heeded: owner (`dlc-watcher/owner` becomes the label `owner`), notify and mute (the job says what it
    wants to be told of). The default is owner alone, which silences nothing: with the others, whoever submits a job can keep its
    failures from the people who look after it. An empty list heeds none."""


class EscalationSettings(Settings):
    """One step of an escalation."""

    after: Annotated[Duration, Field(gt=timedelta(0))]
    """How long after the first word, for example 15m."""
    to: str
    """Name of the receiver that is told then, and who did not answer."""


class RouteSettings(Settings):
    """One node of the route tree. The first fitting child takes a notification; when none fits, the node's own receiver does."""

    model_config = ConfigDict(populate_by_name=False)

    receiver: str | None = None
    """Name of a receiver. A child without one uses its parent's; the root must have one."""
    match: Match = Field(default={})
    """Label -> glob, list of globs, or {is, not, regex, not_regex}; all must fit. The root has none: it takes what is left."""
    continue_: bool = Field(default=False, alias="continue")
    """Go on to the next sibling after this one took it."""
    group_by: OneOrMany | None = None
    """Labels; notifications with the same values may be told as one. Inherited; the root's default is `source` and `job`."""
    group_wait: Duration | None = None
    """How long a group collects before it speaks. Inherited; the root's default is 0 s: at once."""
    group_interval: Duration | None = None
    """How long a group that has spoken waits before it speaks of further news. Inherited; the root's default is 0 s: no longer than
    `group_wait`."""
    repeat_interval: Duration | None = None
    """How long after the last word people are reminded of what is still wrong. Inherited; the root's default is 0 s: never."""
    urgent: Severities | None = None
    """Severities that leave at once where they are alone, whatever the group waits for. Where their group has just spoken they wait
    `group_wait` at most, and never `group_interval`. Inherited; the root's default is critical. An empty list: none."""
    escalate: Annotated[tuple[EscalationSettings, ...], ONE_OR_SEVERAL] | None = None
    """Who is told of critical news that nobody takes on (`dlc-watcher ack`): {after: 15m, to: oncall}, or a list of such steps.
    Inherited; an empty list: nobody."""
    mute: OneOrMany | None = None
    """Names of mute intervals: what would leave then is held and goes out as one message at their end. Inherited."""
    mute_except: OneOrMany | None = None
    """Severities that are not held, for example critical. Inherited; by default everything is held."""
    to_owner: bool | None = None
    """true: what it takes goes to the owner of the job alone, through the receiver: a direct message, a mail of their own. Where
    the owner is not among `owners`, whoever reads the receiver is told, and that the owner is not known. Inherited."""
    mention: Severities | None = None
    """Severities at which the owner of the job is named in the receiver's own place, so that they notice. Inherited."""
    shadow: bool | None = None
    """true: a trial beside the tree. What it takes is recorded and not sent, the other routes are asked as if it were not there."""
    routes: tuple[RouteSettings, ...] = ()
    """Children, asked in order."""


_MAIL: Final = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+")
_SLACK_ID: Final = re.compile(r"[UW][A-Z0-9]{5,}")


def _mail(text: str) -> str:
    if not _MAIL.fullmatch(text):
        raise ValueError(f"{text!r} is no mail address; write for example ann@example.com")
    return text


def _slack(text: str) -> str:
    if not _SLACK_ID.fullmatch(text) and not _MAIL.fullmatch(text):
        raise ValueError(
            f"{text!r} is no Slack user: write the member's id, for example U012AB3CD, or their mail address there"
        )
    return text


class OwnerSettings(Settings):
    """Somebody whose jobs are watched.

    A job is theirs when its tag `dlc-watcher/owner`, or without one its user id or user name, is their name here; or when one of
    `match` fits.
    """

    match: Annotated[tuple[Match, ...], ONE_OR_SEVERAL] = ()
    """Label -> glob, list of globs, or {is, not, regex, not_regex}; all must fit. A list of such: any of them. For example
    `[{user: "1234567"}, {tag.team: vision}]`."""
    slack: Annotated[str, AfterValidator(_slack)] | None = None
    """Slack user id, or the mail address they have on Slack; it is looked up there."""
    mail: Annotated[str, AfterValidator(_mail)] | None = None
    """Mail address."""
    language: Language | None = None
    """In which language they are spoken to alone, en or zh. None: that of the receiver."""
    zone: Zone | None = None
    """By whose clock, for example Asia/Shanghai. None: that of the receiver."""

    @model_validator(mode="after")
    def _can_be_reached(self) -> OwnerSettings:
        if self.slack is None and self.mail is None:
            raise ValueError("nobody could reach them; give slack, mail or both")
        return self


class SummarySettings(Settings):
    """A headline in each language. A receiver of the other language reads the English one where it is all there is."""

    en: str
    """In English; it is also what is logged and listed."""
    zh: str
    """In Simplified Chinese."""


def _summary_form(value: object) -> str:
    return "languages" if isinstance(value, dict | SummarySettings) else "text"


class _Narrowing(Settings):
    match: Match = Field(default={})
    """Label -> glob, list of globs, or {is, not, regex, not_regex}; the event and its job must fit all of them."""
    when: str | None = None
    """A CEL expression over `event`, `job` and `pod` that must come to true."""
    severity: Severity | None = None
    """info, warning or critical, instead of the rule's own."""
    summary: (
        Annotated[
            Annotated[str, Tag("text")] | Annotated[SummarySettings, Tag("languages")], Discriminator(_summary_form)
        ]
        | None
    ) = None
    """A headline instead of the rule's own, with names from event, job and pod in {{ }}; `{en: ..., zh: ...}` for both
    languages."""
    labels: dict[Name, str] = Field(default={})
    """Labels of your own on what the rule says, for routes to choose and group by: `{team: vision}`."""
    shadow: bool = False
    """true: on trial. It decides as ever; what it says is recorded with the reason shadow, and not sent."""


class UseRule(_Narrowing):
    """An installed rule, perhaps with other options, narrowed, or worded otherwise."""

    use: str
    """Name of an installed rule; see `dlc-watcher rules`."""
    name: Name | None = None
    """What it is called in messages, routes and metrics. Needed when one rule is used twice; the default is the rule's name."""
    with_: dict[str, Any] = Field(default={}, alias="with")
    """The rule's options."""


class DeclareRule(_Narrowing):
    """A rule written as data: it speaks whenever an event of these kinds passes `match` and `when`."""

    name: Name
    """What it is called in messages, routes and metrics."""
    on: Annotated[OneOrMany, Field(min_length=1)]
    """Event kinds, for example pod.evicted."""
    from_: OneOrMany = Field(default=(), alias="from")
    """Statuses or phases, for example Queuing or pending: only changes that come from one of them. With job.status_changed."""
    to: OneOrMany = ()
    """Statuses or phases: only changes that enter one of them. With job.status_changed."""
    for_: Annotated[Duration, Field(gt=timedelta(0))] | None = Field(default=None, alias="for")
    """How long the job must have stayed in a state of `to` before it is told, for example 40m. Jobs that are first seen in that
    state count, too. `when` is asked at the entry and again at the end."""
    once_per: OneOrMany = ()
    """Labels; what has the same values of them is told once, whichever job it is about: `[job, node]` is once for each node of a
    job, `tag.sweep` once for a whole sweep."""
    count: Annotated[int, Field(ge=FEWEST)] | None = None
    """Speak only when so many of these events happened, of whichever jobs, within the time `within`; at least 2. Each burst is told
    once: what follows is silent until `within` has passed without another one."""
    within: Annotated[Duration, Field(gt=timedelta(0))] | None = None
    """In which time `count` of them must have happened, for example 10m."""
    per: OneOrMany = ()
    """Labels; with `count`: only events with the same values of them are counted together, `quota` is for each quota by itself.
    Left out: all together."""


class IncludeRules(Settings):
    """The rules of an installed rule file, in this place."""

    include: str
    """Name of the rule file; `default` is what applies when `rules` is left out."""


class InhibitSettings(Settings):
    """One inhibition: news that fits `target` is withheld while the same receiver has heard news that fits `source`."""

    include: Literal["default"] | None = None
    """`default`: the built-in inhibitions, in this place. Stands alone."""
    name: str | None = None
    """What it is called in the rows it leaves; by default its place in the list."""
    source: Match = Field(default={})
    """Label -> globs or tests, as in a route: the news that inhibits."""
    target: Match = Field(default={})
    """The news that is inhibited."""
    equal: OneOrMany = ()
    """Labels that must have a value in common, for example `[source, job]`; what both do not have counts as equal."""
    for_: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(days=7))] = Field(
        default=timedelta(hours=1), alias="for"
    )
    """How long, from when the source was owed; at most 7 days. The default is an hour."""
    until: OneOrMany = ()
    """Event kinds that end it before, for example watch.recovered, where source, job, pod and node agree as `equal` demands."""

    @model_validator(mode="after")
    def _whole(self) -> InhibitSettings:
        if self.include is not None:
            if self.model_fields_set != {"include"}:
                raise ValueError("include stands alone")
        elif not self.source or not self.target:
            raise ValueError("name a source and a target, each with at least one label; or include: default")
        return self


class Outline(Settings):
    """The whole file."""

    sources: Annotated[dict[Name, dict[str, Any]], Field(min_length=1)]
    """Where jobs are looked up: name -> settings with `kind`."""
    receivers: Annotated[dict[Name, dict[str, Any]], Field(min_length=1)]
    """Who can be told: name -> one kind of notifier -> its settings."""
    route: RouteSettings = RouteSettings()
    """Which notification goes to whom. May be left out when there is one receiver."""
    mute_intervals: dict[Name, MuteSettings] = Field(default={})
    """Times at which routes may hold what they have to tell: name -> zone, weekdays, dates, from, to."""
    inhibit: tuple[InhibitSettings, ...] | None = None
    """Which news makes which other news superfluous, as Alertmanager's. Left out: the built-in ones. An empty list: none."""
    owners: dict[Name, OwnerSettings] = Field(default={})
    """Who jobs belong to, and how they are reached: name -> match, slack, mail, language, zone. The first that fits is it."""
    rules: tuple[dict[str, Any], ...] = ()
    """What is worth telling. Left out: the packaged default rules. An empty list: nothing."""
    store: StoreSettings = StoreSettings()
    service: ServiceSettings = ServiceSettings()


class RuleList(Settings):
    """A packaged rule file: the one key `rules`, with the same list as a configuration."""

    rules: tuple[dict[str, Any], ...]

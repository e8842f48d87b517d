"""What every settings model is made of: strictness, lengths of time, secrets.

A source, a notifier and a rule bring their own model, derived from `Settings`. Models are frozen and refuse unknown keys, so a
misspelt key is an error with a place and never a silent default.

Long, because every kind of value that a setting can have stands here once, with its mistakes in words.
"""

from __future__ import annotations

import re
import ssl
from datetime import UTC, timedelta, tzinfo
from difflib import get_close_matches
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic.functional_validators import AfterValidator

from watcher.core.backlog import Backlog
from watcher.core.duration import PATTERN, parse_duration
from watcher.core.language import Language, Locale
from watcher.templates import NONE as NO_TEMPLATES
from watcher.templates import PARTS, TemplateFault, Templates, read_templates


class Settings(BaseModel):
    """Base of every settings model: frozen, unknown keys refused, defaults checked too."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        populate_by_name=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        defer_build=True,  # most models are parts of others, and are never used by themselves
    )


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError("a length of time has a unit: write for example 90s, 30m, 1h30m or 2d")


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    Field(ge=timedelta(0)),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["90s", "30m", "1h30m"]}),
]
"""A length of time, written `90s`, `30m`, `1h30m`, `2d`. Never a bare number: a number has no unit."""


def _zone(value: object) -> tzinfo:
    if isinstance(value, tzinfo):
        return value
    name = str(value)
    if name == "UTC":
        return UTC  # known on a machine without a table of zones, too
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'there is no time zone "{name}"{_near_zone(name)}') from None


def _near_zone(name: str) -> str:
    known = {zone.lower(): zone for zone in available_timezones()}
    if not known:
        return "; this machine has no table of time zones: pip install tzdata"
    near = get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return f'; did you mean "{known[near[0]]}"?' if near else "; write for example Asia/Shanghai or UTC"


Zone = Annotated[
    tzinfo,
    PlainValidator(_zone),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["Asia/Shanghai", "UTC"]}),
]
"""A time zone by its IANA name, for example `Asia/Shanghai`."""


def _beside_the_configuration(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("base_dir")
    return path.expanduser() if base is None else Path(base) / path.expanduser()


NO_SECRET: Final = Path(__file__).parent / "no_secret"
"""Read in place of every secret file where secrets are left alone; good as a token, a password and a web address."""


def left_alone(secret: str) -> bool:
    """Whether this stands in place of a secret that was not read, so its form means nothing."""
    return secret == NO_SECRET.read_text(encoding="utf-8").strip()


def _secret_file(path: Path, info: ValidationInfo) -> Path:
    if not (info.context or {}).get("secrets", True):
        return NO_SECRET
    absolute = _beside_the_configuration(path, info)
    try:
        text = absolute.read_text(encoding="utf-8")
    except OSError as exc:
        raise ValueError(f"the secret file {str(path)!r} cannot be read: {exc.strerror or exc}") from None
    except UnicodeDecodeError:
        raise ValueError(f"the secret file {str(path)!r} is not text") from None
    if not text.strip():
        raise ValueError(f"the secret file {str(path)!r} is empty")
    return absolute


SecretFile = Annotated[Path, AfterValidator(_secret_file)]
"""A file that holds one secret. Relative to the configuration file. Must be readable and not empty when the configuration loads."""


def _certificate_file(path: Path, info: ValidationInfo) -> Path:
    absolute = _beside_the_configuration(path, info)
    if not (info.context or {}).get("secrets", True):
        return absolute
    try:
        ssl.create_default_context(cafile=absolute)
    except (OSError, ssl.SSLError) as exc:
        raise ValueError(f"{str(path)!r} holds no certificates that can be read: {type(exc).__name__}") from None
    return absolute


CertificateFile = Annotated[Path, AfterValidator(_certificate_file)]
"""Certificates of authorities to trust (PEM). Relative to the configuration file; must be readable when it loads."""


def reveal(value: SecretStr | None, file: Path | None) -> str:
    """The secret itself, from the file (read anew each time, so a rotated file is used at once) or from the value.

    Raises:
        OSError: the file has gone since the configuration was loaded.
        ValueError: neither was given.
    """
    if file is not None:
        return file.read_text(encoding="utf-8").strip()
    if value is not None:
        return value.get_secret_value()
    raise ValueError("no secret is configured")


def exactly_one(model: BaseModel, *names: str) -> None:
    """Raise ValueError unless exactly one of the named fields is set."""
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        raise ValueError(
            f"give exactly one of {', '.join(names)}" + (f"; both {' and '.join(given)} are there" if given else "")
        )


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


OneOrMany = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]
"""A text or a list of texts."""


class Budget(Settings):
    """How much of the account's request budget this source may use. DLC does not publish the limit; throttling halves the pace."""

    requests_per_second: Annotated[float, Field(gt=0, le=1000)] = 5.0
    """Requests per second, all kinds together. The default is modest: user flow control has been seen at a few per second."""
    concurrency: Annotated[int, Field(ge=1, le=512)] = 16
    """Requests under way at once."""


class Select(Settings):
    """Which of the listed jobs to watch. All that is given must hold; a list means any of it; patterns are globs."""

    name: OneOrMany = ()
    user: OneOrMany = ()
    """User id, or user name where lists tell it."""
    status: OneOrMany = ()
    """Raw statuses as DLC writes them, for example Running. Applied at first sight only: a watched job is watched to its end."""
    quota: OneOrMany = ()
    """Quota id (ResourceId) or quota name."""
    type: OneOrMany = ()
    tags: dict[str, str] = {}
    jobs: OneOrMany = ()
    """Job ids to watch whether they are listed or not. Given alone, nothing else is watched."""


class SourceSettings(Settings):
    """What every kind of source has: how to choose jobs, how often to ask, when to say that we are blind."""

    kind: str
    """Which source: the name of an entry point in the group `dlc_watcher.sources`."""
    select: Select = Select()
    budget: Budget = Budget()
    poll_every: Duration = timedelta(seconds=15)
    """Least time between two GetJob of one live job, before jitter of a tenth. Where the budget does not allow it for all, jobs
    that change often keep near to it and quiet ones are asked about more rarely (docs/performance.md)."""
    discover_every: Duration = timedelta(seconds=30)
    """Least time between two passes over all of ListJobs. Where lists can be asked single questions, what is new or has ended is
    found between them, and the passes of a large workspace are made rarer: they take at most a twentieth of the budget."""
    feed_every: Duration = timedelta(seconds=1)
    """Least time between two questions to lists what has ended, and what was created, lately: how soon an end is seen, however many
    jobs there are. Together they take at most a twentieth of a budget that is short."""
    stale_after: Annotated[Duration, Field(ge=timedelta(seconds=30))] = timedelta(minutes=10)
    """No live job's last look shall be older. Where the budget does not allow it, `watch.behind` says so, and `dlc-watcher plan`
    how much budget would."""
    evidence: Literal["none", "events", "events+logs"] = "events+logs"
    """What may be read to find the cause of a failure, once a rule asks for it: nothing, the events of the job and its pods
    (paidlc:GetJobEvents, paidlc:GetPodEvents), or also the end of a failed pod's log (paidlc:GetPodLogs). Most causes stand in logs
    only, hence the default. What is read is not kept: of it, at most 2,000 characters are told, without what looks like a secret.
    Where a log may hold what those who hear of the job must not see, set `events`."""
    blind_after: Duration = timedelta(minutes=5)
    """How long all questions must fail before people are told. Permanent failures (wrong key, missing right) are told at once."""


def fingerprint(settings: BaseModel) -> str:
    """Stands for what is configured, secrets and the files that hold them included: another one after any change.

    It is cut short, so that nothing can be read back from it.
    """
    return blake2b(repr(_spelled(settings)).encode("utf-8", "replace"), digest_size=8).hexdigest()


def _spelled(value: object) -> object:
    match value:
        case BaseModel():
            return {name: _spelled(getattr(value, name)) for name in type(value).model_fields}
        case SecretStr():
            return value.get_secret_value()
        case Path():
            try:
                return str(value), value.read_bytes()
            except OSError:
                return str(value)
        case dict():
            return {key: _spelled(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_spelled(inner) for inner in value]
        case _:
            return value


def _templates(value: object, info: ValidationInfo) -> Templates:
    if isinstance(value, Templates):
        return value
    if isinstance(value, str):
        folder = _beside_the_configuration(Path(value), info)
        where: Path | dict[str, Path] = folder
        shown = {folder: value}
    elif isinstance(value, dict) and value and all(isinstance(file, str) for file in value.values()):
        for part in value:
            if part not in PARTS:
                near = get_close_matches(str(part), PARTS, n=1, cutoff=0.6)
                hint = f" did you mean {near[0]}?" if near else ""
                raise ValueError(f"there is no part {part!r};{hint} parts are: {', '.join(PARTS)}")
        where = {part: _beside_the_configuration(Path(file), info) for part, file in value.items()}
        shown = {path: value[part] for part, path in where.items()}
    else:
        raise ValueError(f"write a folder, or a file for each part: {', '.join(PARTS)}")
    try:
        return read_templates(where, shown=shown)
    except TemplateFault as fault:
        raise ValueError(str(fault)) from None


TemplateFiles = Annotated[
    Templates,
    PlainValidator(_templates),
    PlainSerializer(lambda templates: templates.files or None),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "properties": {part: {"type": "string"} for part in PARTS},
                    "additionalProperties": False,
                    "minProperties": 1,
                },
            ]
        }
    ),
]
"""A folder with templates, or a file for each part. Read and tried when the configuration loads; see `watcher.templates`."""


WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME_OF_DAY: Final = r"^([01]\d|2[0-3]):[0-5]\d$"


def _time_of_day(text: str) -> str:
    if not re.search(_TIME_OF_DAY, text):
        raise ValueError(f'"{text}" is no time of day; write for example 09:00')
    return text


class DigestSettings(Settings):
    """How a day or a week went, told at a time of day: what ran, failed and was evicted, GPU-hours, waiting, what is still open."""

    every: Literal["day", "week"] = "day"
    """day or week."""
    at: Annotated[str, AfterValidator(_time_of_day), WithJsonSchema({"type": "string", "pattern": _TIME_OF_DAY})] = (
        "09:00"
    )
    """Time of day at which it is told, and up to which it tells."""
    weekday: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"] = "mon"
    """With `every: week`, on which day."""
    zone: Zone | None = None
    """By whose clock, for example Asia/Shanghai. None: that of the receiver."""
    match: dict[str, OneOrMany] = {}
    """Which jobs it is about: label -> globs, of labels that a job has by itself (name, workspace, user, quota, type, owner,
    tag.<key>). Left out: all jobs."""


class ReceiverSettings(Settings):
    """What every receiver has, whatever its kind: written beside the kind."""

    language: Language = Language.EN
    """In which language it is spoken to: en, or zh for Simplified Chinese. DLC's own statuses, reason codes and messages stay as
    they are, as does what a rule says in English only."""
    zone: Zone | None = None
    """Time zone by whose clock times are shown, for example Asia/Shanghai. None: UTC; before the lines of a console, the clock of
    the machine it runs on."""
    fallback: str | None = None
    """Another receiver, which is told what cannot be told here, with the reason and the fix: what came to nothing, and, while
    nothing gets through for `fallback_after`, what waits. None: nobody; it stays in `dlc-watcher deliveries list --state dead`."""
    fallback_after: Annotated[Duration, Field(gt=timedelta(0))] = timedelta(minutes=30)
    """How long nothing must get through before the fallback is told what waits. The default outlives a restart of the far side."""
    backlog_after: Annotated[Duration, Field(gt=timedelta(0))] = timedelta(minutes=30)
    """How long news must have waited for this receiver to be a backlog, as after an outage; see `backlog_over`."""
    backlog_over: Annotated[int, Field(ge=1)] | None = 10
    """What is a backlog and would be more messages than this leaves as one, with what still matters. null: each by itself."""
    templates: TemplateFiles = NO_TEMPLATES
    """Own words for what is told here: a folder with Jinja2 files `title.j2`, `headline.j2`, `detail.j2`, and for e-mail
    `subject.j2`, `text.j2`, `html.j2`, or a mapping from such a part to a file; relative to the configuration file. What is missing
    is worded as built in. docs/templates.md says what templates can show."""

    digest: DigestSettings | None = None
    """How a day or a week went, told here. None: no digest."""

    @property
    def backlog(self) -> Backlog | None:
        """When its backlog is told as one; None for never."""
        return None if self.backlog_over is None else Backlog(self.backlog_after, self.backlog_over)

    @property
    def locale(self) -> Locale:
        """How whoever reads it is spoken to."""
        return Locale(self.language, self.zone)

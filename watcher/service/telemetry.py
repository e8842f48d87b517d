"""Logs and metrics. Every metric there is stands in this module; every log line is a slug with flat fields.

A processor strips whatever looks like a secret from each line: the last line of defence, as no caller should hand one over.
"""

from __future__ import annotations

import logging
import re
import sys
import unicodedata
from collections.abc import MutableMapping
from types import ModuleType
from typing import Any, Final, Literal, TextIO, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_RICH: Final = "rich"
# structlog imports all of rich for tracebacks that show local variables, which we never want. As if it were not there, that is a
# tenth less of a start. None in `sys.modules` is Python's own way to say that a module cannot be imported; as declared, the mapping
# knows modules only.
_modules: Final = cast("dict[str, ModuleType | None]", sys.modules)
_there: Final = _modules.get(_RICH)
if _there is None:
    _modules[_RICH] = None
try:
    import structlog
finally:
    if _there is None:
        del _modules[_RICH]

_SECRET_NAMES: Final = re.compile(
    r"passw|secret|token|authorization|cookie|signature|api_?key|access_?key", re.IGNORECASE
)
_SECRET_SHAPES: Final = re.compile(
    r"LTAI[0-9A-Za-z]{12,}"  # Alibaba Cloud access key ids
    r"|xox[a-z]-[0-9A-Za-z-]{10,}"  # Slack tokens
    r"|xapp-[0-9A-Za-z-]{10,}"
    r"|whsec_[0-9A-Za-z+/=]{16,}"  # Standard Webhooks secrets
    r"|hooks\.slack\.com/[^\s\"']+"  # Slack incoming webhooks are passwords
    r"|eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]+"  # JWTs
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # user:password in a URL
)
HIDDEN: Final = "[hidden]"


def redact(text: str) -> str:
    """Replace what has the shape of a secret."""
    return _SECRET_SHAPES.sub(HIDDEN, text)


def _redact_fields(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in fields.items():
        if name != "event" and _SECRET_NAMES.search(name):
            fields[name] = HIDDEN
        elif not isinstance(value, int | float | None):
            fields[name] = redact(str(value))
    return fields


def _show_controls(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What DLC or a job's name brings along must not drive a terminal. JSON escapes it by itself."""
    for name, value in fields.items():
        if isinstance(value, str):
            fields[name] = "".join(
                "\N{REPLACEMENT CHARACTER}" if char != "\n" and unicodedata.category(char) in {"Cc", "Cf"} else char
                for char in (value if name == "exception" else value.replace("\n", " "))
            )
    return fields


def set_up_logging(
    level: str = "info", form: Literal["auto", "json", "console"] = "auto", stream: TextIO | None = None
) -> None:
    """Send our log to `stream` (standard error by default), as JSON lines or, on a terminal, as readable text."""
    out = stream or sys.stderr
    readable = form == "console" or (form == "auto" and out.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            _redact_fields,
            *((_show_controls, _readable(colors=out.isatty())) if readable else (structlog.processors.JSONRenderer(),)),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )


def _readable(*, colors: bool) -> structlog.dev.ConsoleRenderer:
    """Text for a terminal. Tracebacks are plain: a fancy one shows local variables, and those hold secrets."""
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)


log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Metrics:
    """All metrics, in a registry of their own so that several services fit in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        add: dict[str, Any] = {"registry": self.registry, "namespace": "dlc_watcher"}
        self._asked: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}
        self.requests = Counter("source_requests", "Requests sent to DLC.", ["source", "action", "outcome"], **add)
        self.request_seconds = Histogram(
            "source_request_seconds",
            "Time from sending a request to having its answer parsed.",
            ["source", "action"],
            **add,
        )
        self.stale_reads = Counter("stale_reads", "Answers older than what was known; ignored.", ["source"], **add)
        self.unread = Counter("unchanged_answers", "Answers that said the same and were not read.", ["source"], **add)
        self.jobs_watched = Gauge("jobs_watched", "Live jobs under watch.", ["source"], **add)
        self.rate = Gauge("request_rate", "Requests per second the source allows itself now.", ["source"], **add)
        self.oldest_look = Gauge(
            "oldest_look_seconds", "Age of the look at the live job that was looked at longest ago.", ["source"], **add
        )
        self.list_abilities = Gauge(
            "list_ability",
            "What lists of this source were found to do: 1 honoured, 0 ignored; absent while that is not known.",
            ["source", "ability"],
            **add,
        )
        self.detection_delay = Histogram(
            "detection_delay_seconds",
            "From a change, where DLC dates it, to its commit; what happened while the watcher was away is left out.",
            ["source", "change"],
            buckets=(0.5, 1, 2, 3, 5, 10, 20, 40, 60, 120, 300, 600, 1200, 3600),
            **add,
        )
        self.budget_used = Counter(
            "budget_requests", "Requests permitted, by what they are for.", ["source", "use"], **add
        )
        self._spent: dict[tuple[str, str], Counter] = {}
        self.blind = Gauge("source_blind", "1 while we cannot see this source.", ["source"], **add)
        self.last_answer = Gauge(
            "source_last_answer_timestamp_seconds", "When the source last answered, Unix time.", ["source"], **add
        )
        self.events = Counter("events", "Events committed.", ["kind"], **add)
        self.unknown_owners = Counter(
            "unknown_owner_deliveries",
            "Deliveries meant for an owner who is not in the directory.",
            ["receiver"],
            **add,
        )
        self.decisions = Counter("rule_decisions", "What rules did about events, and why.", ["rule", "reason"], **add)
        self.notifications = Counter("notifications", "Notifications committed.", ["rule", "severity"], **add)
        self.recipients_refused = Counter(
            "recipients_refused", "Recipients that a far side refused for good.", ["receiver"], **add
        )
        self.template_failures = Counter(
            "template_failures",
            "Parts of messages that a receiver's own template could not make; the built-in words were told.",
            ["receiver", "part"],
            **add,
        )
        self.deliveries = Counter(
            "deliveries", "Deliveries settled or put off, by reason.", ["receiver", "reason"], **add
        )
        self.cards = Counter(
            "cards", "Living cards posted, updated, replaced, lost or put off.", ["receiver", "outcome"], **add
        )
        self.delivery_delay = Histogram(
            "delivery_delay_seconds",
            "From the commit of a notification to the far side's acceptance.",
            ["receiver"],
            buckets=(0.1, 0.5, 1, 2, 5, 15, 60, 300, 1800, 7200, 86400),
            **add,
        )
        self.receiver_paused = Gauge(
            "receiver_paused", "1 while nothing can be sent to this receiver.", ["receiver"], **add
        )
        self.dead_letters = Gauge(
            "dead_letters",
            "What a receiver could not be told, for good or until somebody retries it.",
            ["receiver"],
            **add,
        )
        self.loop_lag = Histogram(
            "loop_lag_seconds",
            "How late the event loop gave a turn that was due.",
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
            **add,
        )
        self.store_failures = Counter("store_failures", "Commits that the store refused for the time being.", **add)
        self.rows = Gauge("store_rows", "Rows in the store, by kind.", ["kind"], **add)

    def lists(self, source: str, ability: str, belief: str) -> None:
        """What is known of an ability of lists."""
        if belief != "unknown":
            self.list_abilities.labels(source, ability).set(belief == "honoured")

    def spent(self, source: str, use: str) -> None:
        """A request was permitted. On the way of every poll, like `asked`."""
        found = self._spent.get((source, use))
        if found is None:
            found = self._spent[source, use] = self.budget_used.labels(source, use)
        found.inc()

    def asked(self, source: str, action: str, outcome: str, seconds: float) -> None:
        """A request went so, and took so long. On the way of every poll, so what belongs to its labels is looked up once."""
        found = self._asked.get((source, action, outcome))
        if found is None:
            found = self.requests.labels(source, action, outcome), self.request_seconds.labels(source, action)
            self._asked[source, action, outcome] = found
        found[0].inc()
        found[1].observe(seconds)

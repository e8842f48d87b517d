"""Labels, and tests over them: how routes, rules and silences choose.

A notification or event is described by flat text labels (see `labels_of`). A matcher is a row of tests, each about one label, and
all must hold. A test names patterns: globs (`*`, `?`, `[a-z]`) or regular expressions, compared with case and with the whole value;
several mean any of them, and the negated tests hold where none of them fits. An absent label is "".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from watcher.core.events import Event, WatchBehind, WatchBlind, WatchCaughtUp, WatchRecovered, pod_of
from watcher.core.model import JobSnapshot
from watcher.core.regex import compile_regex

LABELS: Final[Mapping[str, str]] = {
    "source": "name of the source in the configuration",
    "kind": "event kind, for example pod.evicted",
    "rule": "name of the rule that spoke (routes only)",
    "severity": "info, warning or critical (routes only)",
    "name": "job name (DisplayName)",
    "job": "job id",
    "workspace": "workspace id or workspace name",
    "user": "user id or user name",
    "quota": "quota id or quota name",
    "type": "job type, for example PyTorchJob",
    "status": "raw status of the job",
    "phase": "folded status, for example pending",
    "pod": "pod id",
    "node": "node name",
    "owner": "who the job belongs to by its tag dlc-watcher/owner, where `service.job_wishes` allows that",
    "tag.<key>": "value of that tag",
}
"""Label name -> what it holds. Names with two meanings hold both values; a pattern may match either."""

Labels = Mapping[str, tuple[str, ...]]


def labels_of(event: Event, job: JobSnapshot | None, owner: str = "") -> Labels:
    """The labels of an event and the job it is about.

    Args:
        event: what happened.
        job: whose news it is, if anybody's.
        owner: who the job says it belongs to, or "".
    """
    pod = pod_of(event)
    labels: dict[str, tuple[str, ...]] = {"kind": (event.kind,)}
    if isinstance(event, WatchBlind | WatchRecovered | WatchBehind | WatchCaughtUp):
        labels["source"] = (event.source,)
    elif event.job is not None:
        labels["source"] = (event.job.source,)
        labels["job"] = (event.job.job_id,)
    if pod is not None:
        labels["pod"] = (pod.pod_id,)
        labels["node"] = (getattr(event, "node", ""),)
    return labels if job is None else {**labels, **labels_of_job(job, owner)}


def labels_of_job(job: JobSnapshot, owner: str = "") -> Labels:
    """The labels that a job alone gives to all its news."""
    labels: dict[str, tuple[str, ...]] = {
        "name": (job.name,),
        "workspace": (job.workspace_id, job.workspace_name),
        "user": (job.user_id, job.user_name),
        "quota": (job.quota_id, job.quota_name),
        "type": (job.job_type,),
        "status": (job.status,),
        "phase": (job.phase.value,),
    }
    if owner:
        labels["owner"] = (owner,)
    return labels | {f"tag.{key}": (value,) for key, value in job.settings.tags}


class Operator(StrEnum):
    """How a label is held against patterns."""

    IS = "is"
    """Some value fits some glob."""
    NOT = "not"
    """No value fits any glob."""
    REGEX = "regex"
    """Some value is described by some regular expression."""
    NOT_REGEX = "not_regex"
    """No value is described by any regular expression."""

    @property
    def negated(self) -> bool:
        """Whether it holds where nothing fits."""
        return self in _NEGATED

    def fits(self, pattern: str, value: str) -> bool:
        """Whether one pattern describes one whole value, negation left aside."""
        return compile_regex(pattern).matches(value) if self in _REGULAR else fnmatchcase(value, pattern)


_NEGATED: Final = frozenset({Operator.NOT, Operator.NOT_REGEX})
_REGULAR: Final = frozenset({Operator.REGEX, Operator.NOT_REGEX})
_WANTED: Final[Mapping[Operator, str]] = {
    Operator.IS: "is",
    Operator.NOT: "is not",
    Operator.REGEX: "is like",
    Operator.NOT_REGEX: "is not like",
}


def listed_values(values: Sequence[str]) -> str:
    """Values in quotes, for people: `"a" or "b"`."""
    return " or ".join(json.dumps(value, ensure_ascii=False) for value in values)


@dataclass(frozen=True, slots=True)
class LabelTest:
    """One label against some patterns. With no patterns, nothing fits."""

    label: str
    operator: Operator
    patterns: tuple[str, ...]

    def holds(self, labels: Labels) -> bool:
        """Whether it holds. Of a label with two meanings, what is not known does not count."""
        values = _known(labels, self.label) or ("",)
        fitting = any(self.operator.fits(pattern, value) for value in values for pattern in self.patterns)
        return fitting is not self.operator.negated

    @property
    def wanted(self) -> str:
        """What the label is to be: `is "prod-*" or "live-*"`, `is not like "test-[0-9]+"`."""
        return f"{_WANTED[self.operator]} {listed_values(self.patterns) or 'nothing'}"

    def __str__(self) -> str:
        return f"{self.label} {self.wanted}"

    def refusal(self, labels: Labels) -> str:
        """Why it does not hold: what the label is, and what it should be."""
        return f"{self.label} is {listed_values(_known(labels, self.label)) or 'not told'}, wanted {self.wanted}"


def _known(labels: Labels, label: str) -> tuple[str, ...]:
    return tuple(value for value in labels.get(label, ()) if value)


Patterns = str | Sequence[str]
"""One pattern, or several of which any may fit."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """All of these tests. The empty matcher matches everything."""

    tests: tuple[LabelTest, ...] = ()

    @classmethod
    def of(cls, patterns: Mapping[str, Patterns | Mapping[str, Patterns]]) -> Matcher:
        """From label -> globs, or label -> operator -> patterns, as a configuration writes it.

        Raises:
            ValueError: an operator does not exist.
        """
        return cls(
            tuple(
                LabelTest(label, Operator(operator), (allowed,) if isinstance(allowed, str) else tuple(allowed))
                for label, given in patterns.items()
                for operator, allowed in (given if isinstance(given, Mapping) else {Operator.IS.value: given}).items()
            )
        )

    def failing(self, labels: Labels) -> LabelTest | None:
        """The first test that does not hold, or None when all do: the reason a rule or route stayed out."""
        return next((test for test in self.tests if not test.holds(labels)), None)

    def mismatch(self, labels: Labels) -> str:
        """The label of the first test that does not hold, or ""."""
        test = self.failing(labels)
        return "" if test is None else test.label

    def matches(self, labels: Labels) -> bool:
        """Whether all tests hold."""
        return self.failing(labels) is None

    def __str__(self) -> str:
        return ", ".join(map(str, self.tests))


_WRITTEN: Final = re.compile(r"(?P<label>[^=!~]+)(?P<sign>=~|!=|!~|=)(?P<pattern>.*)", re.DOTALL)
_SIGNS: Final[Mapping[str, Operator]] = {
    "=": Operator.IS,
    "!=": Operator.NOT,
    "=~": Operator.REGEX,
    "!~": Operator.NOT_REGEX,
}


def matcher_from(texts: Sequence[str]) -> Matcher:
    """A matcher as people write it on a command line: `name=prod-*`, `severity!=info`, `user=~svc-[0-9]+`, `user!~tmp.*`.

    The same label and sign several times is one test with several patterns.

    Raises:
        ValueError: a text is none of these, or a regular expression is none.
    """
    patterns: dict[tuple[str, Operator], list[str]] = {}
    for text in texts:
        written = _WRITTEN.fullmatch(text)
        if written is None:
            raise ValueError(
                f"{text!r} is no test on a label; write LABEL=GLOB, LABEL!=GLOB, LABEL=~REGEX or LABEL!~REGEX"
            )
        operator = _SIGNS[written["sign"]]
        operator.fits(written["pattern"], "")
        patterns.setdefault((written["label"], operator), []).append(written["pattern"])
    return Matcher(tuple(LabelTest(label, operator, tuple(many)) for (label, operator), many in patterns.items()))

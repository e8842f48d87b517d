"""Cases for rules, written in YAML: one file per rule, each case a name, a course of events and what the rule must say.

    notifies_once_it_has_waited_too_long:
      options: {after: 30m}                  # the rule's options; left out: the defaults
      job: {name: llm, quota_id: quota1}     # members of the job (JobSnapshot), for the whole case
      course:
        - {at: 0s, status: Queuing}          # the job's status from here on
        - {at: 5m, status: Queuing, job: {reason_message: no room}}     # and other members that change with it
        - {at: 40m}                          # nothing happens; the clock goes on, deadlines that are due pass
      expect:
        - {at: 30m, headline: Pending for 30 m, severity: warning, facts: {Quota: quota1}, detail: no room}
      rule: stuck-pending                    # optional: the rule it is about; left out: the one that the file is named after
      deadlines: [30m]                       # optional: every time the rule asked to be woken at, in order
      silence: [not pending]                 # optional: notes of silence that must have been given

A step of the course has a time `at`, counted from the case's start, and one of

- `status`: the job's new raw status. The first such step is the job's first sight (`job.appeared`); a later one gives the events
  that follow from it: `job.status_changed` where the status differs and `job.succeeded`, `job.failed` or `job.stopped` at the end;
- `event`: a kind, with its members under `with`, for everything else: `{at: 5m, event: job.restarted, with: {used: 1, limit: 10}}`.
  Pods are written `id@incarnation`; times and lengths as in `at`;
- neither: only time passes.

A case about several jobs names them under `jobs`, each with members of its own besides those of `job`, and each step that is about
one says which, or which ones one after the other. An expected notification may say under which job it comes:

    notifies_when_five_jobs_were_evicted:
      job: {quota_id: quota1}
      jobs: {a: {user_name: ann}, b: {}, c: {}}
      course:
        - {at: 0s, of: [a, b, c], status: Running}
        - {at: 5m, of: b, event: pod.evicted, with: {pod: w0@u1}}
      expect:
        - {at: 5m, of: b, headline: ...}

A job that the watcher knows from before has an event such as `job.resumed` as its first step: it is in `Creating` from the start.

`job` in a step changes members of the job at that step. Times of the job are written as lengths from the start, `-2h` is before it;
restarts as DLC writes them (`1/10`); tags as a mapping under `settings`.

A name begins with `notifies_` (then `expect` has at least one notification) or `stays_silent_` (then it has none). Expectations are
compared one by one and must be complete: as many notifications as expected, in order. `at` and `headline` must be equal, of
`severity`, `detail` and `facts` those that are given; of `facts`, those labels that are given.

`dlc-watcher rules test FILE...` runs case files against the rules that are installed or, with `--config`, configured.

Long, because half of it is this text: the whole language in one place.

The engine's own `evaluate` runs the rule, with one clock and the store's promise that the same notification is kept once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from watcher.core.duration import spell_duration
from watcher.core.events import EVENT_TYPES, kind_of
from watcher.core.model import JobSnapshot
from watcher.core.rule import BoundRule, Notification, Rule, RuleOptions, Severity
from watcher.testing.course import ALONE, READY_EVENT, READY_JOB, ZERO, Course, Step
from watcher.testing.written import CaseError, Reader

__all__ = ["Case", "CaseError", "Expected", "bind", "check", "differences", "load_cases"]

_KINDS: Final = {kind_of(event_type): event_type for event_type in EVENT_TYPES}
_CASE_KEYS: Final = dict.fromkeys(("rule", "options", "job", "jobs", "course", "expect", "deadlines", "silence"))
_STEP_KEYS: Final = dict.fromkeys(("at", "of", "status", "event", "with", "job"))
_EXPECT_KEYS: Final = dict.fromkeys(("at", "of", "headline", "severity", "facts", "detail"))


@dataclass(frozen=True, slots=True)
class Expected:
    """One notification that must come. None: not compared."""

    at: timedelta
    headline: str
    severity: Severity | None
    facts: Mapping[str, str]
    detail: str | None
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One case, ready to be checked against its rule.

    Attributes:
        name: what it is called.
        place: where it is written, as `file:line`.
        rule: name of the rule it is about.
        jobs: what each job is like at the start.
    """

    name: str
    place: str
    rule: str
    options: Mapping[str, Any]
    jobs: Mapping[str, Mapping[str, Any]]
    course: tuple[Step, ...]
    expected: tuple[Expected, ...]
    deadlines: tuple[timedelta, ...] | None
    silence: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


def load_cases(path: Path, *, shown: str = "") -> tuple[Case, ...]:
    """All cases of a file.

    Args:
        path: the file. Its name without the suffix is the rule of cases that name none.
        shown: how to name the file in places and mistakes; by default its name without the folder.

    Raises:
        CaseError: the file is not YAML or a case is not written as the module says, with file and line.
        OSError: the file cannot be read.
    """
    name = shown or path.name
    try:
        document = YAML().load(path.read_text(encoding="utf-8"))
    except MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        raise CaseError(f"{name}:{line}: {exc.problem or exc.context}") from exc
    except (YAMLError, UnicodeDecodeError, RecursionError) as exc:
        raise CaseError(f"{name}:1: not a text in YAML: {type(exc).__name__}") from exc
    if not isinstance(document, CommentedMap) or not document:
        raise CaseError(f"{name}:1: a case file is a mapping of case names to cases")
    reader = Reader(name, ZERO)
    return tuple(_case(reader, document, case, path.stem) for case in document)


def _case(reader: Reader, document: CommentedMap, name: object, rule: str) -> Case:
    if not isinstance(name, str) or not name.startswith(("notifies_", "stays_silent_")):
        raise reader.mistake("a case is called notifies_... or stays_silent_...", document, name)
    node = reader.mapping(document[name], _CASE_KEYS, document, name)
    steps, expect, silence = (reader.sequence(node, key) for key in ("course", "expect", "silence"))
    if not steps:
        raise reader.mistake(f"{name} needs a course", document, name)
    jobs = _jobs(reader, node)
    deadlines = reader.sequence(node, "deadlines") if "deadlines" in node else None
    case = Case(
        name=name,
        place=f"{reader.file}:{document.lc.key(name)[0] + 1}",
        rule=str(node.get("rule", rule)),
        options=dict(reader.branch(node, "options")),
        jobs=jobs,
        course=tuple(step for index in range(len(steps)) for step in _steps(reader, steps, index, jobs)),
        expected=tuple(_expected(reader, expect, index, jobs) for index in range(len(expect))),
        deadlines=None if deadlines is None else tuple(reader.length(at, node, "deadlines") for at in deadlines),
        silence=tuple(str(note) for note in silence),
    )
    if name.startswith("notifies_") is not bool(case.expected):
        raise reader.mistake(f"{name} expects {len(case.expected)} notifications, against its name", document, name)
    if list(case.course) != sorted(case.course, key=lambda step: step.at):
        raise reader.mistake("the steps of a course are in order of time", node, "course")
    return case


def _jobs(reader: Reader, node: CommentedMap) -> dict[str, Mapping[str, Any]]:
    shared = reader.members(JobSnapshot, reader.branch(node, "job"), ready=READY_JOB)
    if "jobs" not in node:
        return {ALONE: shared}
    named = reader.branch(node, "jobs")
    if not named:
        raise reader.mistake("jobs names at least one job", node, "jobs")
    return {
        str(name): shared | reader.members(JobSnapshot, reader.branch(named, name), ready=READY_JOB) for name in named
    }


def _steps(reader: Reader, course: CommentedSeq, index: int, jobs: Mapping[str, object]) -> list[Step]:
    """The step, for each job that it is about."""
    node = reader.mapping(course[index], _STEP_KEYS, course, index)
    written = node.get("of", next(iter(jobs)) if len(jobs) == 1 or not {"status", "event", "job"} & set(node) else None)
    if written is None:
        raise reader.mistake("a step of a case with several jobs says of which it is", course, index)
    names = [str(name) for name in (written if isinstance(written, list) else [written])]
    for name in names:
        _known(reader, name, jobs, node)
    return [replace(_step(reader, course, index), of=name) for name in names]


def _known(reader: Reader, name: str, jobs: Mapping[str, object], node: CommentedMap) -> None:
    if name not in jobs:
        raise reader.mistake(f"there is no job {name!r}; there are {', '.join(jobs)}", node, "of")


def _step(reader: Reader, course: CommentedSeq, index: int) -> Step:
    node = reader.mapping(course[index], _STEP_KEYS, course, index)
    if "at" not in node:
        raise reader.mistake("a step needs a time: at", course, index)
    at: datetime = reader.time(node["at"], node, "at")
    changes = reader.members(JobSnapshot, reader.branch(node, "job"), ready=READY_JOB)
    if "event" not in node:
        return Step(at, changes, None if "status" not in node else str(node["status"]))
    if "status" in node:
        raise reader.mistake("a step has a status or an event; write two steps at the same time", node, "event")
    event_type = _KINDS.get(node["event"])
    if event_type is None:
        raise reader.mistake(
            f"there is no event kind {node['event']!r}; there are {', '.join(sorted(_KINDS))}", node, "event"
        )
    branch = reader.branch(node, "with")
    members = reader.members(event_type, branch, ready=READY_EVENT)
    reader.complete(event_type, members, node, ready=READY_EVENT)
    return Step(at, changes, event_type=event_type, members=members)


def _expected(reader: Reader, expect: CommentedSeq, index: int, jobs: Mapping[str, object]) -> Expected:
    node = reader.mapping(expect[index], _EXPECT_KEYS, expect, index)
    if "at" not in node or "headline" not in node:
        raise reader.mistake("an expected notification has at least at and headline", expect, index)
    severity = reader.value(Severity | None, node.get("severity"), node, "severity")
    facts = {str(label): str(value) for label, value in reader.branch(node, "facts").items()}
    of = None if "of" not in node else str(node["of"])
    if of is not None:
        _known(reader, of, jobs, node)
    at = reader.length(node["at"], node, "at")
    return Expected(at, str(node["headline"]), severity, facts, node.get("detail"), of)


def bind(case: Case, rule_type: type[Rule]) -> BoundRule:
    """The rule with the case's options, under its own name.

    Raises:
        CaseError: the options are not the rule's.
    """
    try:
        options = rule_type.Options.model_validate(case.options)
    except ValidationError as exc:
        problem = exc.errors(include_url=False)[0]
        where = ".".join(("options", *(str(part) for part in problem["loc"])))
        raise CaseError(f"{case.place}: {case.name}: {where}: {problem['msg']}") from exc
    return BoundRule(name=rule_type.name, rule=cast("Callable[[RuleOptions], Rule]", rule_type)(options))


def differences(case: Case, bound: BoundRule) -> tuple[str, ...]:
    """Run a case and say what differs from what it expects; empty when nothing does."""
    course = Course(bound, case.jobs)
    try:
        for step in case.course:
            course.take(step)
    except AssertionError as exc:
        return (str(exc),)
    return tuple(_differences(case, course))


def check(case: Case, rule_type: type[Rule]) -> None:
    """Run a case and compare.

    Raises:
        AssertionError: the rule said something else, told with file, line and both sides.
        CaseError: the options are not the rule's.
    """
    wrong = differences(case, bind(case, rule_type))
    if wrong:
        raise AssertionError(f"{case.place}: {case.name}\n" + "\n".join(f"  {line}" for line in wrong))


def _differences(case: Case, course: Course) -> list[str]:
    said = list(course.said.values())
    wrong = [
        f"notification {number}: {line}"
        for number, (expected, (at, notification)) in enumerate(zip(case.expected, said, strict=False), start=1)
        for line in _unlike(expected, at, notification)
    ]
    wrong += [f"said, but not expected: {_spelt(at, told)}" for at, told in said[len(case.expected) :]]
    wrong += [f"expected, but not said: {spell_duration(one.at)}: {one.headline}" for one in case.expected[len(said) :]]
    if case.deadlines is not None and list(case.deadlines) != course.asked:
        wrong.append(
            f"deadlines: {[spell_duration(at) for at in course.asked]}, not {[spell_duration(at) for at in case.deadlines]}"
        )
    wrong += [
        f"silence: no note has {note!r}; there are {course.notes}" for note in case.silence if note not in course.notes
    ]
    return wrong


def _unlike(expected: Expected, at: datetime, said: Notification) -> list[str]:
    facts = dict(said.facts)
    pairs: list[tuple[str, object, object]] = [
        ("at", spell_duration(at - ZERO), spell_duration(expected.at)),
        ("headline", said.headline, expected.headline),
        ("severity", said.severity.value, None if expected.severity is None else expected.severity.value),
        ("detail", said.detail, expected.detail),
        ("of", "" if said.job is None else said.job.job_id, expected.of),
    ]
    pairs += [(f"fact {label}", facts.get(label, "missing"), value) for label, value in expected.facts.items()]
    return [
        f"{what} is {is_now!r}, not {wanted!r}"
        for what, is_now, wanted in pairs
        if wanted is not None and is_now != wanted
    ]


def _spelt(at: datetime, said: Notification) -> str:
    return f"{spell_duration(at - ZERO)}: [{said.severity}] {said.headline}; facts {dict(said.facts)}; detail {said.detail!r}"

"""Conditions in CEL, the Common Expression Language: the `when` of a rule.

    when: 'job.name.startsWith("prod-") && job.gpus >= 8'

Names are those of `core.view_names`, each declared to CEL's checker under its whole name and with its type. So syntax errors,
unknown names, members that none of the rule's event kinds has, and comparisons of unlike things are all found when the
configuration loads. What the checker cannot tell (an invalid regular expression, arithmetic on `job.gpus`) is found there too where
one evaluation over sample values shows it.

CEL ends by construction; the library bounds the steps of nested macros (its iteration budget) and the depth of an expression, its
regular expressions are linear in time (RE2), and every text it sees is cut (`view.TEXT_LENGTH`).

Facts about cel-expr-python 0.1.3, found by trying: an evaluation error does not raise, it comes back as a value of type ERROR
holding a text, which Python takes for true. Hence `is True` and `is False`, and nothing else counts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, cast

from cel_expr_python import cel

from watcher.core.events import KINDS, Event
from watcher.core.rule import Condition, Context
from watcher.core.view import view
from watcher.core.view_names import EVENT_NAMES, Shape, names_for, sample, wanted

LONGEST: Final = 2000
"""Most characters a condition may have."""

_MOST_ABSENT: Final = 32
"""How many different absent tags one condition may ask for."""

_CEL_TYPES: Final[Mapping[Shape, Any]] = {
    Shape.TEXT: cel.Type.STRING,
    Shape.WHOLE: cel.Type.INT,
    Shape.NUMBER: cel.Type.DYN,  # a checked double could not be compared with a literal 8, only with 8.0
    Shape.FLAG: cel.Type.BOOL,
    Shape.TIME: cel.Type.TIMESTAMP,
    Shape.LENGTH: cel.Type.DURATION,
    Shape.ROW: cel.Type.List(cel.Type.STRING),
    Shape.TEXTS: cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
    Shape.LISTS: cel.Type.Map(cel.Type.STRING, cel.Type.List(cel.Type.STRING)),
}

_COMPLAINT: Final = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_UNDECLARED: Final = re.compile(r"undeclared reference to '([^']*)'")
_ABSENT_KEY: Final = re.compile(r'NOT_FOUND: Key not found in map : "(.*)"')
_STATUS: Final = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_NEVER_GOOD: Final = re.compile(r"No matching overloads|invalid regular expression|Iteration budget")
"""Errors that do not hang on the values: seen with sample values, they will be seen with any."""


class ExpressionError(ValueError):
    """A condition or summary that cannot be used.

    Attributes:
        message: one sentence.
        line: 1-based line within the text.
        column: 1-based column within that line.
    """

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        self.message, self.line, self.column = message, line, column
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class CelCondition:
    """A compiled condition. Made by `compile_condition`; implements `core.rule.Condition`."""

    text: str
    names: Mapping[str, Shape] = field(repr=False)
    program: Any = field(repr=False, compare=False)

    def holds(self, event: Event, context: Context) -> bool:
        """Whether it comes to true.

        Raises:
            ValueError: it comes to neither true nor false for this event.
        """
        return self.outcome(view(event, context, self.names))

    def outcome(self, values: dict[str, object]) -> bool:
        """The same over plain values, as `core.view.view` makes them."""
        texts = dict(cast("Mapping[str, object]", values["job.tags"]))
        lists = dict(cast("Mapping[str, object]", values["labels"]))
        data = values | {"job.tags": texts, "labels": lists}
        for _ in range(_MOST_ABSENT):
            try:
                answer = self.program.eval(data=data)
            except RuntimeError as exc:
                raise ValueError(f"the condition cannot be evaluated: {_plain(str(exc))}") from exc
            value = answer.value()
            if answer.type() == cel.Type.BOOL and (value is True or value is False):
                return bool(value)
            # An absent tag or label counts as empty, as in `match`. It is filled in only when it is asked for, so that
            # has(job.tags.team) and "team" in job.tags still tell whether it is there.
            absent = _ABSENT_KEY.fullmatch(str(value))
            if absent is None or (absent[1] in texts and absent[1] in lists):
                break
            texts.setdefault(absent[1], "")
            lists.setdefault(absent[1], [""])
        raise ValueError(f"the condition came to neither true nor false: {_plain(str(value))}")


def compile_condition(text: str, kinds: Collection[str] = KINDS) -> Condition:
    """Read a condition for a rule on these event kinds.

    Raises:
        ExpressionError: it is too long, is not CEL, names what does not exist, or does not come to true or false.
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"a condition has at most {LONGEST} characters, this one has {len(text)}")
    if not text.strip():
        raise ExpressionError('the condition is empty; write for example job.name.startsWith("prod-")')
    names = names_for(kinds)
    environment = cel.NewEnv(variables={name: _CEL_TYPES[shape] for name, shape in names.items()})
    try:
        program = environment.compile(text)
    except RuntimeError as exc:
        raise _refusal(text, str(exc), names, kinds) from exc
    if program.return_type() != cel.Type.BOOL:
        kind = program.return_type().name().lower()
        raise ExpressionError(f"a condition comes to true or false, but this one comes to a value of type {kind}")
    condition = CelCondition(text, wanted(names, text), program)
    try:
        condition.outcome(sample(names))
    except ValueError as exc:
        if _NEVER_GOOD.search(str(exc)):
            reason = str(exc).partition(": ")[2]
            raise ExpressionError(f"the condition can be evaluated for no event: {reason}") from exc
    return condition


def _refusal(text: str, error: str, names: Mapping[str, Shape], kinds: Collection[str]) -> ExpressionError:
    complaint = _COMPLAINT.search(error)
    if complaint is None:
        return ExpressionError(f"the condition cannot be read: {_plain(error)}")
    line, column = max(1, int(complaint[1])), max(1, int(complaint[2]))
    undeclared = _UNDECLARED.search(complaint[3])
    if undeclared is None:
        return ExpressionError(_plain(complaint[3].split(" expecting {")[0]), line, column)
    name = undeclared[1]
    # CEL points at the last dot of a dotted name; people look for its beginning.
    start = column - len(name.rpartition(".")[0]) if "." in name else column
    here = text.splitlines()[line - 1]
    if here[max(0, start - 1) :].startswith(name):
        column = max(1, start)
    elif here[column - 1 :].startswith("("):
        return ExpressionError(f"there is no function {name!r} in CEL", line, column)
    return ExpressionError(unknown_name(name, names, kinds), line, column)


def unknown_name(name: str, names: Mapping[str, Shape], kinds: Collection[str]) -> str:
    """The sentence about a name that does not exist: where it would exist, what comes near, or what there is."""
    elsewhere = sorted(kind for kind, members in EVENT_NAMES.items() if name in members)
    if elsewhere:
        return f"no event of kind {' or '.join(sorted(kinds))} has {name!r}; it belongs to {', '.join(elsewhere)}"
    below = sorted(known for known in names if known.startswith(f"{name}."))
    if below:
        return f"{name!r} is not a value; it has members: {', '.join(below)}"
    near = get_close_matches(name, names, n=1)
    if near:
        return f"there is no {name!r}; did you mean {near[0]!r}?"
    root = name.partition(".")[0]
    known = sorted(known for known in names if known.startswith(f"{root}.")) or sorted(
        {known.partition(".")[0] for known in names}
    )
    return f"there is no {name!r}; there are {', '.join(known)}"


def _plain(error: str) -> str:
    return _STATUS.sub("", _STATUS.sub("", error.partition("\n")[0])).strip()

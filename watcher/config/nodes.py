"""YAML text -> a tree of nodes that know where they stand.

The parser's events are read directly, with the core schema of YAML 1.2 (`on`, `yes` and dates are text). That leaves out what a
configuration has no use for and an attacker has: tags, merge keys, several documents, nesting without end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

MAX_DEPTH: Final = 50
MAX_NODES: Final = 50_000
"""A configuration of a thousand rules has some ten thousand."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where something begins: 1-based line and column, and the offset in the text."""

    line: int
    column: int
    offset: int


@dataclass(slots=True)
class ScalarNode:
    """A single value. `style` is "" for plain, else the quote or block character."""

    mark: Mark
    text: str
    style: str


@dataclass(slots=True)
class ListNode:
    """A sequence."""

    mark: Mark
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class MapNode:
    """A mapping, its pairs in order. Keys are texts; of a key that is there twice only the first pair is kept."""

    mark: Mark
    pairs: dict[str, tuple[Mark, Node]] = field(default_factory=dict)


Node = ScalarNode | ListNode | MapNode


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in the YAML itself."""

    message: str
    mark: Mark


class Unreadable(Exception):
    """The text is not YAML that we take; nothing behind the fault was read."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(fault.message)


_MERGE: Final = "<<"
_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBERS: Final[tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...]] = (
    (re.compile(r"[-+]?[0-9]{1,18}"), int),
    (re.compile(r"0o[0-7]{1,18}"), lambda text: int(text, 8)),
    (re.compile(r"0x[0-9a-fA-F]{1,15}"), lambda text: int(text, 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), lambda text: float(text.replace(".", "", 1))),
)


def plain_value(text: str) -> Any:
    """What an unquoted scalar means in YAML 1.2's core schema."""
    if text in _WORDS:
        return _WORDS[text]
    for pattern, convert in _NUMBERS:
        if pattern.fullmatch(text):
            return convert(text)
    return text


def position_in_scalar(source: str, node: ScalarNode, line: int, column: int) -> tuple[int, int] | None:
    """Where a line and column (1-based) of a scalar's text stand in the source, or None when the two differ too much to tell."""
    if node.style in ("|", ">"):
        return _position_in_block(source, node, line, column)
    start = node.mark.offset + len(node.style)
    if line == 1 and source.startswith(node.text, start):
        return node.mark.line, node.mark.column + len(node.style) + column - 1
    return None


def _position_in_block(source: str, node: ScalarNode, line: int, column: int) -> tuple[int, int] | None:
    lines = source.split("\n")[node.mark.line :]
    first = next((text for text in lines if text.strip()), "")
    indent = len(first) - len(first.lstrip(" "))
    if node.style == "|":
        return node.mark.line + line, indent + column
    # Folding made one line of several: go along them until the column is reached.
    if line == 1:
        for number, text in enumerate(lines, start=1):
            length = len(text.rstrip()) - indent
            if column <= length + 1 or not text.strip():
                return node.mark.line + number, indent + min(column, max(length, 1))
            column -= length + 1
    return None


def compose(text: str) -> tuple[Node | None, tuple[Fault, ...]]:
    """The tree of the one document in the text (None when there is none), and the faults one can read past.

    Raises:
        Unreadable: with the first fault that one cannot read past.
    """
    composer = _Composer()
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            composer.take(event)
    except ReaderError as exc:
        before = text[: exc.position]
        mark = Mark(before.count("\n") + 1, exc.position - before.rfind("\n"), exc.position)
        raise Unreadable(Fault("there is a control character here; YAML text has none", mark)) from None
    except MarkedYAMLError as exc:
        mark = _mark(exc.problem_mark or exc.context_mark)
        raise Unreadable(Fault(_in_words(exc) + _about_variables(text, mark), mark)) from None
    except YAMLError as exc:
        raise Unreadable(Fault(f"this is not YAML ({type(exc).__name__})", Mark(1, 1, 0))) from None
    return composer.root, tuple(composer.faults)


def _mark(place: Any) -> Mark:
    return Mark(place.line + 1, place.column + 1, place.index) if place is not None else Mark(1, 1, 0)


_ADVICE: Final[tuple[tuple[str, str], ...]] = (
    ("character '\\t'", "a tab cannot indent YAML; use spaces"),
    ("found character", "a text cannot begin with this character; put it in quotes"),
    (
        "mapping values are not allowed",
        "a colon and a space cannot stand here; if they belong to the text, put it in quotes",
    ),
    ("could not find expected ':'", "a key and its value are missing a colon between them"),
    ("found unexpected end of stream", "a quote is opened here or above and never closed"),
    ("'<stream end>'", "a bracket or brace is opened above and never closed"),
    ("'<document start>'", "there is something left over here: a bracket or brace too many"),
    ("expected ',' or", "a comma is missing here, or a bracket or brace above is not closed"),
    ("<block end>", "the indentation does not fit the lines above"),
    ("alphabetic or numeric character", "& and * begin the name of an anchor; a text that begins so needs quotes"),
    ("escape", "this backslash is no escape that YAML knows; in single quotes it stands for itself"),
)


def _in_words(error: MarkedYAMLError) -> str:
    problem = str(error.problem or "")
    for sign, advice in _ADVICE:
        if sign in problem:
            return f"this is not YAML: {advice}"
    return "this is not YAML: the text cannot be understood from here on"


def _about_variables(text: str, mark: Mark) -> str:
    """The most likely cause when there is a variable just before: its braces are YAML's inside brackets and braces."""
    line = text[text.rfind("\n", 0, mark.offset) + 1 : mark.offset + 1]
    return "; inside [ ] and { } a ${NAME} needs quotes" if "${" in line else ""


class _Composer:
    def __init__(self) -> None:
        self.root: Node | None = None
        self.faults: list[Fault] = []
        self._open: list[ListNode | MapNode] = []
        self._anchors: dict[str, Node] = {}
        self._keys: list[tuple[str, Mark] | None] = []  # of each open mapping: the key that waits for its value
        self._documents = self._count = 0

    def take(self, event: Event) -> None:
        mark = _mark(event.start_mark)
        match event:
            case DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise Unreadable(Fault("a second document begins here; a configuration is one document", mark))
            case ScalarEvent():
                self._put(ScalarNode(mark, event.value, event.style or ""), event)
            case SequenceStartEvent():
                self._begin(ListNode(mark), event)
            case MappingStartEvent():
                self._begin(MapNode(mark), event)
            case SequenceEndEvent() | MappingEndEvent():
                self._open.pop()
                self._keys.pop()
            case AliasEvent():
                self._put(self._anchored(event.anchor, mark), None, mark)

    def _anchored(self, name: str, mark: Mark) -> Node:
        node = self._anchors.get(name)
        if node is None:
            raise Unreadable(Fault("this alias has no anchor above it; a text that begins with * needs quotes", mark))
        if any(node is outer for outer in self._open):
            raise Unreadable(Fault("this alias stands inside its own anchor: a circle", mark))
        return node

    def _begin(self, node: ListNode | MapNode, event: Any) -> None:
        self._put(node, event)
        self._open.append(node)
        self._keys.append(None)
        if len(self._open) > MAX_DEPTH:
            raise Unreadable(Fault(f"nested more than {MAX_DEPTH} levels deep", node.mark))

    def _put(self, node: Node, event: Any, mark: Mark | None = None) -> None:
        mark = mark or node.mark
        self._count += 1
        if self._count > MAX_NODES:
            raise Unreadable(Fault(f"more than {MAX_NODES} values", mark))
        if event is not None and event.tag is not None:
            raise Unreadable(Fault("tags are not used here; a text that begins with ! needs quotes", mark))
        if event is not None and event.anchor:
            self._anchors[event.anchor] = node
        if not self._open:
            self.root = node
        elif isinstance(outer := self._open[-1], ListNode):
            outer.items.append(node)
        elif (waiting := self._keys[-1]) is None:
            self._keys[-1] = (self._key(node, outer, mark), mark)
        else:
            self._keys[-1] = None
            key, key_mark = waiting
            if key != _MERGE:  # told already; as a key of its own it would only make more to tell
                outer.pairs.setdefault(key, (key_mark, node))

    def _key(self, node: Node, outer: MapNode, mark: Mark) -> str:
        if not isinstance(node, ScalarNode):
            raise Unreadable(Fault("a key is a single text", mark))
        if not node.style and not isinstance(plain_value(node.text), str):
            self.faults.append(Fault(f"the key {node.text or 'here'} is not text; put it in quotes", mark))
        elif node.text == _MERGE:
            self.faults.append(Fault("merge keys (<<) are not YAML 1.2; write the keys out", mark))
        if node.text in outer.pairs:
            first = outer.pairs[node.text][0]
            self.faults.append(
                Fault(f'the key "{node.text}" is here twice; it was first given on line {first.line}', mark)
            )
        return node.text

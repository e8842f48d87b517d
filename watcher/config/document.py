"""A configuration file as plain data in which every key and value still knows its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from watcher.config.nodes import (
    MAX_DEPTH,
    MAX_NODES,
    Fault,
    ListNode,
    MapNode,
    Mark,
    Node,
    ScalarNode,
    Unreadable,
    compose,
    plain_value,
    position_in_scalar,
)
from watcher.config.variables import substitute
from watcher.config.wording import named_type
from watcher.errors import ConfigurationError, Problem

MAX_BYTES: Final = 1024 * 1024
"""Nobody writes a megabyte of configuration by hand."""

Place = tuple[str | int, ...]
"""Keys and indices from the root: `("rules", 2, "when")`."""

_SECRET_KEY: Final = re.compile(r"(password|passphrase|secret|token|key|credential|proxy|url)s?$", re.IGNORECASE)
_LEAST_SECRET: Final = 4
"""Texts shorter than this are not masked: every message would be full of holes."""


@dataclass(frozen=True, slots=True)
class _Spot:
    key: Mark | None
    value: Mark
    node: Node
    changed: bool


@dataclass(frozen=True, slots=True)
class Document:
    """What was read.

    Attributes:
        file: the name to show.
        data: dicts, lists, texts, numbers, booleans and None; variables put in.
        problems: what is wrong with the YAML and its variables, though the rest could be read.
    """

    file: str
    data: dict[str, Any]
    problems: tuple[Problem, ...]
    _text: str
    _spots: Mapping[Place, _Spot]
    _sensitive: frozenset[str]

    def has(self, place: Place) -> bool:
        """Whether something stands there."""
        return place in self._spots

    def value(self, place: Place) -> Any:
        """What stands there.

        Raises:
            KeyError: nothing does.
        """
        value: Any = self.data
        if place not in self._spots:
            raise KeyError(place)
        for step in place:
            value = value[step]
        return value

    def position(self, place: Place) -> tuple[int, int]:
        """Line and column of a value; of its key where the value is empty; of the nearest mapping around where nothing is."""
        spot = self._nearest(place)
        empty = isinstance(spot.node, ScalarNode) and not spot.node.style and not spot.node.text
        mark = spot.key if empty and spot.key else spot.value
        return mark.line, mark.column

    def key_position(self, place: Place) -> tuple[int, int]:
        """Line and column of a value's key; of the value itself where it has none (list entries, the root)."""
        spot = self._nearest(place)
        mark = spot.key or spot.value
        return mark.line, mark.column

    def inside(self, place: Place, line: int, column: int) -> tuple[int, int]:
        """Where the given line and column (1-based) of a text stand in the file.

        Exact for plain, quoted and literal (`|`) texts, by line for folded ones (`>`); where variables, escapes or folding have
        made the text differ from the file, the place where the text begins.
        """
        spot = self._nearest(place)
        if not isinstance(spot.node, ScalarNode) or spot.changed:
            return self.position(place)
        return position_in_scalar(self._text, spot.node, line, column) or self.position(place)

    def problem(self, message: str, place: Place, position: tuple[int, int] | None = None) -> Problem:
        """A problem with what stands there; by default at the value. Anything that may be a secret is masked."""
        line, column = position or self.position(place)
        return Problem(self.mask(message), self.file, line, column, ".".join(str(step) for step in place))

    def mask(self, message: str) -> str:
        """The message without values from the environment and values under keys that name secrets."""
        for secret in sorted(self._sensitive, key=len, reverse=True):
            message = message.replace(secret, "***")
        return message

    def _nearest(self, place: Place) -> _Spot:
        while place not in self._spots:
            place = place[:-1]
        return self._spots[place]


def read_text(path: Path, *, shown_as: str = "") -> str:
    """The text of a configuration file.

    Raises:
        ConfigurationError: it cannot be read, is too large, or is not UTF-8.
    """
    name = shown_as or str(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as exc:
        raise ConfigurationError(
            [Problem(f"the configuration cannot be read: {exc.strerror or exc}. Name it with --config FILE", name)]
        ) from exc
    if len(raw) > MAX_BYTES:
        raise _too_large(name)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        good = exc.object[: exc.start].decode("utf-8")
        line, column = good.count("\n") + 1, len(good) - good.rfind("\n")
        message = f"the byte 0x{exc.object[exc.start]:02x} is not UTF-8; save the file as UTF-8"
        raise ConfigurationError([Problem(message, name, line, column)]) from exc


def parse(text: str, *, file: str, env: Mapping[str, str] | None) -> Document:
    """Read a document whose root is a mapping. With `env=None`, `$` has no meaning (packaged files).

    Raises:
        ConfigurationError: it cannot be read at all. What can be read past is in the document's `problems`.
    """
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise _too_large(file)
    try:
        tree, faults = compose(text)
        if tree is None:
            raise ConfigurationError([Problem("the file is empty; see `dlc-watcher schema` and the examples", file)])
        builder = _Builder(file, text, env)
        data = builder.build(tree, (), None, secret=False)
    except Unreadable as exc:
        mark = exc.fault.mark
        raise ConfigurationError([Problem(exc.fault.message, file, mark.line, mark.column)]) from None
    if not isinstance(data, dict):
        message = f"the file as a whole must be a mapping of keys and values, not {named_type(data)}"
        raise ConfigurationError([Problem(message, file, tree.mark.line, tree.mark.column)])
    problems = [Problem(fault.message, file, fault.mark.line, fault.mark.column) for fault in faults] + builder.problems
    sensitive = frozenset(secret for secret in builder.sensitive if len(secret) >= _LEAST_SECRET)
    return Document(file, data, tuple(problems), text, builder.spots, sensitive)


def _too_large(file: str) -> ConfigurationError:
    return ConfigurationError([Problem(f"the file is larger than {MAX_BYTES // 1024} KiB; is it the right one?", file)])


class _Builder:
    def __init__(self, file: str, text: str, env: Mapping[str, str] | None) -> None:
        self.file, self.text, self.env = file, text, env
        self.problems: list[Problem] = []
        self.spots: dict[Place, _Spot] = {}
        self.sensitive: set[str] = set()

    def build(self, node: Node, place: Place, key: Mark | None, *, secret: bool) -> Any:
        # Aliases share nodes, so a small file can mean a large or deep tree: it is measured as it grows.
        if len(self.spots) >= MAX_NODES or len(place) > MAX_DEPTH:
            raise Unreadable(
                Fault(f"aliases make more than {MAX_NODES} values or {MAX_DEPTH} levels of this", node.mark)
            )
        self.spots[place] = _Spot(key, node.mark, node, changed=False)
        match node:
            case MapNode():
                return {
                    name: self.build(value, (*place, name), mark, secret=secret or bool(_SECRET_KEY.search(name)))
                    for name, (mark, value) in node.pairs.items()
                }
            case ListNode():
                return [self.build(item, (*place, index), None, secret=secret) for index, item in enumerate(node.items)]
            case ScalarNode():
                value = self._scalar(node, place, key)
                if secret:
                    self.sensitive |= {node.text, str(value)}
                return value

    def _scalar(self, node: ScalarNode, place: Place, key: Mark | None) -> Any:
        value = node.text if node.style else plain_value(node.text)
        if self.env is None or not isinstance(value, str) or "$" not in value:
            return value
        result = substitute(value, self.env)
        for offset, message in result.faults:
            line, column = value.count("\n", 0, offset) + 1, offset - value.rfind("\n", 0, offset)
            at = position_in_scalar(self.text, node, line, column) or (node.mark.line, node.mark.column)
            self.problems.append(Problem(message, self.file, *at, ".".join(str(step) for step in place)))
        self.sensitive.update(result.used)
        self.spots[place] = _Spot(key, node.mark, node, changed=result.text != value)
        return result.text

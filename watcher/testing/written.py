"""Plain YAML values -> the frozen values of the core, by their type hints, with the place of every mistake.

Shared by the case loader; written so that a case names only what matters to it and every other member keeps its default.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from watcher.core.duration import parse_duration
from watcher.core.model import PodKey, RestartCount


class CaseError(Exception):
    """A case file that cannot be used, told as `file:line: sentence`."""


class Reader:
    """Reads values of one file.

    Args:
        file: the file as the user named it, for the mistakes.
        zero: the time that lengths of time count from.
    """

    def __init__(self, file: str, zero: datetime) -> None:
        self.file, self.zero = file, zero
        self._readers: dict[Any, Callable[[Any, object, object], Any]] = {
            datetime: self.time,
            timedelta: self.length,
            RestartCount: lambda value, _node, _key: RestartCount.parse(str(value)),
            PodKey: lambda value, _node, _key: PodKey(*str(value).partition("@")[::2]),
        }

    def mistake(self, message: str, node: object, key: object = None) -> CaseError:
        """An error at a member of a mapping, an item of a list, or at a node itself."""
        line: int | None = None
        try:
            if isinstance(node, CommentedMap) and key in node:
                line = node.lc.key(key)[0]
            elif isinstance(node, CommentedSeq) and isinstance(key, int):
                line = node.lc.item(key)[0]
        except KeyError:
            line = None
        if line is None and isinstance(node, CommentedMap | CommentedSeq):
            line = node.lc.line
        return CaseError(f"{self.file}:{1 if line is None else line + 1}: {message}")

    def mapping(self, node: object, allowed: Mapping[str, object], above: object, key: object) -> CommentedMap:
        """The node as a mapping with none but the allowed keys."""
        if not isinstance(node, CommentedMap):
            raise self.mistake(f"{key!r} must be a mapping with {', '.join(allowed)}", above, key)
        for name in node:
            if name not in allowed:
                near = get_close_matches(str(name), allowed, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(allowed)}"
                raise self.mistake(f"there is no {name!r} here; {hint}", node, name)
        return node

    def branch(self, node: CommentedMap, key: str) -> CommentedMap:
        """The mapping under a key; empty when there is none."""
        below = node.get(key, CommentedMap())
        if not isinstance(below, CommentedMap):
            raise self.mistake(f"{key!r} must be a mapping", node, key)
        return below

    def sequence(self, node: CommentedMap, key: str) -> CommentedSeq:
        """The list under a key; empty when there is none."""
        below = node.get(key, CommentedSeq())
        if not isinstance(below, CommentedSeq):
            raise self.mistake(f"{key!r} must be a list", node, key)
        return below

    def length(self, value: object, node: object, key: object) -> timedelta:
        """A length of time such as `30m`."""
        try:
            return parse_duration(str(value))
        except ValueError as exc:
            raise self.mistake(str(exc), node, key) from exc

    def time(self, value: object, node: object, key: object) -> datetime:
        """A time, written as the length of time since the case's start; a leading `-` means before it."""
        text = str(value)
        before = text.startswith("-")
        length = self.length(text.removeprefix("-"), node, key)
        return self.zero - length if before else self.zero + length

    def members(self, wanted: type[Any], node: CommentedMap, *, ready: Collection[str] = ()) -> dict[str, Any]:
        """The members of a dataclass that a mapping writes; those in `ready` come from elsewhere and may not be written."""
        hints = get_type_hints(wanted)
        self.mapping(
            node, {field.name: field for field in fields(wanted) if field.name not in ready}, node, wanted.__name__
        )
        return {name: self.value(hints[name], node[name], node, name) for name in node}

    def complete(
        self, wanted: type[Any], members: Mapping[str, Any], node: object, *, ready: Collection[str] = ()
    ) -> None:
        """Refuse a mapping that leaves out a member without a default."""
        missing = [
            field.name
            for field in fields(wanted)
            if field.name not in {*members, *ready} and field.default is MISSING and field.default_factory is MISSING
        ]
        if missing:
            raise self.mistake(f"{wanted.__name__} needs {', '.join(missing)}", node)

    def build(self, wanted: type[Any], node: CommentedMap) -> Any:
        """An object of a dataclass from a mapping of its members."""
        members = self.members(wanted, node)
        self.complete(wanted, members, node)
        return wanted(**members)

    def value(self, hint: Any, value: Any, node: object, key: object) -> Any:
        """A value of any type that the core's dataclasses use."""
        if get_origin(hint) in {Union, UnionType}:
            if value is None and NoneType in get_args(hint):
                return None
            hint = next(part for part in get_args(hint) if part is not NoneType)
        if get_origin(hint) is tuple:
            return self._tuple(get_args(hint), value, node, key)
        hint = getattr(hint, "__supertype__", hint)
        if hint in self._readers:
            return self._readers[hint](value, node, key)
        if issubclass(hint, Enum):
            return self._member(hint, value, node, key)
        if is_dataclass(hint) and isinstance(value, CommentedMap):
            return self.build(cast("type[Any]", hint), value)
        if isinstance(value, int | float if hint is float else hint) and isinstance(value, bool) is (hint is bool):
            return hint(value)
        raise self.mistake(f"{key!r} must be of type {hint.__name__}, not {value!r}", node, key)

    def _member(self, hint: type[Enum], value: object, node: object, key: object) -> Enum:
        try:
            return hint(value)
        except ValueError as exc:
            allowed = ", ".join(str(member.value) for member in hint)
            raise self.mistake(f"{key!r} is one of {allowed}, not {value!r}", node, key) from exc

    def _tuple(self, parts: tuple[Any, ...], value: Any, node: object, key: object) -> tuple[Any, ...]:
        if isinstance(value, CommentedMap) and get_origin(parts[0]) is tuple:  # a mapping for pairs, such as tags
            return tuple((str(name), str(held)) for name, held in value.items())
        if not isinstance(value, CommentedSeq):
            raise self.mistake(f"{key!r} must be a list", node, key)
        return tuple(self.value(parts[0], item, value, index) for index, item in enumerate(value))

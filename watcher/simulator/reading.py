"""From YAML text to a `Scenario`; mistakes are told with file, line and column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from watcher.errors import ConfigurationError, Problem
from watcher.simulator.scenario import Misplaced, Scenario

MAX_BYTES: Final = 4 << 20
"""Of one scenario file; larger worlds are written with `copies`."""
MAX_NODES: Final = 1_000_000


def load_scenario(source: Path | str) -> Scenario:
    """Read a scenario from a file (a Path, or a text without a line break) or from YAML text (a text with one).

    Raises:
        ConfigurationError: it cannot be read or is not a scenario; every problem with its place.
    """
    if isinstance(source, str) and "\n" in source:
        return _parse(source, "<text>")
    name = str(source)
    try:
        raw = Path(source).read_bytes()
        text = raw[: MAX_BYTES + 1].decode("utf-8")
    except OSError as exc:
        raise ConfigurationError([Problem(f"the scenario cannot be read: {exc.strerror}", name)]) from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError([Problem("the scenario is not UTF-8 text", name)]) from exc
    return _parse(text, name)


def bundled_names() -> tuple[str, ...]:
    """The scenarios that come with the program, by name."""
    folder = resources.files("watcher.simulator") / "scenarios"
    return tuple(sorted(file.name.removesuffix(".yaml") for file in folder.iterdir() if file.name.endswith(".yaml")))


def bundled(name: str) -> Scenario:
    """A scenario that comes with the program.

    Raises:
        ConfigurationError: there is none of that name; the names are told.
    """
    if name not in bundled_names():
        raise ConfigurationError(
            [Problem(f"there is no bundled scenario of that name; there are {', '.join(bundled_names())}", name)]
        )
    file = resources.files("watcher.simulator") / "scenarios" / f"{name}.yaml"
    return _parse(file.read_text(encoding="utf-8"), f"{name}.yaml")


def _parse(text: str, name: str) -> Scenario:
    if len(text) > MAX_BYTES:
        raise ConfigurationError([Problem(f"the scenario is larger than {MAX_BYTES >> 20} MiB; use copies", name)])
    yaml = YAML(typ="rt", pure=True)
    yaml.version = (1, 2)
    try:
        data = yaml.load(text)
        plain = _plain(data, iter(range(MAX_NODES)))
    except MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        first = (exc.problem or exc.context or "not YAML").strip().splitlines()[0]
        raise ConfigurationError([Problem(first, name, line, column)]) from exc
    except (YAMLError, RecursionError, ValueError) as exc:
        raise ConfigurationError([Problem(f"not YAML: {str(exc).splitlines()[0]}", name)]) from exc
    try:
        return Scenario.model_validate(plain)
    except ValidationError as exc:
        found = [_problem(error, data, name) for error in exc.errors(include_url=False, include_input=False)]
        raise ConfigurationError(sorted(found, key=lambda one: (one.line or 0, one.column or 0))) from exc


def _plain(node: Any, budget: Iterator[int]) -> Any:
    """Dicts, lists and scalars. The budget stops aliases that refer to themselves or multiply."""
    if next(budget, None) is None:
        raise ValueError(f"more than {MAX_NODES} values, aliases counted each time; use copies")
    if isinstance(node, Mapping):
        return {str(key): _plain(value, budget) for key, value in node.items()}
    if isinstance(node, Sequence) and not isinstance(node, str | bytes):
        return [_plain(value, budget) for value in node]
    return node


_SENTENCES: Final = {
    "extra_forbidden": "there is no such key here",
    "missing": "this key is missing",
    "model_type": "this must be a mapping: key: value",
    "literal_error": "made_up: true must stand here: no scenario is a recording",
}


def _problem(error: Any, data: Any, name: str) -> Problem:
    path: tuple[str | int, ...] = tuple(error["loc"])
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, Misplaced):
        path += cause.where
    message = _SENTENCES.get(
        "" if error["type"] == "literal_error" and path != ("made_up",) else error["type"],
        str(error["msg"]).removeprefix("Value error, "),
    )
    line, column = _place(data, path)
    return Problem(message, name, line, column, ".".join(str(part) for part in path))


def _place(node: Any, path: Sequence[str | int]) -> tuple[int | None, int | None]:
    """Line and column, from 1, of the deepest part of the path that stands in the text."""
    line: int | None = None
    column: int | None = None
    for part in path:
        if isinstance(node, CommentedMap) and part in node:
            row, col = node.lc.key(part)
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            row, col = node.lc.item(part)
        else:
            break  # pydantic's own words for the branch of a union, or a key that is missing
        line, column, node = row + 1, col + 1, node[part]
    return line, column

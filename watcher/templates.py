"""A receiver's own templates: Jinja2 files that put a message into words in place of the built-in wording.

They are read and tried when the configuration loads, on messages of every shape, so a mistake is found there, with file and line.
Should one fail all the same when there is something to say, the built-in words are used for that part, and the failure is counted.

The environment is a sandbox that changes nothing and knows no undefined name; what is rendered has a size. A template's text comes
from its file and nothing else: values of jobs are only ever put in, never read as a template.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from watcher.core.shown import Shown, ShownItem
    from watcher.sandbox import Sandbox

SUFFIX: Final = ".j2"
_MOST_SOURCE: Final = 200_000


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a message that a template can make.

    Attributes:
        about: what it is, for people.
        most: characters, at most.
        html: it is HTML: values are escaped.
        lines: it may have more than one line.
        each: made for each item.
    """

    about: str
    most: int
    html: bool = False
    lines: bool = False
    each: bool = False


PARTS: Final[Mapping[str, Part]] = {
    "title": Part("the line that says it all, at the head of a message and in previews", 300),
    "headline": Part("the line of each item", 300, each=True),
    "detail": Part("the longer text of each item", 6_000, lines=True, each=True),
    "subject": Part(
        "e-mail: the subject; use only what stays the same over a job's life, or its thread falls apart", 160
    ),
    "text": Part("e-mail: the whole plain text", 60_000, lines=True),
    "html": Part("e-mail: the whole HTML page", 100_000, html=True, lines=True),
}
"""Every part, by its name, which is also its file's: `headline.j2`."""


class TemplateFault(Exception):
    """A template cannot be used, or failed. Its text is `file:line: what`."""

    def __init__(self, what: str, *, file: str, line: int | None = None) -> None:
        self.what, self.file, self.line = what, file, line
        super().__init__(f"{file}:{line}: {what}" if line else f"{file}: {what}")


@dataclass(frozen=True, slots=True)
class Templates:
    """The templates of one receiver.

    Attributes:
        parts: part -> the name of its file.
        sources: file name -> its text, and the file as the user named it; others than those of parts can be included.
    """

    parts: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    _made: dict[bool, Any] = field(default_factory=dict, repr=False, compare=False)

    def __bool__(self) -> bool:
        return bool(self.parts)

    @property
    def files(self) -> dict[str, str]:
        """Part -> its file, as the user named it."""
        return {part: self.sources[name][1] for part, name in self.parts.items()}

    def fill(self, part: str, message: Shown, item: ShownItem | None = None) -> str:
        """The part in this template's words.

        Raises:
            TemplateFault: it failed, or made too much.
        """
        from jinja2 import TemplateError, TemplateNotFound, TemplateSyntaxError  # noqa: PLC0415 - only who has templates pays for it

        name = self.parts[part]
        file, rule = self.sources[name][1], PARTS[part]
        values: dict[str, Any] = {"message": message} | ({"item": item} if rule.each else {})
        try:
            stream = self._environment(html=rule.html).get_template(name).generate(values)
            text = "".join(_measured(stream, rule.most if rule.lines else 4 * rule.most, file))
        except TemplateFault:
            raise
        except TemplateSyntaxError as exc:
            raise TemplateFault(exc.message or "not a template", file=exc.filename or file, line=exc.lineno) from exc
        except TemplateNotFound as exc:
            raise TemplateFault(f"there is no file {exc.name} beside it", file=file) from exc
        except Exception as exc:
            known = {one for _, one in self.sources.values()}
            place, line = next(_places(exc.__traceback__, known), (file, None))
            told = str(exc) if isinstance(exc, TemplateError) else f"{type(exc).__name__}: {exc}"
            raise TemplateFault(told, file=place, line=line) from exc
        if rule.lines:
            return text.strip("\n")
        return " ".join(text.split())[: rule.most]

    def _environment(self, *, html: bool) -> Sandbox:
        from watcher.sandbox import Sandbox  # noqa: PLC0415 - as above

        made: Sandbox | None = self._made.get(html)
        if made is None:
            made = self._made[html] = Sandbox(self.sources, html=html)
        return made


NONE: Final = Templates()
"""The built-in wording everywhere."""


def _measured(stream: Iterator[str], most: int, file: str) -> Iterator[str]:
    length = 0
    for piece in stream:
        length += len(piece)
        if length > most:
            raise TemplateFault(f"it makes more than {most} characters", file=file)
        yield piece


def _places(trace: TracebackType | None, files: set[str]) -> Iterator[tuple[str, int]]:
    """Where in our files it happened, innermost first. Jinja gives its frames the template's file and line."""
    found = []
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in files:
            found.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    yield from reversed(found)


def read_templates(where: Path | Mapping[str, Path], *, shown: Mapping[Path, str]) -> Templates:
    """Read and try the templates of a receiver.

    Args:
        where: a folder with a file for each part (`headline.j2`; other `.j2` files can be included), or part -> file.
        shown: how to name a path in mistakes; one that is not there is named as it is.

    Raises:
        TemplateFault: one cannot be read, or does not work on every sample.
    """

    def named(path: Path) -> str:
        return shown.get(path, str(path))

    if isinstance(where, Path):
        folder = named(where)
        if not where.is_dir():
            raise TemplateFault("there is no such folder", file=folder)
        found = {path.name: path for path in sorted(where.glob(f"*{SUFFIX}"))}
        parts = {name.removesuffix(SUFFIX): name for name in found if name.removesuffix(SUFFIX) in PARTS}
        if not parts:
            allowed = ", ".join(f"{part}{SUFFIX}" for part in PARTS)
            raise TemplateFault(f"no template in this folder; files are called {allowed}", file=folder)
        for name in found:
            near = difflib.get_close_matches(name.removesuffix(SUFFIX), PARTS, n=1, cutoff=0.8)
            if near and name not in parts.values():
                raise TemplateFault(f"no part is called so; did you mean {near[0]}{SUFFIX}?", file=f"{folder}/{name}")
        sources = {name: (_read(path, f"{folder}/{name}"), f"{folder}/{name}") for name, path in found.items()}
    else:
        parts = {part: f"{part}{SUFFIX}" for part in where}
        sources = {f"{part}{SUFFIX}": (_read(path, named(path)), named(path)) for part, path in where.items()}
    from watcher.core.shown import samples  # noqa: PLC0415 - only who has templates pays for it

    templates = Templates(parts, sources)
    for part in parts:
        for sample in samples():
            for item in sample.items if PARTS[part].each else (None,):
                templates.fill(part, sample, item)
    return templates


def _read(path: Path, shown: str) -> str:
    try:
        if path.stat().st_size > _MOST_SOURCE:
            raise TemplateFault(f"larger than {_MOST_SOURCE} bytes", file=shown)
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        raise TemplateFault(f"cannot be read: {exc.strerror or exc}", file=shown) from None
    except UnicodeDecodeError:
        raise TemplateFault("not text in UTF-8", file=shown) from None

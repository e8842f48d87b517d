"""Summaries in Jinja: the `summary` of a rule, which becomes the headline of what it says.

    summary: "{{ job.name }} lost {{ pod.id }} on {{ pod.node }} after {{ job.running_for }}"

A summary may be given in each language: `{en: "...", zh: "..."}`. Times in it are UTC and say so, as nobody's clock is known yet.

Names are those of `core.view_names`; an unknown one is refused when the configuration loads, wherever in the template it stands.

A summary is a sentence, not a program, and it runs inside the transaction of an observation. So only what makes a sentence is
allowed: names, tests, `if`, joining, adding and a few filters. There are no loops, calls, multiplication or assignments, hence
nothing that could take long or grow large; the sandbox below it is the second wall. The result is one line of at most `LONGEST`
characters without control characters. Escaping is the notifiers' business: here the text is plain.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from watcher.core.catalog import NO, YES
from watcher.core.declared import told
from watcher.core.events import KINDS, Event
from watcher.core.expression import ExpressionError, unknown_name
from watcher.core.language import Language, Locale, Said, Text, length_in, spoken, time_in
from watcher.core.rule import Context
from watcher.core.safe_text import one_line
from watcher.core.view import nested, view
from watcher.core.view_names import Shape, names_for, sample, wanted

LONGEST: Final = 300
"""Most characters of a rendered summary; what is longer is cut with an ellipsis."""

LONGEST_TEMPLATE: Final = 1000
"""Most characters a template may have."""

FILTERS: Final = frozenset(
    {
        "abs",
        "capitalize",
        "d",
        "default",
        "first",
        "int",
        "last",
        "length",
        "lower",
        "title",
        "trim",
        "truncate",
        "upper",
    }
)
"""The filters a summary may use: none of them can make much out of little."""

_ALLOWED: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const, nodes.Slice,
    nodes.Filter, nodes.Test, nodes.CondExpr, nodes.If, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
    nodes.Concat, nodes.Add, nodes.Sub, nodes.Neg, nodes.Keyword,
)  # fmt: skip
_OPENING: Final = re.compile(r"\{[{%#]")


def spell(value: object, language: Language = Language.EN) -> object:
    """How a value reads in a sentence: lengths as `2 h 5 m`, times as `2026-01-01 12:00 UTC`, numbers without `.0`."""
    match value:
        case timedelta():
            return length_in(value, language)
        case datetime():
            return time_in(value, None, seconds=False)
        case bool():
            return spoken(YES if value else NO, Locale(language))
        case float():
            return f"{value:g}"
        case list():
            return ", ".join(str(item) for item in value if item)
        case dict():
            return ", ".join(f"{key}={spell(item, language)}" for key, item in value.items())
    return value


class _Sandbox(ImmutableSandboxedEnvironment):
    """A sandbox in which `job.tags.items` is the tag of that name and never a method of the map."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute) if isinstance(obj, dict) else super().getattr(obj, attribute)


def _environment(language: Language) -> _Sandbox:
    def spelt(value: object) -> object:
        return spell(value, language)

    environment = _Sandbox(undefined=StrictUndefined, autoescape=False, finalize=spelt)
    environment.globals.clear()
    environment.filters = {name: call for name, call in environment.filters.items() if name in FILTERS}
    return environment


_ENVIRONMENTS: Final = {language: _environment(language) for language in Language}


@dataclass(frozen=True, slots=True)
class JinjaSummary:
    """A compiled summary. Made by `compile_summary`; implements `core.rule.Summary`."""

    source: str
    names: Mapping[str, Shape] = field(repr=False)
    template: Template = field(repr=False, compare=False)

    def text(self, event: Event, context: Context) -> Text:
        """The headline it makes; the default words where nothing is left of it.

        Raises:
            ValueError: it cannot be rendered for this event.
        """
        return self.over(view(event, context, self.names)) or told(event)

    def over(self, values: Mapping[str, object]) -> str:
        """The same over plain values, as `core.view.view` makes them."""
        try:
            rendered = self.template.render(nested(values))
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as exc:
            raise ValueError(f"the summary cannot be rendered: {exc}") from exc
        return one_line(rendered, LONGEST)


@dataclass(frozen=True, slots=True)
class SummaryInLanguages:
    """A summary in several languages; English is what is on record. Implements `core.rule.Summary`."""

    en: JinjaSummary
    zh: JinjaSummary

    def text(self, event: Event, context: Context) -> Text:
        """The headline they make, each in its language.

        Raises:
            ValueError: one of them cannot be rendered for this event.
        """
        return Said(spoken(self.en.text(event, context)), spoken(self.zh.text(event, context), Locale(Language.ZH)))


def compile_summary(text: str, kinds: Collection[str] = KINDS, language: Language = Language.EN) -> JinjaSummary:
    """Read a summary for a rule on these event kinds.

    Raises:
        ExpressionError: it is too long, is not Jinja, uses more than a sentence needs, or names what does not exist. Jinja tells
            lines only; the column is that of the offending name where it can be found, else of the line's first tag.
    """
    if len(text) > LONGEST_TEMPLATE:
        raise ExpressionError(f"a summary has at most {LONGEST_TEMPLATE} characters, this one has {len(text)}")
    if not text.strip():
        raise ExpressionError("the summary is empty; leave it out to get the default words")
    names = names_for(kinds)
    try:
        tree = _ENVIRONMENTS[language].parse(text)
        _inspect(tree, text, names, kinds)
        template = _ENVIRONMENTS[language].from_string(text)
    except TemplateSyntaxError as exc:
        raise ExpressionError(f"the summary is not Jinja: {exc.message}", *_place(text, exc.lineno)) from exc
    except RecursionError as exc:
        raise ExpressionError("the summary is nested too deeply") from exc
    summary = JinjaSummary(text, wanted(names, text), template)
    try:
        summary.over(sample(names))
    except ValueError as exc:
        raise ExpressionError(str(exc), *_place(text, 1)) from exc
    return summary


def _inspect(node: nodes.Node, text: str, names: Mapping[str, Shape], kinds: Collection[str]) -> None:
    """Refuse what is not allowed and what does not exist, in branches that are never taken too."""
    if not isinstance(node, _ALLOWED):
        word = type(node).__name__.lower()
        raise ExpressionError(
            f"a summary is one sentence of names, tests, if and a few filters; {word!r} is not allowed",
            *_place(text, node.lineno),
        )
    dotted = _dotted(node)
    if dotted:
        if not _exists(dotted, names):
            raise ExpressionError(unknown_name(dotted, names, kinds), *_place(text, node.lineno, dotted))
        return
    for child in node.iter_child_nodes():
        _inspect(child, text, names, kinds)


def _dotted(node: nodes.Node) -> str:
    """`job.restarts.used` for a chain of attributes or constant keys that ends in a name, else ""."""
    match node:
        case nodes.Name():
            return node.name
        case nodes.Getattr() | nodes.Getitem(arg=nodes.Const(value=str())):
            below = _dotted(node.node)
            key = node.attr if isinstance(node, nodes.Getattr) else str(node.arg.as_const())
            return f"{below}.{key}" if below else ""
    return ""


def _exists(dotted: str, names: Mapping[str, Shape]) -> bool:
    if dotted in names:
        return True
    return any(dotted.startswith(f"{name}.") for name, shape in names.items() if shape in {Shape.TEXTS, Shape.LISTS})


def _place(text: str, line: int, name: str = "") -> tuple[int, int]:
    here = (text.splitlines() or [""])[min(line, len(text.splitlines())) - 1]
    found = re.search(re.escape(name).replace(r"\.", r"\s*\.\s*"), here) if name else None
    found = found or _OPENING.search(here)
    return line, found.start() + 1 if found else 1

"""docs/events.md and docs/rules.md are made from the code, and their examples from the scenario library.

With UPDATE_DOCS=1 they are written instead of compared.
"""

from __future__ import annotations

import inspect
import json
import re
import types
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import MISSING, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from random import Random
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from tests.architecture.test_docs import ROOT, WRITE, default_of, first_sentence
from tests.core.test_hidden_truth import polled
from tests.drive import Drive
from tests.shell.installed import installed_kinds
from watcher.core.codec import event_to_json
from watcher.core.consequence import Book
from watcher.core.events import EVENT_TYPES, Event, Provenance, When, kind_of
from watcher.core.model import JobRef, PodKey
from watcher.core.routing import Route
from watcher.simulator import bundled
from watcher.simulator.reading import bundled_names
from watcher.testing.lives import random_life, random_view

MARK = "<!-- made from the code: UPDATE_DOCS=1 .venv/bin/python -m pytest tests/architecture -->"
COMMON = ("id", "when", "cause", "job", "kind")
MADE_UP_LIVES = 300
SCENARIO_LIMIT = 400
"""Jobs of a scenario that are looked at; of the crowd scenarios the rest is more of the same."""


def settle(name: str, text: str) -> None:
    file = ROOT / "docs" / name
    if WRITE:
        file.write_text(text, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == text, f"docs/{name} is not what the code says"


@cache
def lived() -> tuple[Event, ...]:
    """Every event of every bundled scenario."""
    silent = Book((), Route(receiver="nobody", path="route"))
    told: list[Event] = []
    for name in bundled_names():
        drive = Drive(bundled(name).jobs[:SCENARIO_LIMIT], silent)
        told += [event for step in drive.run(timedelta(days=2)) for event in step.events]
    return tuple(told)


@cache
def glimpsed() -> tuple[Event, ...]:
    """Events of made-up lives that were looked at now and then, through answers that leave out one thing or another."""
    told: list[Event] = []
    for seed in range(MADE_UP_LIVES):
        dice = Random(seed)
        told += polled(random_life(dice), random_view(dice), dice).events
    return tuple(told)


def made_up(event_type: type[Event]) -> Event:
    """An example of a kind that no scenario shows."""
    hints = get_type_hints(event_type)
    known = {
        "id": "5c0b5a52-6f0e-5d3e-9d1c-2f7a54b0c1de",
        "cause": "c7f3a9de-5d0f-4d0e-8c58-3a1f1f0e9f11",
        "when": When(observed_at=datetime(2026, 3, 2, 8, 0, 15, tzinfo=UTC)),
    }
    given = {
        field.name: known[field.name] if field.name in known else _sample(hints[field.name])
        for field in fields(event_type)
        if field.name != "kind"
    }
    return event_type(**given)


def _sample(hint: Any) -> Any:
    if get_origin(hint) in {Union, types.UnionType}:
        hint = next(part for part in get_args(hint) if part is not types.NoneType)
    plain = getattr(hint, "__supertype__", hint)
    if isinstance(plain, type) and issubclass(plain, StrEnum):
        return next(iter(plain))
    samples: dict[Any, Any] = {
        str: "example",
        int: 1,
        float: 1.0,
        bool: True,
        datetime: datetime(2026, 3, 2, 8, 0, tzinfo=UTC),
        timedelta: timedelta(minutes=3),
        JobRef: JobRef("hangzhou", "dlc1example"),  # type: ignore[arg-type]
        PodKey: PodKey("dlc1example-worker-0", "0f1e"),
    }
    return () if get_origin(plain) is tuple else samples[plain]


def attributes(event_type: type[Event]) -> dict[str, str]:
    """What the docstrings say of the members, inherited ones included."""
    found: dict[str, str] = {}
    for kind in reversed(event_type.__mro__):
        doc = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
        for match in re.finditer(r"^    (\w+): (.*(?:\n {8}.*)*)", doc, re.MULTILINE):
            found[match[1]] = " ".join(match[2].split())
    return found


def spelled(hint: Any) -> str:
    """The type of a member in a reader's words."""
    if get_origin(hint) in {Union, types.UnionType}:
        return " or ".join("nothing" if part is types.NoneType else spelled(part) for part in get_args(hint))
    if get_origin(hint) is Literal:
        return " or ".join(map(str, get_args(hint)))
    plain = getattr(hint, "__supertype__", hint)
    words: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    words |= {datetime: "time", timedelta: "length of time", JobRef: "job", PodKey: "pod incarnation"}
    if get_origin(plain) is tuple:
        return "list"
    return words.get(plain, plain.__name__.lower())


def filled(body: dict[str, Any]) -> dict[str, Any]:
    """The members that are not empty."""
    return {
        name: filled(value) if isinstance(value, dict) else value
        for name, value in body.items()
        if value not in ("", None)
    }


def exemplary() -> dict[str, Event]:
    """Of each kind that a scenario shows, one, rather one whose time is known."""
    examples: dict[str, Event] = {}
    for event in lived():
        best = examples.get(event.kind)
        if best is None or (best.when.occurred_at is None and event.when.occurred_at is not None):
            examples[event.kind] = event
    return examples


def event_pages() -> Iterator[str]:
    seen = defaultdict(set)
    examples = exemplary()
    for event in (*lived(), *glimpsed()):
        seen[event.kind].add(event.when.provenance)
    yield "| kind | what happened | how we know |\n|---|---|---|"
    for event_type in EVENT_TYPES:
        kind = kind_of(event_type)
        how = ", ".join(f"{each}" for each in Provenance if each in seen[kind]) or Provenance.OBSERVED.value
        yield f"| [`{kind}`](#{kind.replace('.', '')}) | {first_sentence(event_type.__doc__)} | {how} |"
    for event_type in EVENT_TYPES:
        kind = kind_of(event_type)
        about, hints = attributes(event_type), get_type_hints(event_type)
        text = " ".join(inspect.cleandoc(event_type.__doc__ or "").partition("\n\nAttributes:")[0].split())
        yield f"\n## {kind}\n\n{text}\n"
        members = [field for field in fields(event_type) if field.name not in COMMON]
        if members:
            yield "| member | type | |\n|---|---|---|"
            for field in members:
                optional = field.default is not MISSING and field.default is not None
                note = about.get(field.name, "") + (
                    f" (default `{field.default}`)" if optional and field.default else ""
                )
                yield f"| `{field.name}` | {spelled(hints[field.name])} | {note.strip()} |"
            yield ""
        example = examples.get(kind)
        yield "" if example is not None else "No scenario shows one; this example is put together from its types.\n"
        body = json.loads(event_to_json(example or made_up(event_type)))
        yield f"```json\n{json.dumps(filled(body), indent=2, ensure_ascii=False, default=str)}\n```"


def test_the_page_of_events_is_made_from_the_code_and_its_examples_from_scenarios() -> None:
    intro = """# Events

What dlc-watcher can say happened. An event is a fact between two looks at DLC; rules listen to kinds, and a webhook or a
`story` shows them as they are here. Members are only ever added.

Every event has an `id` (made from what happened, so that the same fact has the same id whoever sees it), a `kind`, the
`cause` (the look that showed it), mostly a `job`, and `when`:

"""
    notes = attributes(When)  # type: ignore[type-var]
    rows = "\n".join(
        ["| member of `when` | |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in notes.items())]
    )
    how = "\n".join(f"- `{each.value}`: {_provenance(each)}" for each in Provenance)
    body = "\n".join(event_pages())
    examples = (
        "Which of them a kind can have is listed below as it is seen over the bundled scenarios (made up by hand, played through"
        f" the core in virtual time, looked at whenever something happens) and {MADE_UP_LIVES} random lives looked at now and"
        " then. The examples are from the scenarios; empty members are left out."
    )
    settle("events.md", f"{MARK}\n{intro}{rows}\n\nProvenance says how we know:\n\n{how}\n\n{examples}\n\n{body}\n")


def test_the_sample_of_each_kind_that_the_program_brings_is_the_one_of_the_page() -> None:
    examples = exemplary()
    bodies = {
        kind_of(event_type): json.loads(event_to_json(examples.get(kind_of(event_type)) or made_up(event_type)))
        for event_type in EVENT_TYPES
    }
    file, text = ROOT / "watcher" / "testing" / "sample_events.json", json.dumps(bodies, indent=1, ensure_ascii=False)
    if WRITE:
        file.write_text(f"{text}\n", encoding="utf-8")
    assert file.read_text(encoding="utf-8") == f"{text}\n", f"{file.name} is not what the code says"


def _provenance(each: Provenance) -> str:
    source = inspect.getsource(Provenance)
    found = re.search(rf'{each.name} = "{each.value}"\n\s+"""(.*?)"""', source, re.DOTALL)
    assert found, each
    return found[1]


def one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def test_the_page_of_rules_is_made_from_the_installed_rules() -> None:
    intro = (
        "Every rule that comes with the program. `rules/default.yaml` says which of them are on by default and with what; a"
        " configuration names others under `rules:`. `dlc-watcher rules test` tries them on cases of your own."
    )
    parts = [f"{MARK}\n# Rules\n\n{intro}\n"]
    for name, rule in sorted(installed_kinds().rules.items()):
        doc = inspect.cleandoc(inspect.getdoc(rule) or "")
        listens = ", ".join(f"`{kind_of(each)}`" for each in rule.on)
        parts.append(f"## {name}\n\nSeverity: {rule.severity.value}. Listens to: {listens}.\n")
        for part in doc.split("\n\n"):
            title, _, text = part.partition(":\n")
            words = " ".join((text or title).split())
            parts.append(f"**{title}.** {words}\n" if text else f"{words}\n")
        options = [
            f"| `{option}` | {default_of(field.get_default(call_default_factory=True))} | {one_line(field.description)} |"
            for option, field in rule.Options.model_fields.items()
        ]
        if options:
            parts.append("\n".join(["| option | default | |", "|---|---|---|", *options]) + "\n")
    settle("rules.md", "\n".join(parts))

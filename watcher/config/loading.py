"""`load`: the text of a configuration -> everything the program is built from, or every problem at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from watcher.config.digests import check_digests, schedules_of
from watcher.config.document import Document, parse, read_text
from watcher.config.findings import Findings, as_mapping
from watcher.config.inhibits import check_inhibits, inhibits_of
from watcher.config.matches import ROUTE_LABELS, Vocabulary, vocabulary
from watcher.config.model import Outline, ServiceSettings, StoreSettings
from watcher.config.mutes import check_mutes
from watcher.config.owners import check_owners, directory_of
from watcher.config.receivers import ConfiguredReceiver, bind_receivers
from watcher.config.routes import check_routes, receivers_of, route_tree
from watcher.config.rules import RuleBinder
from watcher.config.sources import ConfiguredSource, bind_sources
from watcher.config.wording import listed
from watcher.core.consequence import Book
from watcher.core.digest import Schedule
from watcher.core.inhibition import DEFAULTS, Inhibit
from watcher.core.people import Directory
from watcher.core.routing import Route
from watcher.core.rule import BoundRule
from watcher.errors import ConfigurationError, Problem
from watcher.kinds import Kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A configuration in which everything is right.

    Attributes:
        file: the name it was loaded under.
        sources: name -> class and settings.
        receivers: name -> notifier class and settings.
        route: root of the route tree.
        rules: in the order they are asked.
        store: where everything is kept.
        service: how the service itself behaves.
        people: who jobs belong to.
        inhibits: which news makes which other news superfluous.
        warnings: what is allowed and probably not meant.
    """

    file: str
    sources: Mapping[str, ConfiguredSource]
    receivers: Mapping[str, ConfiguredReceiver]
    route: Route
    rules: tuple[BoundRule, ...]
    store: StoreSettings = field(default_factory=StoreSettings)
    service: ServiceSettings = field(default_factory=ServiceSettings)
    people: Directory = Directory()
    inhibits: tuple[Inhibit, ...] = DEFAULTS
    warnings: tuple[Problem, ...] = ()

    @property
    def book(self) -> Book:
        """What it says about telling."""
        return Book(
            self.rules,
            self.route,
            frozenset(self.service.job_wishes),
            people=self.people,
            inhibits=self.inhibits,
        )

    @property
    def schedules(self) -> Mapping[str, Schedule]:
        """Receiver -> when it wants its digest."""
        return schedules_of(self.receivers)

    @property
    def labels(self) -> frozenset[str]:
        """The labels that routes and silences may test, apart from tags: those that always are, and those the rules give."""
        return ROUTE_LABELS | {label for rule in self.rules for label, _ in rule.labels}

    @property
    def vocabulary(self) -> Vocabulary:
        """The values of labels whose values are known."""
        return vocabulary(self.sources, [rule.name for rule in self.rules])


def load(text: str, *, file: str, env: Mapping[str, str], kinds: Kinds, base_dir: Path, secrets: bool = True) -> Loaded:
    """Read a configuration. Pure, apart from looking into the secret files it names.

    Args:
        text: YAML.
        file: its name, for messages.
        env: what `${NAME}` stands for.
        kinds: what is installed.
        base_dir: where relative secret files are looked for: the directory of the configuration file.
        secrets: whether secret files are read, to see that they can be.

    Raises:
        ConfigurationError: with all problems, in file order.
    """
    return load_document(parse(text, file=file, env=env), kinds=kinds, base_dir=base_dir, secrets=secrets)


def load_document(document: Document, *, kinds: Kinds, base_dir: Path, secrets: bool = True) -> Loaded:
    """The same from a text that was parsed already.

    Raises:
        ConfigurationError: with all problems, in file order.
    """
    file = document.file
    found = Findings(document, base_dir, secrets=secrets)
    outline = found.validate(Outline, document.data, ())
    sources = bind_sources(found, kinds)
    receivers = bind_receivers(found, kinds)
    # Names that are there, though perhaps not right: a second complaint about them would only distract.
    named_sources = as_mapping(document.data.get("sources")).keys()
    named_receivers = as_mapping(document.data.get("receivers")).keys()
    binder = RuleBinder(found, kinds, vocabulary(named_sources))
    binder.bind()
    _check_route(found, named_receivers, vocabulary(named_sources, binder.names), binder.labels)
    mutes = {} if outline is None else {name: one.interval(name) for name, one in outline.mute_intervals.items()}
    check_mutes(found, mutes)
    check_inhibits(
        found,
        {label: tuple(known) for label, known in {**vocabulary(named_sources, binder.names), **binder.labels}.items()},
        ROUTE_LABELS | frozenset(binder.labels),
    )
    check_owners(found, kinds, vocabulary(named_sources))
    check_digests(found, vocabulary(named_sources))
    problems = [*document.problems, *found.problems]
    if problems or outline is None:
        raise ConfigurationError(_in_order(problems, file))
    root = outline.route
    tree = route_tree(
        root if root.receiver else root.model_copy(update={"receiver": next(iter(receivers))}), mutes=mutes
    )
    return Loaded(
        file=file,
        sources=sources,
        receivers=receivers,
        route=tree,
        rules=tuple(binder.bound),
        store=outline.store,
        service=outline.service,
        people=directory_of(outline.owners),
        inhibits=inhibits_of(outline.inhibit),
        warnings=tuple(_in_order([*found.warnings, *_unused(document, receivers, tree)], file)),
    )


def load_file(path: Path, *, env: Mapping[str, str], kinds: Kinds, secrets: bool = True) -> Loaded:
    """Read a configuration file; relative secret files are looked for beside it.

    Raises:
        ConfigurationError: with all problems, in file order.
    """
    return load(read_text(path), file=str(path), env=env, kinds=kinds, base_dir=path.parent, secrets=secrets)


def _check_route(
    found: Findings, receivers: Iterable[str], words: Mapping[str, Iterable[str]], labels: Mapping[str, Iterable[str]]
) -> None:
    names = tuple(receivers)
    if found.document.has(("route",)):
        check_routes(
            found,
            found.document.data["route"],
            names,
            {label: tuple(known) for label, known in {**words, **labels}.items()},
            ROUTE_LABELS | frozenset(labels),
        )
    elif len(names) > 1:
        message = f'with more than one receiver the key "route" says who hears what; receivers are: {listed(names)}'
        found.add_at_key(message, ())


def _unused(document: Document, receivers: Mapping[str, ConfiguredReceiver], tree: Route) -> list[Problem]:
    used = receivers_of(tree) | {receiver.common.fallback for receiver in receivers.values()}
    return [
        document.problem(
            "no route leads to this receiver, and none falls back on it",
            ("receivers", name),
            document.key_position(("receivers", name)),
        )
        for name in receivers
        if name not in used
    ]


def _in_order(problems: Iterable[Problem], file: str) -> list[Problem]:
    """By place; what belongs to a packaged rule file comes after what belongs to the user's own."""
    return sorted(
        dict.fromkeys(problems),
        key=lambda problem: (problem.file != file, problem.file, problem.line or 0, problem.column or 0),
    )

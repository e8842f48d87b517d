"""`rules:` as written -> bound rules: options validated, conditions and summaries compiled, names unique."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

from watcher.config.document import Place, parse
from watcher.config.findings import Findings
from watcher.config.matches import ROUTE_LABELS, RULE_LABELS, Vocabulary, check_labels, check_match, matcher_of
from watcher.config.model import DeclareRule, IncludeRules, RuleList, UseRule
from watcher.config.wording import unknown
from watcher.core.declared import LISTENABLE, declared_rule, passage_faults
from watcher.core.events import DeadlinePassed, kind_of
from watcher.core.expression import ExpressionError, compile_condition
from watcher.core.language import Language
from watcher.core.passage import STATES, Passage
from watcher.core.rule import BoundRule, Rule, RuleOptions, Severity, Summary
from watcher.core.tally import Tally
from watcher.errors import ConfigurationError
from watcher.kinds import Kinds, PluginFault

if TYPE_CHECKING:
    from watcher.core.summary import JinjaSummary

DEFAULT_RULES: Final = "default"
"""The rule file that applies when a configuration has no `rules`."""

_BEGINNINGS: Final = "use (an installed rule), include (a rule file), or name and on (a rule of your own)"

Compiled = TypeVar("Compiled")


class _Item(NamedTuple):
    """One entry of `rules`, as written, and where."""

    found: Findings
    written: Mapping[str, Any]
    place: Place

    def at(self, key: str) -> Place:
        return (*self.place, key)


@dataclass(slots=True)
class RuleBinder:
    """Binds rules in order, and remembers the names that are taken.

    Attributes:
        found: the findings about the user's configuration.
        words: label values known so far (sources).
        bound: the rules that are right.
        names: every name that was given, right or wrong, and where.
        labels: every label that a rule gives to what it says, with its values.
    """

    found: Findings
    kinds: Kinds
    words: Vocabulary
    bound: list[BoundRule] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    labels: dict[str, set[str]] = field(default_factory=dict)

    def bind(self) -> None:
        """Bind what the configuration says, or the default rules when it says nothing."""
        document = self.found.document
        if document.has(("rules",)):
            self._bind_all(self.found, document.data["rules"])
        elif DEFAULT_RULES in self.kinds.rule_files:
            self._include(DEFAULT_RULES, self.found, ())

    def _bind_all(self, found: Findings, written: object) -> None:
        for index, entry in enumerate(written if isinstance(written, list) else ()):
            if not isinstance(entry, dict):
                continue  # told by the outline
            item = _Item(found, entry, ("rules", index))
            for key, bind in (
                ("include", self._bind_include),
                ("use", self._bind_use),
                ("name", self._bind_declared),
                ("on", self._bind_declared),
            ):
                if key in entry:
                    bind(item)
                    break
            else:
                found.add(f"a rule begins with one of these: {_BEGINNINGS}", item.place)

    def _bind_include(self, item: _Item) -> None:
        settings = item.found.validate(IncludeRules, item.written, item.place)
        if settings is None:
            return
        if item.found is not self.found:
            item.found.add("a rule file includes no other", item.at("include"))
        elif settings.include not in self.kinds.rule_files:
            item.found.add(unknown("rule file", settings.include, self.kinds.rule_files), item.at("include"))
        else:
            self._include(settings.include, item.found, item.at("include"))

    def _include(self, name: str, found: Findings, place: Place) -> None:
        try:
            file = self.kinds.rule_files[name]
            text = file.read_text(encoding="utf-8")
            document = parse(text, file=f"rule file {name} ({file.name})", env=None)
        except (PluginFault, OSError, UnicodeDecodeError) as exc:
            found.add(f"the rule file {name} cannot be read: {exc}", place)
        except ConfigurationError as exc:
            found.problems.extend(exc.problems)
        else:
            inner = Findings(document, found.base_dir)
            inner.validate(RuleList, document.data, ())
            self._bind_all(inner, document.data.get("rules"))
            found.problems.extend((*document.problems, *inner.problems))

    def _bind_use(self, item: _Item) -> None:
        found, word = item.found, item.written["use"]
        settings = found.validate(UseRule, item.written, item.place)
        if not isinstance(word, str):
            return  # told by the shape of the rule
        self._take_name(item, "name" if "name" in item.written else "use")
        rule_type = self._rule_type(found, word, item.at("use"))
        if rule_type is None:
            check_match(found, item.at("match"), RULE_LABELS, self.words)
            return
        written = item.written.get("with", {})
        options = found.validate(rule_type.Options, written, item.at("with")) if isinstance(written, dict) else None
        rule = None if options is None else self._build(found, rule_type, options, item.at("with"))
        # Conditions and summaries also see the deadlines that the rule sets.
        kinds = frozenset(kind_of(event_type) for event_type in (*rule_type.on, DeadlinePassed))
        self._narrow(item, settings, rule, kinds)

    def _bind_declared(self, item: _Item) -> None:
        settings = item.found.validate(DeclareRule, item.written, item.place)
        self._take_name(item, "name")
        spots = _spots(item, "on")
        strange = {spot: kind for spot, kind in spots.items() if kind not in LISTENABLE}
        for spot, kind in strange.items():
            item.found.add(unknown("event kind", kind, LISTENABLE), spot)
        kinds = frozenset(kind for kind in spots.values() if kind in LISTENABLE)
        passage = None if settings is None else _passage(settings)
        before = len(item.found.problems)
        self._check_passage(item, kinds, passage)
        for key in ("once_per", "per"):
            check_labels(item.found, {label: spot for spot, label in _spots(item, key).items()}, RULE_LABELS)
        for key, fault in () if settings is None else _count_faults(settings):
            item.found.add_at_key(f'"{key}" {fault}', item.at(key))
        rule = None
        if settings is not None and not strange and len(item.found.problems) == before:
            rule = declared(settings)
        if passage is not None and passage.dwell is not None:
            # What is asked at the entry and again at the end can only speak of what is there both times.
            kinds = frozenset({kind_of(DeadlinePassed)})
        self._narrow(item, settings, rule, kinds or frozenset(LISTENABLE))

    def _check_passage(self, item: _Item, kinds: frozenset[str], passage: Passage | None) -> None:
        """States that do not exist are told at their place, with what comes near; all else at the key."""
        strange = False
        for key in ("from", "to"):
            for spot, word in _spots(item, key).items():
                if word not in STATES:
                    item.found.add(unknown("status or phase", word, sorted(STATES)), spot)
                    strange = True
        if passage is not None and not strange:
            for key, fault in passage_faults(kinds, passage):
                item.found.add_at_key(f'"{key}" {fault}', item.at(key))

    def _narrow(
        self, item: _Item, settings: UseRule | DeclareRule | None, rule: Rule | None, kinds: frozenset[str]
    ) -> None:
        """The part that both sorts of rule share; the rule is bound when nothing was wrong with it."""
        before = len(item.found.problems)
        self._take_labels(item)
        check_match(item.found, item.at("match"), RULE_LABELS, self.words)
        when = _compile(item, "when", lambda text: compile_condition(text, kinds))
        summary = _summary(item, kinds)
        if rule is not None and settings is not None and len(item.found.problems) == before:
            bound = BoundRule(
                name=settings.name or str(item.written.get("use")),
                rule=rule,
                match=matcher_of(settings.match),
                when=when,
                severity=settings.severity,
                summary=summary,
                labels=tuple(settings.labels.items()),
                shadow=settings.shadow,
            )
            self.bound.append(bound)

    def _take_labels(self, item: _Item) -> None:
        written = item.written.get("labels")
        for label, value in written.items() if isinstance(written, dict) else ():
            if label in ROUTE_LABELS or str(label).startswith("tag."):
                told = f'the label "{label}" is there already and says what it is about; choose another name'
                item.found.add_at_key(told, (*item.at("labels"), label))
            elif isinstance(value, str):
                self.labels.setdefault(str(label), set()).add(value)

    def _take_name(self, item: _Item, key: str) -> None:
        name = item.written.get(key)
        if not isinstance(name, str):
            return
        if name in self.names:
            told = f'a rule is called "{name}" already, at {self.names[name]}; give this one another name'
            item.found.add(told, item.at(key))
        else:
            document = item.found.document
            self.names[name] = f"{document.file}:{document.position(item.at(key))[0]}"

    def _rule_type(self, found: Findings, word: str, place: Place) -> type[Rule] | None:
        if word not in self.kinds.rules:
            found.add(unknown("rule", word, self.kinds.rules), place)
            return None
        try:
            return self.kinds.rules[word]
        except PluginFault as fault:
            found.add(str(fault), place)
            return None

    def _build(self, found: Findings, rule_type: type[Rule], options: RuleOptions, place: Place) -> Rule | None:
        try:
            return cast("Callable[[RuleOptions], Rule]", rule_type)(options)
        except Exception as exc:  # noqa: BLE001 - a rule is a stranger's code: whatever it raises stops the start, with its place
            found.add_at_key(f"the rule cannot be made with these options: {type(exc).__name__}: {exc}"[:500], place)
            return None


def declared(settings: DeclareRule) -> Rule:
    """The rule that an entry with `name` and `on` describes, without what narrows it.

    Raises:
        ValueError: what it says does not go together.
    """
    severity = settings.severity or Severity.INFO
    threshold = None
    if settings.count is not None and settings.within is not None:
        threshold = Tally(frozenset(settings.on), settings.count, settings.within, settings.per)
    return declared_rule(
        settings.name,
        settings.on,
        severity,
        passage=_passage(settings),
        once_per=settings.once_per,
        threshold=threshold,
    )


def _count_faults(settings: DeclareRule) -> Iterator[tuple[str, str]]:
    """What is wrong with the counting, as the key it is written under and a sentence."""
    if settings.count is None:
        for key, there in (("within", settings.within is not None), ("per", bool(settings.per))):
            if there:
                yield key, 'goes with "count", which says how many of the events make the rule speak'
        return
    if settings.within is None:
        yield "count", 'needs "within": in which time so many must have happened, for example 10m'
    if settings.for_ is not None:
        yield "for", 'does not go with "count", which counts events as they happen'
    if settings.once_per:
        yield "once_per", 'does not go with "count", which tells each burst once; count for each with "per"'


def _passage(settings: DeclareRule) -> Passage | None:
    passage = Passage(settings.from_, settings.to, settings.for_)
    return None if passage == Passage() else passage


def _spots(item: _Item, key: str) -> dict[Place, str]:
    """The texts under a key that takes one text or a list, each with its place."""
    written, place = item.written.get(key), item.at(key)
    if isinstance(written, str):
        return {place: written}
    listed = enumerate(written) if isinstance(written, list) else ()
    return {(*place, index): word for index, word in listed if isinstance(word, str)}


def _summary(item: _Item, kinds: frozenset[str]) -> Summary | None:
    """The summary, which is one text or one for each language."""
    written = item.written.get("summary")
    if written is None:
        return None
    from watcher.core.summary import SummaryInLanguages, compile_summary  # noqa: PLC0415 - only who has one pays for Jinja

    if not isinstance(written, dict):
        return _compile(item, "summary", lambda text: compile_summary(text, kinds))
    made: dict[Language, JinjaSummary] = {}
    for language in Language:
        text, place = written.get(language.value), (*item.at("summary"), language.value)
        if isinstance(text, str):
            try:
                made[language] = compile_summary(text, kinds, language)
            except ExpressionError as exc:
                item.found.add(exc.message, place, item.found.document.inside(place, exc.line, exc.column))
    return SummaryInLanguages(made[Language.EN], made[Language.ZH]) if len(made) == len(Language) else None


def _compile(item: _Item, key: str, compiler: Callable[[str], Compiled]) -> Compiled | None:
    text, place = item.written.get(key), item.at(key)
    if not isinstance(text, str):
        return None
    try:
        return compiler(text)
    except ExpressionError as exc:
        item.found.add(exc.message, place, item.found.document.inside(place, exc.line, exc.column))
        return None

"""Checking `match` and `group_by`: labels that exist, and patterns that can fit something.

A misspelt label or severity would be a route that never takes anything, without a word. Where the possible values are known
(severities, kinds, phases, sources, rules) a pattern that fits none of them is refused, a negated one too; names of jobs and people
are open. A regular expression that is none is refused whatever the label.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from watcher.config.document import Place
from watcher.config.findings import Findings
from watcher.config.model import LabelPattern, Match
from watcher.config.wording import listed, unknown
from watcher.core.addressing import KIND, RULE
from watcher.core.events import KINDS
from watcher.core.matching import LABELS, LabelTest, Matcher, Operator
from watcher.core.phases import Phase
from watcher.core.rule import Severity

Vocabulary = Mapping[str, Collection[str]]
"""Label -> the values it can have, for labels whose values are known."""

OPEN_LABEL: Final = "tag."
"""Labels that begin so exist whatever follows."""
ROUTE_LABELS: Final = frozenset(LABELS)
RULE_LABELS: Final = ROUTE_LABELS - {"rule", "severity"}
"""What rules choose by: nobody has spoken yet, so there is no rule and no severity."""

LABELS_OF_JOBS: Final = RULE_LABELS - {"kind", "pod", "node", "status", "phase"}
"""Labels that a job has whatever happens to it."""

_KNOWN: Final[Vocabulary] = {"severity": frozenset(Severity), "kind": KINDS | {KIND}, "phase": frozenset(Phase)}
_NEVER_ABSENT: Final = frozenset({"severity", "kind", "rule"})
"""Labels that every notification has. Any other may be missing, which a negated test takes."""


def vocabulary(sources: Collection[str], rules: Collection[str] = ()) -> Vocabulary:
    """The values of all labels whose values are known."""
    return {**_KNOWN, "source": sources, "rule": (*rules, RULE) if rules else ()}


def matcher_of(match: Match) -> Matcher:
    """A validated `match` as the core's value."""
    return Matcher.of(
        {
            label: given.model_dump(by_alias=True, exclude_none=True) if isinstance(given, LabelPattern) else given
            for label, given in match.items()
        }
    )


def is_label(label: str, allowed: Collection[str]) -> bool:
    """Whether there is such a label: one of the allowed ones, or a tag."""
    return label in allowed or (label.startswith(OPEN_LABEL) and len(label) > len(OPEN_LABEL))


def check_labels(found: Findings, labels: Mapping[str, Place], allowed: Collection[str]) -> None:
    """Every label exists; `labels` maps each to where it stands."""
    for label, place in labels.items():
        if not is_label(label, allowed):
            found.add_at_key(unknown("label", label, allowed), place)


def check_match(found: Findings, place: Place, allowed: Collection[str], words: Vocabulary) -> None:
    """Every label of the `match` at this place exists, and every pattern can fit something."""
    match = found.document.value(place) if found.document.has(place) else {}
    if not isinstance(match, dict):
        return
    check_labels(found, {label: (*place, label) for label in match}, allowed)
    for label, given in match.items():
        known = words.get(label) if label in allowed else None
        before = len(found.problems)
        tests = []
        for operator, spot, written in _tests(given, (*place, label)):
            spots = _patterns(written, spot)
            for at, pattern in spots.items():
                _check_pattern(found, LabelTest(label, operator, (pattern,)), at, known)
            tests.append(LabelTest(label, operator, tuple(spots.values())))
        if known and len(found.problems) == before and tests:
            _check_together(found, tests, (*place, label), known)


def mistake(match: Matcher, labels: Collection[str], known: Vocabulary) -> tuple[LabelTest, str] | None:
    """The first test of a matcher that names a label which does not exist or a pattern that can fit nothing, and what is wrong."""
    for test in match.tests:
        if not is_label(test.label, labels):
            return test, unknown("label", test.label, labels)
        words = known.get(test.label)
        for pattern in test.patterns:
            if words is not None and not any(test.operator.fits(pattern, word) for word in words):
                return test, unknown(test.label, pattern, words)
    return None


def _tests(given: object, place: Place) -> Iterator[tuple[Operator, Place, object]]:
    if not isinstance(given, dict):
        yield Operator.IS, place, given
        return
    for operator in Operator:
        if operator in given:
            yield operator, (*place, operator.value), given[operator.value]


def _patterns(written: object, place: Place) -> dict[Place, str]:
    spots = (
        {(*place, index): one for index, one in enumerate(written)} if isinstance(written, list) else {place: written}
    )
    return {spot: pattern for spot, pattern in spots.items() if isinstance(pattern, str)}


def _check_pattern(found: Findings, test: LabelTest, place: Place, known: Collection[str] | None) -> None:
    """One pattern. It is tried on something even where the values are open: that is how a bad expression shows."""
    pattern = test.patterns[0]
    words = ("",) if known is None else known
    try:
        fitting = [word for word in words if test.operator.fits(pattern, word)]
    except ValueError as exc:
        found.add(str(exc), place)
        return
    if known is not None and not fitting:
        found.add(unknown(test.label, pattern, known), place)


def _check_together(found: Findings, tests: list[LabelTest], place: Place, known: Collection[str]) -> None:
    """Each pattern fits something; all tests together must leave something over."""
    label = str(place[-1])
    values = known if label in _NEVER_ABSENT else (*known, "")
    if not any(all(test.holds({label: (value,)}) for test in tests) for value in values):
        told = f"nothing can fit this: {' and '.join(str(test) for test in tests)}; the values of {label} are: {listed(known)}"
        found.add_at_key(told, place)

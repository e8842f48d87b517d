"""Checking `match` and `group_by`: labels that exist, and patterns that can fit something.

A misspelt label or severity would be a route that never takes anything, without a word. Where the possible values are known
(severities, kinds, phases, sources, rules) a pattern that fits none of them is refused; names of jobs and people are open.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Final

from watcher.config.document import Place
from watcher.config.findings import Findings
from watcher.config.wording import unknown
from watcher.core.events import KINDS
from watcher.core.matching import LABELS
from watcher.core.phases import Phase
from watcher.core.rule import Severity

Vocabulary = Mapping[str, Collection[str]]
"""Label -> the values it can have, for labels whose values are known."""

_OPEN_LABEL: Final = "tag."
ROUTE_LABELS: Final = frozenset(LABELS)
RULE_LABELS: Final = ROUTE_LABELS - {"rule", "severity"}
"""What rules choose by: nobody has spoken yet, so there is no rule and no severity."""

_KNOWN: Final[Vocabulary] = {"severity": frozenset(Severity), "kind": KINDS, "phase": frozenset(Phase)}


def vocabulary(sources: Collection[str], rules: Collection[str] = ()) -> Vocabulary:
    """The values of all labels whose values are known."""
    return {**_KNOWN, "source": sources, "rule": rules}


def check_labels(found: Findings, labels: Mapping[str, Place], allowed: Collection[str]) -> None:
    """Every label exists; `labels` maps each to where it stands."""
    for label, place in labels.items():
        if label not in allowed and not (label.startswith(_OPEN_LABEL) and len(label) > len(_OPEN_LABEL)):
            found.add_at_key(unknown("label", label, allowed), place)


def check_match(found: Findings, place: Place, allowed: Collection[str], words: Vocabulary) -> None:
    """Every label of the `match` at this place exists, and every pattern can fit something."""
    match = found.document.value(place) if found.document.has(place) else {}
    if not isinstance(match, dict):
        return
    check_labels(found, {label: (*place, label) for label in match}, allowed)
    for label, patterns in match.items():
        if label not in words or label not in allowed:
            continue
        spots = (
            {(*place, label, index): pattern for index, pattern in enumerate(patterns)}
            if isinstance(patterns, list)
            else {(*place, label): patterns}
        )
        for spot, pattern in spots.items():
            if isinstance(pattern, str) and not any(fnmatchcase(word, pattern) for word in words[label]):
                found.add(unknown(label, pattern, words[label]), spot)

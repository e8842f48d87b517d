"""`inhibit:`: which news makes which other news superfluous."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from watcher.config.document import Place
from watcher.config.findings import Findings
from watcher.config.matches import Vocabulary, check_labels, check_match, matcher_of
from watcher.config.model import InhibitSettings
from watcher.config.wording import unknown
from watcher.core.events import KINDS
from watcher.core.inhibition import DEFAULTS, Inhibit


def inhibits_of(settings: tuple[InhibitSettings, ...] | None) -> tuple[Inhibit, ...]:
    """The list as the core's values; the built-in ones where there is none."""
    if settings is None:
        return DEFAULTS
    return tuple(_each(settings))


def _each(settings: tuple[InhibitSettings, ...]) -> Iterator[Inhibit]:
    for index, one in enumerate(settings):
        if one.include is not None:
            yield from DEFAULTS
            continue
        yield Inhibit(
            name=one.name or f"inhibit[{index}]",
            source=matcher_of(one.source),
            target=matcher_of(one.target),
            equal=one.equal,
            lasts=one.for_,
            until=frozenset(one.until),
        )


def check_inhibits(found: Findings, words: Vocabulary, labels: Collection[str]) -> None:
    """Labels, patterns and kinds that exist."""
    written = found.document.data.get("inhibit")
    for index, one in enumerate(written if isinstance(written, list) else ()):
        if not isinstance(one, dict):
            continue
        place: Place = ("inhibit", index)
        check_match(found, (*place, "source"), labels, words)
        check_match(found, (*place, "target"), labels, words)
        named = _spots(one.get("equal"), (*place, "equal"))
        check_labels(found, {label: spot for spot, label in named.items()}, labels)
        for spot, kind in _spots(one.get("until"), (*place, "until")).items():
            if kind not in KINDS:
                found.add(unknown("event kind", kind, KINDS), spot)


def _spots(written: object, place: Place) -> dict[Place, str]:
    if isinstance(written, str):
        return {place: written}
    listed = enumerate(written) if isinstance(written, list) else ()
    return {(*place, index): word for index, word in listed if isinstance(word, str)}

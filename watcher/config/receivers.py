"""`receivers:`: each entry is validated by the settings model that its kind brings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from watcher.config.document import Place
from watcher.config.findings import Findings, as_mapping
from watcher.config.wording import listed, unknown
from watcher.kinds import Kinds, PluginFault
from watcher.ports.notifier import Notifier
from watcher.settings import ReceiverSettings, Settings


class ConfiguredReceiver(NamedTuple):
    """A receiver as configured: the notifier's class, its validated settings, and what every receiver has."""

    notifier: type[Notifier]
    settings: Settings
    common: ReceiverSettings = ReceiverSettings()


COMMON: Final = frozenset(ReceiverSettings.model_fields)
"""Keys that may stand beside a receiver's kind."""


def bind_receivers(found: Findings, kinds: Kinds) -> dict[str, ConfiguredReceiver]:
    """The receivers that are right; the others are among the findings."""
    receivers: dict[str, ConfiguredReceiver] = {}
    entries = as_mapping(found.document.data.get("receivers"))
    for name, written in entries.items():
        place: Place = ("receivers", name)
        if not isinstance(written, dict):
            continue
        common = found.validate(ReceiverSettings, {key: written[key] for key in written if key in COMMON}, place)
        words = [key for key in written if key not in COMMON]
        strangers = [word for word in words if word not in kinds.notifiers]
        for word in strangers:
            found.add_at_key(unknown("kind of receiver", word, kinds.notifiers), (*place, word))
        if len(words) != 1:
            told = f"not {' and '.join(words)}; make two receivers of them" if words else "not none"
            found.add_at_key(f"a receiver is of exactly one kind, {told}; kinds are: {listed(kinds.notifiers)}", place)
        elif not strangers:
            word = words[0]
            try:
                notifier = kinds.notifiers[word]
            except PluginFault as fault:
                found.add_at_key(str(fault), (*place, word))
                continue
            # `console:` with nothing behind it is a kind without settings, not a mistake.
            settings = found.validate(notifier.Settings, {} if written[word] is None else written[word], (*place, word))
            if settings is not None and common is not None:
                receivers[name] = ConfiguredReceiver(notifier, settings, common)
    _check_fallbacks(found, entries)
    return receivers


def _check_fallbacks(found: Findings, entries: Mapping[str, Any]) -> None:
    """Fallbacks that are not there, and rings of them: what comes to nothing must come to an end somewhere."""
    leads = {name: as_mapping(written).get("fallback") for name, written in entries.items()}
    told: set[str] = set()
    for name, fallback in leads.items():
        place: Place = ("receivers", name, "fallback")
        if not isinstance(fallback, str):
            continue
        if fallback not in entries:
            found.add(unknown("receiver", fallback, entries), place)
            continue
        ring = _ring(name, leads)
        if ring and name not in told:
            told.update(ring)
            way = " -> ".join((*ring, name))
            found.add(f"these fallbacks lead round in a ring ({way}); the last one must have none", place)


def _ring(name: str, leads: Mapping[str, Any]) -> tuple[str, ...]:
    """The way from a receiver over its fallbacks back to itself; empty when it does not lead there."""
    way = [name]
    while isinstance(following := leads.get(way[-1]), str) and following not in way:
        way.append(following)
    return tuple(way) if leads.get(way[-1]) == name else ()

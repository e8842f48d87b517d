"""`sources:` and `receivers:`: each entry is validated by the settings model that its kind brings."""

from __future__ import annotations

from typing import Any, NamedTuple

from watcher.config.document import Place
from watcher.config.findings import Findings, as_mapping
from watcher.config.wording import listed, unknown
from watcher.kinds import Kinds, PluginFault
from watcher.ports import Notifier
from watcher.settings import Settings, SourceSettings


class ConfiguredSource(NamedTuple):
    """A source as configured: the class that the kind names, and its validated settings."""

    kind: type[Any]
    settings: SourceSettings


class ConfiguredReceiver(NamedTuple):
    """A receiver as configured: the notifier's class, and its validated settings."""

    notifier: type[Notifier]
    settings: Settings


def bind_sources(found: Findings, kinds: Kinds) -> dict[str, ConfiguredSource]:
    """The sources that are right; the others are among the findings."""
    sources: dict[str, ConfiguredSource] = {}
    for name, written in as_mapping(found.document.data.get("sources")).items():
        place: Place = ("sources", name)
        if not isinstance(written, dict):
            continue
        word = written.get("kind")
        if not isinstance(word, str):
            found.add_at_key(f'"kind" says which source this is; allowed are: {listed(kinds.sources)}', place)
        elif word not in kinds.sources:
            found.add(unknown("kind of source", word, kinds.sources), (*place, "kind"))
        else:
            try:
                kind = kinds.sources[word]
            except PluginFault as fault:
                found.add(str(fault), (*place, "kind"))
                continue
            settings = found.validate(kind.Settings, written, place)
            if settings is not None:
                sources[name] = ConfiguredSource(kind, settings)
    return sources


def bind_receivers(found: Findings, kinds: Kinds) -> dict[str, ConfiguredReceiver]:
    """The receivers that are right; the others are among the findings."""
    receivers: dict[str, ConfiguredReceiver] = {}
    for name, written in as_mapping(found.document.data.get("receivers")).items():
        place: Place = ("receivers", name)
        if not isinstance(written, dict):
            continue
        strangers = [word for word in written if word not in kinds.notifiers]
        for word in strangers:
            found.add_at_key(unknown("kind of receiver", word, kinds.notifiers), (*place, word))
        if len(written) != 1:
            told = f"not {' and '.join(written)}; make two receivers of them" if written else "not none"
            found.add_at_key(f"a receiver is of exactly one kind, {told}; kinds are: {listed(kinds.notifiers)}", place)
        elif not strangers:
            word, settings_written = next(iter(written.items()))
            try:
                notifier = kinds.notifiers[word]
            except PluginFault as fault:
                found.add_at_key(str(fault), (*place, word))
                continue
            # `console:` with nothing behind it is a kind without settings, not a mistake.
            settings = found.validate(
                notifier.Settings, {} if settings_written is None else settings_written, (*place, word)
            )
            if settings is not None:
                receivers[name] = ConfiguredReceiver(notifier, settings)
    return receivers

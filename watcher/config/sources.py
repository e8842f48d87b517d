"""`sources:`: each entry is validated by the settings model that its kind brings.

It needs no other part of the configuration, and none of what the other parts need: a start asks its sources before it reads on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from watcher.config.document import Document, Place
from watcher.config.findings import Findings, as_mapping
from watcher.config.wording import listed, unknown
from watcher.kinds import Kinds, PluginFault
from watcher.settings import SourceSettings


class ConfiguredSource(NamedTuple):
    """A source as configured: the class that the kind names, and its validated settings."""

    kind: type[Any]
    settings: SourceSettings


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


def sources_of(document: Document, kinds: Kinds, base_dir: Path) -> dict[str, ConfiguredSource]:
    """All sources, ahead of the rest of the document. Read with that, they are validated once more: faults are told together.

    Args:
        document: the configuration.
        kinds: what is installed.
        base_dir: where relative secret files are looked for.

    Returns:
        None of them where the YAML or any source is wrong: whoever reads the rest tells what.
    """
    found = Findings(document, base_dir)
    sources = bind_sources(found, kinds)
    return {} if document.problems or found.problems else sources

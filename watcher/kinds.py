"""What is installed: the kinds of sources, notifiers and rules that a configuration can name.

`watcher.plugins` makes a `Kinds` from entry points, `watcher.config` looks names up in it; neither knows the other. The mappings
may load their values on access: looking one up can raise `PluginFault`, iterating over the names cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from watcher.errors import WatcherError

if TYPE_CHECKING:  # a source is looked up before a start has what these need
    from watcher.core.rule import Rule
    from watcher.ports.notifier import Notifier


class PluginFault(WatcherError):
    """An installed plug-in cannot be used.

    Attributes:
        group: the entry-point group, for example `dlc_watcher.rules`.
        name: the entry's name.
        distribution: the installed distribution that brings it, with its version.
    """

    def __init__(self, message: str, *, group: str, name: str, distribution: str) -> None:
        self.group, self.name, self.distribution = group, name, distribution
        super().__init__(message)


class RuleFile(Protocol):
    """A packaged YAML file of rules. `pathlib.Path` and every `importlib.resources` file is one."""

    @property
    def name(self) -> str:
        """Its file name."""
        ...

    def read_text(self, encoding: str) -> str:
        """Its content."""
        ...


@dataclass(frozen=True, slots=True)
class Kinds:
    """What a configuration can name, by the word it uses.

    Attributes:
        sources: word of `kind:` -> class with `Settings`, a subclass of `SourceSettings`.
        notifiers: key under a receiver's name -> class.
        rules: word of `use:` -> class.
        rule_files: word of `include:` -> packaged file; the one called `default` holds what applies when a configuration has no
            `rules`.
    """

    sources: Mapping[str, type[Any]] = field(default_factory=dict)
    notifiers: Mapping[str, type[Notifier]] = field(default_factory=dict)
    rules: Mapping[str, type[Rule]] = field(default_factory=dict)
    rule_files: Mapping[str, RuleFile] = field(default_factory=dict)

"""Entry points -> objects: what is installed, found without importing it.

`discover` reads names only. A plug-in is imported when its name is looked up, so a configuration for the console never imports
slack-sdk, and a broken plug-in stops nobody who does not use it. Ours and a stranger's are found, loaded and checked alike.

| group | an entry is |
|---|---|
| `dlc_watcher.sources` | a class: a `JobSource` with `Settings`, a subclass of `SourceSettings` |
| `dlc_watcher.notifiers` | a class: a `Notifier` |
| `dlc_watcher.rules` | a class: a `Rule` |
| `dlc_watcher.rule_files` | `package:file.yaml`, a file of rules inside a package |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any, Final, Generic, TypeVar, get_args

from watcher.kinds import Kinds, PluginFault, RuleFile
from watcher.settings import Settings, SourceSettings

SOURCES: Final = "dlc_watcher.sources"
NOTIFIERS: Final = "dlc_watcher.notifiers"
RULES: Final = "dlc_watcher.rules"
RULE_FILES: Final = "dlc_watcher.rule_files"

Loaded = TypeVar("Loaded")
Check = Callable[[Any, str], bool]
"""Whether a member is as it must be; the second parameter is the entry's name."""


def _subclass_of(base: type) -> Check:
    return lambda member, _name: isinstance(member, type) and issubclass(member, base)


def _method(member: Any, _name: str) -> bool:
    return callable(member)


def _own_name(member: Any, name: str) -> bool:
    return bool(member == name)


# What rules and notifiers are made of is imported by the first that is looked up, not by a start that asks its sources first.


def _event_types(member: Any, _name: str) -> bool:
    from watcher.core.events import Event  # noqa: PLC0415

    return isinstance(member, tuple) and bool(member) and all(event_type in get_args(Event) for event_type in member)


def _severity(member: Any, _name: str) -> bool:
    from watcher.core.rule import Severity  # noqa: PLC0415

    return isinstance(member, Severity)


def _options(member: Any, name: str) -> bool:
    from watcher.core.rule import RuleOptions  # noqa: PLC0415

    return _subclass_of(RuleOptions)(member, name)


def _capabilities(member: Any, _name: str) -> bool:
    from watcher.ports.notifier import Capabilities  # noqa: PLC0415

    return isinstance(member, Capabilities)


_METHOD: Final = (_method, "a method")

MEMBERS: Final[Mapping[str, Mapping[str, tuple[Check, str]]]] = {
    SOURCES: {
        "Settings": (_subclass_of(SourceSettings), "a subclass of SourceSettings"),
        "fetch": _METHOD,
        "list_jobs": _METHOD,
        "console_url": _METHOD,
        "aclose": _METHOD,
    },
    NOTIFIERS: {
        "kind": (_own_name, "the name of the entry point"),
        "Settings": (_subclass_of(Settings), "a subclass of Settings"),
        "capabilities": (_capabilities, "a value of Capabilities"),
        "render": _METHOD,
        "send": _METHOD,
        "aclose": _METHOD,
    },
    RULES: {
        "name": (_own_name, "the name of the entry point"),
        "on": (_event_types, "a tuple of event types"),
        "severity": (_severity, "a Severity"),
        "Options": (_options, "a subclass of RuleOptions"),
        "consider": _METHOD,
    },
}
"""What an entry of each group must have: member -> check, and the words for what it must be."""


def discover(found: Callable[[], EntryPoints] = entry_points) -> Kinds:
    """What is installed. Imports nothing; looking a name up in the answer does, and raises `PluginFault` when that fails.

    Args:
        found: gives all entry points there are; for tests.
    """
    entries = found()  # once: it reads the metadata of everything that is installed
    return Kinds(
        sources=_Installed(SOURCES, entries.select(group=SOURCES), _load_class),
        notifiers=_Installed(NOTIFIERS, entries.select(group=NOTIFIERS), _load_class),
        rules=_Installed(RULES, entries.select(group=RULES), _load_class),
        rule_files=_Installed(RULE_FILES, entries.select(group=RULE_FILES), _load_file),
    )


class _Installed(Mapping[str, Loaded], Generic[Loaded]):
    """The entries of one group by name, each loaded when it is first looked up."""

    def __init__(self, group: str, entries: Iterable[EntryPoint], load: Callable[[EntryPoint], Loaded]) -> None:
        self._group, self._load = group, load
        self._entries: dict[str, list[EntryPoint]] = {}
        for entry in sorted(entries, key=lambda entry: entry.name):
            same_name = self._entries.setdefault(entry.name, [])
            # One distribution can be seen twice on the path; two that say the same are one.
            if not any(other.value == entry.value and _brought_by(other) == _brought_by(entry) for other in same_name):
                same_name.append(entry)
        self._loaded: dict[str, Loaded] = {}

    def __getitem__(self, name: str) -> Loaded:
        if name not in self._loaded:
            self._loaded[name] = self._load(_only(self._entries[name]))
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<{self._group}: {', '.join(self._entries)}>"


def _brought_by(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unknown distribution"


def _fault(entry: EntryPoint, trouble: str) -> PluginFault:
    message = f'the plug-in "{entry.name}" of {_brought_by(entry)} cannot be used: {trouble}'
    return PluginFault(message, group=entry.group, name=entry.name, distribution=_brought_by(entry))


def _only(entries: Sequence[EntryPoint]) -> EntryPoint:
    if len(entries) > 1:
        owners = " and ".join(_brought_by(entry) for entry in entries)
        raise _fault(entries[0], f"{owners} all bring something of this name; uninstall all but one")
    return entries[0]


def _load_class(entry: EntryPoint) -> Any:
    try:
        loaded = entry.load()
    except Exception as exc:  # a stranger's module: anything can come out of importing it
        raise _fault(entry, f"{entry.value} does not import: {type(exc).__name__}: {exc}") from exc
    if not isinstance(loaded, type):
        raise _fault(entry, f"{entry.value} is not a class")
    for member, (good, words) in MEMBERS[entry.group].items():
        if not good(getattr(loaded, member, None), entry.name):
            missing = "" if hasattr(loaded, member) else "; it is missing"
            raise _fault(
                entry,
                f"{loaded.__name__}.{member} must be {words}{f' ({entry.name})' if good is _own_name else ''}{missing}",
            )
    return loaded


def _load_file(entry: EntryPoint) -> RuleFile:
    package, _, name = entry.value.partition(":")
    try:
        file = files(import_module(package)).joinpath(*PurePosixPath(name).parts)
    except Exception as exc:  # as above
        raise _fault(entry, f"{package} does not import: {type(exc).__name__}: {exc}") from exc
    if not file.is_file():
        raise _fault(entry, f"there is no file {name} in {package}")
    return file

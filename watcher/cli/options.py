"""Options that several commands share, and what they load."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from watcher.config.loading import Loaded

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", envvar="DLC_WATCHER_CONFIG", help="The configuration file.", metavar="FILE")
]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store", help="A database file or URL, instead of the one in the configuration.", metavar="FILE|URL"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
DEFAULT_CONFIG = Path("dlc-watcher.yaml")


def load_configuration(path: Path) -> Loaded:
    """Read and check a configuration file with all installed plug-ins.

    Raises:
        ConfigurationError: it cannot be read, or something in it is wrong.
    """
    from watcher.config.loading import load_file
    from watcher.plugins import discover

    return load_file(path, env=os.environ, kinds=discover())


def store_url(config: Path, store: str | None) -> str:
    """The database to read: as named, be it a URL or a SQLite file, else as configured."""
    if store is None:
        return load_configuration(config).store.url
    return named_store(store)


def named_store(store: str) -> str:
    """What a person named, be it a URL or a SQLite file, as a URL."""
    return store if ":" in store else f"sqlite:///{store}"


def print_json(value: Any) -> None:
    """JSON to standard output, one document. What could drive a terminal is escaped, other scripts than Latin stay readable."""
    import json
    import unicodedata

    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    typer.echo(
        "".join(
            char
            if char == "\n" or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
            else json.dumps(char)[1:-1]
            for char in text
        )
    )

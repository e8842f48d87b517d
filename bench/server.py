"""The far side, in a process of its own: the simulator's static mode over HTTP and over HTTPS.

It lives as long as its standard input is open, so it ends with whoever started it, however that one ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import trustme
import uvicorn

from bench.children import dismiss
from bench.peers import BenchFailed
from watcher.simulator import SimulatorServer, StaticApp

_HOST = "127.0.0.1"
_KEEP_ALIVE_S = 600
"""Longer than any part: closing a connection in the moment in which a peer speaks on it would end the run."""


@dataclass
class Served:
    """A running server.

    Attributes:
        authorities: host and port by scheme.
        ca_file: who vouches for the HTTPS one.
        job_ids: its jobs.
        body_bytes: size of one GetJob answer.
        pods: how many each job has.
        process: to look whether it has ended.
        answers: how many requests it has answered; known once it has ended.
        cpu_s: CPU seconds it has used for them; known once it has ended.
    """

    authorities: dict[str, str]
    ca_file: Path
    job_ids: tuple[str, ...]
    body_bytes: int
    pods: int
    process: subprocess.Popen[str]
    answers: int = 0
    cpu_s: float = 0.0


@contextmanager
def serving(jobs: int, pods: int, directory: Path) -> Iterator[Served]:
    """Start the server, and see it out at the end.

    Args:
        jobs: how many jobs it has.
        pods: how many pods each job has.
        directory: where certificate and key are put.

    Raises:
        BenchFailed: it did not start.
    """
    authority = trustme.CA()
    ca_file, certificate = directory / "ca.pem", directory / "server.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    authority.issue_cert(_HOST).private_key_and_cert_chain_pem.write_to_path(str(certificate))
    command = [sys.executable, "-m", "bench.server", str(jobs), str(pods), str(certificate)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the bench, which then closes the server's input
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        told = process.stdout.readline()
        if not told:
            raise BenchFailed("the simulator's process ended before it served anything; what it said stands above")
        served = Served(**json.loads(told), ca_file=ca_file, pods=pods, process=process)
        yield served
        process.stdin.close()
        last_words = process.stdout.readline()
        if not last_words:
            raise BenchFailed("the simulator's process ended early; what it said stands above")
        for name, value in json.loads(last_words).items():
            setattr(served, name, value)
    finally:
        dismiss(process)


class _TlsServer(uvicorn.Server):
    """Leaves signals alone: the process ends with its standard input."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(jobs: int, pods: int, certificate: str) -> None:
    app, answers = StaticApp(jobs, pods=pods), 0

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        nonlocal answers
        answers += 1
        await app(scope, receive, send)

    config = uvicorn.Config(
        counted, host=_HOST, port=0, http="h11", ws="none", lifespan="off", access_log=False, log_config=None,
        server_header=False, date_header=False, ssl_certfile=certificate, timeout_keep_alive=_KEEP_ALIVE_S,
    )  # fmt: skip
    tls = _TlsServer(config)
    async with SimulatorServer(counted, keep_alive_s=_KEEP_ALIVE_S) as plain, anyio.create_task_group() as tasks:
        tasks.start_soon(tls.serve)
        while not tls.started:  # noqa: ASYNC110 - uvicorn tells it by this attribute only
            await anyio.sleep(0.005)
        port = tls.servers[0].sockets[0].getsockname()[1]
        told = {
            "authorities": {"http": plain.endpoint, "https": f"{_HOST}:{port}"},
            "job_ids": app.job_ids,
            "body_bytes": len(app.respond(f"/api/v1/jobs/{app.job_ids[0]}".encode(), b"")[1]),
        }
        used = time.process_time()
        print(json.dumps(told), flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)
        last_words = json.dumps({"answers": answers, "cpu_s": time.process_time() - used})
        with suppress(BrokenPipeError):  # whoever started this was killed
            os.write(sys.stdout.fileno(), f"{last_words}\n".encode())
        tls.should_exit = tls.force_exit = True  # clients may have kept connections open


if __name__ == "__main__":
    anyio.run(_serve, int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])

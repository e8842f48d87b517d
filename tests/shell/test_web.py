"""Health, readiness and metrics over HTTP, on a real port."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

import anyio
import httpx2
import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families

from watcher.service.telemetry import Metrics
from watcher.web import make_app, serve

pytestmark = pytest.mark.anyio


class Probe:
    def __init__(self) -> None:
        self.registry: CollectorRegistry = Metrics().registry
        self.ok = self.ready = True

    async def health(self) -> Mapping[str, Any]:
        return {"ok": self.ok}

    async def readiness(self) -> Mapping[str, Any]:
        return {"ready": self.ready, "sources": {"hz": {"error": "" if self.ready else "the key is not known"}}}


@contextlib.asynccontextmanager
async def serving(probe: Probe, *, host: str = "127.0.0.1") -> AsyncIterator[httpx2.AsyncClient]:
    listening = anyio.Event()
    ports: list[int] = []

    def bound(_host: str, port: int) -> None:
        ports.append(port)
        listening.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(serve, make_app(probe, host=host), host=host, port=0, bound=bound))
        with anyio.fail_after(5):
            await listening.wait()
        name = f"[{host}]" if ":" in host else host
        async with httpx2.AsyncClient(base_url=f"http://{name}:{ports[0]}", trust_env=False) as http:
            yield http
        tasks.cancel_scope.cancel()


async def test_healthz_and_readyz_answer_200_when_all_is_well() -> None:
    async with serving(Probe()) as http:
        for path in ("/healthz", "/readyz"):
            answer = await http.get(path)
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"


async def test_readyz_answers_503_with_the_reason_and_healthz_stays_well() -> None:
    probe = Probe()
    probe.ready = False
    async with serving(probe) as http:
        answer = await http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["sources"]["hz"]["error"] == "the key is not known"
        assert (await http.get("/healthz")).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", ""])
async def test_a_strange_host_header_is_refused(host: str) -> None:
    async with serving(Probe()) as http:
        for path in ("/healthz", "/readyz", "/metrics"):
            answer = await http.get(path, headers={"Host": host})
            assert answer.status_code == 400, path
            assert "dlc_watcher" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1:80", "[::1]:9464"])
async def test_our_own_names_are_answered(host: str) -> None:
    async with serving(Probe()) as http:
        assert (await http.get("/healthz", headers={"Host": host})).status_code == 200


async def test_behind_an_address_for_others_any_name_may_be_used() -> None:
    transport = httpx2.ASGITransport(make_app(Probe(), host="0.0.0.0"))
    async with httpx2.AsyncClient(transport=transport, base_url="http://dlc-watcher.monitoring.svc:9464") as http:
        assert (await http.get("/healthz")).status_code == 200


async def test_nothing_else_is_there_and_nothing_can_be_written() -> None:
    async with serving(Probe()) as http:
        assert (await http.get("/")).status_code == 404
        assert (await http.get("/metrics/../etc/passwd")).status_code == 404
        for method in ("POST", "PUT", "DELETE"):
            assert (await http.request(method, "/healthz")).status_code == 405


async def test_every_metric_is_explained_and_on_the_page() -> None:
    probe = Probe()
    metrics = Metrics()
    probe.registry = metrics.registry
    ours = [one for one in vars(metrics).values() if isinstance(one, Counter | Gauge | Histogram)]
    assert len(ours) >= 15
    for metric in ours:
        child = metric.labels(*("x" for _ in metric._labelnames)) if metric._labelnames else metric
        {Counter: lambda c: c.inc(), Gauge: lambda c: c.set(1), Histogram: lambda c: c.observe(1)}[type(metric)](child)
    async with serving(probe) as http:
        answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    for metric in ours:
        family = families[metric._name]
        assert family.documentation.endswith("."), metric._name
        assert family.samples, metric._name
        assert metric._name.startswith("dlc_watcher_")


async def test_the_server_is_gone_when_the_service_stops() -> None:
    async with serving(Probe()) as http:
        await http.get("/healthz")
        url = http.base_url
    async with httpx2.AsyncClient(trust_env=False) as http:
        with pytest.raises(httpx2.ConnectError):
            await http.get(url)

# ruff: noqa: S101, D102  (tests are assertions, and their names are sentences)
"""The contract of a notifier as tests. Every adapter runs it; so should yours.

```
class TestMine(NotifierContract):
    @asynccontextmanager
    async def open(self) -> AsyncIterator[NotifierBench]:
        async with my_local_server() as server:
            notifier = MyNotifier("mine", MySettings(url=server.url, token="canary-1"))
            yield NotifierBench(notifier, arrived=lambda: len(server.got), break_far_side=server.stop, secrets=("canary-1",))
```

The tests are coroutines for anyio's pytest plug-in (`pytestmark = pytest.mark.anyio` in the module). Tests use a real server on
this machine where there can be one.
"""

from __future__ import annotations

import json
import traceback
import unicodedata
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from watcher.core.delivery import Receipt
from watcher.errors import NotifierError
from watcher.ports import Notifier
from watcher.settings import Settings
from watcher.testing.messages import SAMPLES, again


@dataclass(frozen=True, slots=True)
class NotifierBench:
    """One notifier with its far side.

    Attributes:
        notifier: the one under test.
        arrived: how many messages the far side has taken.
        break_far_side: make the next send fail, in whatever way this far side fails.
        secrets: texts of its settings that must be seen nowhere.
        tells_copies: whether the far side, or the notifier by looking there, keeps a repeat from being shown twice.
    """

    notifier: Notifier
    arrived: Callable[[], int]
    break_far_side: Callable[[], Awaitable[None]]
    secrets: tuple[str, ...] = ()
    tells_copies: bool = False


def texts(node: object) -> Iterator[str]:
    """Every text in JSON-like data, keys included."""
    match node:
        case str():
            yield node
        case dict():
            for key, value in node.items():
                yield str(key)
                yield from texts(value)
        case list() | tuple():
            for value in node:
                yield from texts(value)


def unwanted(text: str) -> list[str]:
    """Control and invisible characters that a terminal, a reader's eye or a header would trip over."""
    return [
        f"U+{ord(mark):04X}"
        for mark in text
        if mark not in "\n\t" and unicodedata.category(mark) in {"Cc", "Cf", "Zl", "Zp", "Cs"}
    ]


class NotifierContract:
    """What must hold for every notifier."""

    longest_wire: int = 120_000
    """Characters of the rendered message as JSON, whatever it is about."""

    def open(self) -> AbstractAsyncContextManager[NotifierBench]:
        """A notifier and its far side, ready to send."""
        raise TypeError("a contract is kept by a subclass: give it a method open that yields a NotifierBench")

    async def test_it_says_what_it_is(self) -> None:
        async with self.open() as bench:
            notifier = bench.notifier
            assert notifier.kind == notifier.kind.lower() != ""
            assert issubclass(type(notifier).Settings, Settings)
            assert notifier.pace >= timedelta(0)

    @pytest.mark.parametrize("name", SAMPLES)
    async def test_what_it_renders_is_plain_data_and_always_the_same(self, name: str) -> None:
        async with self.open() as bench:
            wire = dict(bench.notifier.render(SAMPLES[name]))
            assert json.loads(json.dumps(wire)) == json.loads(json.dumps(dict(bench.notifier.render(SAMPLES[name]))))

    @pytest.mark.parametrize("name", SAMPLES)
    async def test_what_it_renders_has_no_control_or_invisible_characters(self, name: str) -> None:
        async with self.open() as bench:
            wire = dict(bench.notifier.render(SAMPLES[name]))
            assert {text: unwanted(text) for text in texts(wire) if unwanted(text)} == {}

    @pytest.mark.parametrize("name", SAMPLES)
    async def test_what_it_renders_has_a_bound(self, name: str) -> None:
        async with self.open() as bench:
            wire = dict(bench.notifier.render(SAMPLES[name]))
            assert len(json.dumps(wire, ensure_ascii=False)) <= self.longest_wire

    async def test_what_it_renders_names_the_job_and_says_what_happened(self) -> None:
        async with self.open() as bench:
            said = " ".join(texts(dict(bench.notifier.render(SAMPLES["single"]))))
            assert "llama-70b-pretrain" in said
            assert "Failed after 3h12m" in said
            assert "137" in said

    async def test_a_repeat_is_rendered_as_the_first_attempt_was(self) -> None:
        async with self.open() as bench:
            sample = SAMPLES["several-of-one-job"]
            assert bench.notifier.render(again(sample)) == bench.notifier.render(sample)

    async def test_what_is_sent_arrives_once(self) -> None:
        async with self.open() as bench:
            sample = SAMPLES["single"]
            receipt = await bench.notifier.send(bench.notifier.render(sample), sample)
            assert isinstance(receipt, Receipt)
            assert receipt.place
            assert bench.arrived() == 1

    @pytest.mark.parametrize("name", SAMPLES)
    async def test_every_kind_of_message_is_taken(self, name: str) -> None:
        async with self.open() as bench:
            receipt = await bench.notifier.send(bench.notifier.render(SAMPLES[name]), SAMPLES[name])
            assert receipt.note == ""
            assert bench.arrived() == 1

    async def test_a_copy_is_told_where_that_is_promised(self) -> None:
        async with self.open() as bench:
            sample = SAMPLES["single"]
            wire = bench.notifier.render(sample)
            first = await bench.notifier.send(wire, sample)
            second = await bench.notifier.send(wire, again(sample))
            assert second.reference == first.reference
            assert bench.arrived() == (1 if bench.tells_copies else 2)

    async def test_a_failure_is_a_notifier_error_without_secrets(self) -> None:
        async with self.open() as bench:
            sample = SAMPLES["single"]
            wire = bench.notifier.render(sample)
            await bench.break_far_side()
            with pytest.raises(NotifierError) as caught:
                await bench.notifier.send(wire, sample)
            told = [str(caught.value), repr(caught.value), *traceback.format_exception(caught.value)]
            assert [secret for secret in bench.secrets for text in told if secret in text] == []

    async def test_secrets_are_in_no_wire_and_no_repr(self) -> None:
        async with self.open() as bench:
            notifier: Any = bench.notifier
            wires = [json.dumps(dict(notifier.render(sample)), ensure_ascii=False) for sample in SAMPLES.values()]
            told = [repr(notifier), str(notifier), *wires]
            assert [secret for secret in bench.secrets for text in told if secret in text] == []

    async def test_it_can_be_closed_twice(self) -> None:
        async with self.open() as bench:
            sample = SAMPLES["single"]
            await bench.notifier.send(bench.notifier.render(sample), sample)
            await bench.notifier.aclose()
            await bench.notifier.aclose()

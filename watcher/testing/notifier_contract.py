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
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from watcher.core.delivery import Receipt
from watcher.errors import NotifierError
from watcher.ports.notifier import LastingNotifier, LivingNotifier, Notifier
from watcher.settings import Settings
from watcher.testing.cards import CARDS, standing_there
from watcher.testing.messages import SAMPLES, again


@dataclass(frozen=True, slots=True)
class NotifierBench:
    """One notifier with its far side.

    Attributes:
        notifier: the one under test.
        arrived: how many messages the far side has taken.
        break_far_side: make the next send fail, in whatever way this far side fails.
        secrets: texts of its settings that must be seen nowhere.
        without: names of declared capabilities that the notifier has not in the form in which it is configured here.
        tells_copies: whether the far side, or the notifier by looking there, keeps a repeat from being shown twice.
    """

    notifier: Notifier
    arrived: Callable[[], int]
    break_far_side: Callable[[], Awaitable[None]]
    secrets: tuple[str, ...] = ()
    tells_copies: bool = False
    without: frozenset[str] = frozenset()


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

    async def test_it_can_do_what_it_declares_and_declares_what_it_can(self) -> None:
        async with self.open() as bench:
            sample, declared = SAMPLES["single"], bench.notifier.capabilities
            receipt = await bench.notifier.send(bench.notifier.render(sample), sample)
            living = isinstance(bench.notifier, LivingNotifier) and bool(bench.notifier.card_target)
            found = {
                "receipt": bool(receipt.reference),
                "threads": bool(receipt.thread_reference),
                "updates": living,
                "ends": isinstance(bench.notifier, LastingNotifier),
            }
            said = {name: bool(getattr(declared, name)) and name not in bench.without for name in found}
            assert found == said
            assert declared.shows

    async def test_an_end_is_told_where_that_is_declared(self) -> None:
        async with self.open() as bench:
            if not isinstance(bench.notifier, LastingNotifier):
                pytest.skip("it does not show things while they last")
            sample = SAMPLES["single"]
            over = replace(sample, items=tuple(replace(item, over_at=item.at) for item in sample.items))
            assert bench.notifier.render(over) != bench.notifier.render(sample)
            assert bench.notifier.renew_every > timedelta(0)
            await bench.notifier.send(bench.notifier.render(over), over)

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


class LivingContract:
    """What must hold, beside `NotifierContract`, for a notifier that keeps living cards.

    A subclass gives `open` as there, and `shown`: the texts that the far side shows now, one for each card that stands.
    """

    longest_card: int = 30_000
    """Characters of a rendered card as JSON, whatever it is about."""

    def open(self) -> AbstractAsyncContextManager[NotifierBench]:
        """A notifier and its far side, ready to show cards."""
        raise TypeError("a contract is kept by a subclass: give it a method open that yields a NotifierBench")

    def shown(self) -> list[str]:
        """What the far side shows: the whole text of each card, in order of posting."""
        raise TypeError("a contract is kept by a subclass: give it a method shown")

    async def test_it_wants_cards_and_says_where_they_go(self) -> None:
        async with self.open() as bench:
            assert isinstance(bench.notifier, LivingNotifier)
            assert bench.notifier.card_target
            assert bench.notifier.card_pace >= timedelta(0)
            assert bench.notifier.capabilities.updates

    @pytest.mark.parametrize("name", CARDS)
    async def test_a_card_is_plain_bounded_data_without_invisible_characters_and_always_the_same(
        self, name: str
    ) -> None:
        async with self.open() as bench:
            notifier, view = _living(bench), CARDS[name]
            for stands in (view, standing_there(view, Receipt(reference="1", place="p"))):
                wire = dict(notifier.render_card(stands))
                assert json.loads(json.dumps(wire)) == json.loads(json.dumps(dict(notifier.render_card(stands))))
                assert len(json.dumps(wire, ensure_ascii=False)) <= self.longest_card
                assert {text: unwanted(text) for text in texts(wire) if unwanted(text)} == {}

    async def test_a_card_names_the_job_and_says_how_it_stands(self) -> None:
        async with self.open() as bench:
            said = " ".join(texts(dict(_living(bench).render_card(CARDS["running"]))))
            for words in ("llama-70b-pretrain", "attempt 2 of 4", "64 GPUs", "running"):
                assert words in said

    @pytest.mark.parametrize("name", CARDS)
    async def test_every_card_is_posted_and_then_changed_in_place(self, name: str) -> None:
        async with self.open() as bench:
            notifier, view = _living(bench), CARDS[name]
            receipt = await notifier.show_card(notifier.render_card(view), view)
            assert receipt.reference
            assert receipt.note == ""
            done = replace(CARDS["succeeded"].card, ref=view.card.ref)
            later = standing_there(replace(view, card=done), receipt)
            again = await notifier.show_card(notifier.render_card(later), later)
            assert again.reference == receipt.reference
            (text,) = self.shown()
            assert "tokenise-corpus" in text

    async def test_news_goes_under_the_card(self) -> None:
        async with self.open() as bench:
            notifier, view, sample = _living(bench), CARDS["running"], SAMPLES["single"]
            root = await notifier.show_card(notifier.render_card(view), view)
            message = replace(sample, thread_reference=root.reference, thread_place=root.place)
            receipt = await notifier.send(notifier.render(message), message)
            assert receipt.thread_reference in {"", root.reference}

    async def test_a_copy_of_a_root_is_told_where_that_is_promised(self) -> None:
        async with self.open() as bench:
            notifier, view = _living(bench), CARDS["running"]
            wire = notifier.render_card(view)
            first = await notifier.show_card(wire, view)
            second = await notifier.show_card(wire, replace(view, attempt=2))
            if bench.tells_copies:
                assert second.reference == first.reference
                assert len(self.shown()) == 1

    async def test_what_a_repeat_leaves_shows_the_newest_or_says_that_it_does_not(self) -> None:
        async with self.open() as bench:
            notifier, view = _living(bench), CARDS["running"]
            await notifier.show_card(notifier.render_card(view), view)
            repeat = replace(view, attempt=2, card=replace(CARDS["succeeded"].card, ref=view.card.ref))
            receipt = await notifier.show_card(notifier.render_card(repeat), repeat)
            assert receipt.earlier != ("succeeded" in self.shown()[-1].lower())

    async def test_a_failure_to_show_is_a_notifier_error_without_secrets(self) -> None:
        async with self.open() as bench:
            notifier, view = _living(bench), CARDS["running"]
            wire = notifier.render_card(view)
            await bench.break_far_side()
            with pytest.raises(NotifierError) as caught:
                await notifier.show_card(wire, view)
            told = [str(caught.value), repr(caught.value), *traceback.format_exception(caught.value)]
            assert [secret for secret in bench.secrets for text in told if secret in text] == []


def _living(bench: NotifierBench) -> LivingNotifier:
    assert isinstance(bench.notifier, LivingNotifier)
    return bench.notifier

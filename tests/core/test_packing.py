"""What is packed comes out as it went in, and small."""

from __future__ import annotations

import zlib
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given

from tests.core.strategies import at, job, pod, watch, watches
from watcher.core import packing
from watcher.core.codec import watch_to_json
from watcher.core.model import JobId, JobRef, SourceName, Watch
from watcher.core.packing import Open, Packer, takes_long


@given(watches)
def test_whatever_is_held_comes_out_as_it_went_in(held: Watch) -> None:
    packer = Packer()
    packed = packer.pack(held)
    assert packer.unpack(packed) == held
    other = replace(held, version=held.version + 1, vanished=not held.vanished)
    assert packer.unpack(packer.pack(other)) == other
    assert packer.unpack(packed) == held


def test_a_job_with_eight_pods_takes_less_than_a_kibibyte() -> None:
    pods = tuple(
        pod(
            f"dlc1qwertyuiop23-worker-{n}",
            f"{n * 7919:08x}-{n * 104729:04x}-4{n}00-8000-{n * 15485863:012x}",
            role="worker",
            node=f"cn-hangzhou.10.0.48.{n * 37 % 256}",
            ip=f"10.224.{n * 41 % 256}.{n * 91 % 256}",
            resource_type="Normal",
            created_at=at(0),
            started_at=at(60),
        )
        for n in range(8)
    )
    held = watch(job(name="llm pre-training, run 7", user_id="1234567890123456", created_at=at(0), pods=pods))
    packer = Packer()
    packed, later = (
        packer.pack(held),
        packer.pack(replace(held, version=9, snapshot=replace(held.snapshot, name="run 8"))),
    )
    assert isinstance(packed, bytes)
    assert isinstance(later, bytes)
    assert len(packed) < 1024 < len(watch_to_json(held)) / 3
    assert len(later) < 512


def many(name: str, pods: int = 1001, **members: Any) -> Watch:
    """A job of very many pods."""
    ref = JobRef(SourceName("default"), JobId(name))
    return watch(job(ref=ref, pods=tuple(pod(f"w-{number}", f"u{number}\n") for number in range(pods))), **members)


def test_a_job_of_very_many_pods_lies_open_and_is_had_at_once() -> None:
    packer, held = Packer(), many("a")
    packed = packer.pack(held)
    assert not takes_long(packed)
    assert packer.unpack(packed) is held


def test_when_others_take_its_place_it_is_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "_MOST_OPEN", 2500)
    packer = Packer()
    held = [many(name) for name in ("a", "b", "c")]
    a, b, c = (packer.pack(each) for each in held)
    assert [takes_long(packed) for packed in (a, b, c)] == [True, False, False]
    assert isinstance(a, Open)
    assert a.watch is None
    assert len(a.packed) < 30_000
    assert packer.unpack(a) == held[0]
    assert packer.unpack(b) is held[1]
    later = packer.pack(many("a", version=8))
    assert [takes_long(packed) for packed in (later, b, c)] == [False, True, False]
    assert packer.unpack(b) == held[1]


def test_a_job_that_is_held_anew_takes_no_other_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "_MOST_OPEN", 2500)
    packer = Packer()
    other = packer.pack(many("other"))
    for version in range(5):
        packer.pack(many("a", version=version))
    assert not takes_long(other)
    packer.pack(many("a", pods=3))  # it shrank, and makes room
    packer.pack(many("b"))
    assert not takes_long(other)


def test_one_that_is_too_large_to_lie_open_is_packed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "_MOST_OPEN", 1000)
    packer, held = Packer(), many("a")
    packed = packer.pack(held)
    assert takes_long(packed)
    assert packer.unpack(packed) == held


def test_several_hundred_pods_take_long_to_unpack_and_a_few_do_not() -> None:
    packer = Packer()
    uids = [sha256(str(number).encode()).hexdigest() for number in range(500)]
    held = watch(job(pods=tuple(pod(f"w-{number}", uid) for number, uid in enumerate(uids))))
    assert not takes_long(packer.pack(watch(job())))
    assert takes_long(packer.pack(held))
    assert packer.unpack(packer.pack(held)) == held


def test_what_was_not_packed_is_refused() -> None:
    with pytest.raises((ValueError, zlib.error)):
        Packer().unpack(b"no packed watch")

"""What is packed comes out as it went in, and small."""

from __future__ import annotations

import zlib
from dataclasses import replace

import pytest
from hypothesis import given

from tests.core.strategies import at, job, pod, watch, watches
from watcher.core.codec import watch_to_json
from watcher.core.model import Watch
from watcher.core.packing import Packer


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
    assert len(packer.pack(held)) < 1024 < len(watch_to_json(held)) / 3
    assert len(packer.pack(replace(held, version=9, snapshot=replace(held.snapshot, name="run 8")))) < 512


def test_a_job_of_very_many_pods_is_packed_too() -> None:
    held = watch(job(pods=tuple(pod(f"w-{number}", f"u{number}") for number in range(1000))))
    packer = Packer()
    assert packer.unpack(packer.pack(held)) == held


def test_what_was_not_packed_is_refused() -> None:
    with pytest.raises((ValueError, zlib.error)):
        Packer().unpack(b"no packed watch")

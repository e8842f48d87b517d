"""What is packed comes out as it went in, and small."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given

from tests.core.strategies import at, job, pod, watch, watches
from watcher.core.codec import watch_to_json
from watcher.core.model import Watch
from watcher.core.packing import pack, unpack


@given(watches)
def test_whatever_is_held_comes_out_as_it_went_in(held: Watch) -> None:
    assert unpack(pack(held)) == held


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
    assert len(pack(held)) < 1024 < len(watch_to_json(held)) / 3


def test_what_was_not_packed_is_refused() -> None:
    with pytest.raises((ValueError, zlib.error)):
        unpack(b"no packed watch")

"""Answers as DLC gives them, for very many jobs that have nothing in common but their shape: ids, pod uids and addresses differ."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Final

from watcher.simulator import StaticApp

_UID: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_IP: Final = re.compile(rb"10\.224\.[0-9.]+")


def job_id(number: int) -> str:
    """The id of a job."""
    return f"dlcstatic{number:07d}"


class Bodies:
    """GetJob answers of any number of running jobs.

    Args:
        pods: how many pods each job has.
    """

    def __init__(self, pods: int) -> None:
        self._name = job_id(0).encode()
        _, body = StaticApp(1, pods=pods).respond(b"/api/v1/jobs/" + self._name, b"")
        self._pieces = _UID.split(_IP.sub(b"\0", body))

    def answer(self, number: int) -> bytes:
        """The answer about a job: the same at every call."""
        dice = random.Random(number)
        return b"".join(self._told(dice)).replace(self._name, job_id(number).encode())

    def _told(self, dice: random.Random) -> Iterator[bytes]:
        for place, piece in enumerate(self._pieces):
            if place:
                digits = f"{dice.getrandbits(128):032x}"
                yield f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}".encode()
            first, *others = piece.split(b"\0")
            yield first
            for other in others:
                yield b"10.224.%d.%d" % (dice.randrange(256), dice.randrange(256))
                yield other

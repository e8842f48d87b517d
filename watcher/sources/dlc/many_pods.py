"""Reads an answer about a job of very many pods in pieces, and of its pods only those that say something new.

Theory. A pod about which there is no news is the same text in every answer, but for durations that run on. So the answer, its
durations cut out (`likeness`), is cut into the texts of its pods, and a text that was read before is not read again: its pod is
what it was, with the durations of now. This also makes sure that the parser never holds the interpreter's lock for long.

Cutting text needs no trust in its layout. The answer is head + pods joined by commas + tail, and it is certain that each piece is
what it is taken for. Head and tail, with a text that nobody can have written in place of the pods, must read as an answer whose
list of pods has this text as its one element: so it is there that the pods stand. The text of a pod must read as one JSON object,
or be equal to one that did; then, by induction, one object after the other ends where the cut is. Its durations are left out only
if each of them was found, by structure, in its own place. Where a piece does not fit (an odd layout, an entry that is no pod), the
answer is read as a whole (`wire`), which is also what tells what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from watcher.core.model import JobId, JobSnapshot, PodSnapshot, SourceName
from watcher.errors import GarbledAnswer
from watcher.sources.dlc import schema
from watcher.sources.dlc.likeness import MARK, PLACEHOLDER, SPACE, Cut, recognisable
from watcher.sources.dlc.pods import length, objects, pod_of
from watcher.sources.dlc.wire import snapshot_of

MOST_PODS: Final = 20_000
"""Of so many pods, of all jobs together, it is remembered what they said."""

_LIST: Final = re.compile(rb'"Pods"' + SPACE + rb":" + SPACE + rb"\[" + SPACE + rb"\{")
_BETWEEN: Final = re.compile(rb"\}" + SPACE + rb"," + SPACE + rb"\{")
_END: Final = re.compile(rb"\}" + SPACE + rb"(?=\])")

_FACTS: Final[Callable[[PodSnapshot], tuple[Any, ...]]] = attrgetter(
    *(name for name in PodSnapshot.__dataclass_fields__ if name not in {"duration", "history"})
)
"""What stands before these two."""


class _Read(NamedTuple):
    """What a text said.

    Attributes:
        pod: None for one without any identity.
        numbers: the durations that were cut out of the text.
        own: which of them is the pod's own; -1 for none. The others are of its former lives.
    """

    pod: PodSnapshot | None
    numbers: Sequence[bytes]
    own: int


_Known = Mapping[bytes, _Read]


class Pieces(NamedTuple):
    """An answer that was read in pieces.

    Attributes:
        snapshot: as `wire.snapshot_from_json` gives it.
        recognisable: as `likeness.recognisable` says.
    """

    snapshot: JobSnapshot
    recognisable: bool


class ManyPods:
    """Remembers, of the jobs that were read last, what their pods said. Threads may share it, as long as each reads other jobs."""

    def __init__(self) -> None:
        self._known: dict[JobId, _Known] = {}

    def read(self, cut: Cut, job_id: JobId, *, source: SourceName, observed_at: datetime, region: str) -> Pieces | None:
        """Read an answer about this job; None when it does not fall into pieces, or cannot be read at all."""
        begins = _LIST.search(cut.text)
        between = _balanced(_BETWEEN, cut.text, begins.end()) if begins else None
        if begins is None or between is None:
            return None
        head = cut.text[: begins.end() - 1]
        reader = _Reader(self._known.get(job_id, {}), cut.numbers, head.count(MARK))
        tail = reader.read(cut.text[begins.end() :].split(between[0]), between[0])
        if tail is None:
            return None
        frame = _told(head, cut.numbers) + f'"{PLACEHOLDER}"'.encode() + _told(tail, cut.numbers[reader.taken :])
        try:
            job = schema.read(schema.JobWire, frame, "GetJob")
            if job.Pods != [PLACEHOLDER]:
                return None
            pods = tuple(reader.pods)
            snapshot = snapshot_of(job, pods, source=source, observed_at=observed_at, region=region, asked_for=job_id)
        except GarbledAnswer:
            return None
        self._keep(job_id, reader.read_now)
        return Pieces(snapshot, reader.recognisable and recognisable(frame))

    def _keep(self, job_id: JobId, known: _Known) -> None:
        """The job that was read longest ago is forgotten first."""
        self._known.pop(job_id, None)
        self._known[job_id] = known
        while sum(map(len, tuple(self._known.values()))) > MOST_PODS:
            self._known.pop(next(iter(self._known), job_id), None)


class _Reader:
    """Reads the pods of one answer.

    Attributes:
        taken: how many of the answer's durations were taken.
        pods: those that were read.
        read_now: what their texts said, of those that can be recognised.
        recognisable: all of them can.
    """

    def __init__(self, known: _Known, numbers: Sequence[bytes], taken: int) -> None:
        self._known, self._numbers, self.taken = known, numbers, taken
        self.pods: list[PodSnapshot] = []
        self.read_now: dict[bytes, _Read] = {}
        self.recognisable = True

    def read(self, fragments: Sequence[bytes], between: bytes) -> bytes | None:
        """Read them all.

        Args:
            fragments: from the first pod on, without its brace, the answer split at `between`.
            between: what stands between two pods, with a brace of each. It may stand elsewhere, too: between former lives of one
                pod, and behind the pods.

        Returns:
            The answer behind the last pod; None when this is no list of pods.
        """
        begun, depth, known = 0, 0, self._known
        for place, fragment in enumerate(fragments):
            text, was = fragment, known.get(fragment) if depth == 0 else None
            if was is None:
                depth += text.count(b"[") - text.count(b"]")
                if depth > 0:
                    continue
                depth = 0
                if begun < place:
                    text = between.join(fragments[begun : place + 1])
                    was = known.get(text)
            if not self._take(text, was):
                break
            begun = place + 1
        rest = between.join(fragments[begun:])
        end = _balanced(_END, rest)
        if end is None:
            return None
        last = rest[: end.start()]
        return rest[end.end() :] if self._take(last, known.get(last)) else None

    def _take(self, text: bytes, was: _Read | None) -> bool:
        """Take in a pod, by its text without the outer braces; False when this is no object."""
        return self._afresh(text) if was is None else self._again(text, was)

    def _again(self, text: bytes, was: _Read) -> bool:
        """The same of a text that is known."""
        numbers = self._numbers[self.taken : self.taken + len(was.numbers)]
        pod = was.pod
        if pod is not None and numbers != was.numbers:
            own = was.own
            if own < 0 or (
                len(numbers) > 1
                and [*numbers[:own], *numbers[own + 1 :]] != [*was.numbers[:own], *was.numbers[own + 1 :]]
            ):
                return self._afresh(text)
            pod = PodSnapshot(*(*_FACTS(pod), _length(numbers[own]), pod.history))
        self.taken += len(numbers)
        self.read_now[text] = was
        if pod is not None:
            self.pods.append(pod)
        return True

    def _afresh(self, text: bytes) -> bool:
        """The same of a text that is not known, or that tells other durations of former lives now."""
        numbers = self._numbers[self.taken : self.taken + text.count(MARK)]
        try:
            pod = _parsed(_placed(text, len(numbers)))
            own, found = _place(pod), 0
            if own >= 0:
                found = 1
                pod["Duration"] = _value(numbers[own])
            if pod.get("HistoryPods"):
                for life in objects(pod["HistoryPods"]):
                    place = _place(life)
                    if place >= 0:
                        found += 1
                        life["Duration"] = _value(numbers[place])
            if found == len(numbers) and b'"RequestId"' not in text:
                told = pod_of(pod)
                self.read_now[text] = _Read(told, numbers, own)
            else:  # what is left out does not lie where it may be left out
                told = pod_of(_parsed(_told(text, numbers)))
                self.recognisable = False
        except ValueError:
            return False
        self.taken += len(numbers)
        if told is not None:
            self.pods.append(told)
        return True


def _parsed(text: bytes) -> dict[str, Any]:
    """The object with this text between its braces.

    Raises:
        ValueError: that is none.
    """
    [[told]] = from_json(b"[[{" + text + b"}]]", cache_strings="keys")  # as deep as in the answer: there is a limit
    pod: dict[str, Any] = told
    return pod


def _balanced(pattern: re.Pattern[bytes], text: bytes, start: int = 0) -> re.Match[bytes] | None:
    """The first match before which as many brackets of either kind close as open: a guess, as strings may hold some, too."""
    squares = braces = 0
    for match in pattern.finditer(text, start):
        stop = match.start()
        squares += text.count(b"[", start, stop) - text.count(b"]", start, stop)
        braces += text.count(b"{", start, stop) - text.count(b"}", start, stop)
        if squares == 0 == braces:
            return match
        start = stop
    return None


def _placed(text: bytes, marks: int) -> bytes:
    """With a text for each duration that says which it is."""
    if marks <= 1:
        return text.replace(MARK, _label(0))
    first, *others = text.split(MARK)
    return first + b"".join(_label(number) + other for number, other in enumerate(others))


@lru_cache(maxsize=64)
def _label(number: int) -> bytes:
    return f'"Duration":"{PLACEHOLDER} {number}"'.encode()


def _place(life: dict[str, Any]) -> int:
    """Which duration stands in its place here; -1 for none of those that were cut."""
    told = life.get("Duration")
    return int(told.removeprefix(PLACEHOLDER)) if type(told) is str and told.startswith(PLACEHOLDER) else -1


def _told(text: bytes, numbers: Sequence[bytes]) -> bytes:
    """As it was before it was cut; these durations, and perhaps others, follow from its first one on."""
    first, *others = text.split(MARK)
    return first + b"".join(b'"Duration":' + number + other for number, other in zip(numbers, others, strict=False))


def _value(number: bytes) -> float:
    return float(number) if b"." in number or b"e" in number or b"E" in number else int(number)


@lru_cache(maxsize=4096)
def _length(number: bytes) -> timedelta | None:
    """Most pods of a job have run for as long as some others."""
    return length(_value(number))

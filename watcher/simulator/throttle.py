"""A token bucket as a value: pure, the time is a parameter."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many requests may still be answered now.

    Attributes:
        per_second: how fast it fills.
        capacity: how full it gets: the largest burst.
        tokens: how full it was at `at_s`.
        at_s: seconds on any clock that does not go back.
    """

    per_second: float
    capacity: float
    tokens: float
    at_s: float

    @classmethod
    def full(cls, per_second: float, at_s: float) -> Bucket:
        """A full bucket that holds one second's worth, at least one token.

        Raises:
            ValueError: the rate is not positive.
        """
        if per_second <= 0:
            raise ValueError("requests per second must be more than 0; None means no limit")
        capacity = max(1.0, per_second)
        return cls(per_second, capacity, capacity, at_s)

    @classmethod
    def secret(cls, lowest: float, highest: float, at_s: float, seed: str = "") -> Bucket:
        """A full bucket with a rate that nobody is told: drawn between the two, small ones as likely as large ones.

        Raises:
            ValueError: the range is empty or reaches to 0.
        """
        if not 0 < lowest <= highest:
            raise ValueError("a secret rate lies between two numbers above 0, the lower one first")
        share = random.Random(f"secret rate {seed}").random() if seed else random.SystemRandom().random()
        return cls.full(math.exp(math.log(lowest) + share * (math.log(highest) - math.log(lowest))), at_s)

    def take(self, now_s: float) -> tuple[Bucket, float]:
        """Take one token. Returns the bucket afterwards, and 0.0, or the seconds to wait if there was none to take."""
        tokens = min(self.capacity, self.tokens + max(0.0, now_s - self.at_s) * self.per_second)
        at_s = max(self.at_s, now_s)
        if tokens >= 1:
            return replace(self, tokens=tokens - 1, at_s=at_s), 0.0
        return replace(self, tokens=tokens, at_s=at_s), (1 - tokens) / self.per_second

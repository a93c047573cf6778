"""Percentiles over the newest measurements of a live quantity."""

from __future__ import annotations

import math
import time
from collections import deque

WINDOW = 200
"""Enough for a stable p95, few enough to follow a change within seconds."""


class LatencyWindow:
    """p50 and p95 of the newest 200 values, ms; None before the first. The session's lock guards it."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=WINDOW)
        self._since_s = time.time()

    def add(self, ms: float) -> None:
        """Below zero (clocks of two hosts disagree) counts as zero."""
        self._values.append(max(0.0, ms))

    def add_since(self, captured_at_s: float) -> None:
        """From a shutter until now. Pictures taken before this window was there only came late; they
        measure nothing."""
        if captured_at_s >= self._since_s:
            self.add((time.time() - captured_at_s) * 1000)

    def percentiles(self) -> dict[str, int | None]:
        """Nearest rank, rounded."""
        ordered = sorted(self._values)
        return {"p50": _rank(ordered, 0.5), "p95": _rank(ordered, 0.95)}


def _rank(ordered: list[float], share: float) -> int | None:
    return round(ordered[math.ceil(share * len(ordered)) - 1]) if ordered else None

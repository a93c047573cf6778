"""Readings of the arm's joints over the last seconds, and what the joints were at a moment between them."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

MAX_GAP_S = 0.25
"""Readings further apart than this say too little about the time between them."""

MAX_LATE_S = 1.0
"""A reading dated this long before the newest one came late, or the newest was dated wrong."""

MAX_READINGS = 100_000
"""Some 3 kHz over the backend's 30 s: whatever stamps a sender makes up, memory stays bounded."""

ARM_JOINT_COUNT = 5
"""The gripper (sixth) moves the jaw, not the camera."""


@dataclass(frozen=True)
class JointReading:
    """Joint angles at a moment."""

    time_s: float
    """Unix seconds, on the clock of the frames' ``captured_at``."""
    angles: tuple[float, ...]
    """[6] rad, motor order."""


@dataclass(frozen=True)
class JointsAtShutter:
    """Joint angles at a shutter, with how fast the arm was then and how far the readings lie from it."""

    angles: tuple[float, ...]
    """[6] rad."""
    speed_deg_s: float | None
    """Fastest of the five arm joints, deg/s; None when only one reading is known."""
    age_s: float | None
    """From the shutter to the nearest reading, seconds ≥ 0; None when nobody knows."""


class JointHistory:
    """The readings of the last ``keep_s`` seconds, in time order; of two with one time the later to come.

    Its size is bounded. What is dated ahead of all that follows does not hide it for long: a reading from
    before the window begins a new history (the clock was set back), and two in a row from over a second
    before the newest take what is after them away. Not thread-safe: the session's lock guards it.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._times: list[float] = []
        self._angles: list[tuple[float, ...]] = []
        self._late_in_a_row = 0

    def __len__(self) -> int:
        return len(self._times)

    def add(self, reading: JointReading) -> None:
        """Put a reading in its place; what is older than the window is dropped."""
        self._drop_what_hides(reading.time_s)
        at = bisect_right(self._times, reading.time_s)
        if at > 0 and self._times[at - 1] == reading.time_s:
            self._angles[at - 1] = reading.angles
        else:
            self._times.insert(at, reading.time_s)
            self._angles.insert(at, reading.angles)
        self._drop_old()

    def latest(self) -> JointReading | None:
        return self._reading(-1) if self._times else None

    def readings(self) -> list[JointReading]:
        """All of them, in time order."""
        return [self._reading(i) for i in range(len(self._times))]

    def at(self, time_s: float) -> JointsAtShutter | Literal["awaited"] | None:
        """Joints at a moment: interpolated when readings at most 250 ms apart lie around it.

        ``awaited`` while only the later one is missing and could still come; else None.
        """
        after = bisect_left(self._times, time_s)
        if after == len(self._times):
            is_near = after > 0 and time_s - self._times[-1] <= MAX_GAP_S
            return "awaited" if is_near else None
        later = self._reading(after)
        if after > 0 and later.time_s - self._times[after - 1] <= MAX_GAP_S:
            return _interpolate(self._reading(after - 1), later, time_s)
        return JointsAtShutter(later.angles, None, 0.0) if later.time_s == time_s else None

    def _reading(self, at: int) -> JointReading:
        return JointReading(self._times[at], self._angles[at])

    def _drop_what_hides(self, time_s: float) -> None:
        is_late = bool(self._times) and time_s < self._times[-1] - MAX_LATE_S
        self._late_in_a_row = self._late_in_a_row + 1 if is_late else 0
        if not is_late:
            return
        # One reading may be late; when the next is too, it is the newest that was dated wrong.
        if time_s < self._times[-1] - self._keep_s:
            self._late_in_a_row = 0
            self._cut(0, len(self._times))
        elif self._late_in_a_row > 1:
            self._cut(bisect_right(self._times, time_s), len(self._times))

    def _drop_old(self) -> None:
        first = bisect_left(self._times, self._times[-1] - self._keep_s)
        first = max(first, len(self._times) - MAX_READINGS)
        if first > 0:
            self._cut(0, first)

    def _cut(self, first: int, end: int) -> None:
        del self._times[first:end]
        del self._angles[first:end]


def joints_from_samples(samples: Sequence[JointReading], time_s: float) -> JointsAtShutter | None:
    """Joints at a moment from the readings sent with a frame; None when none lies within 250 ms."""
    in_order = sorted(samples, key=lambda reading: reading.time_s)
    after = bisect_left([reading.time_s for reading in in_order], time_s)
    around = in_order[max(after - 1, 0) : after + 1]
    if 0 < after < len(in_order) and around[1].time_s - around[0].time_s <= MAX_GAP_S:
        return _interpolate(around[0], around[1], time_s)
    # The shutter lies outside the readings, or in a hole of them: the nearest one stands for it if it is
    # near.
    nearest = min(around, key=lambda reading: abs(reading.time_s - time_s), default=None)
    if nearest is None or abs(nearest.time_s - time_s) > MAX_GAP_S:
        return None
    return JointsAtShutter(nearest.angles, None, abs(nearest.time_s - time_s))


def _interpolate(a: JointReading, b: JointReading, time_s: float) -> JointsAtShutter:
    """Between two readings, each joint the shortest way round: a wrist that wraps did not turn the other
    way."""
    span_s = b.time_s - a.time_s
    age_s = min(abs(time_s - a.time_s), abs(b.time_s - time_s))
    if span_s <= 0:
        return JointsAtShutter(b.angles, None, age_s)
    share = (time_s - a.time_s) / span_s
    turns = [_shortest_turn(end - start) for start, end in zip(a.angles, b.angles, strict=True)]
    fastest = max(abs(turn) for turn in turns[:ARM_JOINT_COUNT])
    angles = tuple(start + turn * share for start, turn in zip(a.angles, turns, strict=True))
    return JointsAtShutter(angles, math.degrees(fastest / span_s), age_s)


def _shortest_turn(turn_rad: float) -> float:
    return math.remainder(turn_rad, 2 * math.pi)

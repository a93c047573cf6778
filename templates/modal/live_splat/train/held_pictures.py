"""Which frames have their picture in memory.

All have while they fit into the budget. Beyond that training goes round: every few steps the most trained
of the held pictures makes room for that of the least trained frame, which a thread of its own has read
meanwhile, so that as a rule no step waits. Once the budget is full, what is held depends on steps made and on
nothing else; until then, whatever has been read is taken up at once.
"""

from __future__ import annotations

import sys
from bisect import insort
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from live_splat.camera import Camera
from live_splat.training import Picture, PictureArchive

from .schedule import HALF_STEPS
from .targets import SharedMasks, Target, target_of

READ_AHEAD = 2
"""Pictures that are read, or wait to be taken up, beyond the budget."""
EXCHANGE_EVERY = 8
EXCHANGE_EVERY_AT_FIRST = 2
"""Steps between two exchanges; the fewer while some frame has had no step at all."""

KEEP_ALL = PictureArchive(read=lambda _index: None, budget_bytes=sys.maxsize)
"""For a trainer that keeps all it is given."""


@dataclass(eq=False)
class FrameState:
    """One frame, and how far training has come with it."""

    index: int
    holdout: bool
    camera: Camera
    """As it was given; its targets have it fitted to their sizes."""
    order: int
    """Position in order of arrival."""
    target: Target | None = None
    """None while its picture is not held."""
    half: Target | None = None
    """At half size while the frame's first steps last; None while its picture is not held."""
    steps: int = 0
    psnr: float | None = None
    """Of the last comparison at full size, dB."""
    seeded: bool = False
    """Whether Gaussians have been placed in front of it."""


class HeldPictures:
    """See the top of the file. For one thread; ``archive.read`` is called on others too."""

    def __init__(self, archive: PictureArchive, on_unreadable: Callable[[FrameState], None]) -> None:
        """``on_unreadable``: told of a frame whose picture is gone for good; it is forgotten here."""
        self._archive = archive
        self._on_unreadable = on_unreadable
        self._readers = ThreadPoolExecutor(READ_AHEAD, thread_name_prefix="live-splat-pictures")
        self._reading: dict[FrameState, Future[Picture | None]] = {}
        self._away: set[FrameState] = set()
        """Frames to train on whose pictures are not held, those being read among them."""
        self._holdouts: list[FrameState] = []
        """Held-out frames whose pictures are held: while there is room."""
        self._newest: FrameState | None = None
        self._exchanged_at = -1
        self._masks = SharedMasks()
        self.held: list[FrameState] = []
        """Frames that can be trained on now, in order of arrival."""
        self.bytes = 0
        """What the held pictures take. A mask counts with each of them, though frames of a lens share it."""
        self.shrinks = 0
        """How often pictures are halved before they are trained on."""

    def add(self, frame: FrameState, picture: Picture | None) -> None:
        """A frame came. One to train on is held at once; one held out, if nothing has to go for it."""
        if frame.holdout:
            if picture is not None and self._fits(frame, picture):
                self._hold(frame, picture, self._holdouts)
            return
        self._newest = frame
        self._away.add(frame)
        if picture is not None:
            self._take_up(frame, picture)

    def ready(self, step: int) -> list[FrameState]:
        """Frames to choose from for this step, in order of arrival; exchanges pictures where it is time.

        Empty when there are none to train on.
        """
        self._read_ahead()
        while self._reading:
            frame, reading = next(iter(self._reading.items()))
            is_due = not self.held or self._is_due(frame, step)
            if not is_due and not (reading.done() and self._fits(frame, reading.result())):
                break
            picture = reading.result()
            del self._reading[frame]
            if is_due:
                self._exchanged_at = step
            self._take_up(frame, picture)
            self._read_ahead()
        return self.held

    def target_of(self, frame: FrameState) -> Target | None:
        """Its picture at full size, read for this one use if it is not held; None when that is not possible
        any more."""
        if frame.target is not None:
            return frame.target
        picture = self._archive.read(frame.index)
        if picture is None:
            self._away.discard(frame)
            self._on_unreadable(frame)
            return None
        if frame.holdout and self._fits(frame, picture):
            self._hold(frame, picture, self._holdouts)
            return frame.target
        return self._fitted(frame, picture)

    def drop_half(self, frame: FrameState) -> None:
        """The frame's first steps are over."""
        self._set(frame, frame.target, None)

    def shrink(self) -> bool:
        """Halve the held pictures, and all to come. False when those held are small already."""
        smaller = [(frame, frame.target and frame.target.halved()) for frame in (*self.held, *self._holdouts)]
        for frame, target in smaller:
            if target is not None:
                self._set(frame, target, None)
        done = not smaller or any(target is not None for _, target in smaller)
        self.shrinks += done
        return done

    def reordered(self, newest: FrameState | None) -> None:
        """Frames have another order of arrival."""
        self._newest = newest
        self.held.sort(key=_order)

    def close(self) -> None:
        """Read nothing more; waits for what is being read."""
        self._readers.shutdown(wait=True, cancel_futures=True)

    def _read_ahead(self) -> None:
        """Have the pictures of the least trained frames read."""
        while len(self._reading) < min(READ_AHEAD, len(self._away)):
            waiting = (frame for frame in self._away if frame not in self._reading)
            least = min(waiting, key=lambda frame: (frame.steps, frame.order))
            self._reading[least] = self._readers.submit(self._archive.read, least.index)

    def _is_due(self, frame: FrameState, step: int) -> bool:
        every = EXCHANGE_EVERY_AT_FIRST if frame.steps == 0 else EXCHANGE_EVERY
        return step % every == 0 and step != self._exchanged_at

    def _fits(self, frame: FrameState, picture: Picture | None) -> bool:
        """Whether nothing has to go for it."""
        if picture is None:
            return True
        arrays = (picture.rgb, picture.alpha, picture.mask)
        size = sum(array.nbytes for array in arrays if array is not None)
        return self.bytes + (size if frame.holdout else size * 5 // 4) <= self._archive.budget_bytes

    def _take_up(self, frame: FrameState, picture: Picture | None) -> None:
        self._away.discard(frame)
        if picture is None:
            self._on_unreadable(frame)
        else:
            self._hold(frame, picture, self.held)

    def _hold(self, frame: FrameState, picture: Picture, among: list[FrameState]) -> None:
        target = self._fitted(frame, picture)
        half = target.halved() if not frame.holdout and frame.steps < HALF_STEPS else None
        self._make_room(_size(target) + _size(half))
        self._set(frame, target, half)
        insort(among, frame, key=_order)

    def _fitted(self, frame: FrameState, picture: Picture) -> Target:
        target = target_of(frame.camera, picture, self._masks)
        for _ in range(self.shrinks):
            target = target.halved() or target
        return target

    def _make_room(self, size: int) -> None:
        """Let pictures go until so many bytes are free, or nothing is held at all."""
        while self.bytes + size > self._archive.budget_bytes:
            if self._holdouts:
                self._set(self._holdouts.pop(), None, None)
            elif self.held:
                # The newest stays: live training looks at it more than at others.
                others = [frame for frame in self.held if frame is not self._newest] or self.held
                most = max(others, key=lambda frame: frame.steps)
                self.held.remove(most)
                self._away.add(most)
                self._set(most, None, None)
            else:
                return

    def _set(self, frame: FrameState, target: Target | None, half: Target | None) -> None:
        self.bytes += _size(target) + _size(half) - _size(frame.target) - _size(frame.half)
        frame.target, frame.half = target, half


def _size(target: Target | None) -> int:
    return 0 if target is None else target.size_bytes


def _order(frame: FrameState) -> int:
    return frame.order

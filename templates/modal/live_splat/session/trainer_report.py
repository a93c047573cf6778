"""What the trainer said about a session last."""

from __future__ import annotations

import math
from collections.abc import Iterable

from live_splat.training import Progress

from .frames import FrameTable
from .latency import LatencyWindow


class TrainerReport:
    """Takes the trainer's events; read by everything that shows how it goes. The session's lock guards it."""

    def __init__(self, frames: FrameTable, *, psnr_train: float | None, psnr_holdout: float | None) -> None:
        self._frames = frames
        self.step = 0
        """Steps made."""
        self.steps_per_second = 0.0
        self.psnr_train = psnr_train
        self.psnr_holdout = psnr_holdout
        self.memory_bytes = 0
        self.latency = LatencyWindow()
        """From the shutter to the end of the first step that looked at the frame, ms."""

    def reached(self, step: int) -> None:
        """Events can overtake each other's step, never undo it."""
        self.step = max(self.step, step)

    def progress(self, event: Progress) -> None:
        self.reached(event.step)
        self.steps_per_second = event.steps_per_second
        self.memory_bytes = event.memory_bytes
        # A trainer that has no frames yet, or none any more because all is done, says nothing against what
        # was known.
        self.psnr_train = _known(event.psnr_train, self.psnr_train)
        self.psnr_holdout = _known(event.psnr_holdout, self.psnr_holdout)
        for index, psnr in event.frame_psnr.items():
            frame = self._frames.get(index)
            if frame is not None:
                frame.psnr = _known(psnr, None)

    def trained(self, indices: Iterable[int]) -> None:
        for index in indices:
            frame = self._frames.get(index)
            if frame is None or frame.stepped:
                continue
            frame.stepped = True
            if not frame.is_restored:
                self.latency.add_since(frame.captured_at_s)

    def trained_frames(self) -> list[tuple[int, float | None]]:
        """Index and PSNR of frames that a step has looked at, for a restart."""
        return [(frame.index, frame.psnr) for frame in self._frames if frame.stepped]

    def restored(self, step: int, trained: Iterable[tuple[int, float | None]]) -> None:
        """After a restart: where the trainer goes on, and what it has done with each frame."""
        self.step = step
        for frame in self._frames:
            frame.accepted_at_step = step
        for index, psnr in trained:
            frame = self._frames.get(index)
            if frame is not None:
                frame.stepped, frame.psnr, frame.accepted_at_step = True, psnr, 0


def _known(new: float | None, old: float | None) -> float | None:
    """No file and no answer holds what is not finite, such as the PSNR of a perfect picture."""
    return old if new is None or not math.isfinite(new) else new

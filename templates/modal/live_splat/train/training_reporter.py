"""What a trainer tells of its steps."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from live_splat.trainer import LiveSplatTrainer, StepReport
from live_splat.training import Finished, Progress, Snapshot, Trained, TrainingEvent

from .memory import or_skip
from .training_frames import FrameState

PROGRESS_S = 0.25
SNAPSHOT_S = 1.0
HOLDOUT_S = 2.0
"""A held-out frame is scored this often while training, in turn."""
LAST_SCORES_S = 3.0
"""Scoring at the end may take so long."""


class Reporter:
    """Turns steps into events, none more often than its reader can use."""

    def __init__(self, trainer: LiveSplatTrainer, emit: Callable[[TrainingEvent], None]) -> None:
        now = time.monotonic()
        self._trainer = trainer
        self._emit = emit
        self._progress_at = self._snapshot_at = self._holdout_at = now
        self._steps_made = 0
        """Since the last progress. Not by the trainer's own count, which a restore moves."""
        self._snapshot_step = trainer.step_count
        self._steps_per_second = 0.0
        self._turn = 0
        self._psnr: dict[int, float] = {}
        self._was_finished = False
        self._unscored: set[int] = set()
        """Held-out frames whose first score there was no room for: they wait for their turn."""

    def stepped(self, report: StepReport) -> None:
        self._steps_made += 1
        if report.first:
            self._emit(Trained((report.index,)))
        self._score_new(limit=1)
        now = time.monotonic()
        if now - self._holdout_at >= HOLDOUT_S:
            self._holdout_at = now
            self._score_next()
        if now - self._progress_at >= PROGRESS_S:
            self._progress(now)
        if now - self._snapshot_at >= SNAPSHOT_S:
            self._snapshot(now)

    def rested(self) -> None:
        """Nothing is left to do for now, or for good."""
        trainer, now = self._trainer, time.monotonic()
        is_end = trainer.is_done and not self._was_finished
        if is_end:
            self._score_last(now)
        else:
            self._score_new()
        self._progress(now)
        if is_end:
            self._was_finished = True
            self._emit(Finished(trainer.step_count, trainer.gaussians()))
        elif not trainer.is_done and trainer.step_count > self._snapshot_step:
            self._snapshot(now)

    def _progress(self, now: float) -> None:
        trainer = self._trainer
        self._psnr.update(trainer.take_fresh_psnr())
        rate = self._steps_made / max(now - self._progress_at, 1e-3)
        is_first = self._steps_per_second == 0
        self._steps_per_second = rate if is_first else 0.8 * self._steps_per_second + 0.2 * rate
        self._progress_at, self._steps_made = now, 0
        event = Progress(
            step=trainer.step_count,
            steps_per_second=self._steps_per_second if trainer.is_moving else 0.0,
            gaussian_count=trainer.splats.count,
            psnr_train=trainer.frames.mean_psnr(holdout=False),
            psnr_holdout=trainer.frames.mean_psnr(holdout=True),
            frame_psnr=self._psnr,
            memory_bytes=memory_bytes(trainer.device),
        )
        self._psnr = {}
        self._emit(event)

    def _snapshot(self, now: float) -> None:
        self._snapshot_at, self._snapshot_step = now, self._trainer.step_count
        snapshot = or_skip(lambda: snapshot_of(self._trainer))
        if snapshot is not None:
            self._emit(snapshot)

    def _score_new(self, limit: int | None = None) -> None:
        """Score held-out frames that never were."""
        held_out = self._trainer.frames.held_out
        new = [state for state in held_out if state.psnr is None and state.index not in self._unscored]
        for state in new[:limit]:
            self._score(state)

    def _score_next(self) -> None:
        held_out = self._trainer.frames.held_out
        if held_out:
            self._turn += 1
            self._score(held_out[self._turn % len(held_out)])

    def _score_last(self, now: float) -> None:
        """All of them once more, as far as a few seconds go."""
        for state in tuple(self._trainer.frames.held_out):
            if time.monotonic() - now > LAST_SCORES_S:
                break
            self._score(state)

    def _score(self, state: FrameState) -> None:
        if self._trainer.splats.count == 0:
            return
        is_first = state.psnr is None
        psnr = or_skip(lambda: self._trainer.score(state))
        if psnr is None:
            self._unscored.add(state.index)
            return
        self._psnr.update(psnr)
        # Nothing came of it where its picture cannot be read any more.
        if is_first and state.psnr is not None:
            self._emit(Trained((state.index,)))


def snapshot_of(trainer: LiveSplatTrainer) -> Snapshot:
    return Snapshot(trainer.step_count, trainer.gaussians())


def memory_bytes(device: torch.device) -> int:
    """GPU memory that this process has taken, or on a CPU its resident memory."""
    if device.type == "cuda":
        return int(torch.cuda.memory_reserved(device))
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return _peak_resident_bytes()


def _peak_resident_bytes() -> int:
    """Where there is no /proc: the most it ever was."""
    try:
        import resource
    except ImportError:
        return 0
    usage: Any = resource.getrusage(resource.RUSAGE_SELF)
    # Bytes on macOS, kilobytes elsewhere.
    return int(usage.ru_maxrss) * (1 if sys.platform == "darwin" else 1024)

"""Every frame the trainer knows, and how far training has come with each. Pictures: see
``held_pictures.py``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live_splat.camera import Camera
from live_splat.training import PictureArchive, TrainingFrame

from .extent import Extent, scene_extent
from .held_pictures import KEEP_ALL, FrameState, HeldPictures
from .schedule import HALF_STEPS, REST_AFTER_STEPS
from .targets import halved_camera


class TrainingFrames:
    """See the top of the file."""

    def __init__(self, archive: PictureArchive | None = None) -> None:
        """``archive``: where to read pictures that are not held (None: all are)."""
        self.pictures = HeldPictures(archive or KEEP_ALL, self._remove)
        self._all: dict[int, FrameState] = {}
        self._next_order = 0
        self._extent: Extent | None = None
        self.trained: list[FrameState] = []
        """Frames to train on, in order of arrival, their pictures held or not."""
        self.held_out: list[FrameState] = []

    def add(self, frame: TrainingFrame) -> None:
        """A frame came; one that is known already is left as it is."""
        if frame.index in self._all:
            return
        state = FrameState(frame.index, frame.holdout, frame.camera, self._next_order)
        self._next_order += 1
        self._all[frame.index] = state
        (self.held_out if frame.holdout else self.trained).append(state)
        self._extent = None
        self.pictures.add(state, frame.picture)

    def get(self, index: int) -> FrameState | None:
        return self._all.get(index)

    def set_camera(self, index: int, camera: Camera) -> None:
        state = self._all.get(index)
        if state is None:
            return
        state.camera = camera
        if state.target is not None:
            state.target = state.target.with_camera(camera)
            if state.half is not None:
                state.half = replace(state.half, camera=halved_camera(state.target.camera))
        self._extent = None

    def shrink(self) -> bool:
        """Halve the size at which frames are trained, those to come too. False when all are small already."""
        return self.pictures.shrink()

    @property
    def extent(self) -> Extent:
        """Where the scene is, by the cameras trained on; without any, a unit."""
        if not self.trained:
            return Extent(1, 1)
        if self._extent is None:
            self._extent = scene_extent([state.camera for state in self.trained])
        return self._extent

    @property
    def is_restless(self) -> bool:
        """Whether some frame has something left to give."""
        return any(state.steps < REST_AFTER_STEPS for state in self.trained)

    def stepped(self, state: FrameState) -> None:
        """A step was made on this frame."""
        state.steps += 1
        if state.steps >= HALF_STEPS:
            self.pictures.drop_half(state)

    def mean_psnr(self, *, holdout: bool) -> float | None:
        """Mean of the last PSNR of all trained (or all held-out) frames, dB; None before any."""
        frames = self.held_out if holdout else self.trained
        known = [state.psnr for state in frames if state.psnr is not None]
        return sum(known) / len(known) if known else None

    def save(self) -> dict[str, NDArray[Any]]:
        """Arrays for ``restore``, in order of arrival."""
        states = list(self._all.values())
        psnr = [np.nan if state.psnr is None else state.psnr for state in states]
        return {
            "frame_index": np.array([state.index for state in states], dtype=np.int64),
            "frame_steps": np.array([state.steps for state in states], dtype=np.int64),
            "frame_psnr": np.array(psnr, dtype=np.float64),
            "frame_seeded": np.array([state.seeded for state in states], dtype=np.bool_),
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Frames that are named and here go on where they stood, in that order; the others come after as new
        ones."""
        ordered: dict[int, FrameState] = {}
        names = ("frame_index", "frame_steps", "frame_psnr", "frame_seeded")
        for index, steps, psnr, was_seeded in zip(*(arrays[name] for name in names), strict=True):
            state = self._all.get(int(index))
            if state is None:
                continue
            ordered[state.index] = state
            state.steps = int(steps)
            state.psnr = None if np.isnan(psnr) else float(psnr)
            state.seeded = bool(was_seeded)
            if state.steps >= HALF_STEPS:
                self.pictures.drop_half(state)
        self._all = {**ordered, **{k: v for k, v in self._all.items() if k not in ordered}}
        for order, state in enumerate(self._all.values()):
            state.order = order
        self._next_order = len(self._all)
        self.trained = [state for state in self._all.values() if not state.holdout]
        self.held_out = [state for state in self._all.values() if state.holdout]
        self._extent = None
        self.pictures.reordered(self.trained[-1] if self.trained else None)

    def _remove(self, state: FrameState) -> None:
        """Its picture cannot be read any more."""
        del self._all[state.index]
        (self.held_out if state.holdout else self.trained).remove(state)
        self._extent = None

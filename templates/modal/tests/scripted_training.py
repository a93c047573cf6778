"""A trainer without a renderer: it keeps the interface's promises on an in-memory scene, a step per turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from live_splat.camera import Camera
from live_splat.splat.gaussians import Gaussians
from live_splat.training import (
    Engine,
    Failed,
    Finished,
    PictureArchive,
    Progress,
    Snapshot,
    Trained,
    TrainerState,
    TrainingEvent,
    TrainingFrame,
    TrainingSettings,
    Warned,
)

STEP_EVERY_S = 0.002
ENGINE = Engine(name="scripted", device="cpu", threads=1)


class ScriptedTrainer:
    """Starts scripted trainings and remembers them, newest last. ``trainer.start`` is a StartTraining."""

    def __init__(self, *, gaussians_per_frame: int = 10) -> None:
        self.started: list[ScriptedTraining] = []
        self._per_frame = gaussians_per_frame

    def start(
        self,
        settings: TrainingSettings,
        on_event: Callable[[TrainingEvent], None],
        archive: PictureArchive | None = None,
    ) -> ScriptedTraining:
        training = ScriptedTraining(settings, on_event, self._per_frame)
        training.archive = archive
        self.started.append(training)
        return training


class ScriptedTraining:
    """What the backend asked of the trainer, and means to make it fail."""

    def __init__(
        self, settings: TrainingSettings, on_event: Callable[[TrainingEvent], None], per_frame: int
    ) -> None:
        self.settings = settings
        self.frames: dict[int, TrainingFrame] = {}
        self.archive: PictureArchive | None = None
        """Where pictures are that did not come with their frames."""
        self.mask: NDArray[np.bool_] | None = None
        self.step = 0
        self.restored: TrainerState | None = None
        """What it was told to go on from."""
        self.is_closed = False
        self.paused = False
        """While True no step is made."""
        self._on_event = on_event
        self._per_frame = per_frame
        self._seen: set[int] = set()
        self._gaussians: Gaussians | None = None
        self._last_step: int | None = None
        self._deadline_s = float("inf")
        self._done = False
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scripted-training", daemon=True)
        self._thread.start()

    def add_frame(self, frame: TrainingFrame) -> None:
        with self._lock:
            self.frames[frame.index] = frame

    def set_camera(self, index: int, camera: Camera) -> None:
        with self._lock:
            if index in self.frames:
                self.frames[index] = replace(self.frames[index], camera=camera)

    def set_mask(self, mask: NDArray[np.bool_] | None) -> None:
        with self._lock:
            self.mask = mask

    def set_settings(self, settings: TrainingSettings) -> None:
        with self._lock:
            self.settings = settings

    def restore(self, state: TrainerState) -> None:
        with self._lock:
            self.restored = state
            self.step = state.step
            self._gaussians = Gaussians(**{name: np.asarray(state.arrays[name]) for name in ARRAYS})
            self._seen = {int(index) for index in state.scalars["seen"]}

    def checkpoint(self) -> TrainerState | None:
        with self._lock:
            if self._gaussians is None:
                return None
            arrays = {name: getattr(self._gaussians, name) for name in ARRAYS}
            return TrainerState(step=self.step, arrays=arrays, scalars={"seen": sorted(self._seen)})

    def snapshot(self) -> Snapshot | None:
        with self._lock:
            return None if self._gaussians is None else Snapshot(self.step, self._gaussians)

    def finish(self, *, steps: int, deadline_s: float) -> None:
        with self._lock:
            self._last_step = self.step + steps
            self._deadline_s = deadline_s

    def close(self) -> None:
        self._closing.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self.is_closed = True

    def fail(self, message: str, *, is_device_lost: bool = False) -> None:
        """End as a trainer does that met an error."""
        with self._lock:
            self._done = True
        self._on_event(Failed(message, is_device_lost))

    def warn(self, message: str) -> None:
        """Tell the user something."""
        self._on_event(Warned(message))

    def _run(self) -> None:
        while not self._closing.wait(STEP_EVERY_S):
            with self._lock:
                events = [] if self.paused or self._done else self._turn()
            for event in events:
                if not self._closing.is_set():
                    self._on_event(event)

    def _turn(self) -> list[TrainingEvent]:
        if self._last_step is not None and (self.step >= self._last_step or time.time() >= self._deadline_s):
            self._done = True
            return [Finished(self.step, self._gaussians or made_up(0, self.settings.sh_degree))]
        trained = [frame.index for frame in self.frames.values() if not frame.holdout]
        if not trained:
            return []
        self.step += 1
        self._grow(len(trained) * self._per_frame)
        fresh = tuple(index for index in self.frames if index not in self._seen)
        self._seen.update(fresh)
        events: list[TrainingEvent] = [Trained(fresh)] if fresh else []
        return events + (self._report(fresh) if fresh or self.step % 50 == 0 else [])

    def _grow(self, count: int) -> None:
        count = min(count, self.settings.max_gaussians)
        if self._gaussians is None or self._gaussians.count < count:
            self._gaussians = made_up(count, self.settings.sh_degree)

    def _report(self, fresh: tuple[int, ...]) -> list[TrainingEvent]:
        if self._gaussians is None:
            return []
        return [
            Snapshot(self.step, self._gaussians),
            Progress(
                step=self.step,
                steps_per_second=1 / STEP_EVERY_S,
                gaussian_count=self._gaussians.count,
                psnr_train=20.0,
                psnr_holdout=None,
                frame_psnr=dict.fromkeys(fresh, 20.0),
                memory_bytes=0,
            ),
        ]


ARRAYS = ("means", "log_scales", "quats", "opacities", "sh")


def made_up(count: int, sh_degree: int) -> Gaussians:
    """So many Gaussians in a row along x, the last the most opaque."""
    means = np.zeros((count, 3), np.float32)
    means[:, 0] = np.arange(count)
    quats = np.zeros((count, 4), np.float32)
    quats[:, 0] = 1
    return Gaussians(
        means=means,
        log_scales=np.zeros((count, 3), np.float32),
        quats=quats,
        opacities=np.arange(count, dtype=np.float32),
        sh=np.zeros((count, (sh_degree + 1) ** 2, 3), np.float32),
    )

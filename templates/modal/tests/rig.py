"""A backend over a real folder with a scripted trainer, and pictures to send it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scripted_training import ENGINE, ScriptedTrainer, ScriptedTraining

from live_splat.contract import FrameMeta, ScenePatch
from live_splat.refusal import RefusalError
from live_splat.scene import Scene, Scenes
from live_splat.settings import Settings
from live_splat.training import Progress

LONGEST_S = 20.0
ZEROS = [0.0] * 6


class Rig:
    """Scenes over a folder, and the trainers they started."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.commit: Callable[[], None] | None = settings.pop("commit", None)
        self.trainer = ScriptedTrainer()
        self.scenes = Scenes(
            replace(Settings(data_dir=folder), **settings), self.trainer.start, ENGINE, commit=self.commit
        )
        self.scenes.get(None)

    @property
    def scene(self) -> Scene:
        return self.scenes.get(None)

    @property
    def training(self) -> ScriptedTraining:
        """The newest."""
        return self.trainer.started[-1]

    def upload(self, seed: int, **meta: Any) -> dict[str, Any]:
        return self.scene.upload(picture(seed), FrameMeta.model_validate(meta))

    def refused(self, data: bytes, **meta: Any) -> RefusalError:
        with pytest.raises(RefusalError) as refused:
            self.scene.upload(data, FrameMeta.model_validate(meta))
        return refused.value

    def patch(self, **changes: Any) -> None:
        self.scene.patch(ScenePatch.model_validate(changes))

    def frame(self, frame_id: str) -> dict[str, Any]:
        return next(frame for frame in self.scene.frames() if frame["frame_id"] == frame_id)

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first status that is as wanted."""
        until(lambda: wanted(self.scene.status()))
        return self.scene.status()


@contextmanager
def opened(folder: Path, **settings: Any) -> Iterator[Rig]:
    """A rig that is closed in the end, saving everything."""
    rig = Rig(folder, **settings)
    try:
        yield rig
    finally:
        rig.scenes.close()


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that comes by itself."""
    end_s = time.monotonic() + LONGEST_S
    while not holds():
        assert time.monotonic() < end_s, "it did not come"
        time.sleep(0.005)


def picture(seed: int, kind: str = "jpeg", size: tuple[int, int] = (32, 24)) -> bytes:
    """Another one for each seed."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.arange(width) * 255 // width
    pixels[..., 1] = (np.arange(height) * 255 // height)[:, None]
    pixels[..., 2] = seed * 37 % 256
    file = BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def mask_png(value: int = 255) -> bytes:
    """8×6."""
    file = BytesIO()
    Image.new("L", (8, 6), value).save(file, "png")
    return file.getvalue()


def pose_at(angle: float) -> list[list[float]]:
    """On a circle of 1 m around the origin, looking at it."""
    s, c = math.sin(angle), math.cos(angle)
    return [[c, 0, s, s], [0, 1, 0, 0], [-s, 0, c, c], [0, 0, 0, 1]]


def orbit(rig: Rig, count: int) -> None:
    for i in range(count):
        rig.upload(i, frame_id=f"orbit-{i}", camera_to_world=pose_at(i / 4))


def progress(step: int, **changes: Any) -> Progress:
    given = {"psnr_train": None, "psnr_holdout": None, "frame_psnr": {}, "memory_bytes": 7, **changes}
    return Progress(step=step, steps_per_second=2.0, gaussian_count=0, **given)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with opened(tmp_path) as backend:
        yield backend

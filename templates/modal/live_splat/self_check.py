"""Does training work here? ``python -m live_splat.self_check`` trains a scene of a few blobs, made on the
spot.

Prints one JSON object; ends with 0 when the held-out pictures came out well enough, else with 1.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .camera import Camera, Intrinsics
from .training import (
    Failed,
    Finished,
    Picture,
    Progress,
    StartTraining,
    TrainingEvent,
    TrainingFrame,
    TrainingSettings,
)

WIDTH, HEIGHT = 96, 72
FRAME_COUNT = 16
HOLDOUT_EVERY = 8
BLOB_COUNT = 24
MAX_GAUSSIANS = 2_000
TIME_LIMIT_S = 300.0


@dataclass(frozen=True)
class Trial:
    """What a device is asked for. On a GPU every step changes less, and all frames are there before the
    first one, so that no step is made beyond those asked for."""

    steps: int
    good_psnr: float
    """dB on pictures never trained on; an empty one scores about 10."""


CPU_TRIAL = Trial(steps=700, good_psnr=17.0)
"""Trained as it should be, it scores about 21; how many frames are there at the first step moves that by
2."""
CUDA_TRIAL = Trial(steps=1500, good_psnr=25.0)
"""Trained as it should be, it scores about 37; after 300 steps, 16.7."""


@dataclass(frozen=True)
class Blobs:
    """Round blobs around the origin: what there is to see."""

    centres: NDArray[np.float64]
    """[N,3] metres."""
    radii: NDArray[np.float64]
    """[N] standard deviation, metres."""
    colours: NDArray[np.float64]
    """[N,3] 0…1."""


def make_blobs(seed: int = 1) -> Blobs:
    """The same scene for the same seed."""
    random = np.random.default_rng(seed)
    return Blobs(
        centres=random.uniform(-0.25, 0.25, (BLOB_COUNT, 3)),
        radii=random.uniform(0.03, 0.07, BLOB_COUNT),
        colours=random.uniform(0.2, 1.0, (BLOB_COUNT, 3)),
    )


def camera_at(turn: float) -> Camera:
    """A camera a metre from the origin, looking at it; ``turn`` 0…1 goes around once."""
    angle = 2 * np.pi * turn
    centre = np.array([np.sin(angle), 0.35 * np.sin(2 * angle), np.cos(angle)])
    back = centre / np.linalg.norm(centre)
    right = np.cross([0.0, 1.0, 0.0], back)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(back, right), back], axis=1)
    pose[:3, 3] = centre
    focal = float(WIDTH)
    return Camera(Intrinsics(WIDTH, HEIGHT, focal, focal, WIDTH / 2, HEIGHT / 2), pose)


def photograph(blobs: Blobs, camera: Camera) -> NDArray[np.uint8]:
    """[H,W,3]: the blobs, near ones over far ones, on black."""
    view, lens = camera.world_to_camera(), camera.intrinsics
    points = blobs.centres @ view[:3, :3].T + view[:3, 3]
    y, x = np.mgrid[: lens.height, : lens.width] + 0.5
    colour = np.zeros((lens.height, lens.width, 3))
    light = np.ones((lens.height, lens.width))
    for blob in np.argsort(points[:, 2]):
        px, py, pz = points[blob]
        spread = blobs.radii[blob] * lens.fx / pz
        squared = (x - lens.fx * px / pz - lens.cx) ** 2 + (y - lens.fy * py / pz - lens.cy) ** 2
        alpha = 0.95 * np.exp(-0.5 * squared / spread**2)
        colour += (light * alpha)[..., None] * blobs.colours[blob]
        light *= 1 - alpha
    return np.round(colour * 255).clip(0, 255).astype(np.uint8)


class Listener:
    """What the trainer says, as it says it."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.end: Finished | Failed | None = None
        self.psnr: float | None = None
        self.steps_per_second = 0.0

    def __call__(self, event: TrainingEvent) -> None:
        """Called on the trainer's own thread, for one event after another."""
        if isinstance(event, Progress):
            self.psnr = event.psnr_holdout if event.psnr_holdout is not None else self.psnr
            self.steps_per_second = event.steps_per_second or self.steps_per_second
        elif isinstance(event, (Finished, Failed)):
            self.end = event
            self.ended.set()


def self_check(
    start: StartTraining | None = None, trial: Trial | None = None
) -> dict[str, float | int | str | bool]:
    """Train the small scene with this machine's trainer, as much as its device is asked for. Raises
    RuntimeError with what the trainer says if it fails."""
    from .training_thread import engine, start_training

    started_s, device = time.monotonic(), engine().device
    asked = trial or (CPU_TRIAL if device == "cpu" else CUDA_TRIAL)
    listener = Listener()
    settings = TrainingSettings(max_gaussians=MAX_GAUSSIANS, sh_degree=0)
    training = (start or start_training)(settings, listener)
    try:
        blobs = make_blobs()
        for index in range(1, FRAME_COUNT + 1):
            camera = camera_at(index / FRAME_COUNT)
            picture = Picture(photograph(blobs, camera))
            training.add_frame(TrainingFrame(index, camera, picture, holdout=index % HOLDOUT_EVERY == 0))
        training.finish(steps=asked.steps, deadline_s=time.time() + TIME_LIMIT_S)
        if not listener.ended.wait(TIME_LIMIT_S + 60):
            raise RuntimeError(f"the trainer did not end within {TIME_LIMIT_S:.0f} s")
    finally:
        training.close()
    if isinstance(listener.end, Failed):
        raise RuntimeError(listener.end.message)
    return _result(listener, time.monotonic() - started_s, device, asked)


def _result(
    listener: Listener, seconds: float, device: str, asked: Trial
) -> dict[str, float | int | str | bool]:
    end = listener.end
    psnr = listener.psnr if listener.psnr is not None else 0.0
    return {
        "device": device,
        "steps": end.step if end is not None else 0,
        "gaussian_count": end.gaussians.count if isinstance(end, Finished) else 0,
        "psnr_holdout": round(psnr, 2),
        "steps_per_second": round(listener.steps_per_second, 1),
        "seconds": round(seconds, 1),
        "good": psnr >= asked.good_psnr,
    }


def main() -> int:
    """Run the check; give the exit code."""
    try:
        result = self_check()
    except ImportError as error:
        sys.stderr.write(f"error: {error}\n  Install torch (and gsplat for an NVIDIA GPU): see README.md.\n")
        return 3
    sys.stdout.write(json.dumps(result) + "\n")
    return 0 if result["good"] else 1


if __name__ == "__main__":
    sys.exit(main())

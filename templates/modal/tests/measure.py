"""How well the trainer does on a posed data set, its frames streamed in while it trains. One JSON line on
stdout.

    python tests/measure.py FOLDER --seconds 120 --device cuda

FOLDER holds transforms.json as nerfstudio writes it, with ``test_filenames``; those are held out and scored
at the end. Images with alpha are composited on white. A third of the time frames arrive, a third it trains on
live, the last third it finishes.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from live_splat.camera import Camera
from live_splat.contract import CameraModel
from live_splat.picture.images import prepare
from live_splat.training import (
    SCALE_OF_CPU,
    SCALE_OF_GPU,
    Failed,
    Finished,
    Progress,
    Trained,
    TrainingEvent,
    TrainingFrame,
    TrainingSettings,
)
from live_splat.training_thread import start_training

LENS = ("w", "h", "fl_x", "fl_y", "cx", "cy", "k1", "k2", "p1", "p2")


class Watch:
    """What was told of a training."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.is_training = False
        self.progress: Progress | None = None
        self.most_memory_bytes = 0
        self.final: Finished | Failed | None = None

    def __call__(self, event: TrainingEvent) -> None:
        if isinstance(event, Trained):
            self.is_training = True
        elif isinstance(event, Progress):
            self.progress = event
            self.most_memory_bytes = max(self.most_memory_bytes, event.memory_bytes)
        elif isinstance(event, Finished | Failed):
            self.final = event
            self.ended.set()


def frames_of(folder: Path, max_pixels: int, holdouts: int) -> list[TrainingFrame]:
    """The frames in the data set's order, at most so many of its test frames among them."""
    scene = json.loads((folder / "transforms.json").read_text())
    test = scene.get("test_filenames", [])
    held_out = set(test[:: max(1, -(-len(test) // holdouts))])
    lens = CameraModel(model="OPENCV", **{name: scene[name] for name in LENS if name in scene})
    frames = []
    for frame in scene["frames"]:
        path = frame["file_path"]
        if path in test and path not in held_out:
            continue
        prepared = prepare((folder / path).read_bytes(), lens, max_pixels)
        camera = Camera(prepared.intrinsics, np.array(frame["transform_matrix"], dtype=np.float64))
        frames.append(TrainingFrame(len(frames) + 1, camera, prepared.picture, holdout=path in held_out))
    return frames


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--max-gaussians", type=int)
    parser.add_argument("--max-pixels", type=int)
    parser.add_argument("--holdouts", type=int, default=20)
    given = parser.parse_args()
    scale = SCALE_OF_GPU if given.device == "cuda" else SCALE_OF_CPU
    frames = frames_of(given.folder, given.max_pixels or scale.max_pixels, given.holdouts)
    has_alpha = any(frame.picture.alpha is not None for frame in frames)
    settings = TrainingSettings(
        max_gaussians=given.max_gaussians or scale.max_gaussians,
        background="white" if has_alpha else "black",
    )
    watch = Watch()
    start = time.time()
    training = start_training(settings, watch, device=given.device)
    streamed = 0
    for number, frame in enumerate(frames):
        time.sleep(max(0.0, start + given.seconds / 3 * number / len(frames) - time.time()))
        streamed += watch.is_training
        training.add_frame(frame)
    time.sleep(max(0.0, start + given.seconds * 2 / 3 - time.time()))
    training.finish(steps=10_000_000, deadline_s=start + given.seconds)
    watch.ended.wait(given.seconds + 60)
    training.close()
    if not isinstance(watch.final, Finished) or watch.progress is None:
        print(watch.final, file=sys.stderr)
        return 1
    result = {
        "scene": given.folder.name,
        "psnr": round(watch.progress.psnr_holdout or 0, 2),
        "psnr_train": round(watch.progress.psnr_train or 0, 2),
        "steps": watch.final.step,
        "steps_per_second": round(watch.final.step / given.seconds, 1),
        "gaussians": watch.final.gaussians.count,
        "memory_bytes": watch.most_memory_bytes,
        "frames_while_training": streamed,
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The check that people run to see whether training works on their machine."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed here")

from live_splat.self_check import CPU_TRIAL, CUDA_TRIAL, Trial, camera_at, make_blobs, photograph, self_check
from live_splat.train.schedule import CUDA_RECIPE
from live_splat.trainer import LiveSplatTrainer
from live_splat.training import Failed, TrainingEvent, TrainingSettings
from live_splat.training_thread import TrainingThread

BACKEND = Path(__file__).parent.parent


def test_photographs_a_blob_where_the_camera_looks():
    pictures = [photograph(make_blobs(), camera_at(turn)) for turn in (0.0, 0.25, 0.5)]
    for picture in pictures:
        assert picture[36, 48].max() > 40
        assert picture[0, 0].max() < 10
    assert np.abs(pictures[0].astype(int) - pictures[2]).max() > 50


def test_trains_a_small_scene_and_says_how_it_went():
    command = [sys.executable, "-m", "live_splat.self_check"]
    result = subprocess.run(command, cwd=BACKEND, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert said["good"]
    assert said["psnr_holdout"] > 17
    assert said["gaussian_count"] > 50
    assert said["steps"] >= CPU_TRIAL.steps


class AllAtOnce(TrainingThread):
    """Starts as late as a trainer on a GPU does, with its numbers: every call waits for it."""

    def __init__(self, settings: TrainingSettings, on_event: Callable[[TrainingEvent], None]) -> None:
        self._asked = threading.Event()

        def create() -> LiveSplatTrainer:
            self._asked.wait()
            return LiveSplatTrainer(settings, "cpu", recipe=CUDA_RECIPE)

        super().__init__(create, on_event)

    def finish(self, *, steps: int, deadline_s: float) -> None:
        super().finish(steps=steps, deadline_s=deadline_s)
        self._asked.set()


def test_a_sound_gpu_passes():
    said = self_check(AllAtOnce, CUDA_TRIAL)
    assert said["steps"] == CUDA_TRIAL.steps
    assert said["good"], said


def test_what_hardly_trains_does_not_pass():
    assert not self_check(AllAtOnce, Trial(steps=20, good_psnr=CUDA_TRIAL.good_psnr))["good"]


def test_says_what_the_trainer_failed_of():
    class Broken:
        def __init__(self, _settings: TrainingSettings, on_event: Callable[[TrainingEvent], None]) -> None:
            self._on_event = on_event

        def add_frame(self, frame: object) -> None:
            pass

        def finish(self, **_: float) -> None:
            self._on_event(Failed("the GPU is gone"))

        def close(self) -> None:
            pass

    with pytest.raises(RuntimeError, match="the GPU is gone"):
        self_check(Broken)

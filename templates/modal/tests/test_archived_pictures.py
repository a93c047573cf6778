"""The trainer's thread and whole sessions, with pictures that are read when they are needed."""

from __future__ import annotations

import functools
import threading
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the trainer needs torch")

from heard_events import Events
from rig import picture, pose_at, until
from ring_scene import ring_frames

from live_splat.contract import FrameMeta
from live_splat.scene import Scenes
from live_splat.settings import Settings
from live_splat.trainer import LiveSplatTrainer
from live_splat.training import (
    Finished,
    Picture,
    PictureArchive,
    Trained,
    TrainingFrame,
    TrainingSettings,
)
from live_splat.training_thread import (
    MOST_WAITING,
    TrainingThread,
    engine,
    start_training,
)

SETTINGS = TrainingSettings(max_gaussians=200, sh_degree=0)


def has_trained(events: Events, indices: set[int]) -> None:
    def all_told(seen: list) -> bool:
        return {index for event in seen if isinstance(event, Trained) for index in event.indices} >= indices

    events.until(all_told)


def test_a_trainer_that_starts_slowly_is_not_awaited_by_every_picture() -> None:
    frames = ring_frames(MOST_WAITING + 8)
    pictures = {frame.index: frame.picture for frame in frames}
    may_start = threading.Event()
    came: list[TrainingFrame] = []

    class Watched(LiveSplatTrainer):
        def add_frame(self, frame: TrainingFrame) -> None:
            came.append(frame)
            super().add_frame(frame)

    def create() -> LiveSplatTrainer:
        may_start.wait()
        return Watched(SETTINGS, "cpu", archive=PictureArchive(pictures.get, 1 << 20))

    events = Events()
    training = TrainingThread(create, events, reads_pictures=True)
    for frame in frames:
        training.add_frame(frame)
    may_start.set()
    has_trained(events, set(pictures))
    training.close()
    assert [frame.picture is not None for frame in came] == [True] * MOST_WAITING + [False] * 8
    assert not any(thread.name.startswith("live-splat") for thread in threading.enumerate())


def test_only_frames_that_were_seen_are_told_of() -> None:
    frames = ring_frames(6, holdout_every=3)
    pictures: dict[int, Picture | None] = {frame.index: frame.picture for frame in frames[:5]}
    events = Events()
    training = start_training(SETTINGS, events, PictureArchive(pictures.get, 1 << 20), device="cpu")
    for frame in frames:
        training.add_frame(TrainingFrame(frame.index, frame.camera, None, frame.holdout))
    training.finish(steps=10, deadline_s=float("inf"))
    events.until(lambda seen: any(isinstance(event, Finished) for event in seen))
    training.close()
    told = {index for event in events.of(Trained) for index in event.indices}
    assert 3 in told
    assert 6 not in told


def trained_in(folder: Path, seeds: range, known: int) -> int:
    """Upload these to the backend of a folder that holds ``known`` frames already, and wait until all are
    trained. Returns the step."""
    settings = Settings(data_dir=folder, max_gaussians=200, frame_memory_mib=1)
    scenes = Scenes(settings, functools.partial(start_training, device="cpu"), engine())
    try:
        scene = scenes.get(None)
        assert len(scene.frames()) == known
        before = scene.status()["step"]
        for seed in seeds:
            meta = {"frame_id": f"f{seed}", "camera_to_world": pose_at(seed / 4)}
            scene.upload(picture(seed), FrameMeta.model_validate(meta))
        until(lambda: all(each["psnr"] is not None for each in scene.frames()))
        until(lambda: scene.status()["step"] > before)
        return int(scene.status()["step"])
    finally:
        scenes.close()


def test_a_session_trains_on_after_a_restart(tmp_path: Path) -> None:
    before = trained_in(tmp_path, range(1, 5), known=0)
    assert trained_in(tmp_path, range(1, 9), known=4) > before

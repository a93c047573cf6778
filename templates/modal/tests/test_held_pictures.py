"""Training on more pictures than may be in memory."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the trainer needs torch")

from ring_scene import ring_camera, ring_frames, ring_picture  # noqa: E402

from live_splat.train.schedule import HALF_STEPS  # noqa: E402
from live_splat.train.targets import SharedMasks, target_of  # noqa: E402
from live_splat.trainer import LiveSplatTrainer  # noqa: E402
from live_splat.training import (  # noqa: E402
    Picture,
    PictureArchive,
    TrainingFrame,
    TrainingSettings,
)

SETTINGS = TrainingSettings(max_gaussians=300, sh_degree=0)
FRAMES = ring_frames(40, holdout_every=10)
PICTURES = {frame.index: frame.picture for frame in FRAMES}
ONE = 48 * 40 * 3
"""Bytes of one picture; they are too small to be halved."""


class Archive:
    """Pictures, and who asked for them."""

    def __init__(self, pictures: dict[int, Picture] = PICTURES) -> None:
        self.pictures = pictures
        self.asked: list[int] = []
        self.threads: set[str] = set()

    def read(self, index: int) -> Picture | None:
        self.asked.append(index)
        self.threads.add(threading.current_thread().name)
        return self.pictures.get(index)

    def within(self, pictures: float) -> PictureArchive:
        """So many may be held."""
        return PictureArchive(self.read, int(pictures * ONE))


def a_trainer(
    frames: list[TrainingFrame], archive: PictureArchive, settings: TrainingSettings = SETTINGS
) -> LiveSplatTrainer:
    trainer = LiveSplatTrainer(settings, "cpu", archive=archive)
    for frame in frames:
        trainer.add_frame(frame)
        assert trainer.frames.pictures.bytes <= archive.budget_bytes
    return trainer


def run(trainer: LiveSplatTrainer, steps: int, most_bytes: float = float("inf")) -> None:
    for _ in range(steps):
        assert trainer.step() is not None
        assert trainer.frames.pictures.bytes <= most_bytes
    held = [each for each in (*trainer.frames.trained, *trainer.frames.held_out) if each.target is not None]
    assert trainer.frames.pictures.bytes == sum(each.target.size_bytes for each in held)


def unread(frames: list[TrainingFrame]) -> list[TrainingFrame]:
    """As after a restart."""
    return [replace(frame, picture=None) for frame in frames]


def test_every_frame_is_trained_on_within_the_budget() -> None:
    archive = Archive()
    trainer = a_trainer(FRAMES, archive.within(5.5))
    run(trainer, 160, 5.5 * ONE)
    steps = [state.steps for state in trainer.frames.trained]
    assert len(steps) == 36
    assert min(steps) > 0
    # The newest is looked at more than others.
    assert max(steps[:-1]) <= 10
    assert len(trainer.frames.pictures.held) == 5
    # Where a picture is read no step is made.
    assert all(name.startswith("live-splat-pictures") for name in archive.threads)
    assert not any(index % 10 == 0 for index in archive.asked)
    trainer.close()


def test_what_is_held_depends_on_steps_alone_once_the_budget_is_full() -> None:
    means = []
    for _ in range(2):
        trainer = a_trainer(FRAMES, Archive().within(6))
        run(trainer, 60)
        means.append(trainer.gaussians().means)
        trainer.close()
    assert np.array_equal(*means)


def test_the_newest_frame_stays() -> None:
    trainer = a_trainer(FRAMES[:12], Archive().within(3))
    for _ in range(40):
        run(trainer, 1)
        assert trainer.frames.pictures.held[-1].index == FRAMES[8].index + 3
    trainer.close()


def test_frames_without_pictures_are_read_as_far_as_they_fit() -> None:
    archive = Archive()
    trainer = a_trainer(unread(FRAMES), archive.within(100))
    assert archive.asked == []
    run(trainer, 100, 100 * ONE)
    assert sorted(archive.asked) == [frame.index for frame in FRAMES if not frame.holdout]
    assert len(trainer.frames.pictures.held) == 36
    trainer.close()


def test_a_restored_training_goes_on_with_pictures_it_reads() -> None:
    trainer = a_trainer(FRAMES, Archive().within(100))
    run(trainer, 60)
    state = trainer.checkpoint()
    before = {each.index: each.steps for each in trainer.frames.trained}
    trainer.close()
    other = a_trainer(unread(FRAMES), Archive().within(4))
    other.restore(state)
    assert {each.index: each.steps for each in other.frames.trained} == before
    run(other, 60, 4 * ONE)
    assert other.step_count == 120
    # Those that had fewer come first.
    assert min(each.steps for each in other.frames.trained) >= min(min(before.values()) + 1, 2)
    other.close()


def test_a_frame_whose_picture_cannot_be_read_leaves_training() -> None:
    gone = {3, 7, 20}
    archive = Archive({index: picture for index, picture in PICTURES.items() if index not in gone})
    trainer = a_trainer(unread(FRAMES), archive.within(100))
    run(trainer, 100)
    assert not gone & {each.index for each in trainer.frames.trained}
    assert min(each.steps for each in trainer.frames.trained) > 0
    for each in list(trainer.frames.held_out):
        assert bool(trainer.score(each)) == (each.index != 20)
    assert [each.index for each in trainer.frames.held_out] == [10, 30, 40]
    trainer.add_frame(FRAMES[2])
    run(trainer, 4)
    assert trainer.frames.trained[-1].index == 3
    trainer.close()


def test_training_whose_pictures_are_all_gone_ends() -> None:
    trainer = a_trainer(unread(FRAMES), Archive({}).within(3))
    trainer.finish(steps=10, deadline_s=float("inf"))
    assert trainer.step() is None
    assert trainer.is_done
    assert trainer.frames.trained == []
    trainer.close()


def test_frames_that_show_nothing_do_not_hide_those_that_do() -> None:
    clear = Picture(np.zeros((40, 48, 3), np.uint8), np.zeros((40, 48), np.uint8))
    archive = Archive({**PICTURES, **dict.fromkeys(range(1, 9), clear)})
    trainer = a_trainer(unread(FRAMES), archive.within(2.7))
    run(trainer, 5)
    assert trainer.splats.count > 0
    trainer.close()


def test_held_out_pictures_are_held_while_nothing_has_to_go_for_them() -> None:
    archive = Archive()
    trainer = a_trainer(FRAMES[:12], archive.within(12.5))
    run(trainer, 3)
    assert trainer.score(trainer.frames.held_out[0])
    assert archive.asked == []
    trainer.add_frame(FRAMES[12])
    trainer.add_frame(FRAMES[13])
    assert trainer.frames.held_out[0].target is None
    assert trainer.score(trainer.frames.held_out[0])
    assert archive.asked[0] == 10
    trainer.close()


def test_a_picture_read_again_is_as_small_as_the_others_became() -> None:
    camera = ring_camera(0, 160, 131)
    picture = ring_picture(camera)
    frames = [TrainingFrame(index, camera, picture, False) for index in range(1, 6)]
    whole = picture.rgb.nbytes
    trainer = a_trainer(frames, PictureArchive(lambda _index: picture, 2 * whole))
    assert len(trainer.frames.pictures.held) == 1
    assert trainer.frames.shrink()
    for _ in range(40):
        trainer.step()
        assert trainer.frames.pictures.bytes <= 2 * whole
        assert {each.target.rgb.shape[1] for each in trainer.frames.pictures.held} == {80}
    trainer.close()


def test_frames_may_be_made_smaller_before_their_pictures_are_read() -> None:
    camera = ring_camera(0, 160, 131)
    frame = TrainingFrame(1, camera, None, False)
    picture = ring_picture(camera)
    trainer = a_trainer([frame], PictureArchive(lambda _index: picture, 1 << 20))
    assert trainer.frames.shrink()
    trainer.step()
    assert trainer.frames.trained[0].target.rgb.shape == (65, 80, 3)
    trainer.close()


def test_first_steps_at_half_size_count_too() -> None:
    camera = ring_camera(0, 160, 131)
    picture = ring_picture(camera)
    trainer = a_trainer([TrainingFrame(1, camera, picture, False)], PictureArchive(lambda _: None, 1 << 20))
    assert trainer.frames.pictures.bytes == (160 * 131 + 80 * 65) * 3
    for _ in range(HALF_STEPS):
        trainer.step()
    assert trainer.frames.pictures.bytes == 160 * 131 * 3
    trainer.close()


def test_frames_of_a_lens_share_its_mask() -> None:
    mask = np.ones((40, 48), dtype=bool)
    mask[:3] = False
    mask.setflags(write=False)
    masks = SharedMasks()
    first, second = (
        target_of(frame.camera, replace(frame.picture, mask=mask), masks) for frame in FRAMES[:2]
    )
    assert first.mask is second.mask
    assert not first.mask[:3].any()
    assert np.shares_memory(first.rgb.numpy(), FRAMES[0].picture.rgb)


@pytest.mark.parametrize("alpha", [False, True])
def test_a_picture_is_halved_by_averaging_boxes(alpha: bool) -> None:
    random = np.random.default_rng(1)
    rgb = random.integers(0, 256, (133, 201, 3), dtype=np.uint8)
    weights = (
        random.integers(0, 256, (133, 201), dtype=np.uint8) if alpha else np.full((133, 201), 255, np.uint8)
    )
    weights[:2, :2] = 0 if alpha else 255
    mask = random.random((133, 201)) < 0.9
    camera = ring_camera(0, 201, 133)
    half = target_of(camera, Picture(rgb, weights, mask)).halved()
    assert half is not None
    boxes = weights[:132, :200].reshape(66, 2, 100, 2).astype(float)
    weighted = (rgb[:132, :200].reshape(66, 2, 100, 2, 3) * boxes[..., None]).sum((1, 3))
    mean = weighted / np.maximum(boxes.sum((1, 3)), 1)[..., None]
    if alpha:
        mean[0, 0] = rgb[0, 0]
        assert np.abs(half.alpha.numpy() - boxes.mean((1, 3))).max() <= 0.5
    else:
        assert half.alpha is None
    assert np.abs(half.rgb.numpy() - mean).max() <= 0.5
    assert np.array_equal(half.mask.numpy(), mask[:132, :200].reshape(66, 2, 100, 2).all((1, 3)))
    lens, whole = half.camera.intrinsics, camera.intrinsics
    assert (lens.width, lens.height, lens.fx, lens.cy) == (100, 66, whole.fx / 2, whole.cy / 2)


def test_a_new_pose_leaves_the_halved_picture_as_it_is() -> None:
    camera = ring_camera(0, 161, 131)
    trainer = a_trainer([TrainingFrame(1, camera, ring_picture(camera), False)], Archive().within(1000))
    state = trainer.frames.trained[0]
    pixels, lens = state.half.rgb, state.half.camera.intrinsics
    trainer.set_camera(1, ring_camera(1, 161, 131))
    assert state.half.rgb is pixels
    assert state.half.camera.intrinsics == lens
    moved = ring_camera(1).camera_to_world
    assert np.array_equal(state.half.camera.camera_to_world, moved)
    assert np.array_equal(state.target.camera.camera_to_world, moved)
    trainer.close()

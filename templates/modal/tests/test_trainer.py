"""The trainer: on a small scene that is known exactly."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the trainer needs torch")

from fake_gsplat import fake_gsplat  # noqa: E402
from ring_scene import ring_camera, ring_frames, ring_picture  # noqa: E402
from small_trainer import SETTINGS, a_trainer, holdout_psnr, run  # noqa: E402

from live_splat.camera import Camera  # noqa: E402
from live_splat.rasterize import rasterize_gsplat  # noqa: E402
from live_splat.train.raster_cpu import rasterize_cpu  # noqa: E402
from live_splat.train.schedule import CPU_RECIPE, HALF_STEPS, REST_AFTER_STEPS  # noqa: E402
from live_splat.train.splats import GROUPS  # noqa: E402
from live_splat.training import Picture, TrainingFrame  # noqa: E402
from live_splat.training_thread import step_within_memory  # noqa: E402


def test_a_scene_is_learnt_from_frames_that_come_one_by_one() -> None:
    frames = ring_frames(12, holdout_every=4)
    trainer = a_trainer([], replace(SETTINGS, max_gaussians=2000))
    assert trainer.step() is None
    trainer.add_frame(frames[0])
    first = trainer.step()
    assert (first.index, first.first) == (1, True)
    for frame in frames[1:]:
        trainer.add_frame(frame)
        run(trainer, 8)
    early = holdout_psnr(trainer)
    trainer.finish(steps=150, deadline_s=float("inf"))
    while trainer.step() is not None:
        pass
    assert trainer.is_done
    assert trainer.step_count == 1 + 88 + 150
    shades = np.stack([frame.picture.rgb for frame in frames if frame.holdout]) / 255
    black = -10 * np.log10((shades**2).mean())
    assert holdout_psnr(trainer) > max(black + 5, early)
    assert trainer.splats.count <= 2000


def test_held_out_frames_change_nothing() -> None:
    frames = ring_frames(8, holdout_every=4)
    with_holdouts = a_trainer(frames)
    without = a_trainer([frame for frame in frames if not frame.holdout])
    for trainer in (with_holdouts, without):
        run(trainer, 30)
    holdout_psnr(with_holdouts)
    for trainer in (with_holdouts, without):
        run(trainer, 10)
    assert np.array_equal(with_holdouts.gaussians().means, without.gaussians().means)
    assert all(state.steps == 0 for state in with_holdouts.frames.held_out)


def test_training_rests_when_every_frame_had_enough_and_goes_on_with_the_next() -> None:
    frames = ring_frames(3)
    trainer = a_trainer(frames[:2])
    run(trainer, 2)
    for state in trainer.frames.trained:
        state.steps = REST_AFTER_STEPS
    assert trainer.step() is None
    assert not trainer.is_done
    trainer.add_frame(frames[2])
    assert trainer.step() is not None
    for state in trainer.frames.trained:
        state.steps = REST_AFTER_STEPS
    trainer.finish(steps=5, deadline_s=float("inf"))
    run(trainer, 5)
    assert trainer.step() is None


def test_finishing_without_a_frame_to_train_on_ends_at_once() -> None:
    trainer = a_trainer([])
    trainer.finish(steps=100, deadline_s=float("inf"))
    assert trainer.step() is None
    assert trainer.is_done
    assert trainer.gaussians().count == 0


def test_frames_that_show_nothing_give_nothing() -> None:
    camera = ring_camera(0)
    clear = Picture(np.zeros((40, 48, 3), np.uint8), np.zeros((40, 48), np.uint8))
    trainer = a_trainer([TrainingFrame(1, camera, clear, False)])
    assert trainer.step() is None
    assert not trainer.is_done
    trainer.finish(steps=5, deadline_s=float("inf"))
    assert trainer.step() is None
    assert trainer.is_done


def test_alpha_is_composited_on_the_background() -> None:
    settings = replace(SETTINGS, background="white", max_gaussians=2000)
    trainer = a_trainer(ring_frames(10, holdout_every=5, alpha=True), settings)
    trainer.finish(steps=120, deadline_s=float("inf"))
    while trainer.step() is not None:
        pass
    assert holdout_psnr(trainer) > 22


def test_what_the_masks_hide_is_neither_trained_nor_scored() -> None:
    hidden = np.ones((20, 24), dtype=bool)
    hidden[:, 12:] = False
    trainers = []
    for junk in (0, 255):
        trainer = a_trainer([])
        trainer.set_mask(hidden)
        for frame in ring_frames(4):
            rgb = frame.picture.rgb.copy()
            rgb[:, 24:] = junk
            own = np.ones((40, 48), dtype=bool)
            own[:5] = False
            rgb[:5] = junk
            trainer.add_frame(replace(frame, picture=Picture(rgb, None, own)))
        run(trainer, 40)
        trainer.take_fresh_psnr()
        trainers.append(trainer)
    assert np.array_equal(trainers[0].gaussians().means, trainers[1].gaussians().means)
    assert trainers[0].frames.mean_psnr(holdout=False) == trainers[1].frames.mean_psnr(holdout=False)


def test_numbers_that_stop_being_finite_are_mended_while_training() -> None:
    trainer = a_trainer(ring_frames(4))
    run(trainer, 20)
    for name in GROUPS:
        trainer.splats.values[name][:3] = float("nan")
    run(trainer, 100)
    assert all(torch.isfinite(values).all() for values in trainer.splats.values.values())


def test_settings_may_change_between_steps() -> None:
    trainer = a_trainer(ring_frames(4))
    run(trainer, 30)
    trainer.set_settings(replace(SETTINGS, max_gaussians=50, sh_degree=3))
    assert trainer.splats.count == 50
    assert trainer.gaussians().sh_degree == 3
    run(trainer, 5)
    trainer.set_settings(replace(SETTINGS, max_gaussians=50, sh_degree=0))
    run(trainer, 5)
    assert trainer.gaussians().sh.shape == (50, 1, 3)


def test_harmonics_come_in_bit_by_bit() -> None:
    recipe = replace(CPU_RECIPE, sh_every=20)
    trainer = a_trainer(ring_frames(4), replace(SETTINGS, sh_degree=2), recipe=recipe)
    run(trainer, 15)
    assert not trainer.gaussians().sh[:, 1:].any()
    run(trainer, 15)
    assert trainer.gaussians().sh[:, 1:4].any()
    assert not trainer.gaussians().sh[:, 4:].any()
    run(trainer, 15)
    assert trainer.gaussians().sh[:, 4:].any()


def test_a_frames_first_steps_are_made_at_half_size() -> None:
    sizes = []

    def watched(shapes, colors, view, degree):
        if colors.requires_grad:
            sizes.append(view.intrinsics.width)
        return rasterize_cpu(shapes, colors, view, degree)

    camera = ring_camera(0, 160, 131)
    trainer = a_trainer([TrainingFrame(1, camera, ring_picture(camera), False)], rasterizer=watched)
    run(trainer, HALF_STEPS + 2)
    assert sizes == [80] * HALF_STEPS + [160] * 2


def test_a_camera_may_be_replaced() -> None:
    frames = ring_frames(4)
    trainer = a_trainer([replace(frame, camera=ring_camera(0)) for frame in frames])
    for frame in frames:
        trainer.set_camera(frame.index, frame.camera)
    trainer.set_camera(99, ring_camera(0))
    expected = a_trainer(frames)
    run(trainer, 10)
    run(expected, 10)
    assert np.array_equal(trainer.gaussians().means, expected.gaussians().means)


def test_first_gaussians_lie_in_the_bounds() -> None:
    bounds = ((-0.2, -0.3, -0.1), (0.3, 0.2, 0.4))
    settings = replace(SETTINGS, bounds=bounds, max_gaussians=6000)
    trainer = a_trainer(ring_frames(3), settings, recipe=replace(CPU_RECIPE, means_rate=0))
    run(trainer, 1)
    means = trainer.gaussians().means
    assert len(means) > 5
    assert (means > np.array(bounds[0]) - 1e-5).all()
    assert (means < np.array(bounds[1]) + 1e-5).all()


def test_a_scene_that_was_guessed_too_near_is_started_over() -> None:
    frames = ring_frames(6)
    trainer = a_trainer(frames[:1], recipe=replace(CPU_RECIPE, means_rate=0))
    run(trainer, 3)
    centre = frames[0].camera.camera_to_world[:3, 3]
    # With one frame, an arm's reach is taken.
    assert np.linalg.norm(trainer.gaussians().means - centre, axis=1).max() < 1.1
    state = trainer.checkpoint()
    other = a_trainer(frames, recipe=replace(CPU_RECIPE, means_rate=0))
    other.restore(state)
    run(other, 1)
    assert np.linalg.norm(other.gaussians().means - centre, axis=1).max() > 1.1
    count = other.splats.count
    run(other, 3)
    assert other.splats.count >= count


def test_exposure_is_learnt_apart_from_the_scene() -> None:
    frames = []
    for index in range(1, 9):
        camera = ring_camera(2 * np.pi * index / 8)
        picture = ring_picture(camera, gain=0.6 if index % 2 else 1.0)
        frames.append(TrainingFrame(index, camera, picture, False))
    trainer = a_trainer(frames, replace(SETTINGS, exposure=True))
    run(trainer, 150)
    arrays = trainer.checkpoint().arrays
    saved = dict(zip(arrays["exposure_index"].tolist(), arrays["exposure_numbers"], strict=True))
    dark = np.mean([saved[index][0, :3] for index in (1, 3, 5, 7)])
    light = np.mean([saved[index][0, :3] for index in (2, 4, 6, 8)])
    assert light - dark > 0.1


def test_a_device_without_room_trains_smaller_pictures_then_fewer_gaussians() -> None:
    limit = {"pixels": 100 * 90, "gaussians": 10**9}

    def small_device(shapes, colors, view, degree):
        too_large = view.intrinsics.width * view.intrinsics.height > limit["pixels"]
        if too_large or len(shapes.means) > limit["gaussians"]:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return rasterize_cpu(shapes, colors, view, degree)

    settings = replace(SETTINGS, max_gaussians=80_000)
    camera = ring_camera(0, 160, 131)
    picture = ring_picture(camera)
    trainer = a_trainer([], settings, rasterizer=small_device)
    for index in range(1, 4):
        trainer.add_frame(TrainingFrame(index, camera, picture, False))
    for _ in range(3 * HALF_STEPS + 12):
        assert step_within_memory(trainer) is not None
    assert trainer.frames.trained[0].target.rgb.shape == (65, 80, 3)
    count = trainer.splats.count
    limit["gaussians"] = count // 2 + 10
    assert step_within_memory(trainer) is not None
    assert trainer.splats.count <= count // 2 + 10
    limit["gaussians"] = 3
    with pytest.raises(MemoryError):
        step_within_memory(trainer)


def test_the_gpu_path_takes_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict] = []
    monkeypatch.setitem(sys.modules, "gsplat", fake_gsplat(calls))
    frames = ring_frames(6)
    by_gsplat = a_trainer(frames, rasterizer=rasterize_gsplat)
    by_torch = a_trainer(frames)
    run(by_gsplat, 15)
    run(by_torch, 15)
    assert np.array_equal(by_gsplat.gaussians().means, by_torch.gaussians().means)
    # Depths are blended as features, for the frames after the first.
    assert None in [call["sh_degree"] for call in calls]


def test_a_picture_of_another_size_than_its_camera_gets_the_lens_it_needs() -> None:
    frame = ring_frames(1)[0]
    large = Camera(frame.camera.intrinsics.resized(96, 80), frame.camera.camera_to_world)
    trainer = a_trainer([replace(frame, camera=large)])
    assert trainer.frames.trained[0].target.camera.intrinsics == frame.camera.intrinsics

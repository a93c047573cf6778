"""What the trainer does where its device has no room for what was asked: gives way a little, once, and says
so."""

from __future__ import annotations

import gc
import time
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the trainer needs torch")

import small_trainer  # noqa: E402
from heard_events import PATIENCE_S, Events  # noqa: E402
from rig import opened  # noqa: E402
from ring_scene import ring_camera, ring_frames, ring_picture  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from live_splat.train.memory import FEWEST_GAUSSIANS, most_gaussians, within_memory  # noqa: E402
from live_splat.train.raster_cpu import rasterize_cpu  # noqa: E402
from live_splat.train.schedule import CUDA_RECIPE, HALF_STEPS  # noqa: E402
from live_splat.trainer import LiveSplatTrainer  # noqa: E402
from live_splat.training import (  # noqa: E402
    Failed,
    Finished,
    Progress,
    Snapshot,
    Trained,
    TrainingFrame,
    TrainingSettings,
    Warned,
)
from live_splat.training_thread import TrainingThread, step_within_memory  # noqa: E402

SETTINGS = TrainingSettings(max_gaussians=60_000, sh_degree=0)
"""Each of the first frames brings 1500."""
QUICK = replace(CUDA_RECIPE, refine_every=3, growth=1.3)


def full() -> RuntimeError:
    return RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")


class RoomFor(TorchDispatchMode):
    """A device on which no set of more Gaussians than these can be put together."""

    def __init__(self, gaussians: int) -> None:
        super().__init__()
        self._most = gaussians

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if "aten.cat" in str(func) and sum(len(each) for each in args[0]) > self._most and len(args) == 1:
            raise full()
        return func(*args, **(kwargs or {}))


def a_trainer(frames: list[TrainingFrame], settings: TrainingSettings = SETTINGS, **options):
    return small_trainer.a_trainer(frames, settings, recipe=QUICK, **options)


def test_where_growing_has_no_room_what_there_is_stays_and_pictures_keep_their_size() -> None:
    camera = ring_camera(0, 160, 131)
    trainer = a_trainer([TrainingFrame(1, camera, ring_picture(camera), False)])
    with RoomFor(3000):
        for _ in range(20):
            assert step_within_memory(trainer) is not None
    count = trainer.splats.count
    assert FEWEST_GAUSSIANS < count <= 3000
    assert {len(values) for values in trainer.splats.values.values()} == {count}
    assert trainer.frames.trained[0].target.rgb.shape == (131, 160, 3)
    (warning,) = trainer.take_warnings()
    assert f"at most {count} Gaussians, not 60000" in warning
    # Neither new settings nor a restart forget it.
    trainer.set_settings(replace(SETTINGS, max_gaussians=50_000))
    again = a_trainer([])
    again.restore(trainer.checkpoint())
    for each in (trainer, again):
        assert "not" in each.take_warnings()[0]
        for _ in range(10):
            each.step()
        assert each.splats.count <= count
    # On a device that has shown less room, only the most opaque come back.
    small = a_trainer([])
    state = trainer.checkpoint()
    state.scalars["most_gaussians"] = 1200
    small.restore(state)
    assert small.splats.count == 1200
    assert small.splats.opacities.min() >= trainer.splats.opacities.median() - 0.5


def test_a_frame_gets_its_gaussians_though_memory_ran_out_at_the_first_try() -> None:
    tries = []

    def draws(shapes, colors, view, degree):
        if degree is None:
            tries.append(view.intrinsics.width)
            if len(tries) == 1:
                raise full()
        return rasterize_cpu(shapes, colors, view, degree)

    trainer = a_trainer(ring_frames(2), rasterizer=draws)
    while not all(state.seeded for state in trainer.frames.trained):
        assert step_within_memory(trainer) is not None
    assert len(tries) == 2


def test_pictures_are_halved_once_and_then_gaussians_go() -> None:
    camera = ring_camera(0, 320, 262)
    limit = {"gaussians": 10**9}

    def small_device(shapes, colors, view, degree):
        if view.intrinsics.width > 160 or len(shapes.means) > limit["gaussians"]:
            raise full()
        return rasterize_cpu(shapes, colors, view, degree)

    settings = replace(SETTINGS, max_gaussians=160_000)
    trainer = a_trainer(
        [TrainingFrame(1, camera, ring_picture(camera), False)], settings, rasterizer=small_device
    )
    for _ in range(HALF_STEPS + 1):
        assert step_within_memory(trainer) is not None
    assert trainer.frames.trained[0].target.rgb.shape == (131, 160, 3)
    limit["gaussians"] = 2500
    assert step_within_memory(trainer) is not None
    assert trainer.frames.trained[0].target.rgb.shape == (131, 160, 3)
    assert trainer.splats.count <= 2500
    first, *others = trainer.take_warnings()
    assert "half their size" in first
    assert all("Gaussians, not 160000" in warning for warning in others)
    assert others


def test_more_gaussians_than_the_memory_has_room_for_are_not_even_tried() -> None:
    trainer = a_trainer([], room_bytes=20 << 20)
    fitting = most_gaussians(20 << 20, 0)
    assert FEWEST_GAUSSIANS < fitting < SETTINGS.max_gaussians
    assert f"at most {fitting}" in trainer.take_warnings()[0]
    for frame in ring_frames(20):
        trainer.add_frame(frame)
    for _ in range(80):
        trainer.step()
    assert trainer.splats.count <= fitting
    trainer.set_settings(replace(SETTINGS, max_gaussians=2000))
    assert trainer.take_warnings() == []


def test_other_errors_are_none_of_memory() -> None:
    def broken() -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError, match="illegal"):
        within_memory(broken, lambda: True)


class Stubborn(LiveSplatTrainer):
    """Has no room for some things, the first few times."""

    def __init__(self, failing: dict[str, list[Exception]], settings: TrainingSettings = SETTINGS) -> None:
        super().__init__(settings, "cpu", recipe=QUICK)
        self.failing = failing

    def _maybe(self, what: str) -> None:
        if self.failing.get(what):
            raise self.failing[what].pop()

    def score(self, state):
        self._maybe("score")
        return super().score(state)

    def gaussians(self):
        self._maybe("gaussians")
        return super().gaussians()

    def checkpoint(self):
        self._maybe("checkpoint")
        return super().checkpoint()

    def restore(self, state):
        self._maybe("restore")
        super().restore(state)

    def set_settings(self, settings):
        self._maybe("set_settings")
        super().set_settings(settings)


def test_training_outlives_a_lack_of_memory_in_whatever_is_done_between_steps() -> None:
    events = Events()
    failing = {
        "score": [full(), full()],
        "gaussians": [full(), full()],
        "checkpoint": [full()],
        "set_settings": [full()],
    }
    training = TrainingThread(lambda: Stubborn(failing), events)
    for frame in ring_frames(4, holdout_every=4):
        training.add_frame(frame)
    events.until(lambda _: events.of(Snapshot))
    training.set_settings(replace(SETTINGS, sh_degree=1))
    state = training.checkpoint()
    assert state is not None
    assert state.arrays["sh"].shape[1:] == (4, 3)
    # The held-out frame has its turn again.
    events.until(lambda _: any(4 in event.indices for event in events.of(Trained)))
    training.finish(steps=5, deadline_s=time.time() + PATIENCE_S)
    events.until(lambda _: events.of(Finished))
    training.close()
    assert events.of(Failed) == []
    assert not any(failing.values())
    again = Events()
    training = TrainingThread(lambda: Stubborn({"restore": [full()]}), again)
    training.restore(state)
    other = training.checkpoint()
    training.close()
    assert other is not None
    assert other.step == state.step
    assert again.of(Failed) == []


def test_who_asks_is_told_why_there_is_no_answer_and_training_goes_on() -> None:
    events = Events()
    training = TrainingThread(lambda: Stubborn({"checkpoint": [MemoryError("no room for a copy")]}), events)
    training.add_frame(ring_frames(1)[0])
    events.until(lambda _: events.of(Trained))
    with pytest.raises(OSError, match="no room for a copy"):
        training.checkpoint()
    assert training.checkpoint() is not None
    training.close()
    assert events.of(Failed) == []


def test_what_the_trainer_warns_of_is_told() -> None:
    events = Events()
    settings = replace(SETTINGS, max_gaussians=2_000_000)
    training = TrainingThread(lambda: LiveSplatTrainer(settings, "cpu", room_bytes=20 << 20), events)
    events.until(lambda _: events.of(Warned))
    training.close()
    assert "2000000 Gaussians" in events.of(Warned)[0].message


def test_the_user_hears_of_it(tmp_path: Path) -> None:
    with opened(tmp_path) as rig:
        rig.training.warn("there will be at most 1000 Gaussians")
        assert "there will be at most 1000 Gaussians" in rig.scene.status()["warnings"]


def test_a_trainer_that_has_ended_keeps_no_pictures() -> None:
    def broken() -> LiveSplatTrainer:
        raise RuntimeError("no kernels for this GPU")

    events = Events()
    training = TrainingThread(broken, events)
    events.until(lambda seen: seen)
    assert training.snapshot() is None
    frame = ring_frames(1)[0]
    picture = weakref.ref(frame.picture.rgb)
    training.add_frame(frame)
    del frame
    gc.collect()
    assert picture() is None
    training.close()


@pytest.mark.parametrize("steps_before", [0, 3])
def test_a_lost_device_is_told_where_it_has_trained(steps_before: int) -> None:
    made = []

    def faulty(shapes, colors, view, degree):
        if colors.requires_grad:
            made.append(degree)
            if len(made) > steps_before:
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return rasterize_cpu(shapes, colors, view, degree)

    class Lost(LiveSplatTrainer):
        def is_device_lost(self) -> bool:
            return True

    events = Events()
    training = TrainingThread(lambda: Lost(SETTINGS, "cpu", rasterizer=faulty), events)
    training.add_frame(ring_frames(1)[0])
    events.until(lambda _: events.of(Failed))
    training.close()
    (failed,) = events.of(Failed)
    assert "illegal memory access" in failed.message
    assert failed.is_device_lost == (steps_before > 0)


def test_speed_does_not_count_steps_of_before_a_restart() -> None:
    events = Events()
    frames = ring_frames(2)
    trainer = a_trainer(frames)
    for _ in range(3):
        trainer.step()
    state = replace(trainer.checkpoint(), step=10**8)
    training = TrainingThread(lambda: a_trainer(frames), events)
    training.restore(state)
    events.until(lambda _: len([each for each in events.of(Progress) if each.step > state.step]) > 2)
    training.close()
    assert max(event.steps_per_second for event in events.of(Progress)) < 10**5
    assert np.isfinite(events.of(Progress)[-1].psnr_train)

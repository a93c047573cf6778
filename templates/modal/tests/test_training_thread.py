"""The trainer's thread: calls in order, events as they are promised."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the trainer needs torch")

from heard_events import PATIENCE_S, Events  # noqa: E402
from ring_scene import ring_frames  # noqa: E402

from live_splat.trainer import LiveSplatTrainer  # noqa: E402
from live_splat.training import (  # noqa: E402
    Failed,
    Finished,
    Progress,
    Snapshot,
    Trained,
    TrainingEvent,
    TrainingSettings,
)
from live_splat.training_thread import (  # noqa: E402
    TrainingThread,
    engine,
    start_training,
)

SETTINGS = TrainingSettings(max_gaussians=400, sh_degree=0)


def trained_of(events: list[TrainingEvent]) -> list[int]:
    """Frames that were told to be trained, each as often as it was told."""
    return sorted(index for event in events if isinstance(event, Trained) for index in event.indices)


def test_a_capture_from_the_first_frame_to_the_last_event() -> None:
    events = Events()
    training = start_training(SETTINGS, events, device="cpu")
    try:
        assert training.snapshot() is None
        assert training.checkpoint() is None
        for frame in ring_frames(8, holdout_every=4):
            training.add_frame(frame)
        events.until(lambda seen: any(isinstance(event, Snapshot) for event in seen))
        events.until(
            lambda seen: {i for e in seen if isinstance(e, Trained) for i in e.indices} == set(range(1, 9))
        )
        snapshot = training.snapshot()
        assert snapshot is not None
        assert snapshot.gaussians.count > 0
        state = training.checkpoint()
        assert state is not None
        assert state.step >= snapshot.step
        training.finish(steps=40, deadline_s=time.time() + PATIENCE_S)
        events.until(lambda seen: any(isinstance(event, Finished) for event in seen))
    finally:
        training.close()
    assert isinstance(events.all[-1], Finished)
    assert len(events.of(Finished)) == 1
    assert trained_of(events.all) == list(range(1, 9))
    progress = events.of(Progress)[-1]
    assert progress.step == events.all[-1].step
    assert progress.gaussian_count == events.all[-1].gaussians.count
    assert progress.psnr_train is not None
    assert progress.psnr_holdout is not None
    assert progress.memory_bytes > 1 << 20
    scored = {index for event in events.of(Progress) for index in event.frame_psnr}
    assert scored == set(range(1, 9))


def test_restored_training_goes_on_where_it_stood() -> None:
    events = Events()
    first = start_training(SETTINGS, events, device="cpu")
    frames = ring_frames(4)
    for frame in frames:
        first.add_frame(frame)
    events.until(lambda seen: any(isinstance(event, Progress) and event.step > 20 for event in seen))
    state = first.checkpoint()
    first.close()
    assert state is not None
    again, all_asked = Events(), threading.Event()

    def create() -> LiveSplatTrainer:
        # Until everything is asked for, or steps would be made before the last ten.
        all_asked.wait(PATIENCE_S)
        return LiveSplatTrainer(SETTINGS, "cpu")

    second = TrainingThread(create, again)
    for frame in frames:
        second.add_frame(frame)
    second.restore(state)
    second.finish(steps=10, deadline_s=time.time() + PATIENCE_S)
    all_asked.set()
    again.until(lambda seen: any(isinstance(event, Finished) for event in seen))
    second.close()
    assert again.all[-1].step == state.step + 10


def test_nothing_is_done_without_frames_and_frames_wake_it() -> None:
    events = Events()
    training = start_training(SETTINGS, events, device="cpu")
    assert training.snapshot() is None
    steps_made = [event.step for event in events.of(Progress)]
    assert set(steps_made) <= {0}
    training.add_frame(ring_frames(1)[0])
    events.until(lambda seen: any(isinstance(event, Trained) for event in seen))
    training.close()


def test_no_event_follows_a_close() -> None:
    events = Events()
    training = start_training(SETTINGS, events, device="cpu")
    for frame in ring_frames(4):
        training.add_frame(frame)
    events.until(lambda seen: any(isinstance(event, Trained) for event in seen))
    training.close()
    count = len(events.all)
    assert training.snapshot() is None
    training.close()
    assert len(events.all) == count
    assert not any(thread.name == "live-splat-trainer" for thread in threading.enumerate())


def test_an_error_is_told_and_leaves_nobody_waiting() -> None:
    def broken() -> LiveSplatTrainer:
        raise RuntimeError("no kernels for this GPU")

    events = Events()
    training = TrainingThread(broken, events)
    events.until(lambda seen: seen)
    assert events.all == [Failed("no kernels for this GPU")]
    training.add_frame(ring_frames(1)[0])
    assert training.snapshot() is None
    assert training.checkpoint() is None
    training.close()


def test_an_error_in_the_middle_is_told_and_leaves_nobody_waiting() -> None:
    def failing(shapes, colors, view, degree):
        raise ValueError("something odd")

    events = Events()
    training = TrainingThread(lambda: LiveSplatTrainer(SETTINGS, "cpu", rasterizer=failing), events)
    training.add_frame(ring_frames(1)[0])
    events.until(lambda seen: any(isinstance(event, Failed) for event in seen))
    assert training.snapshot() is None
    training.close()
    assert events.all[-1] == Failed("something odd")


def test_calls_are_made_in_order() -> None:
    events = Events()
    training = start_training(SETTINGS, events, device="cpu")
    frame = ring_frames(1)[0]
    mask = np.zeros((4, 4), dtype=bool)
    # Everything is hidden before the frame comes: it gives no Gaussians.
    training.set_mask(mask)
    training.add_frame(frame)
    assert training.snapshot() is None
    training.set_mask(None)
    events.until(lambda seen: any(isinstance(event, Trained) for event in seen))
    training.close()


def test_what_trains_here_is_named() -> None:
    found = engine()
    assert found.name == ("gsplat" if torch.cuda.is_available() else "torch")
    assert found.threads >= 1
    assert engine().scale.max_pixels >= 1 << 15

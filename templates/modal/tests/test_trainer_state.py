"""What a trainer is restored from."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the trainer needs torch")

from ring_scene import ring_frames  # noqa: E402
from small_trainer import SETTINGS, a_trainer, run  # noqa: E402

from live_splat.training import TrainerState  # noqa: E402


def test_a_checkpoint_goes_on_as_if_nothing_had_been() -> None:
    frames = ring_frames(8, holdout_every=4)
    settings = replace(SETTINGS, background="random", exposure=True)
    trainer = a_trainer(frames, settings)
    run(trainer, 90)
    state = trainer.checkpoint()
    # As the disk would give it back.
    state = TrainerState(state.step, dict(state.arrays), json.loads(json.dumps(dict(state.scalars))))
    # Relocation and growth are on the way.
    run(trainer, 25)
    other = a_trainer(frames, settings)
    other.restore(state)
    run(other, 25)
    saved, again = trainer.splats.save(), other.splats.save()
    for name, array in saved.items():
        assert np.allclose(array, again[name], atol=1e-6), name
    steps = [[state.steps for state in each.frames.trained] for each in (trainer, other)]
    assert steps[0] == steps[1]
    assert other.step_count == 115


def test_a_finishing_phase_survives_a_restart_without_the_time_stopped() -> None:
    clock = [1000.0]
    trainer = a_trainer(ring_frames(4), now=lambda: clock[0])
    run(trainer, 5)
    trainer.finish(steps=10_000, deadline_s=1060)
    clock[0] = 1030
    run(trainer, 5)
    state = trainer.checkpoint()
    clock[0] = 9000
    other = a_trainer(ring_frames(4), now=lambda: clock[0])
    other.restore(state)
    run(other, 3)
    clock[0] = 9031
    assert other.step() is None
    assert other.is_done


def test_a_state_with_broken_numbers_is_mended_and_one_of_nothing_else_starts_anew() -> None:
    frames = ring_frames(4)
    trainer = a_trainer(frames)
    run(trainer, 20)
    state = trainer.checkpoint()
    state.arrays["means"][:7] = np.nan
    other = a_trainer(frames)
    other.restore(state)
    assert np.isfinite(other.gaussians().means).all()
    state.arrays["means"][:] = np.inf
    other = a_trainer(frames)
    other.restore(state)
    assert other.splats.count == 0
    run(other, 3)
    assert other.splats.count > 0


def test_a_state_that_does_not_fit_together_is_refused() -> None:
    trainer = a_trainer(ring_frames(4))
    run(trainer, 2)
    state = trainer.checkpoint()
    arrays = {**state.arrays, "quats": state.arrays["quats"][:-1]}
    with pytest.raises(ValueError, match="quats"):
        a_trainer([]).restore(TrainerState(state.step, arrays, state.scalars))
    del arrays["sh_moment2"]
    with pytest.raises(ValueError, match="lacks sh_moment2"):
        a_trainer([]).restore(TrainerState(state.step, arrays, state.scalars))

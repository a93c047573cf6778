"""A trainer for scenes of a few hundred Gaussians."""

from __future__ import annotations

from live_splat.trainer import LiveSplatTrainer
from live_splat.training import TrainingFrame, TrainingSettings

SETTINGS = TrainingSettings(max_gaussians=600, sh_degree=1)


def a_trainer(
    frames: list[TrainingFrame], settings: TrainingSettings = SETTINGS, **options
) -> LiveSplatTrainer:
    trainer = LiveSplatTrainer(settings, "cpu", **options)
    for frame in frames:
        trainer.add_frame(frame)
    return trainer


def run(trainer: LiveSplatTrainer, steps: int) -> None:
    for _ in range(steps):
        assert trainer.step() is not None


def holdout_psnr(trainer: LiveSplatTrainer) -> float:
    for state in trainer.frames.held_out:
        trainer.score(state)
    psnr = trainer.frames.mean_psnr(holdout=True)
    assert psnr is not None
    return psnr

"""What sessions are made with, and what they say the same way wherever it is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from live_splat.checkpoint import SessionFolder
from live_splat.contract import SceneSettings
from live_splat.http.events import EventHub
from live_splat.refusal import RefusalError
from live_splat.storage import ChunkStore
from live_splat.training import Engine, StartTraining, TrainingSettings

from .notices import Notices


@dataclass(frozen=True)
class SessionDeps:
    """What a session works with."""

    scene: str
    folder: SessionFolder
    chunk_store: ChunkStore
    has_bucket: bool
    """Without one the local folder stands for it."""
    start_training: StartTraining
    engine: Engine
    max_pixels: int
    frame_bytes: int
    """Decoded pictures take at most so much."""
    events: EventHub
    notices: Notices


def training_settings(settings: SceneSettings) -> TrainingSettings:
    """The part of the settings that the trainer knows."""
    bounds = settings.bounds
    return TrainingSettings(
        max_gaussians=settings.max_gaussians,
        sh_degree=settings.sh_degree,
        background=settings.background,
        bounds=None if bounds is None else (_point(bounds.min_m), _point(bounds.max_m)),
        exposure=settings.refine.exposure,
    )


def shutting_down() -> RefusalError:
    """Said to whoever comes while a session ends."""
    return RefusalError(
        "unavailable",
        "the backend is shutting down or starting another session",
        hint="Send this again after the time in Retry-After.",
        retry_after_s=1,
    )


def _point(values: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = values
    return x, y, z

"""What a session keeps about itself on disk, apart from its frames, its mask and its trainer."""

from __future__ import annotations

import uuid
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt

from live_splat.contract import SceneSettings

Phase = Literal["open", "stopped", "complete"]
"""``stopped``: intake has ended, finishing has not."""


class SavedSession(BaseModel):
    """session.json, and beside the trainer in every checkpoint."""

    model_config = ConfigDict(frozen=True)

    session_id: str
    settings: SceneSettings
    phase: Phase = "open"
    finish_seconds: float
    chunk_step: NonNegativeInt = 0
    """Trainer's step at the newest chunk."""
    version_ceiling: NonNegativeInt = 0
    """No version above it was ever given out."""
    rejected_count: NonNegativeInt = 0
    psnr_train: float | None = None
    psnr_holdout: float | None = None
    chunks: tuple[dict[str, Any], ...] = ()
    """In the contract's form."""
    trained: tuple[tuple[int, float | None], ...] = ()
    """Index and PSNR (dB) of frames that a step has looked at."""


def new_session(settings: SceneSettings) -> SavedSession:
    """One that nothing has happened in yet."""
    return SavedSession(
        session_id=str(uuid.uuid4()), settings=settings, finish_seconds=settings.finish_seconds
    )

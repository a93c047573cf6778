"""Frames, trainer states and folders for tests of what a session leaves on disk."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import numpy as np

from live_splat.checkpoint import SessionFolder
from live_splat.training import TrainerState

SESSION = {"session_id": "an-id", "phase": "open", "chunks": []}


def image_of(index: int, size: int = 200) -> bytes:
    return random.Random(index).randbytes(size)  # noqa: S311


def record_of(index: int, image: bytes | None = None, kind: str = "jpeg") -> dict[str, Any]:
    data = image_of(index) if image is None else image
    sha256 = hashlib.sha256(data).hexdigest()
    return {"index": index, "type": kind, "sha256": sha256, "frame_id": f"f{index}"}


def state_of(step: int, count: int = 10) -> TrainerState:
    numbers = np.random.default_rng(step)
    arrays = {
        "means": numbers.normal(size=(count, 3)).astype(np.float32),
        "sh": numbers.normal(size=(count, 16, 3)).astype(np.float32),
        "steps": numbers.integers(0, 1 << 40, size=count),
        "seen": numbers.random(count) < 0.5,
        "random": numbers.integers(0, 255, size=5056).astype(np.uint8),
        "nothing": np.zeros((0, 4), np.float64),
        "single": np.float64(0.25) * np.ones(()),
    }
    return TrainerState(step=step, arrays=arrays, scalars={"finish": None, "refine_from": 500, "psnr": 21.5})


def assert_same(found: TrainerState, wanted: TrainerState) -> None:
    assert found.step == wanted.step
    assert dict(found.scalars) == dict(wanted.scalars)
    assert set(found.arrays) == set(wanted.arrays)
    for name, values in wanted.arrays.items():
        assert found.arrays[name].dtype == values.dtype
        assert found.arrays[name].flags.writeable
        np.testing.assert_array_equal(found.arrays[name], values)


def open_folder(folder: Path, **more: Any) -> tuple[SessionFolder, list[str]]:
    told: list[str] = []
    return SessionFolder(folder, warn=told.append, unwarn=told.remove, **more), told

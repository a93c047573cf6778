"""What GET /calibration says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .contract import CameraModel, SceneSettings


def calibration(settings: SceneSettings) -> dict[str, Any]:
    """The given values, none of them determined by data yet; without the response's identity."""
    mount, camera = settings.camera_mount, settings.camera
    return {
        "joint_zero_offsets_rad": _as_given(settings.joint_zero_offsets_rad),
        "camera_mount": _as_given([*mount.translation_m, *mount.rotation_wxyz]),
        "clock_offset_s": _as_given([settings.clock_offset_s]),
        "intrinsics": None if camera is None else _as_given(_numbers_of(camera)),
    }


def _numbers_of(camera: CameraModel) -> list[float]:
    c = camera
    return [c.fl_x, c.fl_y, c.cx, c.cy, c.k1, c.k2, c.p1, c.p2]


def _as_given(values: Sequence[float]) -> dict[str, Any]:
    return {"prior": [*values], "estimate": [*values], "standard_deviation": None, "determined": False}

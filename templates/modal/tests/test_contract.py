"""What requests may hold; the contract suite asks the same of a running backend."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from live_splat.contract import FrameMeta, ScenePatch, SceneSettings, default_settings

IDENTITY = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
CAMERA = {"model": "OPENCV", "w": 320, "h": 240, "fl_x": 300, "fl_y": 300, "cx": 160, "cy": 120}


def test_meta_is_read() -> None:
    meta = FrameMeta.model_validate(
        {
            "frame_id": "a",
            "captured_at": 5,
            "joint_samples": [[1, [0] * 6], [2.5, [0.5] * 6]],
            "camera_to_world": IDENTITY,
            "holdout": True,
            "unknown": None,
        }
    )
    assert (meta.frame_id, meta.captured_at, meta.sent_at, meta.holdout) == ("a", 5.0, None, True)
    assert meta.joint_samples == [(1.0, [0.0] * 6), (2.5, [0.5] * 6)]


@pytest.mark.parametrize(
    "value",
    [
        {"captured_at": True},
        {"captured_at": "5"},
        {"captured_at": None},
        {"captured_at": float("inf")},
        {"captured_at": 10**400},
        {"holdout": 1},
        {"frame_id": 7},
        {"frame_id": "x" * 129},
        {"joint_samples": [[1, [0] * 6, 2]]},
        {"camera_to_world": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]]},
        {"camera_to_world": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]},
    ],
)
def test_meta_that_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        FrameMeta.model_validate(value)


def test_a_patch_changes_what_it_names() -> None:
    before = default_settings(20_000)
    given = {"camera": CAMERA, "refine": {"poses": True}, "max_gaussians": 300.0, "bounds": None}
    patch = ScenePatch.model_validate(given)
    distortion = {"k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0}
    assert patch.changes() == {**given, "camera": {**CAMERA, **distortion}}
    after = before.patched(patch)
    assert (after.camera.w, after.max_gaussians, after.refine.poses) == (320, 300, True)
    changed = {"camera", "refine", "max_gaussians"}
    assert after.model_dump(exclude=changed) == before.model_dump(exclude=changed)
    again = after.patched(ScenePatch.model_validate({"refine": {"clock": True}, "camera": None}))
    assert (again.camera, again.refine.poses, again.refine.clock) == (None, True, True)


@pytest.mark.parametrize(
    "patch",
    [
        {"refine": None},
        {"max_gaussians": 99},
        {"max_gaussians": True},
        {"sh_degree": 1.5},
        {"chunk_every": 0},
        {"chunk_every": 2**53},
        {"background": "red"},
        {"camera": {**CAMERA, "w": 20_000}},
        {"camera": {**CAMERA, "fl_x": 0}},
        {"camera_mount": {"translation_m": [0, 0, 0], "rotation_wxyz": [1, 0, 0, 0]}},
        {"max_joint_speed_deg_s": 0},
        {"finish_seconds": 3601},
    ],
)
def test_a_patch_that_is_refused(patch: object) -> None:
    with pytest.raises(ValidationError):
        ScenePatch.model_validate(patch)


def test_settings_survive_a_file() -> None:
    settings = default_settings(20_000).patched(ScenePatch.model_validate({"camera": CAMERA}))
    assert SceneSettings.model_validate(json.loads(json.dumps(settings.model_dump()))) == settings

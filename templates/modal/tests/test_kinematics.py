"""The vectors are those of test/robot/kinematics.test.ts."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from live_splat.calibration import calibration
from live_splat.contract import DEFAULT_CAMERA_MOUNT, CameraModel, default_settings
from live_splat.kinematics import camera_to_world, gripper_pose, quaternion_to_rotation

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[3] / "test" / "robot" / "fk-vectors.json").read_text("utf-8")
)["vectors"]
NO_OFFSETS = (0.0,) * 5


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_gripper_agrees_with_the_urdf(vector: dict[str, Any]) -> None:
    pose = gripper_pose(vector["joints_rad"])
    np.testing.assert_allclose(pose.ravel(), vector["gripper_link"], rtol=0, atol=1e-7)


def test_zero_offsets_are_added_to_the_readings() -> None:
    offsets = (0.05, -0.02, 0.03, 0.01, -0.04)
    joints = VECTORS[1]["joints_rad"]
    readings = [*(angle - offset for angle, offset in zip(joints, offsets, strict=False)), joints[5]]
    pose = gripper_pose(readings, offsets)
    np.testing.assert_allclose(pose.ravel(), VECTORS[1]["gripper_link"], rtol=0, atol=1e-7)


def test_the_jaw_moves_nothing() -> None:
    arm = [0.1, 0.2, 0.3, 0.4, 0.5]
    assert np.array_equal(gripper_pose([*arm, 0]), gripper_pose([*arm, 1]))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_default_camera_sits_at_minus_y_and_looks_25_degrees_from_the_fingers(vector) -> None:
    joints = vector["joints_rad"]
    gripper = np.reshape(vector["gripper_link"], (4, 4))
    on_gripper = np.linalg.inv(gripper) @ camera_to_world(joints, NO_OFFSETS, DEFAULT_CAMERA_MOUNT)
    np.testing.assert_allclose(on_gripper[:3, 3], (0.002524, -0.069517, -0.001285), atol=1e-7)
    # OpenGL cameras look along −z; the fingers point along −z of gripper_link.
    tilt = math.radians(25)
    np.testing.assert_allclose(-on_gripper[:3, 2], (0, math.sin(tilt), -math.cos(tilt)), atol=1e-7)
    np.testing.assert_allclose(on_gripper[:3, 0], (-1, 0, 0), atol=1e-7)


def test_a_pose_stays_a_rotation() -> None:
    pose = camera_to_world([0.3, -0.4, 0.5, 0.25, -0.6, 0], NO_OFFSETS, DEFAULT_CAMERA_MOUNT)
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
    assert pose[3].tolist() == [0, 0, 0, 1]


def test_a_quaternion_of_any_length_turns() -> None:
    half = math.sqrt(0.5) * 3
    turned = quaternion_to_rotation((half, 0, 0, half))
    np.testing.assert_allclose(turned, [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12)


class TestCalibration:
    def test_says_what_was_given_and_that_no_data_determine_it(self) -> None:
        lens = CameraModel(model="OPENCV", w=64, h=48, fl_x=50, fl_y=51, cx=32, cy=24, k1=0.1, p2=-0.2)
        settings = default_settings(1000).model_copy(update={"camera": lens, "clock_offset_s": 0.05})
        answer = calibration(settings)
        assert answer["clock_offset_s"] == {
            "prior": [0.05],
            "estimate": [0.05],
            "standard_deviation": None,
            "determined": False,
        }
        assert answer["joint_zero_offsets_rad"]["prior"] == [0, 0, 0, 0, 0]
        assert answer["intrinsics"]["estimate"] == [50, 51, 32, 24, 0.1, 0, 0, -0.2]
        mount = DEFAULT_CAMERA_MOUNT
        assert answer["camera_mount"]["prior"] == [*mount.translation_m, *mount.rotation_wxyz]

    def test_knows_no_lens_while_nobody_gave_one(self) -> None:
        assert calibration(default_settings(1000))["intrinsics"] is None

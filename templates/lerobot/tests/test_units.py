import math
from types import SimpleNamespace

import pytest

from lerobot_robot_splat_so101 import MOTORS, joint_radians

RANGES = ((748, 3410), (837, 3341), (793, 2995), (910, 3277), (0, 4095), (1500, 3000))
CALIBRATION = {
    motor: SimpleNamespace(range_min=low, range_max=high) for motor, (low, high) in zip(MOTORS, RANGES, strict=True)
}
# Steps of five motors; what LeRobot's own bus makes of them: degrees, -100 to 100; the gripper's 0 to 100.
VECTORS = [
    (
        (2047,) * 5,
        (-2.813186813, -3.692307692, 13.450549451, -4.087912088, -0.043956044),
        (-2.404207363, -3.354632588, 13.896457766, -3.929024081, -0.024420024),
        36.466666667,
    ),
    (
        (748, 837, 793, 910, 0),
        (-117.010989011, -110.065934066, -96.791208791, -104.043956044, -180.0),
        (-100.0,) * 5,
        0.0,
    ),
    (
        (3410, 3341, 2995, 3277, 4095),
        (117.010989011, 110.065934066, 96.791208791, 104.043956044, 180.0),
        (100.0,) * 5,
        100.0,
    ),
]


def observed(joints, gripper):
    names = [f"{motor}.pos" for motor in MOTORS]
    return dict(zip(names, [*joints, gripper], strict=True), wrist="a picture")


@pytest.mark.parametrize(("steps", "degrees", "norm", "gripper"), VECTORS)
def test_degrees_and_ranges_give_the_angle_of_the_steps(steps, degrees, norm, gripper):
    expected = [
        (raw - (low + high) / 2) * 2 * math.pi / 4095 for raw, (low, high) in zip(steps, RANGES[:5], strict=True)
    ]
    expected.append(-0.174533 + gripper / 100 * 1.919863)
    assert joint_radians(observed(degrees, gripper), use_degrees=True) == pytest.approx(expected, abs=1e-9)
    by_range = joint_radians(observed(norm, gripper), use_degrees=False, calibration=CALIBRATION)
    assert by_range == pytest.approx(expected, abs=1e-9)


def test_ranges_need_a_calibration():
    with pytest.raises(KeyError):
        joint_radians(observed([0] * 5, 0), use_degrees=False)
    with pytest.raises(KeyError):
        joint_radians(observed([0] * 5, 0), use_degrees=False, calibration={})


def test_a_joint_that_is_missing_is_named():
    with pytest.raises(KeyError, match="elbow_flex"):
        joint_radians({"shoulder_pan.pos": 1, "shoulder_lift.pos": 1}, use_degrees=True)

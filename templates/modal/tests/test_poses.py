"""Where a frame was taken from: the first of the contract's sources that exists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from live_splat.contract import FrameMeta, SceneSettings, default_settings
from live_splat.refusal import RefusalError
from live_splat.session.joints import JointHistory, JointReading
from live_splat.session.poses import Placement, place_frame, pose_from_joints

HOME = (0.0,) * 6
BENT = (0.4, -0.2, 0.6, 0.2, -0.4, 1.0)
LATEST_AGE_S = 7.0
SETTINGS = default_settings(1000)
GIVEN = [[0.0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]


def partway(share: float) -> list[float]:
    return [angle * share for angle in BENT]


def history_of(*readings: tuple[float, Any]) -> JointHistory:
    history = JointHistory(30.0)
    for time_s, angles in readings:
        history.add(JointReading(time_s, tuple(angles)))
    return history


def place(
    history: JointHistory, *, settings: SceneSettings = SETTINGS, patient: bool = True, **meta: Any
) -> Placement:
    given = FrameMeta.model_validate(meta)
    return place_frame(given, history, settings, patient=patient, latest_age_s=LATEST_AGE_S)


def test_the_first_source_that_exists_is_taken() -> None:
    history = history_of((9.9, partway(0.2)), (10.1, partway(0.4)))
    samples = [(9.95, partway(0.6)), (10.05, partway(0.8))]
    meta: dict[str, Any] = {"captured_at": 10.0, "joint_samples": samples, "joint_angles": list(BENT)}
    given = place(history, camera_to_world=GIVEN, **meta)
    assert (given.source, given.angles, given.joints_age_s) == ("camera_to_world", None, None)
    np.testing.assert_array_equal(given.camera_to_world, GIVEN)

    by_samples = place(history, **meta)
    assert by_samples.source == "samples"
    assert by_samples.angles == pytest.approx(partway(0.7))
    np.testing.assert_allclose(by_samples.camera_to_world, pose_from_joints(partway(0.7), SETTINGS))

    del meta["joint_samples"]
    by_meta = place(history, **meta)
    assert (by_meta.source, by_meta.angles, by_meta.joints_age_s) == ("meta", BENT, 0.0)

    del meta["joint_angles"]
    between = place(history, **meta)
    assert between.source == "interpolated"
    assert between.angles == pytest.approx(partway(0.3))

    latest = place(history)
    assert (latest.source, latest.joints_age_s) == ("latest", LATEST_AGE_S)
    assert latest.angles == pytest.approx(partway(0.4))

    nothing = place(history_of(), captured_at=10.0)
    assert (nothing.source, nothing.angles, nothing.joints_age_s) == ("default", HOME, None)


def test_the_later_reading_is_waited_for_and_then_done_without() -> None:
    history = history_of((9.9, BENT))
    pending = place(history, captured_at=10.0)
    assert (pending.source, pending.angles) == ("pending", BENT)
    assert place(history, captured_at=10.0, patient=False).source == "latest"
    assert place(history, captured_at=12.0).source == "latest"


def test_readings_before_the_first_say_nothing_about_the_shutter() -> None:
    assert place(history_of((10.1, BENT)), captured_at=10.0).source == "latest"


def test_the_clock_offset_moves_the_moment_joints_are_looked_up_at() -> None:
    late = SETTINGS.model_copy(update={"clock_offset_s": 0.05})
    samples = [(10.0, list(HOME)), (10.2, list(BENT))]
    by_samples = place(history_of(), settings=late, captured_at=10.0, joint_samples=samples)
    assert by_samples.angles == pytest.approx(partway(0.25))
    early = SETTINGS.model_copy(update={"clock_offset_s": -0.9})
    assert place(history_of((10.1, BENT)), settings=early, captured_at=12.0).joints_age_s == pytest.approx(1)


def test_samples_need_the_shutter_time_they_lie_around() -> None:
    with pytest.raises(RefusalError, match=r"needs meta\.captured_at") as refused:
        place(history_of(), joint_samples=[(10.0, list(BENT))])
    assert refused.value.code == "bad_request"


def test_samples_far_from_the_shutter_give_way_to_the_next_source() -> None:
    far = [(5.0, list(BENT))]
    assert place(history_of(), captured_at=10.0, joint_samples=far).source == "default"
    assert place(history_of(), captured_at=10.0, joint_samples=far, joint_angles=list(HOME)).source == "meta"

"""Warnings about joints that do not come, and how old the newest reading is."""

from __future__ import annotations

import time

import numpy as np
import pytest

from live_splat.session.joint_watch import NO_POSE, STALE_JOINTS, STALE_JOINTS_S, JointWatch
from live_splat.session.joints import JointReading
from live_splat.session.notices import Notices
from live_splat.session.poses import Placement


class Watching:
    """A watch on a clock of its own, and what it told."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.told: list[str] = []
        self.notices = Notices(lambda _, data: self.told.append(data["message"]), lambda: None)
        self.watch = JointWatch(self.notices, steady=lambda: self.now_s)

    def reading_came(self) -> None:
        self.watch.came()
        self.now_s += 0.01

    def placed(self, source: str, joints_age_s: float | None) -> None:
        self.watch.placed(Placement(source, np.eye(4), None, None, joints_age_s))


def test_warns_of_stale_joints_once_and_no_longer_when_they_stream_again() -> None:
    w = Watching()
    for _ in range(3):
        w.reading_came()
    w.placed("latest", STALE_JOINTS_S)
    w.placed("default", None)
    assert w.notices.messages() == []
    w.now_s += 3
    for _ in range(5):
        w.placed("latest", STALE_JOINTS_S + 0.01)
    assert w.notices.messages() == [STALE_JOINTS]
    w.reading_came()
    w.reading_came()
    w.placed("latest", 0.01)
    assert w.notices.messages() == []
    assert w.told == [STALE_JOINTS]


def test_keeps_warning_of_joints_that_come_now_and_then() -> None:
    w = Watching()
    for _ in range(5):
        w.reading_came()
        w.placed("latest", 0.01)
        w.now_s += 2.99
        w.placed("latest", 2.99)
    assert w.notices.messages() == [STALE_JOINTS]
    assert w.told == [STALE_JOINTS]


@pytest.mark.parametrize("source", ["interpolated", "samples", "meta"])
def test_takes_joints_of_the_shutter_for_fresh(source: str) -> None:
    w = Watching()
    w.placed("latest", 9.0)
    w.placed("camera_to_world", None)
    assert w.notices.messages() == [STALE_JOINTS]
    w.placed(source, 0.05)
    assert w.notices.messages() == []


def test_warns_at_the_fifth_frame_in_a_row_without_any_pose() -> None:
    w = Watching()
    for _ in range(4):
        w.placed("default", None)
    w.placed("meta", 0.0)
    for _ in range(4):
        w.placed("default", None)
    assert w.notices.messages() == []
    w.placed("default", None)
    assert w.notices.messages() == [NO_POSE]
    w.placed("camera_to_world", None)
    assert w.notices.messages() == []


def test_a_readings_age_is_the_older_of_its_time_and_its_coming() -> None:
    w = Watching()
    w.watch.came()
    w.now_s += 2
    now = time.time()
    assert w.watch.age_of(JointReading(now - 9, ())) == pytest.approx(9, abs=0.5)
    # Its sender's clock runs ahead: the stream would look alive for half an hour after it stopped.
    assert w.watch.age_of(JointReading(now + 1800, ())) == pytest.approx(2, abs=0.01)

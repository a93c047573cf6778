"""Joint readings over time: what is kept, what they say of a moment between them."""

from __future__ import annotations

import math

import pytest

from live_splat.session.joints import JointHistory, JointReading, joints_from_samples

HOME = (0.0,) * 6
BENT = (0.4, -0.2, 0.6, 0.2, -0.4, 1.0)


def history_of(*readings: tuple[float, tuple[float, ...]]) -> JointHistory:
    history = JointHistory(30.0)
    for time_s, angles in readings:
        history.add(JointReading(time_s, angles))
    return history


def times(history: JointHistory) -> list[float]:
    return [reading.time_s for reading in history.readings()]


def test_interpolates_between_readings_at_most_250_ms_apart() -> None:
    history = history_of((9.9, HOME), (10.1, BENT))
    at = history.at(10.05)
    assert at not in (None, "awaited")
    assert at.angles == pytest.approx([0.75 * angle for angle in BENT])
    assert at.age_s == pytest.approx(0.05)
    # The gripper's radian moves no camera: the elbow is the fastest.
    assert at.speed_deg_s == pytest.approx(math.degrees(0.6 / 0.2))
    assert history_of((9.8, HOME), (10.1, BENT)).at(10.0) is None


def test_awaits_the_later_reading_only_while_it_can_come() -> None:
    history = history_of((9.9, BENT))
    assert history.at(10.0) == "awaited"
    assert history.at(10.2) is None
    assert history.at(9.0) is None
    assert JointHistory(30.0).at(10.0) is None


def test_a_reading_at_the_very_moment_is_enough() -> None:
    at = history_of((10.0, BENT)).at(10.0)
    assert at not in (None, "awaited")
    assert (at.angles, at.age_s, at.speed_deg_s) == (BENT, 0.0, None)


def test_turns_the_short_way_round() -> None:
    before, after = (0.0, 0.0, 0.0, 0.0, math.pi - 0.1, 0.0), (0.0, 0.0, 0.0, 0.0, -math.pi + 0.1, 0.0)
    at = history_of((0.0, before), (0.2, after)).at(0.1)
    assert at not in (None, "awaited")
    assert at.angles[4] == pytest.approx(math.pi)


def test_puts_late_readings_in_their_place_and_takes_the_later_of_two_with_one_time() -> None:
    history = history_of((10.1, HOME), (9.9, HOME), (10.0, HOME), (10.0, BENT))
    assert times(history) == [9.9, 10.0, 10.1]
    assert history.readings()[1].angles == BENT


def test_forgets_what_is_older_than_its_window() -> None:
    assert times(history_of((10.0, HOME), (10.1, HOME), (40.05, HOME))) == [10.1, 40.05]


def test_a_clock_set_back_begins_a_new_history() -> None:
    assert times(history_of((1000.0, HOME), (1000.1, HOME), (10.0, BENT))) == [10.0]


def test_one_reading_dated_ahead_is_dropped_when_two_in_a_row_say_so() -> None:
    history = history_of((10.0, HOME), (20.0, BENT), (10.1, HOME))
    assert times(history) == [10.0, 10.1, 20.0]
    history.add(JointReading(10.2, HOME))
    assert times(history) == [10.0, 10.1, 10.2]


def test_its_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live_splat.session.joints.MAX_READINGS", 100)
    history = history_of(*((i * 1e-4, HOME) for i in range(250)))
    assert len(history) == 100
    assert history.latest() == JointReading(249 * 1e-4, HOME)


def test_samples_stand_for_a_shutter_beside_them_only_when_near() -> None:
    samples = [JointReading(10.0, BENT)]
    for time_s in (9.9, 10.2):
        near = joints_from_samples(samples, time_s)
        assert near is not None
        assert near.angles == BENT
    assert joints_from_samples(samples, 10.3) is None
    assert joints_from_samples([], 10.0) is None


def test_of_samples_too_far_apart_the_nearer_one_counts() -> None:
    far = [JointReading(10.2, BENT), JointReading(9.9, HOME)]
    near = joints_from_samples(far, 10.0)
    assert near is not None
    assert (near.angles, near.speed_deg_s) == (HOME, None)
    assert near.age_s == pytest.approx(0.1)

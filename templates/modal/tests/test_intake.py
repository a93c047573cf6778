"""How frames come in: order, identity, poses that come late, what the trainer is given, a full disk."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rig import ZEROS, Rig, mask_png, opened, picture, pose_at, until

from live_splat.kinematics import camera_to_world


def test_numbers_frames_from_1_without_gaps_for_the_refused(rig: Rig) -> None:
    rig.upload(1, frame_id="f1")
    rig.upload(2, frame_id="f2")
    assert rig.refused(picture(3)[:100], frame_id="torn").code == "bad_image"
    assert rig.refused(b"a text", frame_id="text").code == "unsupported_media"
    answer = rig.upload(4, frame_id="f4")
    assert answer["frame_count"] == 3
    listed = [(f["frame_id"], f["index"], f["accepted"]) for f in rig.scene.frames()]
    assert listed == [
        ("f1", 1, True),
        ("f2", 2, True),
        ("f4", 3, True),
        ("torn", 0, False),
        ("text", 0, False),
    ]
    assert "does not decode" in rig.frame("torn")["reason"]
    status = rig.scene.status()
    assert (status["frame_count"], status["rejected_count"], status["durable_through"]) == (3, 2, 3)


def test_counts_a_frame_once_however_often_and_however_concurrently_it_is_sent(rig: Rig) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: rig.upload(1, frame_id="same"), range(16)))
    assert sum(not answer["duplicate"] for answer in answers) == 1
    assert {answer["pose_source"] for answer in answers} == {"default"}
    assert rig.scene.status()["frame_count"] == 1
    conflict = rig.refused(picture(2), frame_id="same")
    assert (conflict.code, rig.scene.status()["rejected_count"]) == ("conflict", 0)


def test_frames_sent_at_once_all_get_an_index_of_their_own(rig: Rig) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: rig.upload(seed, frame_id=f"f{seed}"), range(24)))
    assert [frame["index"] for frame in rig.scene.frames()] == list(range(1, 25))
    until(lambda: set(rig.training.frames) == set(range(1, 25)))


def test_a_repeat_of_a_frame_that_was_refused_is_looked_at_again(rig: Rig) -> None:
    torn = picture(1)[:100]
    assert rig.refused(torn, frame_id="a").code == "bad_image"
    assert rig.refused(torn, frame_id="a").code == "bad_image"
    assert not rig.upload(1, frame_id="a")["duplicate"]


def test_acknowledges_a_duplicate_even_after_the_capture_is_finished(rig: Rig) -> None:
    rig.upload(1, frame_id="a")
    assert rig.scene.stop(0.0, 10.0)["complete"]
    assert rig.upload(1, frame_id="a")["duplicate"]
    assert rig.refused(picture(2)).code == "stopped"


def test_refuses_to_mix_given_poses_with_the_arms(rig: Rig) -> None:
    rig.upload(1, camera_to_world=pose_at(0))
    assert rig.refused(picture(2)).code == "conflict"
    assert rig.upload(3, camera_to_world=pose_at(1))["frame_count"] == 2


def test_a_frame_waits_for_the_reading_after_its_shutter(rig: Rig) -> None:
    shutter_s = time.time()
    rig.scene.update_joints(ZEROS, shutter_s - 0.1)
    answer = rig.upload(1, frame_id="late", captured_at=shutter_s)
    assert (answer["pose_source"], answer["joints_age_s"]) == ("pending", pytest.approx(0.1))
    rig.scene.update_joints([0.2, 0, 0, 0, 0, 0], shutter_s + 0.1)
    # On a machine that is busy enough the 250 ms are over before.
    assert rig.frame("late")["pose_source"] in ("interpolated", "latest")
    until(lambda: 1 in rig.training.frames)


def test_a_late_pose_is_the_interpolated_one_and_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live_splat.session.placing.POSE_PATIENCE_S", 30.0)
    with opened(tmp_path) as rig:
        shutter_s = time.time()
        rig.scene.update_joints(ZEROS, shutter_s - 0.1)
        rig.upload(1, frame_id="late", captured_at=shutter_s)
        assert rig.training.frames == {}
        rig.scene.update_joints([0.2, 0, 0, 0, 0, 0], shutter_s + 0.1)
        frame = rig.frame("late")
        assert (frame["pose_source"], frame["joints_age_s"]) == ("interpolated", pytest.approx(0.1))
        wanted = camera_to_world([0.1, 0, 0, 0, 0, 0], ZEROS[:5], rig.scene.session.settings.camera_mount)
        np.testing.assert_allclose(frame["camera_to_world"], wanted, atol=1e-6)
        np.testing.assert_allclose(rig.training.frames[1].camera.camera_to_world, wanted, atol=1e-6)
    with opened(tmp_path) as again:
        assert again.frame("late") | {"psnr": None} == frame | {"psnr": None}


def test_makes_do_with_the_latest_joints_when_the_reading_does_not_come(rig: Rig) -> None:
    rig.scene.update_joints(ZEROS, time.time() - 0.1)
    rig.upload(1, captured_at=time.time())
    until(lambda: 1 in rig.training.frames)
    assert rig.scene.frames()[0]["pose_source"] == "latest"


def test_a_stop_does_not_wait_for_readings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live_splat.session.placing.POSE_PATIENCE_S", 600.0)
    with opened(tmp_path) as rig:
        rig.scene.update_joints(ZEROS, time.time() - 0.1)
        assert rig.upload(1, captured_at=time.time())["pose_source"] == "pending"
        assert rig.scene.stop(0.0, 10.0)["complete"]
        assert rig.scene.frames()[0]["pose_source"] == "latest"
        assert 1 in rig.training.frames


def test_refuses_a_reading_that_is_not_dated_in_unix_seconds(rig: Rig) -> None:
    with pytest.raises(Exception, match="lies in the future"):
        rig.scene.update_joints(ZEROS, time.time() * 1000)
    assert rig.scene.status()["joints_age_s"] is None
    rig.scene.update_joints([0.5] * 6, None)
    status = rig.scene.status()
    assert status["joint_angles"] == [0.5] * 6
    assert 0 <= status["joints_age_s"] < 60


def at_speed(speed_rad_s: float) -> dict[str, Any]:
    samples = [(10 + t, [t * speed_rad_s, 0, 0, 0, 0, 0]) for t in (-0.1, 0.1)]
    return {"captured_at": 10.0, "joint_samples": samples}


def test_leaves_out_frames_taken_while_the_arm_was_too_fast_and_keeps_them(rig: Rig) -> None:
    rig.patch(max_joint_speed_deg_s=30, chunk_every=2)
    rig.upload(1, **at_speed(0.2))
    rig.upload(2, **at_speed(2))
    rig.until(lambda status: status["chunks_uploaded"] == 1)
    assert list(rig.training.frames) == [1]
    status = rig.scene.status()
    assert (status["frame_count"], status["durable_through"]) == (2, 2)
    assert rig.scene.session.frames.trainable_count == 1


def test_holds_out_what_the_sender_or_holdout_every_says(rig: Rig) -> None:
    rig.patch(holdout_every=2)
    for seed, meta in enumerate([{}, {}, {"holdout": True}, {"holdout": False}]):
        rig.upload(seed, **meta)
    until(lambda: len(rig.training.frames) == 4)
    assert [frame.holdout for frame in rig.training.frames.values()] == [False, True, True, False]


def test_moves_with_the_mount_the_joint_zeros_and_the_clock(rig: Rig) -> None:
    rig.upload(1, captured_at=10.0, joint_samples=[(t, [t - 10, 0, 0, 0, 0, 0]) for t in (9.9, 10.1)])
    mount = {"parent": "gripper_link", "translation_m": [0, 0, 0.1], "rotation_wxyz": [1, 0, 0, 0]}
    rig.patch(camera_mount=mount, joint_zero_offsets_rad=[0, 0.1, 0, 0, 0], clock_offset_s=0.05)
    settings = rig.scene.session.settings
    wanted = camera_to_world([0.05, 0, 0, 0, 0, 0], [0, 0.1, 0, 0, 0], settings.camera_mount)
    np.testing.assert_allclose(rig.training.frames[1].camera.camera_to_world, wanted, atol=1e-9)
    np.testing.assert_allclose(rig.scene.frames()[0]["camera_to_world"], wanted, atol=1e-9)


def test_given_poses_stay_where_they_are(rig: Rig) -> None:
    rig.upload(1, frame_id="a", camera_to_world=pose_at(1))
    rig.patch(joint_zero_offsets_rad=[0, 0.1, 0, 0, 0])
    np.testing.assert_array_equal(rig.frame("a")["camera_to_world"], pose_at(1))


def test_says_that_another_camera_is_for_later_frames_only(rig: Rig) -> None:
    camera = {"model": "PINHOLE", "w": 32, "h": 24, "fl_x": 30, "fl_y": 30, "cx": 16, "cy": 12}
    rig.patch(camera=camera)
    rig.upload(1)
    assert rig.scene.status()["warnings"] == []
    rig.patch(camera={**camera, "fl_x": 31})
    rig.patch(camera={**camera, "fl_x": 31})
    assert rig.scene.status()["warnings"] == [
        "the camera was changed after frames were accepted: it applies to later frames only"
    ]
    rig.upload(2)
    until(lambda: len(rig.training.frames) == 2)
    assert [frame.camera.intrinsics.fx for frame in rig.training.frames.values()] == [30, 31]


def test_warns_when_nobody_gave_a_camera(rig: Rig) -> None:
    rig.upload(1, camera_to_world=pose_at(0))
    assert rig.scene.status()["warnings"] == [
        "no camera given: 60° of horizontal view assumed (PUT /scene sets it)"
    ]


def test_warns_at_the_fifth_frame_without_a_pose_until_one_has_a_pose(rig: Rig) -> None:
    warning = "no pose: every frame is placed at the same spot"
    for seed in range(5):
        assert warning not in rig.scene.status()["warnings"]
        rig.upload(seed)
    assert warning in rig.scene.status()["warnings"]
    rig.upload(6, joint_angles=[0.1, 0, 0, 0, 0, 0])
    assert warning not in rig.scene.status()["warnings"]


@pytest.mark.parametrize("what", ["000002.jpg", "000002.json"])
def test_a_full_disk_refuses_the_frame_and_takes_it_when_there_is_room_again(
    rig: Rig, tmp_path: Path, what: str
) -> None:
    rig.upload(1, frame_id="before")
    folder = tmp_path / "state" / "main" / "frames"
    kept = sorted(path.name for path in folder.iterdir())
    # No room for what is written there first, under this name.
    (folder / f"{what}.part").symlink_to("/dev/full")
    refusal = rig.refused(picture(2), frame_id="a")
    assert (refusal.code, refusal.status) == ("storage_full", 507)
    assert refusal.retry_after_s is not None
    assert sorted(path.name for path in folder.iterdir()) == kept
    status = rig.scene.status()
    assert (status["frame_count"], status["rejected_count"], status["state"]) == (1, 0, "training")
    assert status["durable_through"] == 1
    step = rig.training.step
    until(lambda: rig.training.step > step)
    assert rig.upload(2, frame_id="a")["frame_count"] == 2
    assert [frame["index"] for frame in rig.scene.frames()] == [1, 2]


def test_a_mask_is_for_the_trainer_and_can_be_taken_back(rig: Rig) -> None:
    png = mask_png()
    rig.scene.set_mask(png)
    assert rig.scene.mask_png == png
    assert rig.training.mask is not None
    assert rig.training.mask.shape == (6, 8)
    rig.scene.set_mask(None)
    assert (rig.scene.mask_png, rig.training.mask) == (None, None)


def test_frames_and_settings_change_at_once_without_a_frame_left_behind(rig: Rig) -> None:
    """Every frame ends where the last settings put it, whichever of the two came first."""
    stop = threading.Event()

    def keep_patching() -> None:
        zero = 0.0
        while not stop.is_set():
            zero += 0.01
            rig.patch(joint_zero_offsets_rad=[zero, 0, 0, 0, 0])

    patching = threading.Thread(target=keep_patching)
    patching.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda seed: rig.upload(seed, joint_angles=ZEROS), range(20)))
    stop.set()
    patching.join()
    settings = rig.scene.session.settings
    wanted = camera_to_world(ZEROS, settings.joint_zero_offsets_rad, settings.camera_mount)
    for frame in rig.scene.frames():
        np.testing.assert_allclose(frame["camera_to_world"], wanted, atol=1e-12)
    for trained in rig.training.frames.values():
        np.testing.assert_allclose(trained.camera.camera_to_world, wanted, atol=1e-12)

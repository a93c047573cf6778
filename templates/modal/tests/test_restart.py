"""What a session is after its process ended, in whichever way: nothing that was accepted is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rig import ZEROS, Rig, mask_png, opened, picture, until

from live_splat.session.intake import NO_CAMERA
from live_splat.session.joints import JointReading


def with_frames(rig: Rig, count: int) -> dict[str, Any]:
    for seed in range(1, count + 1):
        rig.upload(seed, frame_id=f"f{seed}", joint_angles=[seed / 10, 0, 0, 0, 0, 0])
    return rig.until(lambda status: status["gaussian_count"] > 0)


def without_psnr(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**frame, "psnr": None} for frame in frames]


def test_goes_on_where_it_stood(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        with_frames(first, 3)
        first.patch(max_gaussians=777, finish_seconds=3)
        first.scene.set_mask(mask_png())
        first.refused(b"no picture")
        first.scene.update_joints([0.5, 0, 0, 0, 0, 0.1], None)
        before, frames = first.scene.status(), first.scene.frames()
    with opened(tmp_path) as second:
        after = second.scene.status()
        assert after["session_id"] == before["session_id"]
        assert after["boot_id"] != before["boot_id"]
        for key in ("frame_count", "durable_through", "rejected_count"):
            assert after[key] == before[key]
        assert after["gaussian_count"] >= before["gaussian_count"] > 0
        assert after["version"] > before["version"]
        assert after["step"] >= before["step"]
        assert after["joint_angles"] == [0.5, 0, 0, 0, 0, 0.1]
        described = second.scene.describe()
        assert (described["max_gaussians"], described["finish_seconds"]) == (777, 3)
        assert second.scene.mask_png == mask_png()
        assert second.training.mask is not None
        until(lambda: second.training.restored is not None)
        assert sorted(second.training.frames) == [1, 2, 3]
        assert second.training.restored.step == after["step"]
        accepted = [frame for frame in frames if frame["accepted"]]
        assert without_psnr(second.scene.frames()) == without_psnr(accepted)
        assert second.upload(2, frame_id="f2")["duplicate"] is True
        assert second.upload(9, frame_id="f9", joint_angles=ZEROS)["frame_count"] == 4


def test_frames_that_come_while_the_old_ones_are_decoded_are_trained_on_too(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        with_frames(first, 2)
    with opened(tmp_path) as second:
        second.upload(3, frame_id="f3", joint_angles=ZEROS)
        until(lambda: sorted(second.training.frames) == [1, 2, 3])
        until(lambda: second.training.restored is not None)


def test_pictures_are_decoded_when_the_trainer_needs_them(tmp_path: Path) -> None:
    lens = {"model": "OPENCV", "w": 32, "h": 24, "fl_x": 30, "fl_y": 30, "cx": 16, "cy": 12, "k1": 0.1}
    with opened(tmp_path, max_pixels=500) as first:
        first.patch(camera=lens)
        with_frames(first, 2)
        # Frames keep the lens that they came with.
        first.patch(camera={**lens, "fl_x": 60, "k1": 0})
        before = dict(first.training.frames)
    with opened(tmp_path, max_pixels=500) as second:
        until(lambda: sorted(second.training.frames) == [1, 2])
        for index, frame in second.training.frames.items():
            assert frame.picture is None
            assert frame.camera.intrinsics == before[index].camera.intrinsics
            picture = second.training.archive.read(index)
            assert np.array_equal(picture.rgb, before[index].picture.rgb)
            # One for all frames of a lens.
            assert picture.mask is second.training.archive.read(1).mask
        second.upload(3, frame_id="f3", joint_angles=ZEROS)
        assert second.training.frames[3].picture is not None
        assert second.training.archive.read(3) is not None


def test_a_picture_that_rots_later_is_told_of(tmp_path: Path) -> None:
    with opened(tmp_path) as rig:
        with_frames(rig, 2)
        (tmp_path / "state" / "main" / "frames" / "000002.jpg").write_text("rotten")
        assert rig.training.archive.read(1) is not None
        assert rig.scene.status()["warnings"] == [NO_CAMERA]
        assert rig.training.archive.read(2) is None
        assert rig.training.archive.read(7) is None
        [_, warning] = rig.scene.status()["warnings"]
        assert '"f2" is not trained on any more' in warning
        assert rig.scene.status()["frame_count"] == 2


def test_is_closed_in_order_and_once(tmp_path: Path) -> None:
    with opened(tmp_path) as rig:
        with_frames(rig, 1)
        scene, training = rig.scene, rig.training
        rig.scenes.close(20.0)
        assert training.is_closed
        with pytest.raises(Exception, match="shutting down") as refused:
            scene.status()
        assert refused.value.retry_after_s is not None
        with pytest.raises(Exception, match="shutting down"):
            rig.scenes.get(None)
        rig.scenes.close()


def test_finishes_what_was_being_finished_and_stays_finished(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        with_frames(first, 2)
        first.training.paused = True
        assert first.scene.stop(0.05, 0.0)["complete"] is False
    with opened(tmp_path) as second:
        done = second.until(lambda status: status["state"] == "complete")
        assert (done["progress"], done["chunks_uploaded"], done["frame_count"]) == (1.0, 1, 2)
    with opened(tmp_path) as third:
        status = third.scene.status()
        assert (status["state"], status["progress"], status["chunks"]) == ("complete", 1.0, done["chunks"])
        assert status["gaussian_count"] == done["gaussian_count"]
        assert third.refused(picture(5)).code == "stopped"
        assert third.scene.stop(None, 1.0)["chunks"] == done["chunks"]
        assert third.training.frames == {}


def test_versions_never_fall_even_when_nothing_was_saved(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    with_frames(rig, 1)
    until(lambda: rig.scene.session.saver is not None)
    version = rig.scene.status()["version"]
    # As a kill leaves it: nothing is closed, and what a killed process held is free.
    shutil.copytree(tmp_path, tmp_path.with_name("killed"), ignore=shutil.ignore_patterns("*.part"))
    rig.scenes.close()
    with opened(tmp_path.with_name("killed")) as second:
        after = second.until(lambda status: status["gaussian_count"] > 0)
        assert after["version"] > version
        assert after["frame_count"] == 1


def test_versions_stay_below_the_ceiling_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live_splat.session.snapshot_slot.RESERVE", 10)
    with opened(tmp_path) as rig:
        record = tmp_path / "state" / "main" / "session.json"
        with_frames(rig, 1)
        training = rig.training
        for _ in range(40):
            snapshot = training.snapshot()
            rig.scene.session.show(snapshot.gaussians, snapshot.step)
            ceiling = rig.scene.session.slot.ceiling
            until(lambda ceiling=ceiling: json.loads(record.read_text())["version_ceiling"] >= ceiling)
        assert rig.scene.status()["version"] >= 40


def test_sets_damaged_frames_aside_and_goes_on_with_the_others(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        with_frames(first, 4)
    folder = tmp_path / "state" / "main" / "frames"
    (folder / "000001.json").write_text("{")
    (folder / "000002.jpg").write_text("rotten")
    record = json.loads((folder / "000003.json").read_text())
    (folder / "000003.json").write_text(json.dumps({**record, "camera_to_world": [1, 2]}))
    with opened(tmp_path) as second:
        second.until(lambda status: status["frame_count"] == 1)
        until(lambda: list(second.training.frames) == [4])
        assert [frame["frame_id"] for frame in second.scene.frames()] == ["f4"]
        told = [text for text in second.scene.status()["warnings"] if "set aside" in text]
        assert len(told) == 3
        assert second.upload(2, frame_id="f2", joint_angles=ZEROS)["duplicate"] is False
        assert [frame["index"] for frame in second.scene.frames()] == [4, 5]


def test_places_frames_by_the_settings_in_force(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        with_frames(first, 2)
        first.patch(joint_zero_offsets_rad=[0.2, 0, 0, 0, 0])
        before = [frame["camera_to_world"] for frame in first.scene.frames()]
    with opened(tmp_path) as second:
        assert [frame["camera_to_world"] for frame in second.scene.frames()] == before
        until(lambda: len(second.training.frames) == 2)
        assert second.training.frames[2].camera.camera_to_world.tolist() == before[1]


@pytest.mark.parametrize("damage", ["{", "{}", "[]"])
def test_takes_what_a_damaged_record_said_from_the_newest_checkpoint(tmp_path: Path, damage: str) -> None:
    with opened(tmp_path) as first:
        with_frames(first, 2)
        first.patch(max_gaussians=777)
        session_id = first.scene.session_id
    (tmp_path / "state" / "main" / "session.json").write_text(damage)
    with opened(tmp_path) as second:
        status = second.scene.status()
        assert (status["frame_count"], status["session_id"]) == (2, session_id)
        assert second.scene.describe()["max_gaussians"] == 777
        assert "session.json" in "".join(status["warnings"])


@pytest.mark.parametrize("damage", ["{", "{}"])
def test_begins_a_new_session_when_nothing_tells_of_the_old_one(tmp_path: Path, damage: str) -> None:
    with opened(tmp_path) as first:
        with_frames(first, 1)
        session_id = first.scene.session_id
    (tmp_path / "state" / "main" / "session.json").write_text(damage)
    shutil.rmtree(tmp_path / "state" / "main" / "checkpoints")
    with opened(tmp_path) as second:
        status = second.scene.status()
        assert (status["frame_count"], status["state"]) == (0, "idle")
        assert status["session_id"] != session_id
        assert "set aside" in "".join(status["warnings"])
        assert (tmp_path / "state" / "main.damaged" / "frames" / "000001.jpg").exists()
        assert second.upload(1, frame_id="f1")["frame_count"] == 1
        session_id = second.scene.session_id
    with opened(tmp_path) as third:
        assert third.scene.status()["session_id"] == session_id
        assert third.scene.status()["frame_count"] == 1


def test_trains_anew_from_the_frames_when_no_checkpoint_is_left(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        with_frames(first, 1)
    for path in (tmp_path / "state" / "main" / "checkpoints").iterdir():
        path.write_text("rotten")
    with opened(tmp_path) as second:
        status = second.until(lambda status: status["gaussian_count"] > 0)
        assert second.training.restored is None
        assert status["frame_count"] == 1
        assert status["warnings"] != []


def test_a_rotten_mask_is_set_aside(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        first.scene.set_mask(mask_png())
    (tmp_path / "state" / "main" / "mask.png").write_bytes(mask_png()[:50])
    with opened(tmp_path) as second:
        assert second.scene.mask_png is None
        assert "mask.png" in "".join(second.scene.status()["warnings"])


def test_chunks_go_on_with_their_numbers(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        first.patch(chunk_every=1)
        with_frames(first, 1)
        [chunk] = first.until(lambda status: len(status["chunks"]) == 1)["chunks"]
    with opened(tmp_path) as second:
        assert second.scene.status()["chunks"] == [chunk]
        assert second.scene.status()["chunks_uploaded"] == 1
        second.upload(2, joint_angles=ZEROS)
        again = second.until(lambda status: len(status["chunks"]) == 2)["chunks"]
        assert again[0] == chunk
        assert (again[1]["name"], again[1]["first_frame"]) == ("chunk_0002.ply", 2)


def test_readings_of_before_are_there_for_frames_between(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        with_frames(first, 1)
        for time_s in (100.0, 100.1):
            first.scene.update_joints(ZEROS, time_s)
    with opened(tmp_path) as second:
        second.scene.update_joints(ZEROS, 100.2)
        readings = second.scene.session.placing.readings()
        assert readings == [JointReading(time_s, (0.0,) * 6) for time_s in (100.0, 100.1, 100.2)]
        assert second.upload(5, captured_at=100.15)["pose_source"] == "interpolated"


def test_saves_within_its_deadline_though_the_trainer_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live_splat.session.session.COMMIT_RESERVE_S", 0.5)
    monkeypatch.setattr("live_splat.session.session.LET_GO_S", 0.1)
    rig = Rig(tmp_path)
    with_frames(rig, 2)
    session_id = rig.scene.session_id
    hanging = rig.training
    # A kernel that never ends: every question waits, and so does the end of the thread.
    assert hanging._lock.acquire()
    rig.scenes.close(1.0)
    with opened(tmp_path) as second:
        status = second.until(lambda status: status["gaussian_count"] > 0)
        assert (status["session_id"], status["frame_count"]) == (session_id, 2)
    hanging._lock.release()


def test_a_commit_makes_frames_durable_and_closing_commits_the_rest(tmp_path: Path) -> None:
    commits: list[int] = []
    frames = tmp_path / "state" / "main" / "frames"

    def commit() -> None:
        commits.append(len(list(frames.glob("*.json"))))

    with opened(tmp_path, commit=commit) as rig:
        rig.upload(1)
        rig.until(lambda status: status["durable_through"] == 1)
        rig.upload(2)
    assert commits[-1] == 2

"""A capture from its first frame to its end: status, chunks, snapshots, stop, failure, reset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ply_reader import read_ply
from rig import ZEROS, Rig, mask_png, opened, orbit, progress, until
from scripted_training import made_up

from live_splat.contract import default_settings
from live_splat.http.events import EventHub
from live_splat.splat.gaussians import Gaussians
from live_splat.training import Snapshot


def test_an_empty_scene_is_idle(rig: Rig) -> None:
    status = rig.scene.status()
    assert {"session_id", "boot_id"} <= status.keys()
    assert status | {"session_id": "", "boot_id": "", "updated_at": 0.0} == {
        "session_id": "",
        "boot_id": "",
        "state": "idle",
        "frame_count": 0,
        "rejected_count": 0,
        "gaussian_count": 0,
        "step": 0,
        "steps_per_second": 0.0,
        "progress": 0.0,
        "psnr_train": None,
        "psnr_holdout": None,
        "latency_ms": {"accepted": {"p50": None, "p95": None}, "trained": {"p50": None, "p95": None}},
        "durable_through": 0,
        "chunks_uploaded": 0,
        "chunks": [],
        "joint_angles": ZEROS,
        "joints_age_s": None,
        "version": 0,
        "engine": {"name": "scripted", "device": "cpu", "threads": 1},
        "memory_bytes": 0,
        "warnings": [],
        "last_error": None,
        "updated_at": 0.0,
    }
    assert rig.scene.splat("ply", None) is None


def test_settings_of_a_new_scene_go_by_the_device_unless_somebody_says(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as rig:
        assert rig.scene.session.settings == default_settings(20_000)
    with opened(tmp_path / "b", max_gaussians=5000) as rig:
        assert rig.scene.describe()["max_gaussians"] == 5000
        assert rig.training.settings.max_gaussians == 5000


def test_describes_what_is_in_force(rig: Rig) -> None:
    rig.patch(refine={"exposure": True}, bounds={"min_m": [-1, -1, 0], "max_m": [1, 1, 1]}, sh_degree=1)
    described = rig.scene.describe()
    assert described["refine"]["exposure"] is True
    assert described["refine"]["poses"] is False
    assert set(described["refined"]) == {
        "camera",
        "camera_mount",
        "joint_zero_offsets_rad",
        "clock_offset_s",
    }
    settings = rig.training.settings
    assert (settings.exposure, settings.sh_degree) == (True, 1)
    assert settings.bounds == ((-1, -1, 0), (1, 1, 1))
    calibration = rig.scene.calibration()
    assert len(calibration["joint_zero_offsets_rad"]["prior"]) == 5
    assert calibration["session_id"] == rig.scene.session_id


def test_progress_counts_the_steps_that_trainable_frames_call_for(rig: Rig) -> None:
    session = rig.scene.session
    rig.upload(1, holdout=True)
    session._on_training(progress(500))
    assert rig.scene.status()["progress"] == 0
    orbit_rig = rig.training
    orbit_rig.paused = True
    rig.upload(2)
    rig.upload(3)
    assert rig.scene.status()["progress"] == 0.999
    rig.upload(4, frame_id="x")
    for seed in range(5, 25):
        rig.upload(seed)
    assert rig.scene.status()["progress"] == pytest.approx(500 / (30 * 23))
    assert rig.scene.status()["memory_bytes"] == 7


def test_events_overtake_each_others_step_but_never_undo_it(rig: Rig) -> None:
    session = rig.scene.session
    rig.training.paused = True
    rig.upload(1, frame_id="a")
    session._on_training(Snapshot(50, made_up(3, 0)))
    session._on_training(progress(40, psnr_train=21.0, frame_psnr={1: 22.5, 9: 1.0}))
    session._on_training(progress(45, psnr_train=float("nan"), psnr_holdout=float("inf")))
    session.save_record()
    status = rig.scene.status()
    assert (status["step"], status["psnr_train"], status["psnr_holdout"]) == (50, 21.0, None)
    assert rig.frame("a")["psnr"] == 22.5


def test_a_snapshot_has_a_version_an_etag_and_only_sound_gaussians(rig: Rig) -> None:
    session = rig.scene.session
    scene = made_up(4, 0)
    scene.means[2] = np.nan
    session.show(scene, 1)
    splat = rig.scene.splat("ply", None)
    assert splat is not None
    assert (splat.version, splat.count) == (1, 3)
    assert read_ply(splat.encode()).means[:, 0].tolist() == [0, 1, 3]
    some = rig.scene.splat("ply", 2)
    assert some is not None
    assert (some.version, some.count) == (1, 2)
    # The most opaque.
    assert read_ply(some.encode()).means[:, 0].tolist() == [1, 3]
    etags = {splat.etag, some.etag, *(rig.scene.splat(kind, None).etag for kind in ("splat", "spz"))}
    assert len(etags) == 4
    assert all(etag.startswith('"') and etag.endswith('"') for etag in etags)
    session.show(made_up(1, 0), 2)
    newer = rig.scene.splat("ply", None)
    assert newer is not None
    assert newer.version == 2
    assert newer.etag not in etags
    # Whoever began to read the one before gets it whole.
    assert read_ply(splat.encode()).count == 3
    session.show(made_up(0, 0), 3)
    assert (rig.scene.splat("ply", None), rig.scene.status()["version"]) == (None, 3)


def test_writes_a_chunk_when_that_many_frames_have_been_in_a_step(rig: Rig, tmp_path: Path) -> None:
    rig.patch(chunk_every=2)
    orbit(rig, 3)
    status = rig.until(lambda status: len(status["chunks"]) > 0)
    [chunk] = status["chunks"]
    assert status["chunks_uploaded"] == 1
    assert (chunk["name"], chunk["index"], chunk["first_frame"], chunk["last_frame"]) == (
        "chunk_0001.ply",
        1,
        1,
        2,
    )
    assert chunk["key"] == f"scenes/main/{rig.scene.session_id}/chunk_0001.ply"
    data = (tmp_path / "bucket" / chunk["key"]).read_bytes()
    assert read_ply(data).count == chunk["gaussian_count"] > 0
    told = tmp_path / "bucket" / "scenes" / "main" / "status.json"
    until(lambda: told.exists() and json.loads(told.read_text())["chunks"] == [chunk])
    status_json = json.loads(told.read_text())
    assert (status_json["state"], status_json["complete"]) == ("training", False)


def test_held_out_frames_count_for_chunks(rig: Rig) -> None:
    rig.patch(chunk_every=2)
    rig.training.paused = True
    rig.upload(1)
    rig.upload(2, holdout=True)
    assert rig.scene.status()["chunks"] == []
    rig.training.paused = False
    assert rig.until(lambda status: len(status["chunks"]) > 0)["chunks"][0]["last_frame"] == 2


def test_failed_training_fails_the_session_and_keeps_what_there_is(rig: Rig) -> None:
    orbit(rig, 2)
    rig.until(lambda status: status["gaussian_count"] > 0)
    rig.training.fail("out of memory")
    status = rig.scene.status()
    assert (status["state"], status["last_error"]) == ("failed", "training failed: out of memory")
    assert rig.scene.splat("ply", None) is not None
    assert rig.scene.stop(1.0, 18.0)["complete"] is False
    rig.scene.reset()
    fresh = rig.scene.status()
    assert (fresh["state"], fresh["last_error"]) == ("idle", None)


def test_a_reset_forgets_everything_but_the_settings_and_the_mask(rig: Rig, tmp_path: Path) -> None:
    rig.patch(max_gaussians=888)
    rig.scene.set_mask(mask_png())
    orbit(rig, 2)
    rig.scene.update_joints(ZEROS, None)
    before = rig.until(lambda status: status["gaussian_count"] > 0)
    old = rig.training
    rig.scene.reset()
    after = rig.scene.status()
    assert after["session_id"] != before["session_id"]
    assert after["boot_id"] == before["boot_id"]
    assert (after["state"], after["frame_count"], after["gaussian_count"], after["step"]) == (
        "idle",
        0,
        0,
        0,
    )
    assert (after["chunks"], after["warnings"], after["joints_age_s"]) == ([], [], None)
    assert (after["version"], after["durable_through"]) == (0, 0)
    assert rig.scene.frames() == []
    assert rig.scene.describe()["max_gaussians"] == 888
    assert rig.scene.mask_png == mask_png()
    assert rig.training.mask is not None
    assert old.is_closed
    assert list((tmp_path / "state" / "main" / "frames").iterdir()) == []
    assert rig.upload(0, frame_id="orbit-0")["duplicate"] is False


def test_chunks_of_a_session_stay_when_it_is_reset(rig: Rig, tmp_path: Path) -> None:
    rig.patch(chunk_every=1)
    orbit(rig, 1)
    [chunk] = rig.until(lambda status: len(status["chunks"]) == 1)["chunks"]
    rig.scene.reset()
    assert (tmp_path / "bucket" / chunk["key"]).exists()
    named = json.loads((tmp_path / "bucket" / chunk["key"]).parent.joinpath("status.json").read_text())
    assert named["chunks"] == [chunk]


def test_a_chunk_that_finds_no_room_is_told_and_written_later(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live_splat.session.chunk_schedule.RETRY_S", 0.05)
    rig.patch(chunk_every=1)
    place = tmp_path / "bucket" / "scenes" / "main" / rig.scene.session_id
    place.mkdir(parents=True, exist_ok=True)
    (place / "chunk_0001.ply.part").symlink_to("/dev/full")
    orbit(rig, 1)
    rig.until(lambda status: status["last_error"] is not None)
    assert "a chunk was not written" in rig.scene.status()["last_error"]
    assert rig.until(lambda status: len(status["chunks"]) == 1)["state"] == "training"


def test_tells_listeners_of_frames_chunks_snapshots_and_warnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(EventHub, "publish", lambda _, event, data: told.append((event, data)))
    with opened(tmp_path) as rig:
        rig.patch(chunk_every=1)
        rig.upload(1, frame_id="a")
        rig.refused(b"", frame_id="b")
        rig.until(lambda status: len(status["chunks"]) == 1)
        until(lambda: {event for event, _ in told} >= {"frame", "chunk", "splat", "warning"})
    frames = [data for event, data in told if event == "frame"]
    assert [(frame["frame_id"], frame["accepted"]) for frame in frames] == [("a", True), ("b", False)]
    splat = next(data for event, data in told if event == "splat")
    assert splat == {"version": 1, "gaussian_count": 10}


def test_latencies_are_measured_from_the_shutter(rig: Rig) -> None:
    rig.upload(1)
    rig.upload(2, captured_at=5.0, joint_angles=ZEROS)
    latency = rig.until(lambda status: status["latency_ms"]["trained"]["p50"] is not None)["latency_ms"]
    assert latency["accepted"]["p50"] >= 0
    # A picture of long ago measures nothing.
    assert latency["accepted"]["p95"] < 60_000
    assert latency["trained"]["p95"] < 60_000


def test_joints_and_other_work_are_known_apart_and_status_is_neither(rig: Rig) -> None:
    rig.scene.last_work_s = rig.scene.last_joints_s = 0.0
    rig.scene.status()
    rig.scene.frames()
    assert (rig.scene.last_work_s, rig.scene.last_joints_s) == (0.0, 0.0)
    rig.scene.update_joints(ZEROS, None)
    assert rig.scene.last_joints_s > rig.scene.last_work_s == 0.0
    rig.upload(1)
    assert rig.scene.last_work_s > 0.0


def test_gaussians_of_no_kind_make_no_chunk(rig: Rig) -> None:
    rig.training.paused = True
    rig.patch(chunk_every=1)
    orbit(rig, 1)
    hollow = made_up(1, 0)
    hollow.means[:] = np.inf
    rig.training._gaussians = Gaussians(
        hollow.means, hollow.log_scales, hollow.quats, hollow.opacities, hollow.sh
    )
    rig.scene.session.schedule.write_final()
    assert rig.scene.status()["chunks"] == []

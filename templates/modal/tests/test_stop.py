"""The stop of a session: its last chunk, its time, what it answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rig import Rig, orbit, picture, progress, until
from scripted_training import made_up

from live_splat.refusal import RefusalError
from live_splat.training import Finished


def test_stops_with_a_last_chunk_and_answers_the_same_again(rig: Rig, tmp_path: Path) -> None:
    rig.patch(chunk_every=2)
    orbit(rig, 3)
    rig.until(lambda status: status["gaussian_count"] > 0)
    stopped = rig.scene.stop(0.3, 18.0)
    status = rig.scene.status()
    assert stopped["complete"] is True
    assert (status["state"], status["progress"], status["frame_count"]) == ("complete", 1.0, 3)
    assert stopped["chunks"] == status["chunks"]
    last = stopped["chunks"][-1]
    splat = rig.scene.splat("ply", None)
    assert splat is not None
    assert (last["last_frame"], last["gaussian_count"]) == (3, splat.count)
    assert rig.scene.stop(None, 18.0) == stopped
    assert rig.scene.splat("ply", None).etag == splat.etag
    told = json.loads((tmp_path / "bucket" / "scenes" / "main" / "status.json").read_text())
    assert (told["complete"], told["chunks"]) == (True, stopped["chunks"])


def test_a_stop_gives_each_frame_its_steps_and_never_more_time_than_asked(rig: Rig) -> None:
    asked: list[dict[str, float]] = []
    rig.training.paused = True
    rig.training.finish = lambda **budget: asked.append(budget)  # type: ignore[method-assign]
    rig.upload(1)
    rig.upload(2)
    rig.upload(3, holdout=True)
    session = rig.scene.session
    session._on_training(progress(150))
    answer = rig.scene.stop(5.0, 0.0)
    assert answer["complete"] is False
    until(lambda: len(asked) == 1)
    assert asked[0]["steps"] == 60
    assert rig.scene.status()["state"] == "finishing"
    assert rig.refused(picture(9)).code == "stopped"
    assert rig.scene.stop(500.0, 0.0)["complete"] is False
    session._on_training(Finished(210, made_up(5, 0)))
    rig.until(lambda status: status["state"] == "complete")
    assert len(asked) == 1


def test_a_scene_without_frames_stops_at_once_with_no_chunk(rig: Rig) -> None:
    assert rig.scene.stop(60.0, 18.0) | rig.scene.identity() == {
        **rig.scene.identity(),
        "success": True,
        "chunks": [],
        "complete": True,
    }
    assert rig.refused(picture(1)).code == "stopped"


def test_a_stop_that_finds_no_room_says_so_and_can_be_asked_for_again(rig: Rig, tmp_path: Path) -> None:
    orbit(rig, 2)
    rig.until(lambda status: status["gaussian_count"] > 0)
    record = tmp_path / "state" / "main" / "session.json.part"
    record.symlink_to("/dev/full")
    with pytest.raises(RefusalError) as refused:
        rig.scene.stop(0.1, 18.0)
    assert refused.value.code == "storage_full"
    assert rig.scene.status()["state"] == "finishing"
    assert rig.scene.stop(0.1, 18.0)["complete"] is True


def test_a_failure_while_finishing_ends_the_wait(rig: Rig) -> None:
    orbit(rig, 1)
    rig.training.paused = True
    rig.scene.stop(600.0, 0.0)
    rig.training.fail("lost the GPU")
    assert rig.scene.stop(None, 18.0)["complete"] is False
    assert rig.scene.status()["state"] == "failed"

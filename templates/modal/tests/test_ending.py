"""The end of a capture when something fails: it is told when it is durable, and tried again by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rig import Rig, opened, picture

from live_splat.training import TrainerState


def blocked_record(folder: Path) -> Path:
    """The session's record cannot be written while this is there."""
    part = folder / "state" / "main" / "session.json.part"
    part.mkdir()
    return part


def test_is_in_a_commit_before_it_is_told(tmp_path: Path) -> None:
    safe: list[str] = []

    def commit() -> None:
        safe.append(json.loads((tmp_path / "state" / "main" / "session.json").read_text())["phase"])

    with opened(tmp_path, commit=commit) as rig:
        rig.upload(1)
        rig.until(lambda status: status["durable_through"] == 1)
        assert rig.scene.stop(0.0, 18.0)["complete"] is True
        assert safe[-1] == "complete"


def test_one_that_failed_is_tried_again_though_nobody_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live_splat.session.ending.RETRY_S", 0.05)
    with opened(tmp_path) as rig:
        rig.upload(1)
        rig.until(lambda status: status["gaussian_count"] > 0)
        blocked = blocked_record(tmp_path)
        with pytest.raises(OSError, match="directory"):
            rig.scene.stop(0.0, 18.0)
        assert rig.scene.status()["state"] == "finishing"
        blocked.rmdir()
        rig.until(lambda status: status["state"] == "complete")


def test_takes_no_frame_though_its_record_cannot_be_written(tmp_path: Path) -> None:
    with opened(tmp_path) as rig:
        rig.upload(1)
        blocked = blocked_record(tmp_path)
        with pytest.raises(OSError, match="directory"):
            rig.scene.stop(0.0, 18.0)
        assert rig.refused(picture(2)).code == "stopped"
        blocked.rmdir()


def test_a_trainer_that_breaks_at_the_end_costs_neither_the_commit_nor_its_own_end(tmp_path: Path) -> None:
    safe: list[int] = []

    def commit() -> None:
        safe.append(len(list((tmp_path / "state" / "main" / "frames").glob("*.json"))))

    rig = Rig(tmp_path, commit=commit)
    rig.upload(1)
    rig.until(lambda status: status["durable_through"] == 1)
    training = rig.training

    def broken() -> TrainerState | None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    training.checkpoint = broken  # type: ignore[method-assign]
    rig.upload(2)
    rig.scenes.close()
    assert safe[-1] == 2
    assert training.is_closed

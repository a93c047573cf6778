"""A reset on a disk and on a volume: it is whole, durable, and what is set meanwhile is not lost."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import pytest
from rig import mask_png, opened
from small_disk import small_disk

from live_splat.refusal import RefusalError
from live_splat.session.one_scene import open_session

__all__ = ["small_disk"]


class Volume:
    """What a new container would find of the default scene's record."""

    def __init__(self, folder: Path) -> None:
        self.record = folder / "state" / "main" / "session.json"
        self.safe: dict = {}
        self.error: Exception | None = None
        self.may_end = threading.Event()
        self.may_end.set()

    def commit(self) -> None:
        self.may_end.wait()
        if self.error is not None:
            raise self.error
        self.safe = json.loads(self.record.read_text())


def test_a_kill_in_the_midst_of_it_keeps_the_settings_and_the_mask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path / "a") as rig:
        rig.patch(max_gaussians=888)
        rig.scene.set_mask(mask_png())
        rig.upload(1)
        before = rig.scene.session_id

        def killed(*_: object) -> None:
            shutil.copytree(tmp_path / "a", tmp_path / "b")
            raise RuntimeError("killed")

        monkeypatch.setattr("live_splat.session.one_scene.open_session", killed)
        with pytest.raises(RuntimeError, match="killed"):
            rig.scene.reset()
    monkeypatch.setattr("live_splat.session.one_scene.open_session", open_session)
    with opened(tmp_path / "b") as rig:
        assert rig.scene.session_id != before
        assert rig.scene.status()["frame_count"] == 0
        assert rig.scene.describe()["max_gaussians"] == 888
        assert rig.scene.mask_png == mask_png()


def test_is_durable_on_a_volume_when_it_is_answered(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    with opened(tmp_path, commit=volume.commit) as rig:
        rig.upload(1)
        rig.until(lambda status: status["durable_through"] == 1)
        rig.scene.reset()
        assert volume.safe["session_id"] == rig.scene.session_id


def test_says_that_it_is_not_durable(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    with opened(tmp_path, commit=volume.commit) as rig:
        volume.error = RuntimeError("the service is away")
        rig.upload(1)
        rig.until(lambda status: any("not committed" in text for text in status["warnings"]))
        rig.scene.reset()
        (warning,) = rig.scene.status()["warnings"]
        assert "the volume was not committed (RuntimeError: the service is away)" in warning
        volume.error = None


def test_does_not_wait_for_ever_for_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live_splat.session.one_scene.RESET_COMMIT_S", 0.05)
    volume = Volume(tmp_path)
    with opened(tmp_path, commit=volume.commit) as rig:
        volume.may_end.clear()
        rig.scene.reset()
        assert "takes long to commit" in "".join(rig.scene.status()["warnings"])
        volume.may_end.set()
        rig.until(lambda status: status["warnings"] == [])


def test_leaves_the_session_as_it_is_without_room_for_the_next(small_disk: Path) -> None:
    with opened(small_disk) as rig:
        rig.training.paused = True
        rig.upload(1)
        before = rig.scene.session_id
        filler = small_disk / "filler"
        with pytest.raises(OSError, match="No space"):
            filler.write_bytes(bytes(1 << 20))
        with pytest.raises(RefusalError) as refused:
            rig.scene.reset()
        filler.unlink()
        assert refused.value.code == "storage_full"
        assert rig.scene.session_id == before
        assert rig.upload(2)["frame_count"] == 2


def test_what_is_set_meanwhile_is_for_the_session_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path) as rig:
        is_opening, may_open = threading.Event(), threading.Event()

        def slowly(*args: object) -> object:
            is_opening.set()
            may_open.wait()
            return open_session(*args)

        monkeypatch.setattr("live_splat.session.one_scene.open_session", slowly)
        work = [
            threading.Thread(target=rig.scene.reset),
            threading.Thread(target=rig.patch, kwargs={"max_gaussians": 999}),
            threading.Thread(target=rig.scene.set_mask, args=(mask_png(),)),
        ]
        work[0].start()
        is_opening.wait()
        for each in work[1:]:
            each.start()
            # Time enough for one that does not wait.
            each.join(0.2)
        may_open.set()
        for each in work:
            each.join()
        assert rig.scene.describe()["max_gaussians"] == 999
        assert rig.scene.mask_png == mask_png()

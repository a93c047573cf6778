from __future__ import annotations

import errno
from pathlib import Path
from threading import Event, Lock

import pytest
from r2_server import until
from session_folders import SESSION, image_of, open_folder, record_of

from live_splat.checkpoint import SessionFolder
from live_splat.refusal import RefusalError


class Volume:
    """A volume that is safe only once it was committed: ``safe`` is what a new container would find."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.safe: set[str] = set()
        self.commits = 0
        self.error: Exception | None = None
        self.fails_from = 1
        """The first commit that meets the error."""
        self.may_end = Event()
        self.may_end.set()
        self._lock = Lock()

    def commit(self) -> None:
        with self._lock:
            self.commits += 1
            there = {path.name for path in self.folder.rglob("*") if path.suffix != ".part"}
            self.may_end.wait()
            if self.error is not None and self.commits >= self.fails_from:
                raise self.error
            self.safe = there

    def safe_through(self) -> int:
        index = 0
        while {f"{index + 1:06d}.jpg", f"{index + 1:06d}.json"} <= self.safe:
            index += 1
        return index


class TestVolume:
    def test_frames_are_durable_only_once_a_commit_has_ended(self, tmp_path: Path) -> None:
        volume = Volume(tmp_path)
        folder, told = open_folder(tmp_path / "main", commit=volume.commit, commit_every_s=0.05)
        volume.may_end.clear()
        folder.write_frame(record_of(1), image_of(1))
        until(lambda: volume.commits == 1)
        folder.write_frame(record_of(2), image_of(2))
        assert folder.durable_through == 0
        volume.may_end.set()
        until(lambda: folder.durable_through == 2)
        assert volume.commits >= 2
        for index in range(3, 40):
            folder.write_frame(record_of(index), image_of(index))
            assert folder.durable_through <= volume.safe_through()
        assert folder.commit_now()
        assert folder.durable_through == volume.safe_through() == 39
        folder.close()
        assert told == []

    def test_does_not_commit_when_nothing_is_new(self, tmp_path: Path) -> None:
        volume = Volume(tmp_path)
        folder, _ = open_folder(tmp_path / "main", commit=volume.commit, commit_every_s=0.01)
        assert folder.commit_now()
        folder.close()
        assert volume.commits == 0

    def test_failures_are_told_tried_again_and_then_over(self, tmp_path: Path) -> None:
        volume = Volume(tmp_path)
        volume.error = RuntimeError("the service is away\nwith details")
        folder, told = open_folder(tmp_path / "main", commit=volume.commit, commit_every_s=0.02)
        folder.write_frame(record_of(1), image_of(1))
        until(lambda: volume.commits >= 3)
        assert told == [
            "the volume was not committed (RuntimeError: the service is away); "
            "what is new is not safe yet, the next try follows"
        ]
        assert not folder.commit_now()
        assert folder.durable_through == 0
        folder.write_frame(record_of(2), image_of(2))
        volume.error = None
        until(lambda: folder.durable_through == 2)
        until(lambda: told == [])
        folder.close()

    def test_a_full_volume_refuses_frames_until_there_is_room(self, tmp_path: Path) -> None:
        volume = Volume(tmp_path)
        volume.error = OSError(errno.ENOSPC, "No space left on device")
        folder, told = open_folder(tmp_path / "main", commit=volume.commit, commit_every_s=0.02)
        folder.write_frame(record_of(1), image_of(1))
        until(lambda: told)
        with pytest.raises(RefusalError) as raised:
            folder.write_frame(record_of(2), image_of(2))
        assert raised.value.code == "storage_full"
        assert not (tmp_path / "main/frames/000002.jpg").exists()
        volume.error = None
        until(lambda: folder.durable_through == 1)
        folder.write_frame(record_of(2), image_of(2))
        until(lambda: folder.durable_through == 2)
        folder.close()

    def test_frames_found_at_the_start_are_committed_before_they_count(self, tmp_path: Path) -> None:
        before, _ = open_folder(tmp_path / "main")
        before.write_frame(record_of(1), image_of(1))
        volume = Volume(tmp_path)
        volume.may_end.clear()
        folder, _ = open_folder(tmp_path / "main", commit=volume.commit)
        folder.read_frames()
        assert folder.durable_through == 0
        volume.may_end.set()
        until(lambda: folder.durable_through == 1)
        folder.close()

    def test_a_commit_of_before_a_reset_says_nothing_of_what_came_after(self, tmp_path: Path) -> None:
        volume = Volume(tmp_path)
        folder, _ = open_folder(tmp_path / "main", commit=volume.commit, commit_every_s=0.01)
        volume.may_end.clear()
        folder.write_frame(record_of(1), image_of(1))
        until(lambda: volume.commits == 1)
        folder.prepare_next(SESSION, None)
        folder.begin_next()
        folder.write_frame(record_of(1, image_of(9)), image_of(9))
        # The commit under way succeeds, and those after it do not.
        volume.error, volume.fails_from = RuntimeError("not now"), 2
        volume.may_end.set()
        until(lambda: volume.commits >= 3)
        assert folder.durable_through == 0
        volume.error = None
        until(lambda: folder.durable_through == 1)
        folder.close()

    def test_the_end_commits_what_is_new_and_waits_no_longer_than_it_may(self, tmp_path: Path) -> None:
        volume = Volume(tmp_path)
        folder, _ = open_folder(tmp_path / "main", commit=volume.commit, commit_every_s=1000)
        folder.write_frame(record_of(1), image_of(1))
        until(lambda: folder.durable_through == 1)
        folder.write_frame(record_of(2), image_of(2))
        folder.close()
        assert folder.durable_through == volume.safe_through() == 2
        hanging = Volume(tmp_path)
        hanging.may_end.clear()
        other, _ = open_folder(tmp_path / "main", commit=hanging.commit)
        other.write_frame(record_of(3), image_of(3))
        assert not other.commit_now(0.1)
        other.close(0.1)
        hanging.may_end.set()

    def test_a_frame_that_waits_for_its_pose_is_durable_only_with_it(self, tmp_path: Path) -> None:
        volume = Volume(tmp_path)
        folder, _ = open_folder(tmp_path / "main", commit=volume.commit, commit_every_s=0.01)
        folder.write_frame({**record_of(1), "pose_source": "pending"}, image_of(1))
        folder.write_frame(record_of(2), image_of(2))
        assert folder.commit_now()
        assert folder.durable_through == 0
        volume.may_end.clear()
        folder.write_frame_record({**record_of(1), "pose_source": "interpolated"})
        assert folder.durable_through == 0
        volume.may_end.set()
        until(lambda: folder.durable_through == 2)
        folder.close()

    def test_what_is_still_wrong_is_told_again_after_a_reset(self, tmp_path: Path) -> None:
        volume = Volume(tmp_path)
        volume.error = RuntimeError("away")
        told: list[str] = []
        folder = SessionFolder(tmp_path / "main", warn=told.append, commit=volume.commit, commit_every_s=0.01)
        folder.write_frame(record_of(1), image_of(1))
        until(lambda: len(told) == 1)
        folder.prepare_next(SESSION, None)
        folder.begin_next()
        until(lambda: len(told) == 2)
        assert told[0] == told[1]
        folder.close(0.0)

    def test_a_commit_that_is_waited_for_in_vain_is_told_until_it_has_ended(self, tmp_path: Path) -> None:
        volume = Volume(tmp_path)
        volume.may_end.clear()
        folder, told = open_folder(tmp_path / "main", commit=volume.commit)
        folder.write_frame(record_of(1), image_of(1))
        assert not folder.commit_now(0.01)
        assert told == ["the volume takes long to commit; what is new is not safe yet"]
        volume.may_end.set()
        until(lambda: told == [])
        folder.close()


def test_on_a_disk_too_a_frame_is_durable_only_with_its_pose(tmp_path: Path) -> None:
    folder, _ = open_folder(tmp_path / "main")
    folder.write_frame({**record_of(1), "pose_source": "pending"}, image_of(1))
    assert folder.durable_through == 0
    folder.write_frame_record({**record_of(1), "pose_source": "interpolated"})
    assert folder.durable_through == 1

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest
from session_folders import SESSION, assert_same, image_of, open_folder, record_of, state_of
from small_disk import small_disk

from live_splat.checkpoint import DamagedFrameError
from live_splat.refusal import RefusalError

__all__ = ["small_disk"]

NEXT = {**SESSION, "session_id": "another-id"}


class TestCheckpoints:
    def test_keeps_two_and_reads_the_newest(self, tmp_path: Path) -> None:
        folder, told = open_folder(tmp_path / "main")
        for step in (1, 2, 3, 4):
            folder.write_checkpoint(state_of(step), {**SESSION, "step": step}, [])
        paths = sorted((tmp_path / "main/checkpoints").iterdir())
        assert [path.name for path in paths] == ["checkpoint-000003.bin", "checkpoint-000004.bin"]
        found = open_folder(tmp_path / "main")[0].read_checkpoint()
        assert found is not None
        assert_same(found.state, state_of(4))
        assert found.session["step"] == 4
        assert told == []

    @pytest.mark.parametrize("harm", ["cut", "flip", "newer", "empty"])
    def test_falls_back_to_the_one_before_and_says_why(self, tmp_path: Path, harm: str) -> None:
        folder, _ = open_folder(tmp_path / "main")
        for step in (1, 2):
            folder.write_checkpoint(state_of(step), SESSION, [])
        path = tmp_path / "main/checkpoints/checkpoint-000002.bin"
        data = bytearray(path.read_bytes())
        if harm == "newer":
            data[8] = 9
        elif harm == "flip":
            data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data[: {"cut": len(data) // 2, "empty": 0}.get(harm, len(data))]))
        again, told = open_folder(tmp_path / "main")
        found = again.read_checkpoint()
        assert found is not None
        assert found.state.step == 1
        assert len(told) == 1
        ending = "newer" if harm == "newer" else "damaged"
        assert "newer release" in told[0] if harm == "newer" else "cut short" in told[0]
        assert path.with_name(f"{path.name}.{ending}").exists()
        again.write_checkpoint(state_of(3), SESSION, [])
        assert path.with_name("checkpoint-000003.bin").exists()

    def test_says_so_when_none_is_left(self, tmp_path: Path) -> None:
        folder, _ = open_folder(tmp_path / "main")
        assert folder.read_checkpoint() is None
        folder.write_checkpoint(state_of(1), SESSION, [])
        (tmp_path / "main/checkpoints/checkpoint-000001.bin").write_bytes(b"?")
        again, told = open_folder(tmp_path / "main")
        assert again.read_checkpoint() is None
        assert "training starts anew from the frames" in told[-1]

    def test_a_full_disk_costs_neither_the_old_one_nor_the_session(self, small_disk: Path) -> None:
        folder, _ = open_folder(small_disk / "main")
        folder.write_checkpoint(state_of(1), SESSION, [])
        with pytest.raises(RefusalError) as raised:
            folder.write_checkpoint(state_of(2, 20_000), SESSION, [])
        assert raised.value.code == "storage_full"
        found = folder.read_checkpoint()
        assert found is not None
        assert found.state.step == 1
        assert [path.name for path in (small_disk / "main/checkpoints").iterdir()] == [
            "checkpoint-000001.bin"
        ]


class TestSession:
    def test_reads_what_it_wrote(self, tmp_path: Path) -> None:
        folder, told = open_folder(tmp_path / "main")
        assert folder.read_session() is None
        folder.write_session(SESSION)
        folder.write_mask(b"png")
        again, _ = open_folder(tmp_path / "main")
        assert again.read_session() == SESSION
        assert again.read_mask() == b"png"
        again.write_mask(None)
        again.write_mask(None)
        assert again.read_mask() is None
        assert told == []

    def test_a_damaged_one_is_replaced_by_the_checkpoints(self, tmp_path: Path) -> None:
        folder, told = open_folder(tmp_path / "main")
        folder.write_frame(record_of(1), image_of(1))
        folder.write_checkpoint(state_of(1), SESSION, [])
        (tmp_path / "main/session.json").write_text('{"session')
        assert folder.read_session() == SESSION
        assert "session.json cannot be used" in told[0]
        assert [record["index"] for record in folder.read_frames()] == [1]

    def test_without_a_checkpoint_everything_is_set_aside(self, tmp_path: Path) -> None:
        folder, told = open_folder(tmp_path / "main")
        folder.write_frame(record_of(1), image_of(1))
        (tmp_path / "main/session.json").write_text("[]")
        assert folder.read_session() is None
        assert "no record of a session" in told[0]
        assert folder.read_frames() == []
        assert (tmp_path / "main.damaged/frames/000001.jpg").read_bytes() == image_of(1)
        folder.write_frame(record_of(1), image_of(1))
        folder.write_session(SESSION)
        assert folder.read_session() == SESSION

    def test_is_forgotten_whole(self, tmp_path: Path) -> None:
        folder, _ = open_folder(tmp_path / "main")
        folder.write_session(SESSION)
        folder.write_frame(record_of(1), image_of(1))
        folder.write_mask(b"png")
        folder.prepare_next(NEXT, None)
        assert (folder.read_session(), folder.read_mask()) == (SESSION, b"png")
        folder.begin_next()
        assert folder.durable_through == 0
        assert (folder.read_session(), folder.read_frames(), folder.read_mask()) == (NEXT, [], None)
        assert [path.name for path in tmp_path.iterdir()] == ["main"]

    @pytest.mark.parametrize(
        ("there", "goes_on"),
        [
            ({"main": SESSION, "main.next": NEXT}, SESSION),
            ({"main.discarded": SESSION, "main.next": NEXT}, NEXT),
            ({"main.discarded": SESSION, "main": NEXT}, NEXT),
            ({"main.discarded": None, "main": NEXT}, NEXT),
            # As a release of before left it, and a volume that was committed in between.
            ({"main.discarded": SESSION, "main": None}, SESSION),
            ({"main.discarded": SESSION}, SESSION),
            ({"main": SESSION, "main.next": None}, SESSION),
        ],
    )
    def test_one_of_two_is_whole_whenever_a_change_is_cut_short(
        self, tmp_path: Path, there: dict[str, dict | None], goes_on: dict
    ) -> None:
        for name, session in there.items():
            (tmp_path / name / "frames").mkdir(parents=True)
            if session is not None:
                (tmp_path / name / "session.json").write_text(json.dumps(session))
                (tmp_path / name / "mask.png").write_text(session["session_id"])
        folder, told = open_folder(tmp_path / "main")
        assert folder.read_session() == goes_on
        assert folder.read_mask() == goes_on["session_id"].encode()
        assert [path.name for path in tmp_path.iterdir()] == ["main"]
        assert told == []

    def test_frames_whose_record_is_lost_are_no_reason_to_go_back(self, tmp_path: Path) -> None:
        folder, _ = open_folder(tmp_path / "main")
        folder.write_frame(record_of(1), image_of(1))
        (tmp_path / "main.discarded").mkdir()
        (tmp_path / "main.discarded/session.json").write_text(json.dumps(SESSION))
        again, _ = open_folder(tmp_path / "main")
        assert [record["index"] for record in again.read_frames()] == [1]
        assert again.read_session() is None

    def test_what_comes_after_it_is_not_begun_without_room(self, small_disk: Path) -> None:
        folder, _ = open_folder(small_disk / "main")
        folder.write_session(SESSION)
        with pytest.raises(RefusalError) as raised:
            folder.prepare_next(NEXT, image_of(1, 1 << 20))
        assert raised.value.code == "storage_full"
        assert folder.read_session() == SESSION


class TestFrames:
    def test_come_back_in_order_with_their_images(self, tmp_path: Path) -> None:
        folder, told = open_folder(tmp_path / "main")
        for index in (1, 2, 3):
            kind = "png" if index == 2 else "jpeg"
            folder.write_frame(record_of(index, kind=kind), image_of(index))
            assert folder.durable_through == index
        folder.write_frame_record({**record_of(3), "pose_source": "interpolated"})
        again, _ = open_folder(tmp_path / "main")
        records = again.read_frames()
        assert [record["index"] for record in records] == [1, 2, 3]
        assert records[2]["pose_source"] == "interpolated"
        assert [again.read_image(record) for record in records] == [image_of(i) for i in (1, 2, 3)]
        assert again.durable_through == 3
        assert told == []

    def test_what_a_kill_left_half_is_removed(self, tmp_path: Path) -> None:
        folder, told = open_folder(tmp_path / "main")
        folder.write_frame(record_of(1), image_of(1))
        frames = tmp_path / "main/frames"
        for name in ("000002.jpg", "000003.png.part", "000004.json.part"):
            (frames / name).write_bytes(b"half")
        assert [record["index"] for record in folder.read_frames()] == [1]
        assert sorted(path.name for path in frames.iterdir()) == ["000001.jpg", "000001.json"]
        assert told == []

    def test_damaged_ones_are_set_aside(self, tmp_path: Path) -> None:
        folder, told = open_folder(tmp_path / "main")
        for index in range(1, 7):
            folder.write_frame(record_of(index), image_of(index))
        frames = tmp_path / "main/frames"
        (frames / "000001.json").write_bytes(b"\xff")
        (frames / "000002.json").write_text("[1]")
        (frames / "000003.json").write_text(json.dumps({"index": 3, "type": "exe", "sha256": ""}))
        (frames / "000004.jpg").unlink()
        (frames / "000005.jpg").write_bytes(image_of(6))
        records = folder.read_frames()
        assert [record["index"] for record in records] == [5, 6]
        assert len(told) == 4
        with pytest.raises(DamagedFrameError, match="SHA-256") as raised:
            folder.read_image(records[0])
        folder.set_frame_aside(records[0], raised.value)
        assert "SHA-256" in told[4]
        assert (frames / "000005.jpg.damaged").read_bytes() == image_of(6)
        with pytest.raises(DamagedFrameError, match="No such file"):
            folder.read_image(records[0])
        assert folder.read_image(records[1]) == image_of(6)
        kept = sorted(path.name for path in frames.iterdir() if not path.name.endswith(".damaged"))
        assert kept == ["000006.jpg", "000006.json"]

    def test_a_full_disk_keeps_nothing_of_a_frame(self, small_disk: Path) -> None:
        folder, _ = open_folder(small_disk / "main")
        folder.write_frame(record_of(1), image_of(1))
        big = image_of(2, 1 << 19)
        with pytest.raises(RefusalError) as raised:
            folder.write_frame(record_of(2, big), big)
        assert (raised.value.code, raised.value.status) == ("storage_full", 507)
        assert folder.durable_through == 1
        kept = sorted(path.name for path in (small_disk / "main/frames").iterdir())
        assert kept == ["000001.jpg", "000001.json"]
        folder.write_frame(record_of(2), image_of(2))
        assert folder.durable_through == 2

    def test_room_for_the_image_but_not_for_its_record(self, small_disk: Path) -> None:
        folder, _ = open_folder(small_disk / "main")
        room = os.statvfs(small_disk)
        image = image_of(1, room.f_bavail * room.f_frsize)
        with pytest.raises(RefusalError, match="ENOSPC"):
            folder.write_frame(record_of(1, image), image)
        assert list((small_disk / "main/frames").iterdir()) == []


WRITER = """
import hashlib, random, sys
from pathlib import Path
from live_splat.checkpoint import SessionFolder
import numpy as np
from live_splat.training import TrainerState
folder = SessionFolder(Path(sys.argv[1]), warn=lambda message: sys.exit(message))
def say(line):
    # One write: a kill lets no half line through.
    sys.stdout.write(line)
    sys.stdout.flush()
first = max([0, *(record["index"] for record in folder.read_frames())]) + 1
for index in range(first, first + 100_000):
    image = random.Random(index).randbytes(50_000)
    record = {"index": index, "type": "jpeg", "sha256": hashlib.sha256(image).hexdigest()}
    folder.write_frame(record, image)
    say(f"frame {index}\\n")
    if index % 3 == 0:
        values = np.full((100_000,), index, np.float32)
        folder.write_checkpoint(TrainerState(index, {"values": values}), {"index": index}, [])
        folder.write_session({"index": index})
        say(f"saved {index}\\n")
"""


def test_ten_kills_lose_no_frame_that_was_answered_and_leave_nothing_half(tmp_path: Path) -> None:
    folder = tmp_path / "main"
    moments = random.Random(5)  # noqa: S311
    answered = saved = 0
    for _ in range(10):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        ) as child:
            assert child.stdout is not None
            wanted = answered + moments.randint(1, 8)
            killer: Timer | None = None
            # All that it said counts, also what it said between its last sign and its end.
            for line in child.stdout:
                what, index = line.split()
                answered, saved = (int(index), saved) if what == "frame" else (answered, int(index))
                if killer is None and answered >= wanted:
                    killer = Timer(moments.random() * 0.02, child.kill)
                    killer.start()
        assert child.returncode == -signal.SIGKILL
        store, told = open_folder(folder)
        records = store.read_frames()
        assert [record["index"] for record in records] == list(range(1, len(records) + 1))
        assert len(records) in (answered, answered + 1)
        for record in records:
            assert hashlib.sha256(store.read_image(record)).hexdigest() == record["sha256"]
        checkpoint = store.read_checkpoint()
        session = store.read_session()
        assert (0 if checkpoint is None else checkpoint.state.step) >= saved
        assert (0 if session is None else session["index"]) >= saved
        if checkpoint is not None:
            assert set(checkpoint.state.arrays["values"]) == {checkpoint.state.step}
        assert told == []
        assert not list(folder.rglob("*.part"))
        answered = len(records)
    assert answered > 10
    assert saved > 0

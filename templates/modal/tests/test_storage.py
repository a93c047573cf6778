from __future__ import annotations

import hashlib
import json
import time
import uuid
from contextlib import suppress
from pathlib import Path
from threading import Event

import pytest
from chunk_capture import FAULTS, Start, chunk_sums, ply_of, start
from r2_server import R2, r2, r2_process, until
from small_disk import small_disk

from live_splat.bucket.address import AddressError
from live_splat.bucket.trouble import UploadPace
from live_splat.refusal import RefusalError

__all__ = ["r2", "r2_process", "small_disk", "start"]


def fill(path: Path) -> None:
    """Use up all the room there is."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


class TestFolder:
    def test_stands_for_the_bucket_where_there_is_none(self, tmp_path: Path, start: Start) -> None:
        capture = start(None)
        capture.write(1, 2)
        capture.tell("complete")
        folder = tmp_path / "data/bucket/scenes/main"
        chunk = capture.chunks[1]
        assert chunk == {
            "name": "chunk_0002.ply",
            "index": 2,
            "first_frame": 2,
            "last_frame": 2,
            "gaussian_count": 2,
            "bytes": 2000,
            "sha256": hashlib.sha256(ply_of(2)).hexdigest(),
            "key": f"scenes/main/{capture.id}/chunk_0002.ply",
            "url": None,
            "created_at": chunk["created_at"],
        }
        assert (tmp_path / "data/bucket" / chunk["key"]).read_bytes() == ply_of(2)
        status = json.loads((folder / "status.json").read_text())
        assert status == json.loads((folder / capture.id / "status.json").read_text())
        assert (status["complete"], status["chunks"]) == (True, capture.chunks)
        assert (capture.uploaded(), capture.store.uploaded("unknown"), capture.store.trouble) == (2, 0, None)
        assert capture.store.shown(capture.id, capture.chunks) == capture.chunks
        assert capture.store.flush(1)
        again = start(None, session_id=capture.id)
        assert (again.uploaded(), again.chunks) == (2, capture.chunks)

    def test_writes_what_changes_often_now_and_then_and_the_newest_at_last(
        self, tmp_path: Path, start: Start
    ) -> None:
        capture = start(None, pace=UploadPace(status_every_s=1000))
        path = tmp_path / "data/bucket/scenes/main/status.json"
        capture.tell("training")
        first = path.read_text()
        for _ in range(20):
            capture.tell("training")
        assert path.read_text() == first
        capture.store.flush(1)
        second = path.read_text()
        assert second != first
        capture.tell("training")
        capture.store.close(1)
        assert path.read_text() not in (first, second)

    def test_a_full_disk_is_refused_or_told_and_over_when_there_is_room(
        self, small_disk: Path, start: Start
    ) -> None:
        capture = start(None, data_dir=small_disk)
        capture.write(1, 1)
        with pytest.raises(RefusalError) as raised:
            capture.store.write_chunk(
                scene="main",
                session_id=capture.id,
                index=2,
                first_frame=2,
                last_frame=2,
                gaussian_count=2,
                ply=bytes(1 << 20),
            )
        assert raised.value.code == "storage_full"
        folder = small_disk / "bucket/scenes/main" / capture.id
        assert sorted(path.name for path in folder.iterdir()) == ["chunk_0001.ply", "status.json"]
        filler = small_disk / "filler"
        fill(filler)
        capture.tell("complete")
        assert "status.json was not written" in capture.warnings[0]
        filler.unlink()
        until(lambda: capture.warnings == [])
        assert json.loads((folder / "status.json").read_text())["complete"]

    def test_an_address_that_cannot_be_one_is_told_at_once(self, start: Start, r2: R2) -> None:
        with pytest.raises(AddressError, match="R2_BUCKET_NAME"):
            start(r2, bucket="No such name")


class TestMirror:
    def test_brings_every_chunk_and_names_none_before_it_is_there(self, start: Start, r2: R2) -> None:
        scene = f"s{uuid.uuid4().hex[:8]}"
        r2.ask("/observe", {"scene": scene})
        r2.plan(kind="seeded", seed=7, rate=0.3, faults=FAULTS)
        capture = start(r2, scene=scene, prefix="scenes")
        capture.write(1, 5)
        capture.until_uploaded(5)
        r2.ask("/down")
        capture.write(6, 9)
        until(lambda: capture.store.trouble)
        assert "no answer from the bucket's server" in capture.warnings[0]
        assert capture.uploaded() == 5
        r2.ask("/up")
        capture.write(10, 12)
        capture.tell("complete")
        assert capture.store.flush(60)
        assert capture.uploaded() == 12
        observed = r2.ask("/observed")
        assert observed["broken"] == []
        assert observed["looks"] > 5
        until(lambda: capture.store.trouble is None and capture.warnings == [])
        status = json.loads(r2.get(f"scenes/{scene}/status.json") or b"")
        assert status == json.loads(r2.get(f"scenes/{scene}/{capture.id}/status.json") or b"")
        assert (status["state"], status["complete"], status["session_id"]) == ("complete", True, capture.id)
        assert status["chunks"] == capture.store.shown(capture.id, capture.chunks)
        everything = r2.ask("/sums")
        assert everything.items() >= capture.keys().items()

    def test_gives_each_chunk_its_address_and_lets_nobody_keep_a_status(self, start: Start, r2: R2) -> None:
        capture = start(r2)
        capture.write(1, 1)
        assert capture.chunks[0]["url"] is None
        assert capture.store.flush(30)
        (shown,) = capture.store.shown(capture.id, capture.chunks)
        assert shown["url"] == f"{r2.facts['publicUrl']}/{shown['key']}"
        for place in ("main", f"main/{capture.id}"):
            headers, data = r2.open(f"{r2.prefix}/{place}/status.json") or ({}, b"")
            assert headers["cache-control"] == "no-store"
            assert headers["content-type"] == "application/json"
            assert json.loads(data)["chunks"] == [shown]
        headers, data = r2.open(shown["key"]) or ({}, b"")
        assert headers["content-type"] == "application/octet-stream"
        assert data == ply_of(1)

    def test_has_no_address_where_the_bucket_is_not_public(self, start: Start, r2: R2) -> None:
        capture = start(r2, public_url=None)
        capture.write(1, 1)
        assert capture.store.flush(30)
        assert capture.store.shown(capture.id, capture.chunks)[0]["url"] is None

    def test_writes_a_status_no_more_often_than_it_may_and_the_newest_wins(
        self, start: Start, r2: R2
    ) -> None:
        pace = UploadPace(status_every_s=0.5)
        capture = start(r2, pace=pace)
        began_s = time.monotonic()
        capture.write(1, 8)
        capture.tell("complete")
        assert capture.store.flush(30)
        took_s = time.monotonic() - began_s
        writes = len(r2.seen("PUT", "main/status.json"))
        # Spaced as told, whatever this machine's pace: so many fit in, and no more.
        assert 1 <= writes <= 1 + took_s / pace.status_every_s
        found = r2.status("main")
        assert found is not None
        assert (found["complete"], len(found["chunks"])) == (True, 8)

    def test_takes_an_answer_that_was_lost_for_what_it_was(self, start: Start, r2: R2) -> None:
        r2.plan(kind="script", faults=[None, {"kind": "reset", "side": "response", "atByte": 0}])
        capture = start(r2)
        capture.write(1, 1)
        assert capture.store.flush(30)
        assert chunk_sums(r2) == capture.keys()
        assert capture.told == []

    def test_nothing_leaves_before_the_volume_holds_it(self, start: Start, r2: R2) -> None:
        may_commit = Event()
        commits: list[bool] = []

        def commit() -> None:
            commits.append(may_commit.is_set())
            if not may_commit.is_set():
                raise RuntimeError("the volume is away")

        capture = start(r2, commit=commit)
        capture.write(1, 2)
        until(lambda: capture.store.trouble)
        assert (
            "chunks wait until the volume is committed (RuntimeError: the volume is away)"
            in (capture.warnings[0])
        )
        assert r2.seen("PUT", ".ply") == []
        may_commit.set()
        assert capture.store.flush(30)
        assert capture.uploaded() == 2
        assert commits.count(True) == 1


def test_keeps_sessions_and_scenes_apart(tmp_path: Path, start: Start, r2: R2) -> None:
    captures = [
        start(r2, data_dir=tmp_path / "one"),
        start(r2, data_dir=tmp_path / "two"),
        start(r2, data_dir=tmp_path / "two-b", scene="other"),
    ]
    for capture in captures:
        capture.write(1, 3)
        capture.tell("complete")
    for capture in captures:
        assert capture.store.flush(30)
        status = r2.status(f"{capture.scene}/{capture.id}")
        assert status is not None
        assert [chunk["key"] for chunk in status["chunks"]] == list(capture.keys())
    wanted: dict[str, str] = {}
    for capture in captures:
        wanted.update(capture.keys())
    assert chunk_sums(r2) == wanted


def test_ends_when_it_must_while_the_bucket_hangs(start: Start, r2: R2) -> None:
    r2.plan(kind="always", fault={"kind": "stall", "side": "request", "atByte": 0}, path=r2.prefix)
    capture = start(r2)
    capture.write(1, 1)
    until(lambda: r2.seen("PUT", ".ply"))
    capture.store.close(0.1)
    assert r2.sums() == {}

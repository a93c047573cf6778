from __future__ import annotations

import json
import logging
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import chunk_capture
import pytest
from chunk_capture import FAULTS, Start, chunk_sums, ply_of, start
from r2_server import R2, r2, r2_process, until
from small_disk import small_disk

from live_splat.bucket.client import Bucket

__all__ = ["r2", "r2_process", "small_disk", "start"]


class TestRestart:
    def test_goes_on_with_what_did_not_get_there_and_sends_nothing_twice(self, start: Start, r2: R2) -> None:
        first = start(r2)
        first.write(1, 3)
        first.until_uploaded(3)
        r2.ask("/down")
        first.write(4, 6)
        first.store.close(0)
        r2.ask("/up")
        before = len(r2.seen("PUT", ".ply"))
        second = start(r2, session_id=first.id)
        assert second.chunks == first.chunks
        assert second.store.flush(30)
        assert second.uploaded() == 6
        assert chunk_sums(r2) == first.keys()
        sent = {each["path"].split("?")[0][-8:] for each in r2.seen("PUT", ".ply")[before:]}
        assert sent == {"0004.ply", "0005.ply", "0006.ply"}

    @pytest.mark.parametrize("notes", ["{", '{"bucket": "another/one", "sessions": {}}', "[]"])
    def test_finds_in_the_bucket_what_its_own_notes_have_lost(
        self, tmp_path: Path, start: Start, r2: R2, notes: str
    ) -> None:
        first = start(r2)
        first.write(1, 2)
        assert first.store.flush(30)
        first.store.close(1)
        (tmp_path / "data/state/uploads.json").write_text(notes)
        before = chunk_sums(r2)
        second = start(r2, session_id=first.id)
        assert second.store.flush(30)
        assert second.uploaded() == 2
        assert chunk_sums(r2) == before
        assert second.told == []

    def test_brings_what_a_session_of_before_a_reset_left_behind(self, start: Start, r2: R2) -> None:
        r2.plan(kind="always", fault={"kind": "refuse"}, path=r2.prefix)
        old = start(r2)
        old.write(1, 2)
        old.store.close(0)
        new = start(r2)
        new.write(1, 1)
        new.tell("complete")
        new.store.close(0)
        r2.plan(kind="none")
        third = start(r2)
        assert third.store.flush(30)
        assert chunk_sums(r2) == {**old.keys(), **new.keys()}
        left, scene = r2.status(f"main/{old.id}"), r2.status("main")
        assert left is not None
        assert [chunk["key"] for chunk in left["chunks"]] == list(old.keys())
        assert scene is not None
        assert scene["session_id"] == new.id

    def test_never_writes_a_chunk_again_that_the_bucket_may_have(self, start: Start, r2: R2) -> None:
        first = start(r2)
        first.write(1, 2)
        assert first.store.flush(30)
        first.store.close(1)
        second = start(r2, session_id=first.id)
        # The session's own record was older: it knows of one chunk.
        assert second.store.chunks_on_disk("main", first.id, first.chunks[:1]) == first.chunks
        again = second.store.write_chunk(
            scene="main",
            session_id=first.id,
            index=2,
            first_frame=2,
            last_frame=9,
            gaussian_count=9,
            ply=ply_of(2, "later"),
        )
        assert again == first.chunks[1]
        assert chunk_sums(r2) == first.keys()

    def test_several_kills_while_sending_lose_nothing(self, tmp_path: Path, start: Start, r2: R2) -> None:
        r2.plan(kind="seeded", seed=3, rate=0.2, faults=FAULTS)
        moments = random.Random(11)  # noqa: S311
        written = 0
        for _ in range(5):
            with subprocess.Popen(
                [
                    sys.executable,
                    chunk_capture.__file__,
                    str(tmp_path / "data"),
                    r2.prefix,
                    json.dumps(r2.facts),
                ],
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            ) as child:
                assert child.stdout is not None
                wanted = written + moments.randint(2, 6)
                for line in child.stdout:
                    written = max(written, int(line))
                    if written == wanted:
                        time.sleep(moments.random() * 0.1)
                        child.kill()
        r2.plan(kind="none")
        last = start(r2, session_id="victim")
        assert len(last.chunks) >= written
        last.tell("complete")
        assert last.store.flush(60)
        assert chunk_sums(r2) == last.keys()
        status = r2.status("main")
        assert status is not None
        assert (status["complete"], len(status["chunks"])) == (True, len(last.chunks))
        assert last.told == []


class TestWhatTheUserHasToMend:
    @pytest.mark.parametrize(
        ("changes", "words", "what_to_do"),
        [
            ({"access_key_id": "nobody"}, "does not know the access key", "AWS_ACCESS_KEY_ID"),
            ({"secret_access_key": "swordfish"}, "the secret key is wrong", "clock"),
            ({"bucket": "elsewhere"}, "has no such bucket", "R2_BUCKET_NAME"),
        ],
    )
    def test_is_told_once_and_at_once_and_nothing_else_suffers(
        self,
        start: Start,
        r2: R2,
        changes: dict[str, str],
        words: str,
        what_to_do: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        capture = start(r2, **changes)
        until(lambda: capture.store.trouble)
        capture.write(1, 3)
        assert not capture.store.flush(0.3)
        assert capture.store.trouble is not None
        assert words in capture.store.trouble
        assert what_to_do in capture.store.trouble
        assert capture.told == [capture.store.trouble]
        assert capture.uploaded() == 0
        capture.store.close()
        everything = caplog.text + repr(capture.told)
        assert "swordfish" not in everything
        assert r2.facts["secretAccessKey"] not in everything

    def test_a_token_taken_away_in_mid_session(self, start: Start, r2: R2) -> None:
        capture = start(r2)
        capture.write(1, 2)
        capture.until_uploaded(2)
        denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        r2.plan(kind="always", fault={"kind": "answer", "status": 403, "body": denied}, path=r2.prefix)
        capture.write(3, 4)
        until(lambda: capture.store.trouble)
        assert "denied access" in capture.warnings[0]
        assert "Object Read & Write" in capture.warnings[0]
        assert capture.uploaded() == 2
        r2.plan(kind="none")
        capture.until_uploaded(4)
        until(lambda: capture.warnings == [] and capture.store.trouble is None)
        assert len(capture.told) == 1

    def test_another_object_at_a_chunks_key_stays_and_the_chunk_is_not_named(
        self, start: Start, r2: R2
    ) -> None:
        capture = start(r2)
        key = f"{r2.prefix}/main/{capture.id}/chunk_0001.ply"
        other = Bucket(r2.settings())
        assert other.create(key, b"mine", sha256="00", content_type="text/plain", is_cut=lambda: False)
        other.close()
        capture.write(1, 2)
        capture.until_uploaded(1)
        until(lambda: capture.told)
        assert f"chunk {key} does not go to the bucket: another object lies at its key" in capture.told[0]
        assert r2.get(key) == b"mine"
        capture.tell("complete")
        assert capture.store.flush(30)
        status = r2.status("main")
        assert status is not None
        assert [chunk["index"] for chunk in status["chunks"]] == [2]
        assert (status["complete"], status["state"]) == (False, "finishing")

    def test_a_chunk_whose_file_was_damaged_or_removed(self, tmp_path: Path, start: Start, r2: R2) -> None:
        r2.plan(kind="always", fault={"kind": "refuse"}, path=r2.prefix)
        capture = start(r2)
        capture.write(1, 3)
        paths = [tmp_path / "data/bucket" / chunk["key"] for chunk in capture.chunks]
        paths[0].write_bytes(bytes(2000))
        paths[1].unlink()
        r2.plan(kind="none")
        capture.until_uploaded(1)
        until(lambda: len([told for told in capture.told if "does not go" in told]) == 2)
        assert any("chunk_0001.ply is damaged" in told for told in capture.told)
        assert any("chunk_0002.ply cannot be read" in told for told in capture.told)

"""The line of uploads, and encodings that several readers share."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from live_splat.http.encodings import Encodings
from live_splat.http.ingest import IngestLine
from live_splat.refusal import RefusalError


def test_uploads_take_no_more_memory_than_they_may_and_give_it_back() -> None:
    async def scenario() -> None:
        line = IngestLine(held_bytes=10)
        with line.entered() as hold:
            hold(6)
            with line.entered() as other, pytest.raises(RefusalError, match="waiting") as caught:
                other(5)
            assert (caught.value.code, caught.value.retry_after_s) == ("busy", 1)
            with line.entered() as third:
                third(4)
        with line.entered() as hold:
            hold(10)

    asyncio.run(scenario())


def test_a_job_that_fails_gives_its_place_back() -> None:
    def fail() -> None:
        raise RefusalError("bad_image", "torn")

    async def scenario() -> None:
        line = IngestLine(running=1, waiting=0)
        for _ in range(3):
            with pytest.raises(RefusalError, match="torn"):
                await line.run(fail)

    asyncio.run(scenario())


def test_a_scene_is_encoded_once_for_all_who_ask_at_once_and_again_when_it_is_new() -> None:
    encoded: list[str] = []

    def encode(etag: str) -> bytes:
        encoded.append(etag)
        return etag.encode()

    async def scenario() -> None:
        kept = Encodings()
        for etag in ["v1", "v1", "v2"]:
            answers = await asyncio.gather(*(kept.get("ply", etag, partial(encode, etag)) for _ in range(4)))
            assert answers == [etag.encode()] * 4

    asyncio.run(scenario())
    assert encoded == ["v1", "v2"]


def test_an_encoding_that_fails_is_tried_again() -> None:
    def fail() -> bytes:
        raise RefusalError("internal", "no")

    async def scenario() -> bytes:
        kept = Encodings()
        with pytest.raises(RefusalError, match="no"):
            await kept.get("ply", "v1", fail)
        return await kept.get("ply", "v1", lambda: b"done")

    assert asyncio.run(scenario()) == b"done"

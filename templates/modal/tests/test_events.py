"""Live events: order, skipping, and the end."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import Any

from live_splat.http import events
from live_splat.http.events import MAX_WAITING, EventHub


def decoded(piece: bytes) -> tuple[str, Any]:
    event, data, *rest = piece.decode().split("\n")
    assert rest == ["", ""]
    return event.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_a_stream_begins_with_the_status_and_keeps_the_order_of_other_threads() -> None:
    async def scenario() -> list[tuple[str, Any]]:
        hub = EventHub(lambda: {"state": "idle"})
        stream = hub.subscribe()
        seen = [decoded(await anext(stream))]

        def publish() -> None:
            for index in range(3):
                hub.publish("frame", {"index": index})
            hub.close()

        threading.Thread(target=publish).start()
        seen.extend([decoded(piece) async for piece in stream])
        return seen

    assert asyncio.run(scenario()) == [("status", {"state": "idle"})] + [
        ("frame", {"index": index}) for index in range(3)
    ]


def test_streams_that_are_ended_say_what_waits_and_whoever_comes_again_is_served() -> None:
    async def scenario() -> list[list[tuple[str, Any]]]:
        hub = EventHub(lambda: {"state": "complete"})
        seen = []
        for index in range(2):
            stream = hub.subscribe()
            first = decoded(await anext(stream))
            hub.publish("frame", {"index": index})
            hub.end_streams()
            seen.append([first, *[decoded(piece) async for piece in stream]])
        return seen

    assert asyncio.run(scenario()) == [
        [("status", {"state": "complete"}), ("frame", {"index": index})] for index in range(2)
    ]


def test_a_slow_reader_skips_the_oldest_and_of_a_status_reads_the_newest() -> None:
    async def scenario() -> list[tuple[str, Any]]:
        hub = EventHub(dict)
        stream = hub.subscribe()
        await anext(stream)
        for version in range(3):
            hub.publish("splat", {"version": version})
        for index in range(MAX_WAITING + 10):
            hub.publish("frame", {"index": index})
        hub.publish("splat", {"version": 3})
        hub.close()
        return [decoded(piece) async for piece in stream]

    seen = asyncio.run(scenario())
    assert len(seen) == MAX_WAITING
    assert seen[-1] == ("splat", {"version": 3})
    assert [name for name, _ in seen].count("splat") == 1
    assert seen[-2] == ("frame", {"index": MAX_WAITING + 9})


def test_many_changes_are_told_as_one_status() -> None:
    async def scenario() -> tuple[list[tuple[str, Any]], int]:
        asked = 0

        def status() -> dict[str, int]:
            nonlocal asked
            asked += 1
            return {"asked": asked}

        hub = EventHub(status)
        hub.status_changed()
        stream = hub.subscribe()
        seen = [decoded(await anext(stream))]
        for _ in range(100):
            hub.status_changed()
        seen.append(decoded(await anext(stream)))
        hub.close()
        hub.status_changed()
        seen.extend([decoded(piece) async for piece in stream])
        return seen, asked

    seen, asked = asyncio.run(scenario())
    assert seen == [("status", {"asked": 1}), ("status", {"asked": 2})]
    assert asked == 2


def test_a_line_that_stands_is_shown_to_stand(monkeypatch: Any) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.01)

    async def scenario() -> bytes:
        stream = EventHub(dict).subscribe()
        await anext(stream)
        return await anext(stream)

    assert asyncio.run(scenario()).startswith(b":")


def test_a_reader_that_left_is_forgotten_and_one_whose_loop_ended_harms_nobody() -> None:
    hub = EventHub(dict)

    async def leave() -> None:
        stream = hub.subscribe()
        await anext(stream)
        await stream.aclose()

    asyncio.run(leave())
    assert not hub._readers
    hub._readers.add(events._Reader(closed_loop()))
    hub.publish("frame", {})
    hub.close()


def test_a_closed_hub_ends_new_streams_at_once() -> None:
    async def scenario() -> list[bytes]:
        hub = EventHub(dict)
        hub.close()
        return [piece async for piece in hub.subscribe()]

    assert asyncio.run(scenario()) == []


def test_publishing_waits_for_nobody() -> None:
    hub = EventHub(lambda: time.sleep(60) or {})
    publisher = threading.Thread(target=lambda: [hub.publish("frame", {}) for _ in range(10_000)])
    publisher.start()
    publisher.join(30)
    assert not publisher.is_alive()


def closed_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.close()
    return loop

"""The HTTP face on a real port, over a scene that only remembers what it was asked."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from served import served
from stub_scene import StubScenes

from live_splat.api import build_api
from live_splat.refusal import RefusalError
from live_splat.settings import Settings

ANGLES = [0.1, -0.2, 0.3, 0.0, 0.0, 0.5]


@pytest.fixture
def scenes() -> StubScenes:
    return StubScenes("main", "left")


@pytest.fixture
def client(scenes: StubScenes) -> Iterator[httpx.Client]:
    settings = Settings(scenes=scenes.names, is_loopback=True, cors_origins=("https://page.example",))
    with served(build_api(scenes, settings)) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def form(data: bytes = b"a picture", meta: object = None) -> dict:
    sent = {"files": {"file": ("a.jpg", data)}}
    return sent if meta is None else {**sent, "data": {"meta": json.dumps(meta)}}


def expect_no(answer: httpx.Response, status: int, code: str) -> dict:
    body = answer.json()
    assert (answer.status_code, body["error"]["code"]) == (status, code), body
    assert body["success"] is False
    assert isinstance(body["session_id"], str)
    assert body["boot_id"] == "boot"
    return body["error"]


def test_a_frame_reaches_the_scene_with_its_meta(client: httpx.Client, scenes: StubScenes) -> None:
    data = bytes(range(256)) * 4000 + b"\r\n--x--\r\n"
    answer = client.post("/upload-frame", **form(data, {"frame_id": "a", "unknown": 1}))
    assert answer.status_code == 200
    assert answer.json() == {
        **scenes.main.identity(),
        "success": True,
        "frame_count": 1,
        "frame_id": "a",
    }
    assert scenes.main.uploads[0][0] == data


def test_a_frame_sent_in_pieces_reaches_the_scene(client: httpx.Client, scenes: StubScenes) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc\r\n--x--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = client.post(
        "/upload-frame", headers=headers, content=(body[i : i + 1] for i in range(len(body)))
    )
    assert answer.status_code == 200
    assert scenes.main.uploads[0][0] == b"abc"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"captured_at": NaN}', "NaN"),
        ("[" * 50_000, "deep"),
        ('{"captured_at": null}', "null"),
        ('{"frame_id": "\\ud800"}', "frame_id"),
        ('{"captured_at": 1' + "0" * 5000 + "}", "JSON"),
    ],
)
def test_odd_json_is_a_bad_request(client: httpx.Client, text: str, says: str) -> None:
    answer = client.post("/upload-frame", files={"file": ("a", b"x")}, data={"meta": text})
    assert says in expect_no(answer, 400, "bad_request")["message"]


def test_of_a_key_said_twice_the_last_counts(client: httpx.Client, scenes: StubScenes) -> None:
    meta = '{"captured_at": 1, "captured_at": 2}'
    answer = client.post("/upload-frame", files={"file": ("a", b"x")}, data={"meta": meta})
    assert answer.status_code == 200
    assert scenes.main.uploads[0][1].captured_at == 2


def test_meta_may_be_no_larger_than_there_is_room_for(client: httpx.Client) -> None:
    answer = client.post("/upload-frame", files={"file": ("a", b"x"), "meta": ("m", b" " * 1_100_000)})
    expect_no(answer, 413, "too_large")


def test_bytes_that_are_no_text_are_a_bad_request(client: httpx.Client) -> None:
    expect_no(client.post("/update-joint-angles", content=b"\xff\xfe"), 400, "bad_request")


def test_joints_reach_the_scene_asked_for(client: httpx.Client, scenes: StubScenes) -> None:
    body = {"joint_angles": ANGLES, "captured_at": 5}
    answer = client.post("/update-joint-angles?scene=left", json=body)
    assert answer.json() == {
        "session_id": "session-left",
        "boot_id": "boot",
        "success": True,
        "joint_angles": ANGLES,
    }
    assert scenes.get("left").joints == [(ANGLES, 5.0)]
    assert scenes.main.joints == []


@pytest.mark.parametrize(("query", "status", "code"), [("", 400, "bad_request"), ("other", 404, "not_found")])
def test_a_scene_that_is_none_is_refused(client: httpx.Client, query: str, status: int, code: str) -> None:
    expect_no(client.get(f"/status?scene={query}"), status, code)


def test_a_patch_reaches_the_scene_and_a_typo_does_not(client: httpx.Client, scenes: StubScenes) -> None:
    assert client.put("/scene", json={"refine": {"poses": True}, "bounds": None}).status_code == 200
    assert scenes.main.patches == [{"refine": {"poses": True}, "bounds": None}]
    error = expect_no(client.put("/scene", json={"max_gausians": 1}), 400, "bad_request")
    assert "max_gausians" in error["message"]


def test_the_stop_waits_less_than_the_contract_gives(client: httpx.Client, scenes: StubScenes) -> None:
    assert client.post("/stop-training").json()["complete"] is True
    client.post("/stop-training", json={"finish_seconds": 2})
    assert scenes.main.stops == [(None, 18.0), (2.0, 18.0)]


def test_what_is_not_finite_is_null_in_an_answer(client: httpx.Client) -> None:
    client.post("/upload-frame", **form())
    assert client.get("/frames").json()["frames"] == [{"frame_id": None, "psnr": None}]


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/status/", "/"])
def test_there_is_nothing_but_the_contract(client: httpx.Client, path: str) -> None:
    expect_no(client.get(path), 404, "not_found")


def test_a_wrong_method_is_told_the_right_ones(client: httpx.Client) -> None:
    answer = client.delete("/scene")
    expect_no(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, PUT"


def test_head_is_get_without_a_body(client: httpx.Client, scenes: StubScenes) -> None:
    scenes.main.splat_bytes = b"ply"
    for path in ["/status", "/get-ply", "/events"]:
        answer = client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
    assert client.head("/upload-frame").status_code == 405


def test_a_bug_is_told_without_detail(
    client: httpx.Client, scenes: StubScenes, caplog: pytest.LogCaptureFixture
) -> None:
    scenes.main.error = KeyError("secret detail")
    answer = client.post("/upload-frame", **form())
    expect_no(answer, 500, "internal")
    assert "secret" not in answer.text
    # It is logged when the answer is on its way.
    deadline_s = time.monotonic() + 10
    while "secret detail" not in caplog.text and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert "secret detail" in caplog.text


def test_a_refusal_is_told_with_its_hint_and_when_to_come_back(
    client: httpx.Client, scenes: StubScenes
) -> None:
    scenes.main.error = RefusalError("unavailable", "not now", hint="later", retry_after_s=0.2)
    answer = client.post("/upload-frame", **form())
    assert expect_no(answer, 503, "unavailable") == {
        "code": "unavailable",
        "message": "not now",
        "hint": "later",
    }
    assert answer.headers["retry-after"] == "1"


def test_two_frames_are_decoded_at_once_64_wait_and_others_are_answered_meanwhile(
    client: httpx.Client, scenes: StubScenes
) -> None:
    scenes.main.gate.clear()
    answers: list[int] = []

    def upload() -> None:
        answer = client.post("/upload-frame", **form())
        answers.append(answer.status_code)
        if answer.status_code == 429:
            assert answer.headers["retry-after"] == "1"
            expect_no(answer, 429, "busy")

    senders = [threading.Thread(target=upload) for _ in range(70)]
    for sender in senders:
        sender.start()
    while len(answers) < 4:
        time.sleep(0.01)
    assert client.get("/status").status_code == 200
    assert client.get("/health").json()["status"] == "ok"
    scenes.main.gate.set()
    for sender in senders:
        sender.join()
    assert sorted(answers) == [200] * 66 + [429] * 4
    assert scenes.main.most_at_once == 2


class TestGetPly:
    def test_204_while_there_is_nothing(self, client: httpx.Client) -> None:
        answer = client.get("/get-ply")
        assert (answer.status_code, answer.headers["x-splat-version"]) == (204, "7")

    def test_it_is_encoded_once_and_whole(self, client: httpx.Client, scenes: StubScenes) -> None:
        scenes.main.splat_bytes = bytes(range(256)) * 5000
        for _ in range(2):
            answer = client.get("/get-ply?format=spz&max_gaussians=3")
            assert answer.content == scenes.main.splat_bytes
            assert answer.headers["content-length"] == str(len(answer.content))
            assert answer.headers["etag"] == '"7-spz-3"'
            assert answer.headers["content-disposition"] == 'attachment; filename="scene.spz"'
        assert scenes.main.encoded == 1

    @pytest.mark.parametrize("tags", ['"7-ply-None"', 'W/"7-ply-None"', '"a", "7-ply-None"', "*"])
    def test_who_has_it_gets_304(self, client: httpx.Client, scenes: StubScenes, tags: str) -> None:
        scenes.main.splat_bytes = b"ply"
        answer = client.get("/get-ply", headers={"if-none-match": tags})
        assert (answer.status_code, answer.content, scenes.main.encoded) == (304, b"", 0)

    @pytest.mark.parametrize("query", ["format=", "format=PLY", "max_gaussians=", "max_gaussians=-1"])
    def test_a_query_that_is_none(self, client: httpx.Client, query: str) -> None:
        expect_no(client.get(f"/get-ply?{query}"), 400, "bad_request")


class TestTooLarge:
    """The answer must arrive, whether or not the sender reads before it has sent all, and keeps the line."""

    @pytest.mark.parametrize("connection", ["keep-alive", "close"])
    @pytest.mark.parametrize("announced", [True, False])
    def test_who_sends_all_before_reading_hears_of_it(
        self, client: httpx.Client, announced: bool, connection: str
    ) -> None:
        size = 36 * 1024 * 1024
        framing = f"content-length: {size}" if announced else "transfer-encoding: chunked"
        head = (
            "POST /upload-frame HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=x"
            f"\r\nconnection: {connection}\r\n{framing}\r\n\r\n"
        )
        piece = bytes(1024 * 1024)
        url = urlsplit(str(client.base_url))
        with socket.create_connection((url.hostname, url.port), timeout=30) as line:
            line.sendall(head.encode())
            for _ in range(36):
                line.sendall(piece if announced else b"%x\r\n%s\r\n" % (len(piece), piece))
            if not announced:
                line.sendall(b"0\r\n\r\n")
            assert line.recv(100).startswith(b"HTTP/1.1 413 ")

    def test_who_waits_to_be_told_to_go_on_is_told_no(self, client: httpx.Client) -> None:
        url = urlsplit(str(client.base_url))
        head = "POST /upload-frame HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue"
        with socket.create_connection((url.hostname, url.port), timeout=30) as line:
            line.sendall(f"{head}\r\ncontent-length: 99999999\r\n\r\n".encode())
            assert line.recv(100).startswith(b"HTTP/1.1 413 ")

    def test_a_body_that_breaks_off_ends_nothing_else(self, client: httpx.Client) -> None:
        url = urlsplit(str(client.base_url))
        head = "POST /upload-frame HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9999\r\n"
        with socket.create_connection((url.hostname, url.port), timeout=30) as line:
            line.sendall(f"{head}content-type: multipart/form-data; boundary=x\r\n\r\n--x".encode())
        assert client.get("/status").status_code == 200


def test_events_begin_with_the_status_and_end_with_the_hub(client: httpx.Client, scenes: StubScenes) -> None:
    events = []
    with client.stream("GET", "/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("event: "):
                events.append(line.removeprefix("event: "))
            if events == ["status"] and line == "":
                scenes.main.events.publish("warning", {"message": "ä"})
                scenes.main.events.close()
    assert events == ["status", "warning"]


def test_health_opens_no_scene_for_a_stranger() -> None:
    scenes = StubScenes("main", "left")
    with served(build_api(scenes, Settings(token="sesame", scenes=("main", "left")))) as url:
        answer = httpx.get(f"{url}/health?scene=left")
        assert answer.json() == {
            "session_id": "",
            "boot_id": "boot",
            "status": "ok",
            "trainer_ready": True,
        }
        expect_no(httpx.get(f"{url}/health?scene=other"), 404, "not_found")
        assert [scene.name for scene in scenes.opened()] == ["main"]
        scenes.get("left").state = "failed"
        assert httpx.get(f"{url}/health?scene=left").json()["status"] == "failed"

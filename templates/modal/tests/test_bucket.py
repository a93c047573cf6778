from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import boto3
import pytest
from r2_server import R2, r2, r2_process

from live_splat.bucket.address import AddressError, check_address
from live_splat.bucket.client import Bucket
from live_splat.bucket.errors import BucketError, parse_retry_after
from live_splat.bucket.trouble import BucketTrouble, UploadPace, wait_after
from live_splat.settings import BucketSettings

__all__ = ["r2", "r2_process"]

R2_URL = "https://0123456789abcdef.r2.cloudflarestorage.com"


def never() -> bool:
    return False


def create(bucket: Bucket, key: str, data: bytes) -> bool:
    sha256 = hashlib.sha256(data).hexdigest()
    return bucket.create(key, data, sha256=sha256, content_type="application/octet-stream", is_cut=never)


class TestAddress:
    def test_takes_what_the_dashboard_shows(self) -> None:
        address = check_address(f"{R2_URL}/", "my-splats", "https://pub-1.r2.dev/")
        assert address.endpoint == R2_URL
        assert address.host == R2_URL.removeprefix("https://")
        assert address.public_url == "https://pub-1.r2.dev"
        assert not address.path_style
        assert check_address("http://127.0.0.1:9000/s3", "splats", None).path_style

    @pytest.mark.parametrize(
        ("endpoint", "name", "public_url", "words"),
        [
            (R2_URL, "Splats/main", None, "R2_BUCKET_NAME cannot be used: it cannot be a bucket's name"),
            ("r2.example.org", "splats", None, "R2_ENDPOINT_URL cannot be used: it is no http"),
            ("https://h:99999", "splats", None, "no http or https URL"),
            (f"{R2_URL}/splats", "splats", None, 'it names the bucket "splats"'),
            ("https://splats.s3.example.org", "splats", None, 'it names the bucket "splats"'),
            (f"{R2_URL}/other", "splats", None, "it has a path"),
            (R2_URL.replace("https", "http"), "splats", None, "over https only"),
            ("https://pub-1.r2.dev", "splats", None, "Set it as R2_PUBLIC_URL"),
            ("https://key:hidden@example.org", "splats", None, "more than an address"),
            (R2_URL, "splats", R2_URL, "R2_PUBLIC_URL cannot be used: this is the S3 endpoint"),
            (R2_URL, "splats", "https://example.org/?token=hidden", "more than an address"),
        ],
    )
    def test_says_which_setting_is_wrong_and_repeats_no_key(
        self, endpoint: str, name: str, public_url: str | None, words: str
    ) -> None:
        with pytest.raises(AddressError) as raised:
            check_address(endpoint, name, public_url)
        assert words in str(raised.value)
        assert "hidden" not in str(raised.value)


class TestBucket:
    def test_stores_what_another_client_then_reads(self, r2: R2) -> None:
        bucket = Bucket(r2.settings())
        data = bytes(range(256)) * 20_480
        key = f"{r2.prefix}/a scene/chunk_0001.ply"
        assert create(bucket, key, data)
        bucket.replace(f"{r2.prefix}/status.json", b"{}", content_type="application/json", is_cut=never)
        other = boto3.session.Session(
            aws_access_key_id=r2.facts["accessKeyId"],
            aws_secret_access_key=r2.facts["secretAccessKey"],
            region_name="auto",
        ).resource("s3", endpoint_url=r2.facts["direct"])
        objects = {each.key: each for each in other.Bucket("splats").objects.filter(Prefix=r2.prefix)}
        assert set(objects) == {key, f"{r2.prefix}/status.json"}
        stored = objects[key].get()
        assert stored["Body"].read() == data
        assert stored["ContentType"] == "application/octet-stream"
        status = objects[f"{r2.prefix}/status.json"].get()
        assert (status["CacheControl"], status["ContentType"]) == ("no-store", "application/json")
        assert bucket.url_of(key) == f"{r2.facts['publicUrl']}/{r2.prefix}/a%20scene/chunk_0001.ply"
        bucket.close()

    def test_never_overwrites_what_it_creates(self, r2: R2) -> None:
        bucket = Bucket(r2.settings())
        key = f"{r2.prefix}/chunk"
        assert bucket.head(key) is None
        assert create(bucket, key, b"first")
        assert not create(bucket, key, b"second")
        facts = bucket.head(key)
        assert facts is not None
        assert (facts.size_bytes, facts.sha256) == (5, hashlib.sha256(b"first").hexdigest())
        assert r2.get(key) == b"first"
        bucket.close()

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"access_key_id": "nobody"}, "does not know the access key"),
            ({"secret_access_key": "swordfish"}, "the secret key is wrong"),
            ({"bucket": "elsewhere"}, "has no such bucket"),
        ],
    )
    def test_says_what_the_user_has_to_mend(
        self, r2: R2, changes: dict[str, str], words: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        bucket = Bucket(r2.settings(**changes))
        for ask in (bucket.check, lambda: create(bucket, f"{r2.prefix}/x", b"x")):
            with pytest.raises(BucketError, match=words) as raised:
                ask()
            assert raised.value.is_for_user
            assert raised.value.hint is not None
        bucket.close()
        assert "swordfish" not in caplog.text
        assert "Signature=" not in caplog.text

    def test_finds_nothing_wrong_with_an_empty_bucket(self, r2: R2) -> None:
        bucket = Bucket(r2.settings())
        bucket.check()
        bucket.close()

    @pytest.mark.parametrize(
        ("fault", "status", "words"),
        [
            ({"kind": "refuse"}, None, "no answer from the bucket's server at 127.0.0.1"),
            ({"kind": "reset", "side": "request", "atByte": 10}, None, "no answer"),
            ({"kind": "reset", "side": "response", "atByte": 0}, None, "no answer"),
            ({"kind": "stall", "side": "request", "atByte": 10}, None, "nothing moved on the connection"),
            ({"kind": "corrupt", "side": "request", "atByte": 10}, 400, "answered"),
            ({"kind": "answer", "status": 500, "body": "<html>sw0rdfish</html>"}, 500, "HTTP 500"),
            (
                {"kind": "answer", "status": 403, "body": "<Error><Code>sw0rdfish !</Code></Error>"},
                403,
                "denied",
            ),
            ({"kind": "answer", "status": 429, "retryAfterS": 7}, 429, "HTTP 429"),
        ],
    )
    def test_each_fault_is_an_error_of_ours_after_one_try(
        self, r2: R2, fault: dict[str, object], status: int | None, words: str
    ) -> None:
        bucket = Bucket(r2.settings(), idle_timeout_s=0.5)
        r2.plan(kind="always", fault=fault, path=r2.prefix)
        with pytest.raises(BucketError, match=words) as raised:
            create(bucket, f"{r2.prefix}/x", bytes(1000))
        assert raised.value.status == status
        assert raised.value.retry_after_s == (7 if status == 429 else None)
        assert "sw0rdfish" not in str(raised.value)
        assert len(r2.seen("PUT", "/x")) == 1
        bucket.close()

    def test_gives_up_an_upload_whose_time_is_up(self, r2: R2) -> None:
        bucket = Bucket(r2.settings())
        with pytest.raises(BucketError):
            bucket.create("x", bytes(10), sha256="", content_type="text/plain", is_cut=lambda: True)
        assert r2.sums() == {}
        bucket.close()


@pytest.fixture
def silent_server() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Takes what is sent without ever saying `100 Continue`, as R2 does."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def handle_expect_100(self) -> bool:
            return True

        def do_PUT(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_sends_what_r2_takes_and_no_more(silent_server: tuple[str, list[dict[str, str]]]) -> None:
    endpoint, seen = silent_server
    bucket = Bucket(BucketSettings(endpoint, "splats", "test-key", "test-secret"))
    create(bucket, "x", bytes(1 << 20))
    bucket.replace("y", b"y", content_type="text/plain", is_cut=never)
    bucket.close()
    for headers in seen:
        assert "expect" not in headers
        assert "content-md5" in headers
        assert "transfer-encoding" not in headers
        assert not any(name.startswith(("x-amz-checksum", "x-amz-sdk-checksum")) for name in headers)
    assert seen[0]["if-none-match"] == "*"
    assert seen[0]["content-length"] == str(1 << 20)
    assert "if-none-match" not in seen[1]


class TestTrouble:
    def test_waits_longer_with_each_failure_and_as_long_as_it_is_asked(self) -> None:
        pace = UploadPace()
        passing = BucketError("busy")
        waits = [wait_after(passing, failures, pace, lambda: 1.0) for failures in range(1, 9)]
        assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30]
        assert wait_after(passing, 100_000, pace, lambda: 0.5) == 15
        assert wait_after(BucketError("keys", is_for_user=True), 100_000, pace, lambda: 1.0) == 120
        asked = BucketError("busy", retry_after_s=7)
        assert wait_after(asked, 1, pace, lambda: 1.0) == 7.5
        assert wait_after(BucketError("busy", retry_after_s=1e9), 1, pace, lambda: 0.0) == 300

    def test_reads_both_forms_of_retry_after(self) -> None:
        assert parse_retry_after("12") == 12
        assert parse_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
        assert parse_retry_after("Wed, 21 Oct 2065 07:28:00 GMT") > 1e8
        assert parse_retry_after("soon") is None
        assert parse_retry_after(None) is None

    def test_is_told_once_and_taken_back(self) -> None:
        told: list[str] = []
        changes: list[None] = []
        trouble = BucketTrouble(warn=told.append, unwarn=told.remove, changed=lambda: changes.append(None))
        for _ in range(3):
            trouble.failed(BucketError("busy"))
        assert (told, trouble.current) == ([], None)
        trouble.failed(BucketError("busy"))
        trouble.failed(BucketError("cut"))
        assert told == ["busy. Chunks wait on disk and are tried again."]
        trouble.failed(BucketError("no keys", hint="Bring some.", is_for_user=True))
        assert told == ["no keys. Bring some. Chunks wait on disk and are tried again."]
        trouble.failed(BucketError("cut"))
        assert trouble.current == told[0]
        assert trouble.needs_user
        trouble.succeeded()
        assert (told, trouble.current, trouble.needs_user) == ([], None, False)
        assert len(changes) == 3

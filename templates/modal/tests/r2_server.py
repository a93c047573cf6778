"""Cloudflare's own R2 simulator behind the fault-injecting proxy (test/modal-backend/r2-server.mjs), as a
fixture. ``import`` ``r2`` and ``r2_process`` into a test module to use it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from live_splat.settings import BucketSettings

SCRIPT = Path(__file__).parents[3] / "test" / "modal-backend" / "r2-server.mjs"


@dataclass(frozen=True)
class R2:
    """A bucket of its own kind: each test has a prefix that no other has."""

    facts: dict[str, str]
    prefix: str

    def settings(self, **changes: Any) -> BucketSettings:
        """To reach it through the proxy."""
        values = {
            "endpoint": self.facts["endpoint"],
            "bucket": self.facts["bucket"],
            "access_key_id": self.facts["accessKeyId"],
            "secret_access_key": self.facts["secretAccessKey"],
            "public_url": self.facts["publicUrl"],
            "prefix": self.prefix,
        }
        return BucketSettings(**{**values, **changes})

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Talk to the simulator's control server."""
        is_post = path not in ("/seen", "/sums")
        data = json.dumps(body or {}).encode() if is_post else None
        request = urllib.request.Request(self.facts["faultControlUrl"] + path, data=data)  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)

    def plan(self, **plan: Any) -> None:
        """What befalls requests from now on."""
        self.ask("/plan", plan)

    def sums(self) -> dict[str, str]:
        """SHA-256 by key of what lies below this test's prefix, read by another client past the proxy."""
        found: dict[str, str] = self.ask("/sums")
        return {key: value for key, value in found.items() if key.startswith(f"{self.prefix}/")}

    def seen(self, method: str, part: str) -> list[dict[str, Any]]:
        """Requests of this test that came through the proxy."""
        asked: list[dict[str, Any]] = self.ask("/seen")
        mine = [each for each in asked if f"/{self.prefix}/" in each["path"]]
        return [each for each in mine if each["method"] == method and part in each["path"]]

    def get(self, key: str) -> bytes | None:
        """Read an object as a browser does; None when there is none."""
        response = self.open(key)
        return None if response is None else response[1]

    def open(self, key: str) -> tuple[dict[str, str], bytes] | None:
        """Headers in lower case, and bytes."""
        try:
            with urllib.request.urlopen(f"{self.facts['publicUrl']}/{key}", timeout=30) as answer:  # noqa: S310
                return {name.lower(): value for name, value in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def status(self, place: str) -> dict[str, Any] | None:
        """A status.json below the prefix."""
        data = self.get(f"{self.prefix}/{place}/status.json")
        return None if data is None else json.loads(data)


def until(wanted: Callable[[], Any], what: str = "", timeout_s: float = 30.0) -> Any:
    """Ask until the answer is true, and give it."""
    end_s = time.monotonic() + timeout_s
    while True:
        value = wanted()
        if value:
            return value
        if time.monotonic() > end_s:
            raise AssertionError(f"never came: {what or wanted}")
        time.sleep(0.02)


@pytest.fixture(scope="session")
def r2_process() -> Iterator[dict[str, str]]:
    """One simulator for all tests; it starts in some seconds."""
    node = shutil.which("node")
    assert node is not None, "the bucket's simulator needs node"
    with subprocess.Popen(
        [node, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, "the bucket's simulator did not start"
            yield json.loads(line)
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture
def r2(r2_process: dict[str, str]) -> Iterator[R2]:
    """The bucket, with nothing below its prefix and no fault planned."""
    bucket = R2(r2_process, f"test-{uuid.uuid4().hex[:12]}")
    yield bucket
    bucket.plan(kind="none")

"""Who may call: origins, hosts and the token, before anything of the body is read."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from served import served
from stub_scene import StubScenes

from live_splat.api import build_api
from live_splat.http.guards import is_loopback_host
from live_splat.settings import Settings

PAGE = "https://page.example"
TOKEN = "open-sesame"
CORS = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
]


@pytest.fixture
def open_client() -> Iterator[httpx.Client]:
    settings = Settings(is_loopback=True, cors_origins=(PAGE,))
    with served(build_api(StubScenes(), settings)) as url, httpx.Client(base_url=url) as client:
        yield client


@pytest.fixture
def closed_client() -> Iterator[httpx.Client]:
    settings = Settings(is_loopback=False, token=TOKEN, cors_origins=(PAGE,))
    with served(build_api(StubScenes(), settings)) as url, httpx.Client(base_url=url) as client:
        yield client


class TestOrigins:
    @pytest.mark.parametrize("path", ["/status", "/nothing-here"])
    def test_a_listed_origin_may_read_every_answer(self, open_client: httpx.Client, path: str) -> None:
        headers = open_client.get(path, headers={"origin": PAGE}).headers
        assert headers["access-control-allow-origin"] == PAGE
        assert headers["vary"] == "Origin"
        assert "X-Splat-Version" in headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in headers

    @pytest.mark.parametrize("origin", ["https://other.example", "null", f"{PAGE}.evil", f"{PAGE}:81"])
    def test_any_other_is_turned_away_without_a_cors_header(
        self, open_client: httpx.Client, origin: str
    ) -> None:
        for method in ["GET", "OPTIONS"]:
            answer = open_client.request(method, "/status", headers={"origin": origin})
            assert answer.status_code == 403
            assert answer.json()["error"]["code"] == "forbidden_origin"
            assert not [name for name in CORS if name in answer.headers]

    def test_the_servers_own_page_needs_no_listing(self, open_client: httpx.Client) -> None:
        own = str(open_client.base_url).rstrip("/")
        answer = open_client.get("/status", headers={"origin": own})
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers

    def test_a_preflight_is_answered_without_the_token(self, closed_client: httpx.Client) -> None:
        answer = closed_client.options("/status", headers={"origin": PAGE})
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-methods"] == "GET, POST, PUT, DELETE"
        allowed = answer.headers["access-control-allow-headers"]
        assert allowed == "Authorization, Content-Type, If-None-Match"

    def test_a_foreign_host_is_turned_away_on_loopback_alone(
        self, open_client: httpx.Client, closed_client: httpx.Client
    ) -> None:
        headers = {"host": "foreign.example"}
        assert open_client.get("/health", headers=headers).status_code == 403
        assert closed_client.get("/health", headers=headers).status_code == 200


class TestToken:
    @pytest.mark.parametrize(
        "sent",
        [None, "", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN],
    )
    def test_without_it_nothing_is_answered(self, closed_client: httpx.Client, sent: str | None) -> None:
        headers = {} if sent is None else {"authorization": sent}
        for method, path in [("GET", "/status"), ("POST", "/health"), ("GET", "/none"), ("POST", "/reset")]:
            answer = closed_client.request(method, path, headers=headers)
            assert answer.status_code == 401
            assert answer.json()["error"]["code"] == "unauthorized"
            assert TOKEN not in answer.text

    def test_with_it_everything_is(self, closed_client: httpx.Client) -> None:
        for kind in ["Bearer", "bearer"]:
            headers = {"authorization": f"{kind} {TOKEN}"}
            assert closed_client.get("/status", headers=headers).status_code == 200

    def test_health_is_open(self, closed_client: httpx.Client) -> None:
        assert closed_client.get("/health").status_code == 200
        assert closed_client.head("/health").status_code == 200


@pytest.mark.parametrize("host", ["localhost", "localhost:80", "127.0.0.1:7861", "127.9.9.9", "[::1]:80"])
def test_names_of_this_machine(host: str) -> None:
    assert is_loopback_host(host)


@pytest.mark.parametrize(
    "host", ["example.org", "127.0.0.1.example.org", "localhost.example.org", "10.0.0.1", ""]
)
def test_names_of_others(host: str) -> None:
    assert not is_loopback_host(host)

"""A real HTTP server on loopback that takes joint angles well, slowly, wrongly or not at all."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class RelayDouble:
    """``taken`` holds what was posted, in order; ``behave(handler)`` answers in the usual answer's stead."""

    def __init__(self, port: int = 0, behave: Callable[[BaseHTTPRequestHandler], None] | None = None):
        self.taken: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                outer.connections += 1
                outer._open.add(self.request)
                super().setup()

            def finish(self):
                outer._open.discard(self.request)
                super().finish()

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.taken.append({"path": self.path, **json.loads(body)})
                outer.headers.append(dict(self.headers))
                (behave or outer.accept)(self)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self._open: set[socket.socket] = set()
        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @staticmethod
    def accept(handler: BaseHTTPRequestHandler, status: int = 200, body: bytes = b'{"success": true}'):
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def close(self):
        """Go, and cut what is open, as a process that ends does."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._open):
            cut(connection)
        self._thread.join()


def cut(connection: socket.socket):
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def until(wanted: Callable[[], bool], within_s: float = 10) -> None:
    """Wait for something to come true; fails when it does not."""
    end = time.monotonic() + within_s
    while not wanted():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.005)

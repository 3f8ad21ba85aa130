"""A node on loopback that answers whatever a test wants, valid or not."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], bytes]


def result(value: object) -> Answer:
    """A well-formed answer with this result."""
    return lambda question: json.dumps({"jsonrpc": "2.0", "id": question["id"], "result": value}).encode()


def by_method(**answers: Answer) -> Answer:
    """Another answer for each method."""
    return lambda question: answers[question["method"]](question)


@contextmanager
def node(answer: Answer) -> Iterator[str]:
    """Gives the URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

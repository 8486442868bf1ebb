"""Web pages for tests in real browsers, served on loopback: a page for each thing that a test does with one."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

GREETING = """<!doctype html><html><head><title>Greeting</title></head><body>
<h1 id="title">Who is there?</h1>
<input id="name" aria-label="Your name"> <button id="greet" onclick="greet()">Greet</button>
<p id="greeting"></p>
<script>
function greet() {
  document.getElementById("greeting").textContent = "Hello " + document.getElementById("name").value;
  console.error("greeted");
}
</script></body></html>"""

SLOW = "<!doctype html><title>Slow</title><p id='late'>That took a while.</p>"


class Pages:
    """The server, on a free port, with a thread for each request. Use as a context manager.

    Attributes:
        url: Base URL, without a trailing slash. `/` greets, `/slow?ms=N` answers after so many milliseconds.
    """

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Pages:
        threading.Thread(target=self._server.serve_forever, name="pages", daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        place = urlsplit(self.path)
        if place.path == "/slow":
            time.sleep(float(parse_qs(place.query).get("ms", ["0"])[0]) / 1000)
        body = {"/": GREETING, "/slow": SLOW}.get(place.path, "").encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: whoever tests wants its own output."""

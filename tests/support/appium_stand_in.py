"""A program that takes Appium's place: it answers GET /status, and goes wrong as it is told.

`--scene FOLDER` is where it is told, and where it tells. Files there when it starts: `refuse` (it ends at once), `mute`
(it never listens), `taken` (the port is another's, once), `child` (it starts one that ignores TERM, in a session of its
own, and forgets it), `chatty` (how many lines it prints), `deaf` (it ignores TERM). It writes a line into `starts` for
each start, the id of its child into `children`, and `ended` when it was ended by TERM.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CHILD = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.setsid()
print(os.getpid(), flush=True)
os.close(1)
signal.pause()
"""


class Door(BaseHTTPRequestHandler):
    """/status is answered, /crash ends the process, /hang stops it, /child starts one more child."""

    def do_GET(self) -> None:
        if self.path.endswith("/crash"):
            os._exit(3)
        if self.path.endswith("/hang"):
            os.kill(os.getpid(), signal.SIGSTOP)
        if self.path.endswith("/child"):
            have_child(scene)
        body = b'{"value": {"ready": true, "message": "a stand-in"}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: it says what the test wants it to say."""


def have_child(scene: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", CHILD, str(scene)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    append(scene / "children", child.stdout.readline().strip())


def append(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line + "\n")


def word_after(name: str) -> str:
    return sys.argv[len(sys.argv) - 1 - sys.argv[::-1].index(name) + 1]


def end(*_: object) -> None:
    append(scene / "ended", str(os.getpid()))
    os._exit(0)


if __name__ == "__main__":
    scene, port = Path(word_after("--scene")), int(word_after("--port"))
    append(
        scene / "starts", f"{os.getpid()} {port} {os.environ.get('APPIUM_HOME', '')} {' '.join(sys.argv[1:])}"
    )
    print("a stand-in for Appium", flush=True)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if (scene / "deaf").exists() else end)
    if (scene / "refuse").exists():
        sys.exit("Fatal: there is no such driver")
    if (scene / "taken").exists():
        (scene / "taken").unlink()
        sys.exit("Error: listen EADDRINUSE: address already in use")
    if (scene / "child").exists():
        have_child(scene)
    if (scene / "chatty").exists():
        for number in range(int((scene / "chatty").read_text())):
            print(f"line {number} " + "x" * 80)
        sys.stdout.flush()
    if (scene / "mute").exists():
        signal.pause()
    server = ThreadingHTTPServer(("127.0.0.1", port), Door)
    server.daemon_threads = True
    server.serve_forever()

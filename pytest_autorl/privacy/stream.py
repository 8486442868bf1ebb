"""Text that comes in pieces, redacted line by line: standard streams, files that grow, pipes.

A value may be split over pieces, and may have several lines. So a line is held back until it ends, and lines are held
back while a private key is open or while they may begin a registered value. Where text must go out earlier (a prompt,
a line without end), what has left is remembered: a value that is completed by later text has no rest to be seen.
How the text was cut into pieces makes no difference.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pytest_autorl.privacy.locking import Locked

if TYPE_CHECKING:
    from pytest_autorl.privacy.redactor import Redactor

#: The most that is held back, characters.
MOST_HELD: Final = 32 * 1024
#: Of a line without end, so much stays back, for a value that goes on; characters.
_MARGIN: Final = 4 * 1024
#: Longest beginning of a value that is kept back when a line is to be seen before it ends, characters.
_LONGEST_BEGUN: Final = 256
#: So much of what has left is looked at again with what follows it, characters.
_CONTEXT: Final = 1024


class RedactingStream(Locked):
    """Hands redacted text to `write`. Safe for threads: `write` is called by one at a time.

    What a signal handler writes in the middle of another piece, or `write` itself, comes after that piece.
    """

    def __init__(self, redactor: Redactor, write: Callable[[str], object]) -> None:
        super().__init__()
        self._redactor = redactor
        self._write = write
        self._is_busy = False
        self._waiting: deque[str] = deque()
        self._raw = ""  # what is held back, and before it what has left of the same line
        self._given = 0  # how much of that has left
        self._seen = 0  # up to where it was searched for ends of lines
        self._is_marked = False  # its last piece was a mark

    def write(self, text: str) -> int:
        """Take a piece; whole lines go out. Returns its length, as files do."""
        with self.lock:
            self._is_marked = False
            self._waiting.append(text)
            self._in_turn()
        return len(text)

    def mark(self, text: str) -> bool:
        """Take a piece that shows how far something is, such as a dot, and give it out at once if nothing is held back.

        Only where it goes on no word but other such pieces; False, and nothing is done, elsewhere.
        """
        with self.lock:
            raw = self._raw
            if self._is_busy or self._waiting or self._given != len(raw) or len(raw) >= MOST_HELD:
                return False
            if raw and not self._is_marked and not raw[-1].isspace():
                return False
            self._raw = raw + text
            self._given = len(self._raw)
            self._is_marked = True
            self._write(text)
        return True

    def flush(self, partial: bool = False) -> None:
        """Whole lines are out already; with `partial` the line that has not ended goes out as well.

        But for an end that begins a registered value: it goes out when it is known how it goes on.
        """
        with self.lock:
            self._in_turn(self._give_begun if partial else None)

    def close(self) -> None:
        """Give out everything. What is written later begins a new text."""
        with self.lock:
            self._in_turn(self._give_all)

    def _in_turn(self, then: Callable[[], None] | None = None) -> None:
        """Take what waits; in the middle of another piece that piece's writer does it, when it has ended."""
        if self._is_busy:
            return
        self._is_busy = True
        try:
            while self._waiting:
                self._take(self._waiting.popleft())
            if then is not None:
                then()
        finally:
            self._is_busy = False

    def _take(self, text: str) -> None:
        at = 0
        while at < len(text):
            # Filled up to the same mark however the text is cut.
            room = max(MOST_HELD - len(self._raw), 1)
            self._raw += text[at : at + room]
            at += room
            self._give_lines()
            if len(self._raw) >= MOST_HELD:
                self._give_most()

    def _give_begun(self) -> None:
        if self._given == len(self._raw):
            return
        begun = self._redactor.begun(self._raw[-_LONGEST_BEGUN:])
        self._give(self._raw, len(self._raw) - begun)

    def _give_all(self) -> None:
        end = len(self._raw)
        try:
            self._give(self._raw, end)
        finally:
            self._drop(end)

    def _give_lines(self) -> None:
        while (end := self._raw.find("\n", self._seen) + 1) > 0:
            block = self._raw[:end]
            if self._is_open(block):
                self._seen = end
                continue
            try:
                # Without what follows, which may be there already or not.
                self._give(block, end)
            finally:
                self._drop(end)

    def _give_most(self) -> None:
        end = len(self._raw) - _MARGIN
        for span in self._redactor.spans(self._raw):
            if span.start < end < span.end:
                end = span.start
        if end <= self._given:  # it is one value, from the first character to the margin
            end = len(self._raw)
        try:
            self._give(self._raw, end)
        finally:
            self._drop(max(0, end - _CONTEXT))

    def _give(self, text: str, end: int) -> None:
        start = self._given
        if start < end:
            self._given = end
            redacted = self._redactor.redact_part(text, start, end)
            if redacted:
                self._write(redacted)

    def _drop(self, length: int) -> None:
        self._raw = self._raw[length:]
        self._given = max(0, self._given - length)
        self._seen = max(0, self._seen - length)

    def _is_open(self, block: str) -> bool:
        begin = block.rfind("-----BEGIN ")
        if begin >= 0 and "PRIVATE KEY" in block[begin : begin + 64] and "-----END" not in block[begin:]:
            return True
        return self._redactor.held(block) > 0

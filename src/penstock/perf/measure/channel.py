"""Lines of JSON over two pipes, each send and receive with a deadline: neither side's silence can block the other.

It knows nothing of what the lines say. POSIX only: it waits with a selector, which knows no pipes on Windows.
"""

from __future__ import annotations

import json
import os
import selectors
import time
from collections.abc import Callable
from typing import Any

_CHUNK_BYTES = 1 << 20
_LOOK_S = 0.25


class Channel:
    """Descriptors are the caller's to close. `look` is called a few times a second while nothing comes; True means that
    nobody is left to answer. Deadlines are those of `time.monotonic`."""

    def __init__(self, reader: int, writer: int, look: Callable[[], bool]) -> None:
        self._reader = reader
        self._writer = writer
        self._look = look
        self._received = bytearray()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)

    def send(self, document: dict[str, Any], deadline_s: float) -> None:
        """Raises TimeoutError, or EOFError when the other side is gone."""
        data = memoryview(json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n")
        while data:
            try:
                data = data[os.write(self._writer, data) :]
                continue
            except BlockingIOError:
                pass
            except BrokenPipeError:
                raise EOFError from None
            self._wait(self._writer, selectors.EVENT_WRITE, deadline_s)

    def receive(self, deadline_s: float) -> dict[str, Any]:
        """The next line. Raises TimeoutError, or EOFError when the other side is gone."""
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            self._wait(self._reader, selectors.EVENT_READ, deadline_s)
            chunk = os.read(self._reader, _CHUNK_BYTES)
            if not chunk:
                raise EOFError
            self._received += chunk
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        document: dict[str, Any] = json.loads(line)
        return document

    def _wait(self, descriptor: int, event: int, deadline_s: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, event)
            while True:
                left_s = deadline_s - time.monotonic()
                if selector.select(min(max(0.0, left_s), _LOOK_S)):
                    return
                if left_s <= 0:
                    raise TimeoutError
                # Looked at as well, because a process that the other side left behind may hold the pipe open. What it
                # wrote before its end is there by now.
                if self._look() and not selector.select(0):
                    raise EOFError

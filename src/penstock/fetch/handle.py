"""An easy handle, and what the attempt that runs on it has received: collects, decodes, limits, sees lack of progress.

Never starts or ends a transfer. The rule: no body passes that is larger than allowed or shorter than it says.
"""

from __future__ import annotations

import asyncio

import pycurl

from penstock.fetch.decode import DecodeError, Decoder, decoder_for
from penstock.fetch.options import FetchOptions
from penstock.model import FailureKind


class Meter:
    """Body bytes held by running transfers; shared by all handles."""

    __slots__ = ("buffered_bytes",)

    def __init__(self) -> None:
        self.buffered_bytes = 0


class Handle:
    """One of the transport's pool. `reset` begins an attempt; `write` and `header_lines.append` are called by libcurl.

    Bytes are decoded bytes, times are seconds of the loop's clock. `abort_kind`, `decode_problem` and `refused` say why
    we ended the attempt ourselves, if we did.
    """

    __slots__ = (
        "abort_kind",
        "body_bytes_max",
        "chunks",
        "curl",
        "decode_problem",
        "decoder",
        "done",
        "header_lines",
        "is_customised",
        "last_progress",
        "last_progress_s",
        "meter",
        "reads",
        "received_bytes",
        "refused",
        "window_bytes",
        "window_s",
    )

    def __init__(self, curl: pycurl.Curl, meter: Meter, body_bytes_max: int) -> None:
        self.curl = curl
        self.meter = meter
        self.body_bytes_max = body_bytes_max
        self.chunks: list[bytes] = []
        self.header_lines: list[bytes] = []
        self.is_customised = False
        self.received_bytes = 0
        self.done: asyncio.Future[tuple[int, str]]
        self.reset(0.0)

    def reset(self, now_s: float) -> None:
        self.refused: str | None = None
        self.abort_kind: FailureKind | None = None
        self.decoder: Decoder | None = None
        self.decode_problem: str | None = None
        self.reads = 0
        self.last_progress = 0
        self.last_progress_s = now_s
        self.window_s: float | None = None
        self.window_bytes = 0

    def forget_body(self) -> None:
        """Let go of what was received; the response, if any, has it."""
        self.meter.buffered_bytes -= self.received_bytes
        self.received_bytes = 0
        self.chunks.clear()
        self.header_lines.clear()
        self.decoder = None

    def write(self, chunk: bytes) -> int | None:
        """Take what libcurl read. Anything but None or the length makes libcurl stop (error 23)."""
        if not self.reads:
            self._begin_body()
        self.reads += 1
        if self.decoder is not None:
            try:
                chunk = self.decoder.feed(chunk, self.body_bytes_max - self.received_bytes)
            except DecodeError as error:
                self.decode_problem = str(error)
        if self.decode_problem is not None:
            return 0
        size = len(chunk)
        self.received_bytes += size
        self.meter.buffered_bytes += size
        if self.received_bytes > self.body_bytes_max:
            return 0
        self.chunks.append(chunk)
        return None

    def _begin_body(self) -> None:
        """Find the last answer's status and Content-Encoding; asking libcurl is not allowed here."""
        if b"ncoding:" not in b"".join(self.header_lines).lower():
            return  # the usual case, told without looking at each line
        coding = b""
        for line in reversed(self.header_lines):
            if line[:5] == b"HTTP/":
                if coding and line.partition(b" ")[2][:1] == b"2":  # other answers have no use for their body
                    self._begin_decoding(coding.decode("latin-1"))
                return
            if line[:17].lower() == b"content-encoding:":
                coding = line[17:].strip() + b"," + coding

    def _begin_decoding(self, coding: str) -> None:
        try:
            self.decoder = decoder_for(coding)
        except DecodeError as error:
            self.decode_problem = str(error)

    def overdue(self, now_s: float, options: FetchOptions) -> FailureKind | None:
        """Why this attempt must end now, if it must. Looked at about once a second, which is how exact it is."""
        info = self.curl.getinfo
        received = self.reads + len(self.header_lines)
        if self._awaits_answer():
            progress = received + info(pycurl.REQUEST_SIZE) + info(pycurl.SIZE_UPLOAD_T)
            if not progress or progress != self.last_progress:  # connecting has a limit of its own
                self.last_progress, self.last_progress_s = progress, now_s
                return None
            return "timeout_first_byte" if now_s - self.last_progress_s > options.first_byte_timeout_s else None
        if received != self.last_progress:
            self.last_progress, self.last_progress_s = received, now_s
        elif now_s - self.last_progress_s > options.idle_timeout_s:
            return "timeout_idle"
        return "timeout_speed" if self._is_too_slow(now_s, options) else None

    def _is_too_slow(self, now_s: float, options: FetchOptions) -> bool:
        """Not libcurl's own low-speed limit: that one also runs while the server thinks before its first byte."""
        if self.window_s is not None and now_s - self.window_s < options.speed_time_s:
            return False
        info = self.curl.getinfo
        received_bytes = info(pycurl.SIZE_DOWNLOAD_T) + info(pycurl.HEADER_SIZE)  # before decoding
        began_s, began_bytes = self.window_s, self.window_bytes
        self.window_s, self.window_bytes = now_s, received_bytes
        if began_s is None:
            return False
        return bool(received_bytes - began_bytes < options.speed_limit_bytes_per_s * (now_s - began_s))

    def _awaits_answer(self) -> bool:
        """Whether the next byte will be the first of an answer: also after a redirect or an interim answer (1xx)."""
        if self.reads:
            return False
        if not self.header_lines:
            return True
        if self.header_lines[-1] not in (b"\r\n", b"\n"):
            return False
        for line in reversed(self.header_lines):
            if line[:5] == b"HTTP/":
                return line.partition(b" ")[2][:1] in (b"1", b"3")
        return False

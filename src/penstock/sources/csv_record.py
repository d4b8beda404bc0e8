"""Reads one CSV or TSV record from lines, one line at a time: quoting after RFC 4180, nothing trimmed, nothing guessed.

Kept apart from Python's `csv` because that offers no byte positions, refuses fields over a process-wide limit, and lets
one stray quote swallow the rest of the file. A quote inside an unquoted field is an ordinary character.
"""

from __future__ import annotations

from dataclasses import dataclass, field


class MalformedRecord(ValueError):
    """The text is no record: something stands between a closing quote and the next delimiter."""


@dataclass(slots=True)
class RecordParser:
    """Feed lines until `feed` returns True; then `fields` holds the values.

    `fields_max` bounds an open record: one with more fields is refused before it eats the file.
    Each character is looked at once, however many lines the record has.
    """

    delimiter: str
    fields_max: int
    fields: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def feed(self, line: str) -> bool:
        """Take the next line (without LF, with its CR if any). True when the record is complete with it."""
        at = 0
        is_quoted = bool(self._open)  # goes on inside the field that the last line left open
        while True:
            if is_quoted:
                end = _closing_quote(line, at)
                if end < 0:
                    self._leave_open(line[at:])
                    return False
                self.fields.append("".join((*self._open, line[at:end].replace('""', '"'))))
                self._open.clear()
                at = end + 1
                if at == len(line) or line[at:] == "\r":
                    return True
                if line[at] != self.delimiter:
                    raise MalformedRecord(f"text after the closing quote of field {len(self.fields)}")
                at += 1
            elif (cut := line.find(self.delimiter, at)) >= 0:
                self.fields.append(line[at:cut])
                at = cut + 1
            else:
                self.fields.append(line[at:].removesuffix("\r"))
                return True
            is_quoted = line.startswith('"', at)
            at += is_quoted

    def start(self, line: str) -> bool:
        """Take the first line of a record."""
        self.fields = []
        self._open = []
        if line.startswith('"'):
            self._open.append("")
            return self.feed(line[1:])
        return self.feed(line)

    def _leave_open(self, rest: str) -> None:
        if len(self.fields) >= self.fields_max:
            raise MalformedRecord(
                f"a quote opens in field {len(self.fields) + 1}, and there are {self.fields_max} columns"
            )
        self._open.append(rest.replace('""', '"') + "\n")


def _closing_quote(line: str, at: int) -> int:
    """Index of the quote that closes a field whose content goes on at `at`, or -1. Doubled quotes stand for one."""
    while (at := line.find('"', at)) >= 0:
        if not line.startswith('"', at + 1):
            return at
        at += 2
    return -1

"""The verdict of a run as a reader wants it: who is the limit, in words, and how sure that is. It judges nothing.

The rule: below `SURE` it is never told as if it were certain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from penstock.perf.report.lookup import found, mapping, number, text, texts
from penstock.telemetry.format import printable

# label → (heading, what it means, colour of the pipeline's part in theme.css)
_WORDS: Mapping[str, tuple[str, str, str]] = {
    "event_loop": ("The event loop", "The one thread that runs everything has no time left.", "fetch"),
    "machine_contention": (
        "The machine",
        "Other programs, or the host of this virtual machine, take the processor while the run is ready to go on.",
        "bad",
    ),
    "sink": ("The sink", "Records come faster than they can be written; the pressure goes back to the source.", "sink"),
    "cpu": ("The process function", "Answers come faster than they can be processed.", "process"),
    "server": ("The servers", "They answer no faster, however many requests are sent at once.", "fetch"),
    "rate_limit": ("A rate limit", "Items are ready, but a rate or the server's push-back makes them wait.", "rate"),
    "network": ("The network", "The line is full: bodies take longer the more of them come at once.", "fetch"),
    "dns": ("Name lookup", "Attempts wait for the addresses of their hosts.", "host"),
    "connect": ("Connecting", "Attempts wait for TCP connections and TLS handshakes.", "host"),
    "client_pool": ("The limit per host", "Places are free, but every host has all the requests it may have.", "host"),
    "concurrency": ("Concurrency too low", "More attempts at once would be faster.", "fetch"),
    "input": ("The input", "The source yields items more slowly than they are fetched.", "source"),
    "mixed": ("No single limit", "The numbers do not point to one part.", "idle"),
}
SURE = 0.9
_LIKELY = 0.6
_LABEL_MAX = 60


@dataclass(frozen=True, slots=True)
class VerdictCard:
    """`heading` names the limit, `meaning` says it in a sentence; `tone` is a colour of theme.css without `--c-`.

    `confidence` 0 to 1, None when not told; `certainty` is the word for it. `alternatives`: heading, share of the
    resamples. `numbers`: what the verdict rests on. `note`: what to know about how it was made.
    """

    label: str
    heading: str
    meaning: str
    tone: str
    confidence: float | None
    evidence: tuple[str, ...] = ()
    next: str = ""
    at_twice_concurrency: str = ""
    falsify: str = ""
    alternatives: tuple[tuple[str, float], ...] = ()
    numbers: Mapping[str, float] | None = None
    note: str = ""

    @property
    def certainty(self) -> Literal["sure", "likely", "not sure"]:
        if self.confidence is None or self.confidence < _LIKELY:
            return "not sure"
        return "sure" if self.confidence >= SURE else "likely"

    @property
    def question(self) -> str:
        """The heading, with a question mark where it is a guess."""
        is_guess = self.certainty == "not sure" and self.label != "mixed"
        return f"{self.heading}?" if is_guess else self.heading

    @property
    def line(self) -> str:
        """The verdict in one line, for a terminal."""
        share = "" if self.confidence is None else f", {percent(self.confidence)}"
        reason = f": {self.evidence[0]}" if self.evidence else ""
        return f"{self.question} ({self.certainty}{share}){reason}"


def verdict_card(document: object) -> VerdictCard | None:
    """From the object that stats.json holds under `verdict`; None when it holds none."""
    label = text(document, "label")
    if not label:
        return None
    heading, meaning, tone = _WORDS.get(label, (printable(label, _LABEL_MAX), "", "idle"))
    evidence = tuple(map(_sentence, texts(document, "evidence")))
    if label == "mixed" and evidence and evidence[0].lower().startswith("cannot tell"):
        heading, meaning = "Too short to tell", "The run gave too little to go by."
    return VerdictCard(
        label=label,
        heading=heading,
        meaning=meaning,
        tone=tone,
        confidence=number(document, "confidence"),
        evidence=evidence,
        next=_sentence(text(document, "next")),
        at_twice_concurrency=_sentence(text(document, "at_twice_concurrency")),
        falsify=_sentence(text(document, "falsify")),
        alternatives=tuple(_alternatives(found(document, "alternatives"), label)),
        numbers={
            printable(name, _LABEL_MAX): value
            for name in mapping(document, "numbers")
            if (value := number(document, "numbers", name)) is not None
        },
    )


def percent(share: float) -> str:
    """`97 %`; what is there and rounds to 0 is `<1 %`."""
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def _sentence(words: str) -> str:
    """With a capital and a full stop, as it stands alone on a page; flags to type stay as they are."""
    if not words or words.startswith("-"):
        return words
    return words[0].upper() + words[1:] + ("" if words[-1] in ".!?" else ".")


def _alternatives(value: object, label: str) -> list[tuple[str, float]]:
    """Pairs of label and share, as an array of pairs or an object; the verdict's own is left out."""
    pairs: Sequence[object] = list(value.items()) if isinstance(value, Mapping) else _as_list(value)
    told = []
    for pair in pairs:
        other, share = pair if isinstance(pair, list | tuple) and len(pair) == 2 else (None, None)
        if isinstance(other, str) and printable(other) != label and isinstance(share, int | float):
            told.append((_WORDS.get(other, (printable(other, _LABEL_MAX), "", ""))[0], float(share)))
    return told


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else []

"""The palette, computed: contrast on both themes, and series that stay apart for eyes that miss a cone type."""

from __future__ import annotations

import itertools
import math
import re
from typing import TypeAlias

import pytest

from penstock.perf.page.assets import asset_text

Rgb: TypeAlias = tuple[float, float, float]

SERIES = ("c-source", "c-fetch", "c-process", "c-sink", "c-rate", "c-host", "c-idle", "c-bad")
# Machado, Oliveira, Fernandes 2009, "A Physiologically-based Model for Simulation of Color Vision Deficiency",
# table of severity 1.0, on linear RGB.
EYES = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}
# Distance in OKLab x 100 (Ottosson 2020). About 2 is just noticeable side by side.
DISTANCE_MIN = {"usual": 12.0, "protanopia": 8.0, "deuteranopia": 8.0, "tritanopia": 8.0}


def blocks() -> dict[str, dict[str, str]]:
    """The custom properties of each theme: light, dark by the system's wish, dark by the reader's."""
    css = re.sub(r"/\*.*?\*/", "", asset_text("theme.css"), flags=re.DOTALL)
    selectors = {
        "light": r":root \{",
        "dark": r":root:not\(\[data-theme=\"light\"\]\) \{",
        "chosen dark": r":root\[data-theme=\"dark\"\] \{",
    }
    found = {}
    for name, selector in selectors.items():
        match = re.search(selector + r"(.*?)\}", css, flags=re.DOTALL)
        assert match, name
        found[name] = dict(re.findall(r"--([\w-]+):\s*([^;]+);", match[1]))
    return found


def color(theme: str, name: str) -> Rgb:
    themes = blocks()
    value = {**themes["light"], **themes[theme]}[name]
    while value.startswith("var(--"):
        value = {**themes["light"], **themes[theme]}[value[6:-1]]
    assert re.fullmatch(r"#[0-9a-f]{6}", value), f"{name}: {value}"
    red, green, blue = (int(value[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return linear(red), linear(green), linear(blue)


def linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def contrast(first: Rgb, second: Rgb) -> float:
    """WCAG 2.2's contrast ratio."""
    light, dark = sorted((0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2] for rgb in (first, second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def oklab(rgb: Rgb) -> Rgb:
    red, green, blue = rgb
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    middle = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def seen(eyes: str, rgb: Rgb) -> Rgb:
    rows = (sum(factor * channel for factor, channel in zip(row, rgb, strict=True)) for row in EYES[eyes])
    red, green, blue = (min(1.0, max(0.0, channel)) for channel in rows)
    return red, green, blue


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("eyes", EYES)
def test_series_stay_apart_for_every_kind_of_eye(theme: str, eyes: str) -> None:
    for first, second in itertools.combinations(SERIES, 2):
        labs = [oklab(seen(eyes, color(theme, name))) for name in (first, second)]
        distance = 100 * math.dist(*labs)
        assert distance >= DISTANCE_MIN[eyes], f"{first} and {second}: {distance:.1f}"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", [*SERIES, "c-p50", "c-p95", "c-p99", "focus"])
def test_marks_stand_out_from_the_card(theme: str, name: str) -> None:
    assert contrast(color(theme, name), color(theme, "card")) >= 3.0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        *itertools.product(("text", "text-soft", "text-faint", "link"), ("bg", "card")),
        *itertools.product(("text", "text-soft"), ("card-sunken", "info-bg", "good-bg", "warn-bg", "bad-bg")),
        ("good", "good-bg"),
        ("warn", "warn-bg"),
        ("bad", "bad-bg"),
        ("link", "info-bg"),
        *itertools.product(("good", "warn", "bad"), ("card",)),
        ("tooltip-text", "tooltip-bg"),
        ("tooltip-soft", "tooltip-bg"),
        ("flame-match-text", "flame-match"),
    ],
)
def test_text_can_be_read_on_its_ground(theme: str, text: str, ground: str) -> None:
    assert contrast(color(theme, text), color(theme, ground)) >= 4.5


def test_both_ways_to_the_dark_theme_lead_to_the_same_one() -> None:
    themes = blocks()
    assert themes["dark"] == themes["chosen dark"]
    assert themes["dark"].keys() <= themes["light"].keys()

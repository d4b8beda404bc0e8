"""What a test asks of a picture: that it is XML, and what stands in it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

NUMBERS = ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height", "dx")
HOSTILE = (
    "<img src=x onerror=alert(1)>\"'</script><script>alert(2)</script><!-- ]]>|`](javascript:alert(3)) \x1b[31m&amp;"
)


def parsed(svg: str) -> ET.Element:
    """The picture as a tree; fails when it is no XML, or when a place in it is no finite number."""
    root = ET.fromstring(svg)
    for element in root.iter():
        for name in NUMBERS:
            value = element.get(name)
            if value is not None:
                assert abs(float(value.removesuffix("%"))) < 1e6, f"{element.tag} {name}={value}"
        if element.tag.endswith("path"):
            assert "nan" not in element.get("d", ""), element.get("d")
            assert "inf" not in element.get("d", ""), element.get("d")
    return root


def texts(svg: str) -> list[str]:
    """The text of every `<text>`, its parts joined."""
    return ["".join(found.itertext()) for found in parsed(svg).iter() if found.tag.split("}")[-1] == "text"]


def tags(svg: str) -> set[str]:
    return {element.tag.split("}")[-1] for element in parsed(svg).iter()}

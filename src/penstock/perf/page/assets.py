"""The static files of our pages, as text: what a page embeds and what the dashboard serves.

It does not know what is in them. The rule: a name is a plain file name of this folder, never a path.
"""

from __future__ import annotations

from importlib import resources

CONTENT_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


def asset_text(name: str) -> str:
    """The text of `theme.css`, `theme.js`, `flamegraph.js`, … Raises FileNotFoundError when there is no such asset."""
    if name not in asset_names():
        raise FileNotFoundError(f"expected one of {', '.join(asset_names())}, got {name!r}")
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def asset_names() -> tuple[str, ...]:
    """The names that `asset_text` knows, sorted; their ending is a key of `CONTENT_TYPES`."""
    names = (entry.name for entry in resources.files(__package__).iterdir())
    return tuple(sorted(name for name in names if name.endswith(tuple(CONTENT_TYPES))))

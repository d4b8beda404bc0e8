"""A profile's stacks as a tree of functions: what every flamegraph is drawn from.

Frames are one node when their name and file agree, whatever the line; the lines are kept beside it. Nothing is drawn
here. The rule: a node's total is its own weight plus its children's totals, for both profiles of a difference.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping

from penstock.perf.profile.draw.groups import Group, file_label, group_of
from penstock.perf.profile.model import Frame, Profile, Stack

LINES_KEPT = 3
NODES_MAX = 20_000
REST = "[too small to draw]"
_IMPORT = Frame("[import]", "<frozen importlib._bootstrap>")


class Node:
    """A function at one place of the call tree. `own` and `total` in the profile's unit; `own_before` and
    `total_before` of the profile it is compared with, 0 without one. `lines`: weight by line of the file."""

    __slots__ = ("children", "depth", "file", "lines", "name", "own", "own_before", "total", "total_before")

    def __init__(self, name: str, file: str, depth: int) -> None:
        self.name = name
        self.file = file
        self.depth = depth
        self.own = 0.0
        self.total = 0.0
        self.own_before = 0.0
        self.total_before = 0.0
        self.lines: dict[int, float] = {}
        self.children: dict[tuple[str, str], Node] = {}

    def below(self, frame: Frame) -> Node:
        """The child for that function, made if it is not there yet."""
        key = (frame.name, frame.file)
        child = self.children.get(key)
        if child is None:
            child = self.children[key] = Node(frame.name, frame.file, self.depth + 1)
        return child

    def ordered(self) -> list[Node]:
        """The children, heaviest first; of equal weight by name."""
        return sorted(self.children.values(), key=lambda node: (-node.total, -node.total_before, node.name, node.file))

    def walk(self, too_light: float = 0.0) -> Iterator[Node]:
        """This node and all below it, parents before children, heaviest first. Children that weigh `too_light` or less
        (in both profiles together) come as one leaf, `REST`."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            children = node.ordered()
            if too_light > 0:
                kept = [child for child in children if child.total + child.total_before > too_light]
                if len(kept) < len(children):
                    kept.append(node.rest(set(children).difference(kept)))
                children = kept
            waiting.extend(reversed(children))

    def rest(self, children: Iterable[Node]) -> Node:
        """One leaf with the weight of those children."""
        leaf = Node(REST, "", self.depth + 1)
        for child in children:
            leaf.total += child.total
            leaf.total_before += child.total_before
        leaf.own, leaf.own_before = leaf.total, leaf.total_before
        return leaf


def tree_of(profile: Profile, before: Profile | None = None) -> Node:
    """The root, named "all", of the profile's tree; with `before`, every node also has that profile's weights.

    Of what Python does to import a module, only one frame is left, see `without_import_steps`.
    """
    root = Node("all", "", 0)
    for stack, weight in profile.stacks.items():
        _add(root, without_import_steps(stack), weight)
    for stack, weight in before.stacks.items() if before else ():
        _add_before(root, without_import_steps(stack), weight)
    return root


def without_import_steps(stack: Stack) -> Stack:
    """The stack with one `[import]` for each run of importlib's frames: five or more for every import, all alike.

    Where the run is the end of the stack, its last frame stays, as the weight is its own.
    """
    if not any(_is_importlib(frame) for frame in stack):
        return stack
    kept: list[Frame] = []
    for at, frame in enumerate(stack):
        if not _is_importlib(frame):
            kept.append(frame)
            continue
        if not kept or kept[-1] is not _IMPORT:
            kept.append(_IMPORT)
        if at == len(stack) - 1:
            kept.append(frame)
    return tuple(kept)


def _is_importlib(frame: Frame) -> bool:
    return frame.file.startswith("<frozen importlib.")


def compact(root: Node, profile: Profile, nodes_max: int = NODES_MAX) -> dict[str, object]:
    """The tree as the page's script reads it: tables of texts, and one list for each property of the nodes.

    Nodes stand in the order of `walk`, so `depth` alone gives the structure. `lines` holds for each node its heaviest
    lines, flat (line, weight, line, weight, …). `before` is left out unless the tree compares two profiles.
    Of a tree with more than `nodes_max` nodes, the lightest are put together, siblings with siblings.
    """
    tables = _Tables()
    frames: list[int] = []
    depths: list[int] = []
    own: list[float] = []
    own_before: list[float] = []
    lines: list[list[float]] = []
    for node in root.walk(_too_light(root, nodes_max)):
        frames.append(tables.frame(node))
        depths.append(node.depth)
        own.append(_short(node.own))
        own_before.append(_short(node.own_before))
        heaviest = sorted(node.lines.items(), key=lambda entry: (-entry[1], entry[0]))[:LINES_KEPT]
        lines.append([number for line, weight in heaviest for number in (line, _short(weight))])
    content: dict[str, object] = {
        "format": 1,
        "kind": profile.kind,
        "unit": profile.unit,
        "groups": [group._asdict() for group in tables.groups],
        "frames": tables.frames,
        "frame": frames,
        "depth": depths,
        "own": own,
        "lines": lines,
    }
    if root.total_before:
        content["before"] = own_before
    return content


def _too_light(root: Node, nodes_max: int) -> float:
    """The weight up to which nodes are left out, so that no more than `nodes_max` stay; 0 when all may."""
    weights = [node.total + node.total_before for node in root.walk()]
    return heapq.nlargest(nodes_max + 1, weights)[-1] if len(weights) > nodes_max else 0.0


class _Tables:
    def __init__(self) -> None:
        self.groups: dict[Group, int] = {}
        self.frames: list[list[object]] = []
        self._frames: dict[tuple[str, str], int] = {}

    def frame(self, node: Node) -> int:
        key = (node.name, node.file)
        index = self._frames.get(key)
        if index is None:
            index = self._frames[key] = len(self.frames)
            group = self.groups.setdefault(group_of(*key), len(self.groups))
            self.frames.append([node.name, file_label(node.file), group])
        return index


def _add(root: Node, stack: Stack, weight: float) -> None:
    node = root
    node.total += weight
    for frame in stack:
        node = node.below(frame)
        node.total += weight
        if frame.line > 0:
            node.lines[frame.line] = node.lines.get(frame.line, 0.0) + weight
    node.own += weight


def _add_before(root: Node, stack: Stack, weight: float) -> None:
    node = root
    node.total_before += weight
    for frame in stack:
        node = node.below(frame)
        node.total_before += weight
    node.own_before += weight


def weights_by_function(root: Node) -> Mapping[tuple[str, str], tuple[float, float, float, float]]:
    """(own, own before, total, total before) of each function (name, file); a recursion counts once in the totals."""
    found: dict[tuple[str, str], list[float]] = {}
    path: list[tuple[str, str]] = []
    for node in root.walk():
        if not node.depth:
            continue
        key = (node.name, node.file)
        del path[node.depth - 1 :]
        sums = found.setdefault(key, [0.0, 0.0, 0.0, 0.0])
        sums[0] += node.own
        sums[1] += node.own_before
        if key not in path:
            sums[2] += node.total
            sums[3] += node.total_before
        path.append(key)
    return {key: (sums[0], sums[1], sums[2], sums[3]) for key, sums in found.items()}


def _short(weight: float) -> float:
    """Seven digits are more than any sampler knows, and half the size."""
    return float(f"{weight:.7g}")

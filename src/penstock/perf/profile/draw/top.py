"""The ten lines of a profile that matter, as plain text for a terminal.

No colours and no control characters: what a name contains of those is shown as `?`. The rule: never more than ten
lines, and the first one says how much was recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TypeVar

from penstock.perf.profile.draw.amounts import amount, percent
from penstock.perf.profile.draw.details import blocked_places, entries, number
from penstock.perf.profile.draw.flametree import tree_of, weights_by_function
from penstock.perf.profile.draw.groups import STATE_ROLES, file_label, group_of
from penstock.perf.profile.model import Frame, Profile, Stack

LINES_MAX = 10
_Key = TypeVar("_Key")
_STATES = ("running", "runnable", "waiting")


def ten_lines(profile: Profile, width: int = 100) -> list[str]:
    """At most ten lines of at most `width` characters (at least 40), for the profile's kind.

    cpu: the functions with the most time of their own. await: the three states, then the awaits that tasks spend most
    task-seconds in, with their state. loop: lag, then the longest blocks with the line to blame. memory: the
    allocating functions, then leaks. Notes come last, as far as there is room for them; the page has them all.
    """
    lines = [_first(profile)]
    body = {"cpu": _functions, "await": _awaits, "loop": _blocks, "memory": _memory}[profile.kind]
    notes = [f"note: {note}" for note in profile.notes[:2]]
    room = LINES_MAX - 1 - len(notes)
    lines += islice(body(profile, room), room)
    return [_fitted(line, max(width, 40)) for line in [*lines, *notes]]


def _first(profile: Profile) -> str:
    whole = amount(profile.total, profile.unit)
    what = f" of {profile.title}" if profile.title else ""
    looks = f"{profile.samples:,} samples in {amount(profile.duration_s, 'seconds')}"
    if not profile.stacks and profile.kind != "loop":
        return f"{profile.kind}{what}: nothing was recorded ({looks})"
    match profile.kind:
        case "cpu":
            cores = f" ({percent(profile.total / profile.duration_s)} of a core)" if profile.duration_s > 0 else ""
            return f"cpu{what}: {whole} of CPU time{cores}, {looks}"
        case "await":
            mean = f", {profile.total / profile.duration_s:,.1f} tasks on average" if profile.duration_s > 0 else ""
            return f"await{what}: {whole}{mean}, {looks}"
        case "loop":
            return f"loop{what}: blocked for {whole}, {looks}"
        case "memory":
            return f"memory{what}: {whole} at the high-water mark, {looks}"


def _functions(profile: Profile, room: int) -> Iterator[str]:
    """By own weight. A function that is not the reader's is told with the line of theirs that most of it came from."""
    total = profile.total
    places = _places(profile)
    functions = weights_by_function(tree_of(profile))
    for (name, file), (own, _, whole, _) in sorted(functions.items(), key=lambda entry: (-entry[1][0], entry[0])):
        if own <= 0:
            return
        line, caller = places[name, file]
        place = f"  {file_label(file)}:{line}" if file else ""
        if caller is not None:
            more = f"  ← {caller.name}  {file_label(caller.file)}:{caller.line}"
        else:
            more = f"  (with callees {percent(whole / total)})" if whole > 1.05 * own else ""
        yield f"{percent(own / total):>7} {amount(own, profile.unit):>9}  {name}{place}{more}"


def _awaits(profile: Profile, room: int) -> Iterator[str]:
    total = profile.total
    states = {state: profile.numbers.get(f"{state}_s", 0.0) for state in _STATES}
    whole = sum(states.values())
    if whole > 0:
        parts = (f"{state} {percent(value / whole)}" for state, value in states.items())
        yield " · ".join(parts) + "   (runnable: ready, but the loop is busy)"
    places: dict[tuple[str, str], float] = {}
    for stack, weight in profile.stacks.items():
        key = (_state(stack), _chain(stack))
        places[key] = places.get(key, 0.0) + weight
    for (state, chain), weight in sorted(places.items(), key=lambda entry: (-entry[1], entry[0])):
        yield f"{percent(weight / total):>7} {amount(weight, profile.unit):>11}  {state:<8}  {chain}"


def _state(stack: Stack) -> str:
    return next((STATE_ROLES[frame.name] for frame in stack if frame.name in STATE_ROLES), "")


def _chain(stack: Stack) -> str:
    """The task, the last of the reader's own frames and what that awaits: `worker: fetch > Queue.get  app.py:12`."""
    frames = [frame for frame in stack if frame.name not in STATE_ROLES]
    task = ""
    if len(frames) > 1 and frames[0].name.startswith("task "):
        task = frames.pop(0).name.removeprefix("task ")
    if not frames:
        return "(no frames)"
    own = [at for at, frame in enumerate(frames) if _is_yours(frame.file)]
    start = own[-1] if own else len(frames) - 1
    chain = [frames[start].name, *(frame.name for frame in frames[start + 1 :][-1:])]
    place = f"  {file_label(frames[start].file)}:{frames[start].line}" if frames[start].file else ""
    return (f"{task}: " if task not in ("", chain[0]) else "") + " > ".join(chain) + place


def _is_yours(file: str) -> bool:
    return bool(file) and group_of("", file).owner == "yours"


def _blocks(profile: Profile, room: int) -> Iterator[str]:
    lag = [
        (name.removeprefix("lag_s_").replace("p999", "p99.9"), value)
        for name, value in profile.numbers.items()
        if name.startswith("lag_s_")
    ]
    shown = ", ".join(f"{name} {amount(value, 'seconds')}" for name, value in lag) or "not measured"
    places = blocked_places(profile)
    count = int(profile.numbers.get("blocks", sum(place.times for place in places)))
    yield f"lag: {shown}; {count:,} {'block' if count == 1 else 'blocks'} over the threshold"
    for place in places:
        longest = amount(number(place.longest, "duration_s"), "seconds")
        task = f"  in {place.longest['task']}" if place.longest.get("task") else ""
        times = "once" if place.times == 1 else f"{place.times:,} times"
        most = f", longest {longest}" if place.times > 1 and place.longest else ""
        yield f"{amount(place.total_s, 'seconds'):>9}  {place.place or '?'}  ({times}{most}){task}"
    if not places:
        yield from _functions(profile, room)


def _memory(profile: Profile, room: int) -> Iterator[str]:
    leaks = sorted(entries(profile, "leaks"), key=lambda leak: -number(leak, "bytes"))[:3]
    yield from islice(_functions(profile, room), room - len(leaks))
    for leak in leaks:
        yield f"not freed {amount(number(leak, 'bytes'), 'bytes'):>9}  {leak.get('place', '?')}"


def _places(profile: Profile) -> dict[tuple[str, str], tuple[int, Frame | None]]:
    """For each function that is a leaf: the line with most of its own weight, and the reader's own frame that called
    most of it (None when the function is the reader's itself, or nobody of theirs called it)."""
    lines: dict[tuple[str, str], dict[int, float]] = {}
    callers: dict[tuple[str, str], dict[Frame | None, float]] = {}
    for stack, weight in profile.stacks.items():
        if not stack:
            continue
        name, file, line = stack[-1]
        of_line = lines.setdefault((name, file), {})
        of_line[line] = of_line.get(line, 0.0) + weight
        is_theirs = bool(file) and not _is_yours(file)
        caller = next((frame for frame in reversed(stack) if _is_yours(frame.file)), None) if is_theirs else None
        of_caller = callers.setdefault((name, file), {})
        of_caller[caller] = of_caller.get(caller, 0.0) + weight
    return {key: (_heaviest(lines[key]), _heaviest(callers[key])) for key in lines}


def _heaviest(weights: Mapping[_Key, float]) -> _Key:
    return max(weights, key=lambda key: weights[key])


def _fitted(line: str, width: int) -> str:
    plain = "".join(character if character.isprintable() else "?" for character in line)
    return plain if len(plain) <= width else plain[: width - 1] + "…"

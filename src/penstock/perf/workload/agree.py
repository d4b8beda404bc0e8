"""Whether all alternatives did the same work, told from their checked runs, before anything is timed.

Pure. The rule: alternatives that fail, are pushed back, or give different outputs for one item are not compared;
the refusal says which, on which item, and who agrees with whom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.perf.compare.model import Refusal
from penstock.perf.measure.model import RunResult
from penstock.perf.workload.model import Workload
from penstock.telemetry.format import printable

_ITEMS_SHOWN = 3
_NAMES_SHOWN = 6
_ITEM_CHARACTERS = 80
_SAMPLE_CHARACTERS = 100
_BEFORE_CHARACTERS = 20

_SAME_OUTPUT = (
    "an output must depend on its item alone: leave out time stamps, durations and random numbers, and sort what comes "
    "from a set"
)


def disagreement(workload: Workload, results: Mapping[str, RunResult]) -> Refusal | None:
    """Why these alternatives cannot be compared, or None. `results`: alternative's name → its checked run.

    Kinds, in this order: `pushback` (429 or 503 was answered), `raised` (items failed), `too_few_items` (two
    alternatives have no finished item in common), `different_output`.
    """
    for look in (_pushed_back, _failed, _without_common_items, _different):
        refusal = look(workload, results)
        if refusal is not None:
            return refusal
    return None


def unstable(workload: Workload, first: RunResult, second: RunResult, *, name: str = "") -> Refusal | None:
    """A refusal when one alternative, `name`, gave different outputs for the same item in two runs, or None."""
    both = sorted(first.digests.keys() & second.digests.keys())
    differing = [index for index in both if first.digests[index] != second.digests[index]]
    if not differing:
        return None
    lines = []
    for index in differing[:_ITEMS_SHOWN]:
        texts = _texts_apart([_sample(run, index) for run in (first, second)])
        lines += [f"  {_item(workload, index)}:", f"    first:  {texts[0]}", f"    second: {texts[1]}"]
    who = f"{name}: " if name else ""
    message = f"{who}different outputs in two runs for {_count(len(differing), len(both))}:\n" + "\n".join(lines)
    return Refusal("different_output", message, _hint(workload))


def _pushed_back(_workload: Workload, results: Mapping[str, RunResult]) -> Refusal | None:
    pushed = {name: run for name, run in results.items() if run.pushbacks}
    if not pushed:
        return None
    counts = _listed([f"{name} {run.pushbacks} of {run.items + run.failed}" for name, run in pushed.items()])
    return Refusal(
        "pushback",
        f"the server answered 429 or 503: {counts}. Its limit would be measured, not the alternatives",
        "lower the concurrency, or compare on a server of your own: penstock origin",
    )


def _failed(workload: Workload, results: Mapping[str, RunResult]) -> Refusal | None:
    failed = {name: run for name, run in results.items() if run.failed}
    if not failed:
        return None
    lines = []
    for name, run in list(failed.items())[:_NAMES_SHOWN]:
        line = f"  {name}: {run.failed} of {run.items + run.failed} items"
        if run.failures:
            number, text = run.failures[0]
            line += f"; first {_item(workload, number % max(1, len(workload.items)))}: {printable(text, 300)}"
        lines.append(line)
    if len(failed) > _NAMES_SHOWN:
        lines.append(f"  and {len(failed) - _NAMES_SHOWN} more alternatives")
    well = [name for name in results if name not in failed]
    rest = f"\n  none failed under {_listed(well)}" if well else ""
    return Refusal(
        "raised",
        "items failed, so the alternatives did not do the same work:\n" + "\n".join(lines) + rest,
        "take out the items that fail, or mend the function: each must end well under every alternative",
    )


def _without_common_items(_workload: Workload, results: Mapping[str, RunResult]) -> Refusal | None:
    names = list(results)
    for place, name in enumerate(names):
        for other in names[place + 1 :]:
            if not results[name].digests.keys() & results[other].digests.keys():
                ended = f"{name} ended {len(results[name].digests)}, {other} {len(results[other].digests)}"
                return Refusal(
                    "too_few_items",
                    f"{name} and {other} have no item in common, so their outputs cannot be compared ({ended})",
                    "give them more time, or fewer or quicker items",
                )
    return None


def _different(workload: Workload, results: Mapping[str, RunResult]) -> Refusal | None:
    everything = sorted(set().union(*(run.digests for run in results.values())))
    compared = [index for index in everything if sum(index in run.digests for run in results.values()) > 1]
    differing = [index for index in compared if len(_by_digest(results, index)) > 1]
    if not differing:
        return None
    groups = _groups(results)
    if len(groups) == 2 and len(groups[0]) > len(groups[1]):
        verb, other = ("agree", "differ") if len(groups[1]) > 1 else ("agree", "differs")
        who = f"{_listed(groups[0])} {verb}; {_listed(groups[1])} {other}"
    else:
        who = "these agree with each other: " + "; ".join(_listed(group) for group in groups)
    lines = []
    for index in differing[:_ITEMS_SHOWN]:
        lines.append(f"  {_item(workload, index)}:")
        sides = _by_digest(results, index)
        texts = _texts_apart([_sample(results[names[0]], index) for names in sides])
        lines += [f"    {_listed(names)}: {text}" for names, text in zip(sides, texts, strict=True)]
    return Refusal(
        "different_output",
        f"different outputs for {_count(len(differing), len(compared))}; {who}:\n" + "\n".join(lines),
        _hint(workload),
    )


def _by_digest(results: Mapping[str, RunResult], index: int) -> list[list[str]]:
    """The alternatives that ended item `index`, in lists of the same output, the longest first."""
    sides: dict[str, list[str]] = {}
    for name, run in results.items():
        if index in run.digests:
            sides.setdefault(run.digests[index], []).append(name)
    return sorted(sides.values(), key=len, reverse=True)


def _groups(results: Mapping[str, RunResult]) -> list[list[str]]:
    """The alternatives in lists that agree on every item they have in common, the longest first."""
    groups: list[list[str]] = []
    for name, run in results.items():
        for group in groups:
            if all(_agree(run.digests, results[member].digests) for member in group):
                group.append(name)
                break
        else:
            groups.append([name])
    return sorted(groups, key=len, reverse=True)


def _agree(some: Mapping[int, str], others: Mapping[int, str]) -> bool:
    return all(some[index] == others[index] for index in some.keys() & others.keys())


def _hint(workload: Workload) -> str:
    is_fetch = all(item[:8].lower().startswith(("http://", "https://")) for item in workload.items[:1])
    if is_fetch and workload.process is None:
        return f"{_SAME_OUTPUT}; for pages that change, --process with a function that returns only what stays the same"
    return _SAME_OUTPUT


def _item(workload: Workload, index: int) -> str:
    text = workload.items[index] if index < len(workload.items) else "?"
    return f"item {index} ({printable(text, _ITEM_CHARACTERS)})"


def _count(count: int, of: int) -> str:
    return f"{count} of {of} items" if of != 1 else "the one item"


def _sample(run: RunResult, index: int) -> str:
    """The output as text, or its digest where no text was kept."""
    text = run.samples.get(index)
    return f"an output with the digest {run.digests[index][:12]}" if text is None else printable(text)


def _texts_apart(texts: Sequence[str]) -> list[str]:
    """The texts cut so that what differs shows: from a little before the first place where they do."""
    if len(texts) > 1 and len(set(texts)) == 1:
        cut = [_cut(text, 0) for text in texts]
        return [f"{cut[0]} (the same as far as it was kept)", *cut[1:]]
    if len({"".join(sorted(text)) for text in texts}) == 1:  # the order of a set, most likely
        return [
            f"{_cut(text, 0)}{' (the same parts in another order)' if place else ''}"
            for place, text in enumerate(texts)
        ]
    common = 0
    for characters in zip(*texts, strict=False):
        if len(set(characters)) > 1:
            break
        common += 1
    start = 0 if common + _BEFORE_CHARACTERS < _SAMPLE_CHARACTERS else common - _BEFORE_CHARACTERS
    return [_cut(text, start) for text in texts]


def _cut(text: str, start: int) -> str:
    shown = text[start : start + _SAMPLE_CHARACTERS]
    return f"{'…' if start else ''}{shown}{'…' if start + _SAMPLE_CHARACTERS < len(text) else ''}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more

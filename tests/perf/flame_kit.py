"""Profiles for the flamegraph tests: small ones with known sums, hostile ones, big ones, and any at all."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from penstock.perf.profile.model import Frame, Kind, Profile, Stack, Unit

APP = "/srv/shop/app.py"
MAIN = Frame("main", APP, 10)
PARSE = Frame("parse", APP, 20)
LOADS = Frame("loads", "/usr/lib/python3.11/json/__init__.py", 346)
GET = Frame("Session.get", "/usr/lib/python3.11/site-packages/client/session.py", 88)

# Names that would do harm if any of them reached a page, a folded file or a terminal unescaped.
HOSTILE = (
    "<img src=x onerror=window.broken=1>",
    "</script><script>window.broken=1</script>",
    "</script ><script >window.broken=1</script >",
    "<!--<script>",
    "<!-- <script ",
    "\"'><svg onload=window.broken=1>",
    "</title></style></text>",
    "a;b c 12",
    "line\nbreak\r\n\u2028\u2029",
    "\x1b[31mred\x00",
    "${alert(1)} {0} %s \\x3b \\n",
    "surrogate \udce9",
)

UNITS: dict[Kind, Unit] = {"cpu": "seconds", "await": "task-seconds", "memory": "bytes", "loop": "seconds"}

names = st.one_of(st.text(min_size=1, max_size=12), st.sampled_from(HOSTILE), st.sampled_from(["f", "g", "h (x:1)"]))
frames = st.builds(Frame, names, st.one_of(st.just(""), names), st.integers(0, 99_999))
weights = st.floats(1e-3, 1e9, allow_nan=False)
stacks = st.lists(frames, min_size=1, max_size=6).map(tuple)
repeating = st.sampled_from([MAIN, PARSE, PARSE._replace(line=21), LOADS, GET])
trees = st.dictionaries(st.lists(repeating, max_size=8).map(tuple), weights, max_size=30)


def small() -> Profile:
    """4 s: 1 s main itself, 2 s parse (0.5 s on another line), 1 s loads below it."""
    profile = Profile("cpu", "seconds", title="shop", duration_s=5.0, samples=800)
    profile.add((MAIN,), 1.0)
    profile.add((MAIN, PARSE), 1.5)
    profile.add((MAIN, PARSE._replace(line=25)), 0.5)
    profile.add((MAIN, PARSE, LOADS), 1.0)
    return profile


def of_kind(kind: Kind, stacks_of: dict[Stack, float] | None = None) -> Profile:
    """A profile of that kind with what its sampler adds: states, blocks, leaks."""
    profile = Profile(kind, UNITS[kind], title="shop.py", duration_s=4.0, samples=400)
    scale = 1e6 if kind == "memory" else 1.0
    below: Stack = (Frame("[waiting]"), Frame("task handle", APP, 5)) if kind == "await" else ()
    for stack, weight in (stacks_of or small().stacks).items():
        profile.add(below + stack, weight * scale)
    chain = [list(frame) for frame in (MAIN, PARSE, LOADS)]
    if kind == "await":
        profile.add((Frame("[runnable]"), Frame("task handle", APP, 5), MAIN), 1.0)
        profile.add((Frame("[running]"), Frame("task handle", APP, 5), PARSE), 0.5)
        profile.numbers = {"running_s": 0.5, "runnable_s": 1.0, "waiting_s": 4.0, "interval_s_mean": 0.01}
        profile.details["coroutines"] = [
            {"name": "handle", "running_s": 0.5, "runnable_s": 1.0, "waiting_s": 1.0},
            {"name": "feed", "running_s": 0.0, "runnable_s": 0.0, "waiting_s": 3.0},
        ]
    elif kind == "loop":
        profile.numbers = {"lag_s_p50": 0.0002, "lag_s_p99": 0.31, "lag_s_max": 0.4}
        profile.details["blocks"] = [
            {"duration_s": 0.4, "at_s": 1.0, "place": "parse (app.py:20)", "task": "order 7", "stack": chain},
            {"duration_s": 0.1, "at_s": 2.0, "place": "parse (app.py:20)", "task": "order 8", "stack": chain},
            {"duration_s": 0.2, "at_s": 3.0, "place": "main (app.py:10)", "task": "", "stack": chain[:1]},
        ]
        profile.details["lag"] = [[0.0001, 300], [0.0011, 90], [0.35, 1], [0.4, 1]]
        profile.numbers["threshold_s"] = 0.05
    elif kind == "memory":
        profile.numbers = {"high_water_bytes": 4e6}
        profile.details["leaks"] = [{"bytes": 2e6, "allocations": 3, "place": "parse (app.py:20)", "stack": chain}]
    return profile


def hostile(kind: Kind = "cpu") -> Profile:
    """Every text that a profile has is hostile."""
    profile = of_kind(kind)
    for name in HOSTILE:
        stack = (MAIN, Frame(name, f"/tmp/{name}.py", 3), Frame(f"[{name}]"))
        profile.add(stack, 5e5 if kind == "memory" else 0.5)
    profile.title = " ".join(HOSTILE)
    profile.notes = list(HOSTILE)
    profile.numbers |= dict.fromkeys(HOSTILE, 1.0)
    profile.details["blocks"] = profile.details["leaks"] = profile.details["coroutines"] = [
        {
            "name": name,
            "place": name,
            "task": name,
            "duration_s": 1.0,
            "at_s": 1.0,
            "bytes": 9,
            "waiting_s": 1.0,
            "stack": [[name, name, 1], name],
        }
        for name in HOSTILE
    ]
    return profile


def big(nodes: int) -> Profile:
    """About that many nodes, as deep and as uneven as real ones, the same each time."""
    rng = random.Random(7)
    modules = ("alpha", "beta", "gamma", "delta", "epsilon")
    functions = [
        Frame(
            f"{name}.{verb}", f"/srv/{name}.py" if at % 2 else f"/lib/python3.11/site-packages/{name}/core.py", at + 1
        )
        for name in modules
        for at, verb in enumerate(("run", "read", "parse", "emit", "_step", "close"))
    ]
    popularity = [0.8**at for at in range(len(functions))]
    profile = Profile("cpu", "seconds", title=f"{nodes:,} nodes", duration_s=60.0, samples=nodes)
    made: set[Stack] = set()
    while len(made) < nodes:
        stack: Stack = (MAIN,)
        for _ in range(rng.randint(1, 28)):
            stack += (rng.choices(functions, weights=popularity)[0],)
            made.add(stack)
        profile.add(stack, rng.paretovariate(0.7) / nodes)
    return profile

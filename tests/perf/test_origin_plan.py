"""What one attempt is to do: repeatable, and in the shares that were asked for."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from penstock.perf.origin.draw import draw
from penstock.perf.origin.faults import FAULTS
from penstock.perf.origin.plan import Plan, make_plan
from penstock.perf.origin.script import Script, make_script, parse_query

QUERIES = st.sampled_from(
    [
        "",
        "bytes=lognormal:1K,1",
        "latency=lognormal:0.02,0.5&fault=503:0.3,reset-body:0.2",
        "fail=2:503:0.5,always:404:0.1&latency=uniform:0,1",
        "sequence=503,ok,hang&fail=1:429",
    ]
)


def script_of(query: str) -> Script:
    return make_script(parse_query(query)[0])


def outcomes(query: str, attempts: int, target: str = "/x", seed: int = 0) -> list[str]:
    script = script_of(query)
    return [make_plan(script, seed, "a.test", target, attempt).outcome for attempt in range(1, attempts + 1)]


@given(QUERIES, st.integers(), st.text(max_size=20), st.text(max_size=20), st.integers(1, 100))
def test_the_same_arguments_give_the_same_plan(query: str, seed: int, host: str, target: str, attempt: int) -> None:
    script = script_of(query)
    plan = make_plan(script, seed, host, target, attempt)
    assert plan == make_plan(script_of(query), seed, host, target, attempt)
    assert plan.latency_s >= 0
    assert plan.outcome in FAULTS or 400 <= int(plan.outcome) <= 599


def test_plans_stay_the_same_between_versions() -> None:
    script = script_of("latency=uniform:0,1&bytes=uniform:0,1000&fault=503:0.5")
    assert make_plan(script, 7, "a.test", "/page/1", 1) == Plan("ok", 0.5155519587868715, 589)


@given(st.integers(0, 2**64), st.text(max_size=20), st.integers(0, 1000))
def test_a_draw_lies_strictly_between_0_and_1(seed: int, key: str, number: int) -> None:
    assert 0 < draw(seed, "any", key, number) < 1


def test_draws_are_spread_evenly() -> None:
    counts = Counter(int(draw(1, "any", str(number)) * 10) for number in range(10_000))
    assert set(counts) == set(range(10))
    assert all(850 < count < 1150 for count in counts.values())


def test_the_size_is_the_same_at_every_attempt_host_and_query() -> None:
    script = script_of("bytes=lognormal:4K,1")
    sizes = {
        make_plan(script, 0, host, target, attempt).body_bytes
        for host in ("a", "b")
        for target in ("/page/1", "/page/1?bytes=lognormal:4K,1")
        for attempt in (1, 2)
    }
    assert len(sizes) == 1
    assert make_plan(script, 0, "a", "/page/2", 1).body_bytes not in sizes


def test_latency_differs_between_attempts_hosts_and_paths() -> None:
    script = script_of("latency=uniform:0,1")
    keys = [("a", "/1", 1), ("a", "/1", 2), ("b", "/1", 1), ("a", "/2", 1)]
    assert len({make_plan(script, 0, *key).latency_s for key in keys}) == 4


def test_the_first_attempts_fail_and_then_it_succeeds() -> None:
    assert outcomes("fail=2:503", 4) == ["503", "503", "ok", "ok"]
    assert outcomes("fail=always:404", 3) == ["404"] * 3


def test_a_sequence_comes_before_fail_and_fail_before_fault() -> None:
    query = "sequence=reset-body,ok&fail=1:503&fault=hang"
    assert outcomes(query, 5) == ["reset-body", "ok", "503", "hang", "hang"]


def test_fail_is_drawn_for_a_path_and_fault_for_an_attempt() -> None:
    always = [set(outcomes("fail=always:404:0.3", 5, target=f"/page/{number}")) for number in range(300)]
    assert all(len(outcome) == 1 for outcome in always)
    assert 60 < sum(outcome == {"404"} for outcome in always) < 120
    assert set(outcomes("fault=503:0.5", 50)) == {"ok", "503"}


def test_faults_come_in_their_shares() -> None:
    counts: Counter[str] = Counter()
    for number in range(10_000):
        counts.update(outcomes("fault=503:0.1,reset-body:0.05", 1, target=f"/page/{number}"))
    assert 900 < counts["503"] < 1100
    assert 420 < counts["reset-body"] < 580
    assert counts["503"] + counts["reset-body"] + counts["ok"] == 10_000


def test_shares_that_add_up_to_one_leave_nothing_ok() -> None:
    counts = Counter(outcomes("fault=503:0.25,429:0.25,hang:0.5", 2000))
    assert "ok" not in counts
